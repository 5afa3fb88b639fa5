"""The page at /docs/: every address shown and tried out, under the strict policy, with nobody else asked."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.conftest import ROOT
from tests.frontend.conftest import OpenPage
from tests.servers import RunningServer

VENDORED = ROOT / "frontend" / "vendor" / "swagger-ui"


@pytest.fixture
def docs(browser: Browser, server: RunningServer) -> Iterator[Page]:
    """The page, which must neither complain on the console nor ask another machine."""
    context = browser.new_context(viewport={"width": 1180, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    strangers: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: strangers.append(request.url) if is_strange(request.url) else None)

    def is_strange(url: str) -> bool:
        return not url.startswith((server.url, "blob:", "data:"))

    page.goto(f"{server.url}/docs/")
    expect(page.locator(".opblock").first).to_be_visible()
    yield page
    context.close()
    assert complaints == []
    assert strangers == []


def open_operation(page: Page, operation: str) -> Locator:
    block = page.locator(f"[id='operations-{operation}']")
    block.locator(".opblock-summary-control").click()
    return block


def answer(block: Locator) -> Any:
    """What the server answers to the form as it stands."""
    block.locator(".execute").click()
    live = block.locator(".live-responses-table .response")
    expect(live.locator(".response-col_status")).to_have_text("200")
    return json.loads(live.locator(".highlight-code code").first.inner_text())


def test_every_model_and_address_is_shown(docs: Page, server: RunningServer) -> None:
    document = httpx.get(f"{server.url}/openapi.json", trust_env=False).json()
    expect(docs.locator(".opblock-tag")).to_have_count(len(document["tags"]))
    shown = [path.get_attribute("data-path") for path in docs.locator(".opblock-summary-path").all()]
    assert sorted(map(str, shown)) == sorted(document["paths"])  # each once, though PUT predicts too


def test_a_sample_text_is_tried_out(docs: Page) -> None:
    entities = answer(open_operation(docs, "names-post-names"))
    assert [entity["word"] for entity in entities] == ["Ada Lovelace", "New York"]


@pytest.mark.parametrize("form", ["image/*", "multipart/form-data"])
def test_a_picture_is_tried_out(docs: Page, tiny_models: Path, form: str) -> None:
    block = open_operation(docs, "colours-post-predictions-colours")
    block.locator(".body-param-content-type select").select_option(form)
    block.locator("input[type=file]").set_input_files(tiny_models / "colours" / "samples" / "red.png")
    assert next(iter(answer(block))) == "red"


def test_it_follows_the_browser_into_the_dark(docs: Page) -> None:
    def background() -> int:
        colour = str(docs.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
        return sum(map(int, re.findall(r"\d+", colour)[:3]))

    docs.emulate_media(color_scheme="light")
    assert docs.locator("html.dark-mode").count() == 0
    docs.emulate_media(color_scheme="dark")
    expect(docs.locator("html.dark-mode")).to_have_count(1)
    assert background() < 300


def test_the_page_links_to_it(open_page: OpenPage) -> None:
    page = open_page("colours")
    page.get_by_role("link", name="interface").click()
    expect(page.locator(".opblock").first).to_be_visible()


def test_the_address_without_a_slash_leads_there_behind_any_port(server: RunningServer) -> None:
    response = httpx.get(f"{server.url}/docs", headers={"Host": "localhost:1234"}, trust_env=False)
    assert (response.status_code, response.headers["location"]) == (301, "/docs/")


def test_the_viewer_is_as_npm_has_it() -> None:
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=VENDORED, check=True)
