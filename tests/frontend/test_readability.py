"""How easy a text is to read, on the gauge."""

from collections.abc import Sequence
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.frontend.conftest import OpenPage
from tests.servers import RunningServer

EXAMPLES = {"A cat in the garden": 1, "How a canal lock works": -1, "A contract": -3}
# What the tiny model gives: a word is 1, a name -1, and the two special tokens 1 each.
TEXTS = {
    "the cat likes the cat": 1,
    "Ada Lovelace met the cat in New York.": 0.272727,
    "Paris and Paris, Paris. Paris Paris Paris": -0.090909,
    "Paris Paris Paris Paris": -0.333333,
}


def measured(examples: dict[str, float], bands: Sequence[float] = ()) -> dict[str, Any]:
    """What models.json says of a model with figures: its samples and their scores, and how graded texts are spread."""
    scores = {f"{number}.txt": score for number, score in enumerate(examples.values())}
    quantiles = dict(zip(("0.05", "0.25", "0.75", "0.95"), bands, strict=False))
    return {
        "samples": [
            {"url": f"/samples/easy/{name}", "title": title} for name, title in zip(scores, examples, strict=True)
        ],
        "quality": {"samples": scores, "quantiles": quantiles},
    }


def ask(page: Page, text: str) -> None:
    page.fill("#text", text)
    page.click("#ask")
    expect(page.locator("#gauge")).to_be_visible()


@pytest.mark.parametrize(("text", "score"), TEXTS.items())
def test_the_marker_stands_where_the_score_is(
    open_page: OpenPage, server: RunningServer, text: str, score: float
) -> None:
    page = open_page("easy")
    ask(page, text)
    assert server.predict("easy", text.encode(), "text/plain").json()["score"] == score
    expect(page.locator(".marker")).to_have_attribute("data-score", str(score))
    assert place(page, ".marker") == pytest.approx((score + 4) / 6, abs=0.005)  # from -4 to 2
    assert page.locator(".example").count() == 0
    expect(page.locator(".ends")).to_have_text("← harder easier →")


@pytest.mark.parametrize(
    ("bands", "level", "words"),
    [
        ([0, 0.1, 0.2, 0.25], 4, "Very easy for school readers"),
        ([0, 0.1, 0.2, 0.3], 3, "Easy for school readers"),
        ([0, 0.1, 0.3, 0.4], 2, "Of middling difficulty"),
        ([0, 0.3, 0.4, 0.5], 1, "Hard for school readers"),
        ([0.3, 0.4, 0.5, 0.6], 0, "Very hard for school readers"),
    ],
)
def test_the_level_is_that_of_the_models_bands(open_page: OpenPage, bands: list[float], level: int, words: str) -> None:
    page = open_page("easy", **measured({}, bands))
    ask(page, "Ada Lovelace met the cat in New York.")
    expect(page.locator(".level")).to_have_text(words)
    assert page.locator(".band").count() == 5
    expect(page.locator(".band").nth(level)).to_have_attribute("aria-current", "true")
    assert page.locator(".band[aria-current]").count() == 1
    left, right, middle = page.evaluate(
        """() => {
            const {left, right} = document.querySelector('.band[aria-current]').getBoundingClientRect();
            const marker = document.querySelector('.marker').getBoundingClientRect();
            return [left, right, (marker.left + marker.right) / 2];
        }"""
    )
    assert left - 1 <= middle <= right + 1


@pytest.mark.parametrize("bands", [[], [4, 3, 2, 1]])
def test_of_a_scale_that_is_not_known_no_level_is_told(open_page: OpenPage, bands: list[float]) -> None:
    page = open_page("easy", **measured({}, bands))
    ask(page, "the cat")
    expect(page.locator(".level")).to_have_text("A score of 1")
    assert page.locator(".band").count() == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("the cat likes the cat", "Easier than 2 of the 3 examples, as easy as “A cat in the garden”."),
        ("Ada Lovelace met the cat", "Easier than 2 of the 3 examples, closest to “A cat in the garden”."),
    ],
)
def test_the_text_is_compared_with_the_examples(open_page: OpenPage, text: str, sentence: str) -> None:
    page = open_page("easy", **measured(EXAMPLES))
    ask(page, text)
    expect(page.locator(".comparison")).to_have_text(sentence)
    expect(page.locator(".example .name")).to_have_text(["A contract", "How a canal lock works", "A cat in the garden"])
    assert place(page, ".pins .pin >> nth=0") == pytest.approx(0.5 / 5, abs=0.005)  # from -3.5 to 1.5


def test_the_hardest_and_the_only_are_told_as_such(open_page: OpenPage) -> None:
    page = open_page("easy", **measured({"One": 2, "Two": 3}))
    ask(page, "the cat")
    expect(page.locator(".comparison")).to_have_text("Harder than all 2 examples, closest to “One”.")
    page = open_page("easy", **measured({"One": -2}))
    ask(page, "the cat")
    expect(page.locator(".comparison")).to_have_text("Easier than the example, closest to “One”.")


def test_the_score_is_told_with_what_it_stands_on(open_page: OpenPage) -> None:
    page = open_page("easy")
    ask(page, "the cat")
    expect(page.locator(".scored")).to_have_text("The score is 1; higher is easier. The model read 2 tokens.")
    ask(page, "the cat " * 40)
    expect(page.locator(".scored")).to_contain_text("The model read 80 tokens. The text was scored in 4 parts")
    said = {"score": -5.126, "tokens": 9000, "truncated": True, "windows": 1}
    page.route("**/predictions/easy", lambda route: route.fulfill(json=said))
    ask(page, "the cat")
    expect(page.locator(".scored")).to_contain_text("The score is \u22125.13")
    expect(page.locator(".scored")).to_contain_text(
        "9,000 tokens. Only the beginning was scored, the rest is over the model's limit."
    )
    assert 0 < place(page, ".marker") < 0.1


def place(page: Page, selector: str) -> float:
    """Where the middle of an element stands on the scale, 0 to 1."""
    return float(
        page.locator(selector).evaluate(
            """node => {
                const scale = document.querySelector('.bands').getBoundingClientRect();
                const own = node.getBoundingClientRect();
                return ((own.left + own.right) / 2 - scale.left) / scale.width;
            }"""
        )
    )
