"""The paper: written on with a mouse, a pen or a finger, taken back, and what is sent of it."""

import io
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.frontend.conftest import hand_over, tab_to
from tests.frontend.handwriting.writing import (
    ACROSS,
    ADDRESS,
    DOWN,
    Stroke,
    fulfill,
    rows,
    said,
    sent_pictures,
    write,
    write_and_catch,
)
from tests.servers import RunningServer


@pytest.mark.parametrize("key", [None, "Control+z", "Meta+z"])
def test_undo_takes_back_one_change_and_clear_takes_all(page: Page, key: str | None) -> None:
    sent = sent_pictures(page)
    write(page, ACROSS)
    rows(page)
    with page.expect_response(ADDRESS):
        write(page, DOWN)
    label = "Your writing, %s"

    def undo() -> None:
        page.keyboard.press(key) if key else press(page, "#undo")

    with page.expect_response(ADDRESS):
        undo()
    expect(page.locator("#paper")).to_have_attribute("aria-label", label % "1 stroke")
    assert sent[2] == sent[0] != sent[1]
    page.click("#clear")
    expect(page.locator("#result")).to_have_text("The answer appears here.")
    expect(page.locator("#paper")).to_have_attribute("aria-label", "Empty paper")
    assert not ink_on_paper(page)
    expect(page.locator(".how")).to_be_hidden()
    press(page, "#clear")
    assert len(sent) == 3
    with page.expect_response(ADDRESS):
        undo()
    rows(page)
    assert sent[3] == sent[0]
    undo()
    undo()
    expect(page.locator("#result")).to_have_text("The answer appears here.")
    expect(page.locator("#undo")).to_have_attribute("aria-disabled", "true")
    page.wait_for_timeout(200)
    assert len(sent) == 4


def press(page: Page, button: str) -> None:
    """By keyboard, which also presses a button that has nothing to do."""
    page.focus(button)
    page.keyboard.press("Enter")


def ink_on_paper(page: Page) -> bool:
    return bool(
        page.locator("#paper").evaluate(
            "node => node.getContext('2d').getImageData(0, 0, node.width, node.height).data.some((value) => value > 0)"
        )
    )


def test_the_buttons_are_reached_by_keyboard_and_keep_the_focus(page: Page) -> None:
    write(page, ACROSS)
    rows(page)
    for button in ("#undo", "#clear"):
        page.evaluate("document.activeElement.blur()")
        tab_to(page, button)
        page.keyboard.press("Enter")
        expect(page.locator(button)).to_be_focused()
        expect(page.locator("#result")).to_have_text("The answer appears here.")
        write(page, ACROSS)
    tab_to(page, "#file")


@pytest.mark.parametrize(
    ("strokes", "shape"),
    [
        ([ACROSS, DOWN], (134, 134)),
        ([[(0.2, 0.5), (0.9, 0.5)]], (172, 134)),  # 86 x 67 is the widest
        ([[(0.5, 0.1), (0.5, 0.9)]], (56, 134)),  # and 28 x 67 the narrowest
        ([[(0.1, 0.1), (0.14, 0.1)], [(0.12, 0.1), (0.12, 0.14)]], (56, 134)),  # a dot stays small
    ],
    ids=["square", "wide", "tall", "small"],
)
def test_what_is_sent_is_cut_to_the_ink_as_a_scan_is(
    page: Page, strokes: Sequence[Stroke], shape: tuple[int, int]
) -> None:
    for stroke in strokes:
        body = write_and_catch(page, stroke)
        rows(page)
        expect(page.locator("#result")).to_have_attribute("aria-busy", "false")
    picture = Image.open(io.BytesIO(body))
    assert picture.size == pytest.approx(shape, abs=2)
    left, top, right, bottom = ink_box(picture)
    assert (left + right) / 2 == pytest.approx(picture.width / 2, abs=3)
    assert (top + bottom) / 2 == pytest.approx(picture.height / 2, abs=3)
    extent = max(right - left, bottom - top) / max(picture.size)
    assert 0.7 < extent < 0.85 or (extent < 0.3 and strokes[0][0] == (0.1, 0.1))
    # As thick as a pen's line, 2 to 4 px at a height of 67, however large one writes.
    ink = np.asarray(picture.convert("L")) < 128
    assert 4 <= min(float(np.median(sums[sums > 0])) for sums in (ink.sum(0), ink.sum(1))) <= 8


