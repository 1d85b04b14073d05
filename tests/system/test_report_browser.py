"""The page in a real browser: it opens, answers, and can be used with a mouse, a keyboard and a phone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.unit.report.runs import RUNS, sample

from headstart.report.page import write_report

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: run `make install`")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PHONE = {"width": 400, "height": 800}
SCREEN = {"width": 1280, "height": 900}
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: install it (Debian: apt-get install chromium)")


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The report of every sample run."""
    found = {}
    for name in RUNS:
        made = sample(name)
        found[name] = write_report(tmp_path_factory.mktemp(name), made.result, made.rows, made.audit, made.thumbnails)
    return found


@dataclass
class Opened:
    """A page with everything it complained about and everything it asked for."""

    page: sync_api.Page
    complaints: list[str]
    requests: list[str]


@pytest.fixture
def visit(browser, pages):
    """Open the report of a run; in the end nothing may have been complained about or asked of a network."""
    opened: list[Opened] = []

    def open_(name: str, **settings) -> sync_api.Page:
        context = browser.new_context(**{"viewport": SCREEN, "reduced_motion": "reduce", **settings})
        page = context.new_page()
        seen = Opened(page, [], [])
        page.on("console", lambda message: seen.complaints.append(message.text))
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on("requestfailed", lambda request: seen.complaints.append(f"failed: {request.url[:80]}"))
        page.on("request", lambda request: seen.requests.append(request.url))
        page.goto(pages[name].as_uri())
        opened.append(seen)
        return page

    yield open_
    for seen in opened:
        address = seen.page.url.partition("#")[0]
        seen.page.context.close()
        assert seen.complaints == []
        assert [url for url in seen.requests if not url.startswith("data:") and url.partition("#")[0] != address] == []


def first_mistake(page: sync_api.Page) -> sync_api.Locator:
    return page.locator("#confusion .miss a").first


@pytest.mark.parametrize("name", RUNS)
def test_every_report_opens_with_its_answer_on_the_first_screen(visit, name):
    page = visit(name)
    heading, picture = page.locator("h1"), page.locator("figure.card")
    assert heading.is_visible()
    assert heading.bounding_box()["y"] < 200
    assert picture.bounding_box()["y"] < SCREEN["height"]
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")


def test_the_evidence_follows_in_order(visit):
    page = visit("digits")
    names = ["metrics", "ranking", "trials", "confusion", "mistakes", "calibration", "data"]
    tops = [page.locator(f"#{name}").bounding_box()["y"] for name in names]
    assert tops == sorted(tops)
    assert page.locator("figure.card").bounding_box()["y"] < tops[0]


def test_a_click_on_a_confusion_cell_shows_its_pictures(visit):
    page = visit("digits")
    assert page.locator(".cell:visible").count() == 0
    square = first_mistake(page)
    told = square.get_attribute("aria-label")
    count, of, true, predicted = int(told.split()[0]), told.split()[2], told.split()[3], told.split()[-1]
    square.click()
    cell = page.locator(".cell:visible")
    assert cell.count() == 1
    assert f"{true} wrongly said to be {predicted}: {count} of {of}" in cell.inner_text()
    pictures = cell.locator("img")
    assert pictures.count() == count
    assert pictures.first.is_visible()
    box = cell.bounding_box()
    assert 0 <= box["y"] < SCREEN["height"]
    for example in cell.locator("figcaption").all_inner_texts():
        assert f"said {predicted}," in example
        assert f"is {true}" in example
    cell.get_by_text("close").click()
    assert page.locator(".cell:visible").count() == 0


def test_another_cell_takes_the_place_of_the_first(visit):
    page = visit("digits")
    first_mistake(page).click()
    before = page.locator(".cell:visible").inner_text()
    page.locator("#confusion .hit a").first.click()
    assert page.locator(".cell:visible").count() == 1
    assert page.locator(".cell:visible").inner_text() != before


def test_a_map_of_many_classes_leads_to_texts(visit):
    page = visit("intents")
    page.locator("#confusion .map a:has(.miss)").first.click()
    assert page.locator(".cell:visible blockquote").first.is_visible()
    page.locator(".cell:visible .close").click()
    page.locator("#confusion .pairs a").first.click()
    assert page.locator(".cell:visible").count() == 1


def test_everything_can_be_reached_from_the_keyboard(visit):
    page = visit("digits")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    first_mistake(page).focus()
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("Enter")
    cell = page.locator(".cell:visible")
    assert cell.count() == 1
    assert page.evaluate("document.activeElement.id") == cell.get_attribute("id")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "close"
    page.keyboard.press("Enter")
    assert page.locator(".cell:visible").count() == 0
    page.locator("#metrics summary").focus()
    page.keyboard.press("Enter")
    assert page.locator("#metrics details").get_attribute("open") is not None


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("width", [320, 400, 768])
def test_no_width_scrolls_sideways(visit, name, width):
    page = visit(name, viewport={"width": width, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    if page.locator("#confusion a[href^='#cell']").count():
        page.locator("#confusion a[href^='#cell']").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_phone_shows_answer_matrix_and_figures_whole(visit):
    page = visit("digits", viewport=PHONE, has_touch=True)
    for place in ("h1", "figure.card", "table.matrix", ".curve"):
        box = page.locator(place).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
    first_mistake(page).tap()
    assert page.locator(".cell:visible img").first.is_visible()


CONTRAST = """
selectors => {
  const parse = colour => {
    const srgb = colour.startsWith('color(');
    return colour.match(/[\\d.]+/g).map(Number).map((value, place) => srgb || place === 3 ? value : value / 255);
  };
  const light = ([r, g, b]) => [r, g, b]
    .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, place) => sum + c * [0.2126, 0.7152, 0.0722][place], 0);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [1, 1, 1];
  };
  return selectors.flatMap(selector => [...document.querySelectorAll(selector)].slice(0, 40).map(element => {
    const [one, two] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
    return [selector, (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05)];
  }));
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_colour_schemes_are_readable(visit, scheme):
    page = visit("digits", color_scheme=scheme)
    red = int(page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]"))
    assert (red < 60) == (scheme == "dark")
    selectors = [
        "h1",
        "p",
        ".lead",
        ".note",
        ".on",
        "nav a",
        "figcaption",
        ".matrix td a",
        ".said b",
        ".failed",
        ".tag",
        ".id",
    ]
    poor = [(name, round(ratio, 2)) for name, ratio in page.evaluate(CONTRAST, selectors) if ratio < 4.5]
    assert poor == []


def test_markup_in_names_is_shown_and_not_run(visit):
    page = visit("hostile")
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.reload()
    assert '<script>alert("x")</script>' in page.locator(".where").inner_text()
    assert page.locator("script").count() == 0
    assert dialogs == []


def test_it_reads_without_colour_or_motion_and_prints(visit):
    page = visit("digits", forced_colors="active")
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    assert page.locator("h1").is_visible()
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert page.locator("#calibration").is_visible()
