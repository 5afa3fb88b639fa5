"""The page in a real browser, in front of a real server."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.conftest import ROOT
from tests.servers import RunningServer

SAMPLE = sorted((ROOT / "models/resnet18/samples").glob("*.jpg"))[0]
# A picture of the page's own, pasted or dropped as a browser would hand it over.
HAND_OVER = """async ([event, url]) => {
    const blob = await (await fetch(url)).blob();
    const data = new DataTransfer();
    data.items.add(new File([blob], 'handed-over.jpg', {type: 'image/jpeg'}));
    const options = {bubbles: true, cancelable: true};
    document.body.dispatchEvent(event === 'paste'
        ? new ClipboardEvent('paste', {...options, clipboardData: data})
        : new DragEvent('drop', {...options, dataTransfer: data}));
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    flags = ["--disable-gpu", "--disable-background-networking"]
    if os.geteuid() == 0:
        flags.append("--no-sandbox")  # Chromium's sandbox does not work for root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, server: RunningServer) -> Iterator[Page]:
    """The page of the ants and bees, which must neither complain on the console nor ask another machine."""
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    complaints: list[str] = []
    strangers: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        # Chromium itself reports each answer that is an error; those are asked for here.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: request.url.startswith((server.url, "blob:")) or strangers.append(request.url))
    page.goto(f"{server.url}/#resnet18")
    expect(page.locator("#title")).to_have_text("Ants and bees")
    yield page
    context.close()
    assert complaints == []
    assert strangers == []


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
    page.evaluate(HAND_OVER, [event, f"/samples/resnet18/{SAMPLE.name}"])
    assert answer(page) == server.predict("resnet18", SAMPLE.read_bytes()).json()


def test_the_samples_work_by_keyboard_alone(page: Page, server: RunningServer) -> None:
    first = page.locator(".sample").first
    for _ in range(30):
        page.keyboard.press("Tab")
        if first.evaluate("element => element === document.activeElement"):
            break
    page.keyboard.press("Enter")
    url = httpx.get(f"{server.url}/models.json", trust_env=False).json()["models"]
    sample = next(model for model in url if model["name"] == "resnet18")["samples"][0]
    expected = server.predict("resnet18", httpx.get(server.url + sample["url"], trust_env=False).content).json()
    assert answer(page) == expected


def test_the_copied_command_gives_the_same_answer(page: Page, tmp_path: Path) -> None:
    page.set_input_files("#file", SAMPLE)
    shown = answer(page)
    page.click("#curl")
    command = page.evaluate("navigator.clipboard.readText()")
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


@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_is_wider_than_the_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    page.locator(".sample").first.click()
    answer(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_mode_is_dark(page: Page) -> None:
    def brightness() -> float:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(float(part) for part in colour.strip("rgba()").split(",")[:3])

    page.emulate_media(color_scheme="light")
    light = brightness()
    page.emulate_media(color_scheme="dark")
    assert brightness() < light / 2


def test_no_inline_script_may_run(page: Page, server: RunningServer) -> None:
    policy = httpx.get(server.url, trust_env=False).headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
