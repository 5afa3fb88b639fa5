"""Handwriting on the page: written, read while it is written, taken back, given as a picture; and how members vote."""

import io
import json
import shutil
import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Browser, Page, Request, Route, expect

from tests.frontend.conftest import OpenPage, copied_command, hand_over, tab_to
from tests.servers import RunningServer

Stroke = Sequence[tuple[float, float]]  # points, in sides of the paper
ACROSS: Stroke = [(0.25, 0.3), (0.75, 0.3)]
DOWN: Stroke = [(0.5, 0.3), (0.5, 0.8)]
ADDRESS = "**/predictions/strokes"
PATIENCE_MS = 1000  # after which the page no longer waits for a slow answer


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """The page of the tiny handwriting model, which knows three colours."""
    return open_page("strokes")


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


def hold(page: Page) -> list[Route]:
    """The requests from now on, which nobody answers."""
    held: list[Route] = []
    page.route(ADDRESS, lambda route: held.append(route))
    return held


def said(*labels: str) -> dict[str, Any]:
    """An answer with these labels, the first of them the ensemble's; the second member would say the last."""
    shares = [0.6, 0.2, 0.1, 0.06, 0.04]
    top = [
        {"label": label, "probability": share, "members": {"one": share + 0.04, "two": share - 0.04}}
        for label, share in zip(labels, shares, strict=False)
    ]
    members = {"one": {"answer": labels[0], "probability": 0.64}, "two": {"answer": labels[-1], "probability": 0.56}}
    return {"answer": labels[0], "probability": 0.6, "top": top, "members": members}


def wait_for(page: Page, held: list[Route], count: int) -> None:
    for _ in range(100):
        if len(held) >= count:
            break
        page.wait_for_timeout(3 * PATIENCE_MS / 100)
    assert len(held) == count


def fulfill(answer: object, route: Route) -> None:
    route.fulfill(json=answer)


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


def test_what_is_written_is_read_after_each_stroke(page: Page, server: RunningServer) -> None:
    expect(page.locator("#result")).to_have_text("The answer appears here.")
    for stroke in (ACROSS, DOWN):
        body = write_and_catch(page, stroke)
        answer = server.predict("strokes", body, "image/png").json()
        expect(page.locator(".votes .bar").first).to_have_attribute("data-probability", str(answer["probability"]))
        assert rows(page) == answer["top"]
    expect(page.locator("#paper")).to_have_attribute("aria-label", "Your writing, 2 strokes")
    expect(page.locator("#batch")).to_contain_text("batch of 1")
    expect(page.locator(".members .name")).to_have_text(["sure", "surer", "unsure"])


@pytest.mark.parametrize("character", "文茶")
def test_a_character_of_a_font_is_among_the_five_of_the_shipped_model(open_page: OpenPage, character: str) -> None:
    page = open_page("handwriting")
    write(page, *glyph_strokes(character))
    expect(page.locator(f".votes .bar[data-label={character}]")).to_be_visible(timeout=10_000)
    answer = rows(page)
    assert character in [row["label"] for row in answer]
    assert len(answer) == 5
    assert len(answer[0]["members"]) == 3


def glyph_strokes(character: str) -> list[Stroke]:
    """What fills a glyph's outline: a line for each piece of ink in each of its rows."""
    side, rows_across = 400, 40
    image = Image.new("L", (side, side))
    font = ImageFont.truetype("/usr/share/fonts/truetype/arphic/ukai.ttc", 300)
    ImageDraw.Draw(image).text((side / 2, side / 2), character, 255, font, anchor="mm")
    ink = np.asarray(image) > 127
    strokes: list[Stroke] = []
    for y in range(0, side, side // rows_across):
        edges = np.flatnonzero(np.diff(ink[y].astype(int), prepend=0, append=0))
        strokes += [[(a / side, y / side), (b / side, y / side)] for a, b in edges.reshape(-1, 2)]
    return strokes


def test_five_rows_show_how_each_member_votes(open_page: OpenPage) -> None:
    labels = [chr(code) for code in range(0x4E00, 0x4E00 + 800)]
    page = open_page("strokes", labels=[*labels, "isnull"])
    page.route(ADDRESS, lambda route: route.fulfill(json=said("永", "水", "泳", "冰", "isnull")))
    write(page, ACROSS)
    expect(page.locator(".votes .label")).to_have_text(["永", "水", "泳", "冰", "none of the 800 characters"])
    expect(page.locator(".votes .label [lang='zh-Hant']")).to_have_count(4)
    expect(page.locator(".agreement")).to_have_text("1 of 2 members agree:")
    expect(page.locator(".members .own")).to_have_text(["永", "none of the 800 characters"])
    expect(page.locator(".members .differs .name")).to_have_text("two")
    expect(page.locator(".lanes").first).to_contain_text("one: 64%")
    # On one scale: the bar as long as its share, and each vote beside it.
    track = width_of(page, ".votes .track >> nth=0")
    assert width_of(page, ".votes .fill >> nth=0") == pytest.approx(0.6 * track, abs=1)
    assert width_of(page, ".votes .vote >> nth=0") == pytest.approx(0.64 * track, abs=1)
    assert width_of(page, ".votes .vote >> nth=1") == pytest.approx(0.56 * track, abs=1)
    # A character in the colour of its member, in the row and in the legend.
    colour = "node => getComputedStyle(node, node.matches('li') ? '::before' : null).backgroundColor"
    for number in range(2):
        shown = [page.locator(f"{part} >> nth={number}").evaluate(colour) for part in (".vote", ".members li")]
        assert shown[0] == shown[1]


def width_of(page: Page, selector: str) -> float:
    return float(page.locator(selector).evaluate("node => node.getBoundingClientRect().width"))


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (["永", "永"], "All 2 members agree:"),
        (["水", "水"], "None of 2 members says so alone:"),
        (["永"], "The only member's vote:"),
    ],
)
def test_it_is_told_how_many_members_agree(page: Page, members: list[str], words: str) -> None:
    answer = said("永", "水")
    answer["members"] = {str(number): {"answer": own, "probability": 0.5} for number, own in enumerate(members)}
    page.route(ADDRESS, lambda route: route.fulfill(json=answer))
    write(page, ACROSS)
    expect(page.locator(".agreement")).to_have_text(words)


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