def ink_box(picture: Image.Image) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is dark."""
    box = picture.convert("L").point(lambda value: 255 * (value < 128)).getbbox()
    assert box
    return box


def test_theme_and_screen_do_not_change_what_is_sent(browser: Browser, server: RunningServer) -> None:
    bodies = []
    for scheme, density in ((None, 1), ("dark", 1), ("dark", 3)):
        context = browser.new_context(color_scheme=scheme, device_scale_factor=density)  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(f"{server.url}/#strokes")
        bodies.append(write_and_catch(page, ACROSS))
        rows(page)
        # Sharp on the screen, and white there whatever the theme.
        sharpness = page.locator("#paper").evaluate("node => node.width / node.clientWidth")
        assert sharpness == pytest.approx(density, abs=0.01)
        assert page.locator(".paper").evaluate("node => getComputedStyle(node).backgroundColor") == "rgb(255, 255, 255)"
        context.close()
    assert bodies[0] == bodies[1] == bodies[2]


def test_a_pen_that_is_pressed_harder_writes_a_thicker_line(page: Page) -> None:
    paper = page.locator("#paper").bounding_box()
    assert paper
    client = page.context.new_cdp_session(page)
    ink = []
    for force in (0.1, 0.9):
        press(page, "#clear")
        with page.expect_request(ADDRESS) as caught:
            for kind, share in (
                ("mousePressed", 0.2),
                ("mouseMoved", 0.5),
                ("mouseMoved", 0.8),
                ("mouseReleased", 0.8),
            ):
                place = {"x": paper["x"] + share * paper["width"], "y": paper["y"] + share * paper["height"]}
                pen = {"pointerType": "pen", "force": force, "button": "left", "buttons": 1, "clickCount": 1}
                client.send("Input.dispatchMouseEvent", {"type": kind, **place, **pen})
        picture = Image.open(io.BytesIO(caught.value.post_data_buffer or b"")).convert("L")
        ink.append((np.asarray(picture) < 128).sum())
        rows(page)
    assert 1.3 * ink[0] < ink[1]


def test_a_finger_writes_and_does_not_move_the_page(page: Page, server: RunningServer) -> None:
    client = page.context.new_cdp_session(page)
    client.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    page.set_viewport_size({"width": 390, "height": 700})
    page.locator(".sheet").scroll_into_view_if_needed()
    paper = page.locator("#paper").bounding_box()
    before = page.evaluate("scrollY")
    assert paper

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [
            {"x": paper["x"] + x * paper["width"], "y": paper["y"] + y * paper["height"], "id": number}
            for number, (x, y) in enumerate(places)
        ]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    with page.expect_request(ADDRESS) as caught:
        touch("touchStart", (0.5, 0.8))
        touch("touchMove", (0.5, 0.5))
        touch("touchMove", (0.5, 0.2), (0.1, 0.9))  # a second finger writes nothing
        touch("touchEnd")
    answer = server.predict("strokes", caught.value.post_data_buffer or b"", "image/png").json()
    assert rows(page) == answer["top"]
    expect(page.locator("#paper")).to_have_attribute("aria-label", "Your writing, 1 stroke")
    assert page.evaluate("scrollY") == before
    touch("touchStart", (0.2, 0.2))
    touch("touchMove", (0.3, 0.3))
    touch("touchCancel")  # the system took it for a gesture
    expect(page.locator("#paper")).to_have_attribute("aria-label", "Your writing, 1 stroke")


def test_nothing_moves_under_the_pen_while_answers_arrive(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    write(page, ACROSS)
    rows(page)
    heights = []
    for number, stroke in enumerate((DOWN, [(0.3, 0.6), (0.4, 0.7)], [(0.7, 0.6), (0.6, 0.7)])):
        page.locator(".sheet").scroll_into_view_if_needed()
        place = page.locator("#paper").bounding_box(), page.evaluate("scrollY")
        labels = [*"一二三四五"[number:], *"六七八九十"[:number]]
        page.route(ADDRESS, partial(fulfill, said(*labels)))
        write(page, stroke)
        expect(page.locator(".votes .label").first).to_have_text(labels[0])
        assert (page.locator("#paper").bounding_box(), page.evaluate("scrollY")) == place
        heights.append(page.locator("#result").bounding_box())
    assert heights[0] == heights[1] == heights[2]


@pytest.mark.parametrize("way", ["file", "sample", "paste", "drop"])
def test_a_picture_is_taken_as_elsewhere_and_writing_takes_its_place(
    page: Page, server: RunningServer, tiny_models: Path, way: str
) -> None:
    picture = tiny_models / "strokes/samples/red.png"
    write(page, ACROSS)
    rows(page)
    if way == "file":
        page.set_input_files("#file", picture)
    elif way == "sample":
        page.locator(".sample").first.click()
    else:
        hand_over(page, way, "red.png", "image/png", url="/samples/strokes/red.png")
    expect(page.locator(".votes .bar").first).to_have_attribute("data-label", "red")
    assert rows(page) == server.predict("strokes", picture.read_bytes()).json()["top"]
    expect(page.locator("#preview img")).to_be_visible()
    assert page.locator("#sent").is_hidden()
    assert not ink_on_paper(page)
    body = write_and_catch(page, DOWN)
    expect(page.locator("#preview")).to_be_hidden()
    expect(page.locator(".caption")).to_be_empty()
    expect(page.locator(".sample[aria-pressed=true]")).to_have_count(0)
    expect(page.locator(".votes .bar").first).to_have_attribute("data-label", "blue")
    assert rows(page) == server.predict("strokes", body, "image/png").json()["top"]


def test_clear_takes_a_picture_away_and_undo_brings_the_writing_back(page: Page) -> None:
    body = write_and_catch(page, ACROSS)
    rows(page)
    page.locator(".sample").first.click()
    expect(page.locator(".votes .bar").first).to_have_attribute("data-label", "red")
    page.click("#clear")
    expect(page.locator("#preview")).to_be_hidden()
    expect(page.locator("#result")).to_have_text("The answer appears here.")
    with page.expect_request(ADDRESS) as caught:
        page.click("#undo")
    assert caught.value.post_data_buffer == body
