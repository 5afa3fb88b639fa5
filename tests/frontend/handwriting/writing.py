"""Writes on the page as a hand does, and reads what it shows."""

from collections.abc import Sequence
from typing import Any

from playwright.sync_api import Page, Request, Route, expect

Stroke = Sequence[tuple[float, float]]  # points, in sides of the paper
ACROSS: Stroke = [(0.25, 0.3), (0.75, 0.3)]
DOWN: Stroke = [(0.5, 0.3), (0.5, 0.8)]
ADDRESS = "**/predictions/strokes"
PATIENCE_MS = 1000  # after which the page no longer waits for a slow answer


def write(page: Page, *strokes: Stroke) -> None:
    """Writes with the mouse, with the places between the points that a hand goes through."""
    page.locator(".sheet").scroll_into_view_if_needed()
    paper = page.locator("#paper").bounding_box()
    assert paper
    for stroke in strokes:
        places = [(paper["x"] + x * paper["width"], paper["y"] + y * paper["height"]) for x, y in stroke]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place, steps=8)
        page.mouse.up()


def write_and_catch(page: Page, *strokes: Stroke) -> bytes:
    """Writes and gives the picture that is sent."""
    with page.expect_request(ADDRESS) as caught:
        write(page, *strokes)
    return caught.value.post_data_buffer or b""


def sent_pictures(page: Page) -> list[bytes]:
    """Every picture that is sent from now on."""
    bodies: list[bytes] = []

    def watch(request: Request) -> None:
        if "/predictions/" in request.url:
            bodies.append(request.post_data_buffer or b"")

    page.on("request", watch)
    return bodies


def said(*labels: str) -> dict[str, Any]:
    """An answer with these labels, the first of them the ensemble's; the second member would say the last."""
    shares = [0.6, 0.2, 0.1, 0.06, 0.04]
    top = [
        {"label": label, "probability": share, "members": {"one": share + 0.04, "two": share - 0.04}}
        for label, share in zip(labels, shares, strict=False)
    ]
    members = {"one": {"answer": labels[0], "probability": 0.64}, "two": {"answer": labels[-1], "probability": 0.56}}
    return {"answer": labels[0], "probability": 0.6, "top": top, "members": members}


def rows(page: Page) -> list[dict[str, Any]]:
    """The rows as the page shows them now, once they are there, in the form of the answer's ``top``."""
    expect(page.locator(".votes .bar").first).to_be_visible()
    found: list[dict[str, Any]] = page.evaluate(
        """() => [...document.querySelectorAll('.votes .bar')].map(({dataset, lastElementChild}) => ({
            label: dataset.label,
            probability: Number(dataset.probability),
            members: Object.fromEntries([...lastElementChild.children].map(
                (lane) => [lane.dataset.member, Number(lane.dataset.probability)])),
        }))"""
    )
    return found


def fulfill(answer: object, route: Route) -> None:
    route.fulfill(json=answer)
