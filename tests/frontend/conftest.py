"""A real browser, and the page in it."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route, expect, sync_playwright

from tests.servers import RunningServer

OpenPage = Callable[..., Page]
# Hands a file over as a browser would.
HAND_OVER = """async ([event, name, type, {text, url}]) => {
    const content = url ? await (await fetch(url)).blob() : text;
    const data = new DataTransfer();
    data.items.add(new File([content], name, {type}));
    const options = {bubbles: true, cancelable: true};
    document.body.dispatchEvent(event === 'paste'
        ? new ClipboardEvent('paste', {...options, clipboardData: data})
        : new DragEvent('drop', {...options, dataTransfer: data}));
}"""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """For these tests alone: while it is open an event loop runs in this thread, and no other may begin there."""
    flags = ["--disable-gpu", "--disable-background-networking"]
    if os.geteuid() == 0:
        flags.append("--no-sandbox")  # Chromium's sandbox does not work for root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, server: RunningServer) -> Iterator[OpenPage]:
    """Opens the page of a model, with changes to its entry in models.json."""
    with ExitStack() as stack:
        yield lambda name, **changes: stack.enter_context(opened_page(browser, server, name, changes))


@contextmanager
def opened_page(browser: Browser, server: RunningServer, name: str, changes: dict[str, Any]) -> Iterator[Page]:
    """The page, which must neither complain on the console nor ask another machine."""
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    complaints: list[str] = []
    strangers: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        # Chromium itself reports each answer that is an error; those are asked for here.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    def watch(request: Request) -> None:
        if not request.url.startswith((server.url, "blob:")):
            strangers.append(request.url)

    def change(route: Route) -> None:
        response = route.fetch()
        document = response.json()
        next(model for model in document["models"] if model["name"] == name).update(changes)
        route.fulfill(response=response, json=document)

    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", watch)
    if changes:
        page.route("**/models.json", change)
    page.goto(f"{server.url}/#{name}")
    expect(page.locator("#content")).to_be_visible()
    yield page
    context.close()
    assert complaints == []
    assert strangers == []


def hand_over(page: Page, event: str, name: str, kind: str, **content: str) -> None:
    """Pastes or drops a file of that name and type: ``text``, or the page's own file at ``url``."""
    page.evaluate(HAND_OVER, [event, name, kind, content])


def tab_to(page: Page, selector: str) -> None:
    """Presses the Tab key until the first such element has the focus."""
    wanted = page.locator(selector).first
    for _ in range(30):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"the Tab key does not reach {selector}")


def copied_command(page: Page) -> str:
    page.click("#curl")
    return str(page.evaluate("navigator.clipboard.readText()"))