def test_one_request_is_under_way_and_the_next_is_about_the_newest_drawing(page: Page) -> None:
    held = hold(page)
    write(page, ACROSS, DOWN, [(0.3, 0.6), (0.4, 0.7)], [(0.7, 0.6), (0.6, 0.7)])
    page.wait_for_timeout(100)
    assert len(held) == 1
    held[0].fulfill(json=said("一", "二"))
    expect(page.locator(".votes .label").first).to_have_text("一")
    wait_for(page, held, 2)
    held[1].fulfill(json=said("二", "一"))
    expect(page.locator(".votes .label").first).to_have_text("二")
    page.wait_for_timeout(100)
    assert len(held) == 2
    expect(page.locator("#paper")).to_have_attribute("aria-label", "Your writing, 4 strokes")


def test_a_slow_answer_is_overtaken_by_a_newer_drawing(page: Page) -> None:
    held = hold(page)
    write(page, ACROSS)
    wait_for(page, held, 1)
    write(page, DOWN)
    wait_for(page, held, 2)
    held[1].fulfill(json=said("二", "一"))
    expect(page.locator(".votes .label").first).to_have_text("二")
    held[0].fulfill(json=said("一", "二"))
    page.wait_for_timeout(200)
    expect(page.locator(".votes .label").first).to_have_text("二")


def test_after_clear_or_with_another_model_no_late_answer_lands(page: Page) -> None:
    held = hold(page)
    write(page, ACROSS)
    wait_for(page, held, 1)
    write(page, DOWN)  # not sent yet
    page.click("#clear")
    held[0].fulfill(json=said("一", "二"))
    page.wait_for_timeout(200)
    expect(page.locator("#result")).to_have_text("The answer appears here.")
    write(page, ACROSS)
    wait_for(page, held, 2)
    write(page, DOWN)
    page.get_by_role("link", name="Votes", exact=True).click()
    expect(page.locator("#title")).to_have_text("Votes")
    page.wait_for_timeout(PATIENCE_MS + 200)
    expect(page.locator("#result")).to_have_text("The answer appears here.")
    assert len(held) == 2


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


@pytest.mark.parametrize("given", ["drawing", "sample"])
def test_the_copied_command_gives_the_same_answer(page: Page, tmp_path: Path, given: str) -> None:
    if given == "sample":
        page.locator(".sample").first.click()
    else:
        write(page, ACROSS)
        with page.expect_download() as download:
            page.click("#sent")
        shutil.copy(download.value.path(), tmp_path / download.value.suggested_filename)
    shown = rows(page)
    command = copied_command(page)
    printed = subprocess.check_output(["sh", "-c", command], cwd=tmp_path, text=True, stderr=subprocess.DEVNULL)
    assert json.loads(printed)["top"] == shown


def test_an_error_is_told_in_words_and_the_next_stroke_mends_it(page: Page) -> None:
    page.route(
        ADDRESS, lambda route: route.fulfill(status=503, headers={"Retry-After": "2"}, json={"type": "NotReady"})
    )
    write(page, ACROSS)
    expect(page.locator("#error")).to_contain_text("The server is busy or still starting.")
    page.unroute(ADDRESS)
    write(page, DOWN)
    rows(page)
    expect(page.locator("#error")).to_be_hidden()


@pytest.mark.parametrize(
    "wrong", [None, [], {"red": 0.9}, {**said("red"), "top": [{"label": "red", "probability": "0.9"}]}]
)
def test_an_answer_that_makes_no_sense_is_told_as_such(page: Page, wrong: object) -> None:
    page.route(ADDRESS, lambda route: route.fulfill(json=wrong))
    write(page, ACROSS)
    expect(page.locator("#error")).to_contain_text("makes no sense to this page")


def test_an_ensemble_on_pictures_shows_its_votes_too(
    open_page: OpenPage, server: RunningServer, tiny_models: Path
) -> None:
    page = open_page("votes")
    picture = tiny_models / "votes/samples/red.png"
    page.set_input_files("#file", picture)
    answer = server.predict("votes", picture.read_bytes()).json()
    assert rows(page) == answer["top"]
    expect(page.locator(".votes .label").first).to_have_text("red")
    expect(page.locator(".agreement")).to_have_text("All 3 members agree:")
    own = [str(member["answer"]) for member in answer["members"].values()]
    expect(page.locator(".members .own")).to_have_text(own)


@pytest.mark.parametrize("model", ["strokes", "votes"])
@pytest.mark.parametrize("width", [320, 800, 1280])
def test_nothing_is_wider_than_the_window(open_page: OpenPage, model: str, width: int) -> None:
    page = open_page(model)
    page.set_viewport_size({"width": width, "height": 700})
    page.locator(".sample").first.click()
    rows(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
