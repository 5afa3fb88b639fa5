"""Texts on the page: written, dropped, sampled, refused, told as a command."""

import json
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.frontend.conftest import OpenPage, copied_command, hand_over, tab_to
from tests.frontend.test_names import entities
from tests.servers import RunningServer

SAMPLE = "Ada Lovelace met the cat in New York."


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    return open_page("names")


@pytest.mark.parametrize("key", ["Control+Enter", "Meta+Enter"])
def test_the_keyboard_asks_and_the_text_stays(page: Page, key: str) -> None:
    page.fill("#text", "Ada sees Paris")
    page.press("#text", key)
    expect(page.locator(".entity")).to_have_text(["Ada", "Paris"])
    expect(page.locator("#text")).to_have_value("Ada sees Paris")
    expect(page.locator("#batch")).to_contain_text("batch of 1")


def test_characters_are_counted_as_the_model_counts_them(page: Page) -> None:
    expect(page.locator("#count")).to_have_text("0 of 100,000 characters")
    page.fill("#text", "👩‍🚀 Ada")
    expect(page.locator("#count")).to_have_text("7 of 100,000 characters")


@pytest.mark.parametrize("text", ["", " \n "])
def test_without_a_text_the_button_says_what_to_do(page: Page, text: str) -> None:
    page.fill("#text", text)
    expect(page.locator("#ask")).to_have_text("Write a text first")
    page.click("#ask")
    expect(page.locator("#text")).to_be_focused()
    expect(page.locator("#result")).to_have_text("The answer appears here.")
    expect(page.locator("#error")).to_be_hidden()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" A ", "too short, so it was not sent. Without the space around it, it has 1 character; Names needs at least"),
        ("Ada " * 25_000 + "🦊", "too long, so it was not sent. It has 100,001 characters; Names takes up to 100,000."),
    ],
    ids=["short", "long"],
)
def test_the_page_refuses_what_the_model_would(page: Page, text: str, words: str) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.fill("#text", text)
    page.click("#ask")
    expect(page.locator("#error")).to_contain_text(words, use_inner_text=True)
    assert sent == []
    assert (page.get_attribute("#text", "aria-invalid") == "true") == (len(text) > 100_000)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("A", "422 UnusableInput", "needs at least 2"),
        ("\u0001\u0002", "422 UnusableInput", "no letters, digits or signs"),
        ("Ada " * 25_001, "413 TextTooLong", "at most 100000 are allowed"),
    ],
    ids=["short", "signless", "long"],
)
def test_what_the_server_refuses_is_told_in_words(open_page: OpenPage, text: str, code: str, words: str) -> None:
    page = open_page("names", limits={})
    page.fill("#text", text)
    page.click("#ask")
    expect(page.locator("#error .code")).to_have_text(code)
    expect(page.locator("#error")).to_contain_text(words)
    page.fill("#text", "Ada")
    page.click("#ask")
    expect(page.locator(".entity")).to_have_text(["Ada"])


def test_the_samples_work_by_keyboard_alone(page: Page, server: RunningServer) -> None:
    tab_to(page, ".sample")
    page.keyboard.press("Enter")
    assert entities(page) == server.predict("names", SAMPLE.encode(), "text/plain").json()
    expect(page.locator("#text")).to_have_value(SAMPLE)
    expect(page.locator(".sample").first).to_have_attribute("aria-pressed", "true")
    page.fill("#text", "Ada")
    expect(page.locator(".sample").first).to_have_attribute("aria-pressed", "false")


@pytest.mark.parametrize("event", ["paste", "drop"])
def test_a_text_file_may_be_pasted_or_dropped(page: Page, server: RunningServer, event: str) -> None:
    text = "\ufeff🦊 Ada\r\nsees New York"  # what a file has, a text box would change
    hand_over(page, event, "fox.txt", "text/plain", text=text)
    assert entities(page) == server.predict("names", text.encode(), "text/plain").json()
    expect(page.locator("#text")).to_have_value(text.replace("\r\n", "\n"))
    expect(page.locator("#curl-command")).to_contain_text("--data-binary @fox.txt")


def test_a_dropped_file_that_is_no_text_is_refused(page: Page) -> None:
    page.fill("#text", "Ada")
    hand_over(page, "drop", "sail.jpg", "image/jpeg", url="/samples/resnet18/ant-on-leaf.jpg")
    expect(page.locator("#error")).to_contain_text("This file is no text that the page can read")
    expect(page.locator("#text")).to_have_value("Ada")
    hand_over(page, "drop", "long.txt", "text/plain", text="Ada " * 250_001)
    expect(page.locator("#error")).to_contain_text("This file is too large")
    expect(page.locator("#text")).to_have_value("Ada")


@pytest.mark.parametrize(
    "text",
    [
        "Ada Lovelace met the cat in Paris.",
        '@Ada\'s cat likes "Paris", $HOME, `New York` \\ and !1',
        " 👩‍🚀 Ada\u0301 and Ada; [Paris] {New,York} ",
        "Ada\tmet\n\nParis\n",
        "Ada sees Paris. " * 20,
    ],
    ids=["plain", "quotes", "emoji", "lines", "long"],
)
def test_the_copied_command_gives_the_same_answer(page: Page, text: str, tmp_path: Path) -> None:
    page.fill("#text", text)
    page.click("#ask")
    shown = entities(page)
    command = copied_command(page)
    if "@text.txt" in command:
        (tmp_path / "text.txt").write_bytes(text.encode())
    printed = subprocess.check_output(["sh", "-c", command], cwd=tmp_path, text=True, stderr=subprocess.DEVNULL)
    assert json.loads(printed) == shown


def test_the_copied_command_fetches_the_sample(page: Page, tmp_path: Path) -> None:
    page.locator(".sample").first.click()
    shown = entities(page)
    command = copied_command(page)
    printed = subprocess.check_output(["sh", "-c", command], cwd=tmp_path, text=True, stderr=subprocess.DEVNULL)
    assert json.loads(printed) == shown
    assert (tmp_path / "a-meeting.txt").read_text() == SAMPLE


def test_a_task_of_somebodys_own_is_answered_as_it_answers(open_page: OpenPage) -> None:
    page = open_page("names", task="own:Names")
    page.fill("#text", "Ada sees <b>Paris</b>")
    page.click("#ask")
    expect(page.locator(".said")).to_contain_text('"word": "Paris"')
