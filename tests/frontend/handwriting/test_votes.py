"""How the answer to a drawing is told, and how the members vote."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Page, expect

from tests.frontend.conftest import OpenPage, copied_command
from tests.frontend.handwriting.writing import ACROSS, ADDRESS, DOWN, Stroke, rows, said, write, write_and_catch
from tests.servers import RunningServer


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
