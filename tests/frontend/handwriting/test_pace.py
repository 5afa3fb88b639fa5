"""One request is under way at a time, and no old answer overtakes a newer drawing."""

from playwright.sync_api import Page, Route, expect

from tests.frontend.handwriting.writing import ACROSS, ADDRESS, DOWN, PATIENCE_MS, said, write


def hold(page: Page) -> list[Route]:
    """The requests from now on, which nobody answers."""
    held: list[Route] = []
    page.route(ADDRESS, lambda route: held.append(route))
    return held


def wait_for(page: Page, held: list[Route], count: int) -> None:
    for _ in range(100):
        if len(held) >= count:
            break
        page.wait_for_timeout(3 * PATIENCE_MS / 100)
    assert len(held) == count


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
