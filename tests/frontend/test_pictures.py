"""Pictures on the page: given, answered as bars, told as a command."""

import json
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.conftest import ROOT
from tests.frontend.conftest import OpenPage, copied_command, hand_over, tab_to
from tests.servers import RunningServer

SAMPLE = sorted((ROOT / "models/resnet18/samples").glob("*.jpg"))[0]


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """The page of the ants and bees."""
    page = open_page("resnet18")
    expect(page.locator("#title")).to_have_text("Ants and bees")
    return page


def answer(page: Page) -> dict[str, float]:
    """The bars as the page shows them now, once they are there."""
    expect(page.locator(".bar").first).to_be_visible()
    return {
        str(bar.get_attribute("data-label")): float(bar.get_attribute("data-probability") or "nan")
        for bar in page.locator(".bar").all()
    }


def test_a_chosen_picture_gets_the_answer_that_curl_gets(page: Page, server: RunningServer) -> None:
    page.set_input_files("#file", SAMPLE)
    shown = answer(page)
    curl = subprocess.check_output(["curl", "-sS", "-T", SAMPLE, f"{server.url}/predictions/resnet18"], text=True)
    assert shown == json.loads(curl)
    assert list(shown) == list(json.loads(curl))
    assert page.evaluate("document.querySelector('#preview img').naturalWidth") > 0
    expect(page.locator("#batch")).to_contain_text("batch of 1")
    for phase in ("preprocess", "inference", "postprocess"):
        expect(page.locator(f"#timing li[data-phase={phase}]")).to_be_visible()


@pytest.mark.parametrize("event", ["paste", "drop"])
def test_a_picture_may_be_pasted_or_dropped(page: Page, server: RunningServer, event: str) -> None:
    hand_over(page, event, "handed-over.jpg", "image/jpeg", url=f"/samples/resnet18/{SAMPLE.name}")
    assert answer(page) == server.predict("resnet18", SAMPLE.read_bytes()).json()


def test_the_samples_work_by_keyboard_alone(page: Page, server: RunningServer) -> None:
    tab_to(page, ".sample")
    page.keyboard.press("Enter")
    models = httpx.get(f"{server.url}/models.json", trust_env=False).json()["models"]
    sample = next(model for model in models if model["name"] == "resnet18")["samples"][0]
    expected = server.predict("resnet18", httpx.get(server.url + sample["url"], trust_env=False).content).json()
    assert answer(page) == expected


def test_the_copied_command_gives_the_same_answer(page: Page, tmp_path: Path) -> None:
    page.set_input_files("#file", SAMPLE)
    shown = answer(page)
    command = copied_command(page)
    shutil.copy(SAMPLE, tmp_path)
    printed = subprocess.check_output(["sh", "-c", command], cwd=tmp_path, text=True, stderr=subprocess.DEVNULL)
    assert json.loads(printed) == shown


def test_an_error_is_told_in_words_and_the_next_picture_works(page: Page, tmp_path: Path) -> None:
    (tmp_path / "<b>ant.jpg").write_bytes(b"an ant")
    page.set_input_files("#file", tmp_path / "<b>ant.jpg")
    expect(page.locator("#error")).to_contain_text("no picture of a known format")
    assert page.locator("#preview b, #result b, #error b").count() == 0
    page.set_input_files("#file", SAMPLE)
    answer(page)
    expect(page.locator("#error")).to_be_hidden()


def test_a_further_model_needs_no_change_to_the_page(page: Page, tiny_models: Path) -> None:
    page.get_by_role("link", name="Colours").click()
    expect(page.locator("#title")).to_have_text("Colours")
    page.set_input_files("#file", tiny_models / "colours/samples/red.png")
    assert next(iter(answer(page))) == "red"


def test_a_task_of_somebodys_own_is_answered_as_it_answers(page: Page, tiny_models: Path) -> None:
    page.get_by_role("link", name="Brightness").click()
    expect(page.locator("#title")).to_have_text("Brightness")
    page.set_input_files("#file", tiny_models / "brightness/samples/red.png")
    expect(page.locator(".said")).to_contain_text('"brightness": 0.353')
