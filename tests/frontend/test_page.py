"""What holds for the page whatever the model: narrow and dark screens, several models, nobody else's script."""

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.frontend.conftest import OpenPage
from tests.servers import RunningServer

ANSWERS = {"resnet18": ".bar", "names": ".entity", "easy": "#gauge"}


@pytest.mark.parametrize("model", ANSWERS)
@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_is_wider_than_the_window(open_page: OpenPage, model: str, width: int) -> None:
    page = open_page(model)
    page.set_viewport_size({"width": width, "height": 700})
    page.locator(".sample").first.click()
    expect(page.locator(ANSWERS[model]).first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_mode_is_dark(open_page: OpenPage) -> None:
    page = open_page("resnet18")

    def brightness() -> float:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(float(part) for part in colour.strip("rgba()").split(",")[:3])

    page.emulate_media(color_scheme="light")
    light = brightness()
    page.emulate_media(color_scheme="dark")
    assert brightness() < light / 2


def test_no_inline_script_may_run(server: RunningServer) -> None:
    policy = httpx.get(server.url, trust_env=False).headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy


def test_a_late_answer_does_not_land_with_the_next_model(open_page: OpenPage) -> None:
    page = open_page("names")
    held: list[Route] = []
    page.route("**/predictions/names", lambda route: held.append(route))
    page.fill("#text", "Ada sees Paris")
    with page.expect_request("**/predictions/names"):
        page.click("#ask")
    choose(page, "Easy words")
    page.click("#ask")
    expect(page.locator("#gauge")).to_be_visible()
    held[0].fulfill(json=[{"entity_group": "PER", "word": "Ada", "score": 0.9, "start": 0, "end": 3}])
    page.wait_for_timeout(200)
    expect(page.locator("#gauge")).to_be_visible()
    assert page.locator(".entity").count() == 0


def test_models_on_pictures_and_on_texts_take_turns(open_page: OpenPage) -> None:
    page = open_page("names")
    page.fill("#text", "Ada sees Paris")
    choose(page, "Ants and bees")
    page.locator(".sample").first.click()
    expect(page.locator(".bar").first).to_be_visible()
    choose(page, "Names")
    expect(page.locator("#text")).to_have_value("Ada sees Paris")
    expect(page.locator("#result")).to_have_text("The answer appears here.")
    page.click("#ask")
    expect(page.locator(".entity")).to_have_text(["Ada", "Paris"])


def choose(page: Page, title: str) -> None:
    page.get_by_role("link", name=title, exact=True).click()
    expect(page.locator("#title")).to_have_text(title)
