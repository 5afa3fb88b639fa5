"""Names in a text, marked where they stand."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.frontend.conftest import OpenPage, tab_to
from tests.servers import RunningServer

TEXTS = {
    "plain": "Ada Lovelace met the cat in New York. Paris likes the Chromebook.",
    "emoji": "👩‍🚀🦊 Ada sees \U0001d4d0\U0001d4d1 and 🇫🇷 Paris",
    "combining": "e\u0301e\u0301 n\u0303 Ada, a\u0308\u0301 New York",
    "white": "\tAda  met\n\n\n    Paris \n",
    "over a line": "the cat in New\nYork and Paris",
    "markup": "<script>alert(1)</script> Ada Lovelace <img src=x onerror=alert(1)> &amp; Paris",
}


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    return open_page("names")


def ask(page: Page, text: str) -> None:
    page.fill("#text", text)
    page.click("#ask")


def entities(page: Page) -> list[dict[str, Any]]:
    """The marks as the page shows them now, once they are there, in the form of the model's answer."""
    expect(page.locator(".entity").first).to_be_visible()
    marks: list[dict[str, Any]] = page.evaluate(
        """() => [...document.querySelectorAll('.entity')].map(({dataset, textContent}) => ({
            entity_group: dataset.type, word: textContent,
            score: Number(dataset.score), start: Number(dataset.start), end: Number(dataset.end)}))"""
    )
    return marks


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_names_are_marked_where_the_model_finds_them(page: Page, server: RunningServer, text: str) -> None:
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    ask(page, text)
    shown = entities(page)
    assert shown == server.predict("names", text.encode(), "text/plain").json()
    assert all(text[entity["start"] : entity["end"]] == entity["word"] for entity in shown)
    assert page.locator(".marked").evaluate("box => box.textContent") == text
    assert page.locator(".marked").evaluate("box => getComputedStyle(box).whiteSpaceCollapse") == "preserve"
    assert page.locator("#result script, #result img").count() == 0
    assert dialogs == []


def test_the_legend_counts_and_the_list_tells_the_types_in_words(page: Page) -> None:
    ask(page, TEXTS["plain"])
    expect(page.locator(".summary strong")).to_have_text("4 names")
    expect(page.locator(".types li")).to_have_text(["PER Person 1", "LOC Place 2", "MISC Other name 1"])
    expect(page.locator(".entities li")).to_have_text(
        ["Ada Lovelace Person 96.8%", "New York Place 96.8%", "Paris Place 96.8%", "Chromebook Other name 96.8%"]
    )
    expect(page.locator(".entity").first).to_have_attribute("title", "Person, 96.8%")
    expect(page.locator("#facts")).to_contain_text("PER, LOC, MISC")
    expect(page.locator("#terms")).to_have_text("Apache-2.0")


def test_the_score_is_told_to_the_pointer_and_to_the_keyboard(page: Page) -> None:
    ask(page, TEXTS["plain"])
    page.locator(".entity").nth(3).hover()
    expect(page.locator(".detail")).to_have_text("Chromebook Other name, 96.8%")
    page.locator(".entity").first.hover()
    expect(page.locator(".detail")).to_have_text("Ada Lovelace Person, 96.8%")
    tab_to(page, ".entity")
    expect(page.locator(".detail")).to_have_text("Ada Lovelace Person, 96.8%")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".entity").nth(1)).to_be_focused()
    expect(page.locator(".detail")).to_have_text("New York Place, 96.8%")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")  # there is none before the first
    expect(page.locator(".entity").first).to_be_focused()
    assert page.locator(".entity[tabindex='0']").count() == 1


def test_a_row_of_the_list_shows_its_mark(page: Page) -> None:
    ask(page, "Ada met the cat. " + "the cat and " * 300 + "Paris")
    mark = page.locator(".entity").nth(1)
    expect(mark).not_to_be_in_viewport()
    page.locator(".entities button").nth(1).click()
    expect(mark).to_be_in_viewport()
    expect(mark).to_have_class("entity current")


def test_a_text_without_names_is_told_so(page: Page) -> None:
    ask(page, "the cat likes the cat")
    expect(page.locator(".nothing")).to_have_text("No names were found in this text.")
    expect(page.locator(".marked")).to_have_text("the cat likes the cat")
    assert page.locator(".entity, .entities li").count() == 0


def test_a_long_text_is_shown_and_its_list_grows_when_asked(page: Page) -> None:
    ask(page, "🦊 Ada met the cat in Paris and the cat sees it.\n" * 1000)
    expect(page.locator(".summary strong")).to_have_text("2,000 names", timeout=20_000)
    assert page.locator(".entity").count() == 2000
    assert page.locator(".entities li").count() == 8
    page.get_by_role("button", name="Show all 2,000 names").click()
    assert page.locator(".entities li").count() == 2000
    expect(page.locator(".entities button").nth(8)).to_be_focused()
    assert page.locator(".marked").evaluate("box => box.clientHeight < box.scrollHeight")


def test_types_of_somebodys_own_and_overlaps_are_shown(page: Page) -> None:
    said = [
        {"entity_group": "ship", "word": "Ada", "score": 1, "start": 0, "end": 3},
        {"entity_group": "PER", "word": "da sees", "score": 0.5, "start": 1, "end": 8},
    ]
    page.route("**/predictions/names", lambda route: route.fulfill(json=said))
    ask(page, "Ada sees")
    expect(page.locator(".entity")).to_have_text(["Ada"])
    expect(page.locator(".types li")).to_have_text(["PER Person 1", "ship 1"])
    expect(page.locator(".entities li")).to_have_count(2)


def test_an_answer_that_makes_no_sense_is_told_in_words(page: Page) -> None:
    page.route("**/predictions/names", lambda route: route.fulfill(json={"Ada": 1}))
    ask(page, "Ada sees")
    expect(page.locator("#error")).to_contain_text("makes no sense to this page")
