"""The pages in a real browser: dark, phone width, sorting by click and keyboard, print."""

import re

import pytest

from glc.report import page

pytestmark = pytest.mark.slow
A4 = 703
"""Pixels between the margins of a printed page."""


@pytest.fixture(scope="module")
def path(make_story, tmp_path_factory):
    """A report of a net as a file."""
    file = tmp_path_factory.mktemp("report") / "index.html"
    file.write_text(page.render(make_story(valid=200, test=60, net=True, area_by="table")), encoding="utf-8")
    return file


@pytest.fixture
def visit(browser, path):
    """Opens the report: options of the page -> the page; scripts must make no error, and nothing else is loaded."""
    opened, errors, asked = [], [], []

    def visit(**options):
        tab = browser.new_page(**options)
        tab.on("console", lambda message: errors.append(message.text))
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(path.as_uri())
        opened.append(tab)
        return tab

    yield visit
    for tab in opened:
        tab.close()
    assert errors == []
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()] * len(opened)


PHONE = {"viewport": {"width": 390, "height": 844}}
TEXT = """[...document.querySelectorAll("figure svg text")].map(text => {
  const svg = text.ownerSVGElement;
  return parseFloat(getComputedStyle(text).fontSize) * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
})"""


def luminance(colour):
    """0 (black) to 1 (white) of ``rgb(…)``."""
    red, green, blue = map(int, re.findall(r"\d+", colour)[:3])
    return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_and_the_text_of_its_figures_follow_the_colour_scheme(visit, scheme):
    tab = visit(color_scheme=scheme)
    ground = luminance(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
    ink = [luminance(fill) for fill in set(tab.evaluate(
        "[...document.querySelectorAll('figure svg text')].map(text => getComputedStyle(text).fill)"
    ))]  # fmt: skip
    assert (ground < 0.15) is (scheme == "dark")
    assert ink
    assert min(abs(shade - ground) for shade in ink) > 0.5
    boxes = tab.evaluate("document.querySelectorAll('figure svg [style*=\"#ffffff\"]').length")
    assert boxes == 0


def test_on_a_phone_nothing_overflows_text_is_legible_and_tables_say_that_they_scroll(visit):
    tab = visit(**PHONE)
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    sizes = tab.evaluate(TEXT)
    assert len(sizes) > 50
    assert min(sizes) >= 11
    cut = tab.locator(".scroll.more-right")
    assert cut.count() > 0
    first = cut.first
    assert first.locator(".cue").is_visible()
    assert first.get_attribute("tabindex") == "0"
    assert first.get_attribute("aria-label")
    box = first.element_handle()
    box.evaluate("box => { box.scrollLeft = 10_000; }")
    tab.wait_for_function("box => !box.classList.contains('more-right')", arg=box)


def column(table, number):
    return [float(text) for text in table.locator(f"tbody tr td:nth-child({number})").all_inner_texts() if text != "–"]


def test_tables_sort_by_click_and_by_keyboard(visit):
    tab = visit()
    table = tab.locator("table", has_text="Best predicted species")
    head = table.locator("thead th").nth(2)
    button = head.get_by_role("button")
    button.click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(table, 3) == sorted(column(table, 3))
    button.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert column(table, 3) == sorted(column(table, 3), reverse=True)
    other = table.locator("thead th").nth(1)
    other.get_by_role("button").focus()
    tab.keyboard.press("Space")
    assert other.get_attribute("aria-sort") == "ascending"
    assert head.get_attribute("aria-sort") is None
    assert column(table, 2) == sorted(column(table, 2))


def test_navigation_stays_at_the_top(visit):
    tab = visit()
    tab.evaluate("document.querySelector('#settings').scrollIntoView()")
    assert tab.locator("nav").bounding_box()["y"] == pytest.approx(0, abs=1)


def test_print_is_light_whole_and_without_half_empty_pages(visit):
    tab = visit(viewport={"width": A4, "height": 1_000}, color_scheme="dark")
    tab.emulate_media(media="print", color_scheme="dark")
    assert luminance(tab.evaluate("getComputedStyle(document.body).backgroundColor")) > 0.95
    cut = tab.evaluate(
        "[...document.querySelectorAll('table, pre, svg')]"
        f".filter(part => part.getBoundingClientRect().right > {A4 + 1}).map(part => part.textContent.slice(0, 80))"
    )
    assert cut == []
    assert tab.evaluate("getComputedStyle(document.querySelector('.scroll')).overflowX") == "visible"
    tallest = tab.evaluate(
        "Math.max(...[...document.querySelectorAll('figure')].map(f => f.getBoundingClientRect().height))"
    )
    assert tallest < 500  # half a page: what does not fit leaves less than that blank
    pdf = tab.pdf(format="A4", prefer_css_page_size=True)
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    height = tab.evaluate("document.documentElement.scrollHeight")
    assert 1 < pages < 1.35 * height / 1_020 + 2


def test_folded_parts_are_printed(visit):
    tab = visit()
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert tab.locator("details:not([open])").count() == 0
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
