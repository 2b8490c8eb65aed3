"""The explorer in a real browser, from ``file://``: click, search, layers, keyboard, phone, dark."""

import json
import shutil

import numpy as np
import pytest
import rasterio
from pyproj import Geod

from glc import geo
from glc.explorer import site
from tests.explorer.conftest import CENTRE, HOSTILE, make

pytestmark = pytest.mark.slow

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}


@pytest.fixture
def open_page(browser, explored, tmp_path):
    """Opens an explorer; at the end, what the browser complained about, and what it asked of a network, is an error."""
    contexts, wrong = [], []

    def open_it(out=explored.out, script="", **options):
        options = {"viewport": {"width": 1280, "height": 850}} | options
        context = browser.new_context(**options)
        contexts.append(context)
        if script:
            context.add_init_script(script)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (wrong.append("a dialog was opened"), dialog.dismiss()))
        page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
        page.on(
            "request", lambda request: None if request.url.startswith(("file:", "data:")) else wrong.append(request.url)
        )
        page.goto((out / "index.html").as_uri())
        page.wait_for_selector("body[data-ready]", state="attached")
        page.tmp_path = tmp_path
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert wrong == []


def screen(page, lon, lat, grid):
    """Pixel of a place on the screen, by the page's own map."""
    x, y = grid.project(lon, lat)
    col, row = ~grid.transform @ (x, y)
    box = page.locator("#map").bounding_box()
    fit = 0.96 * min(box["width"] / grid.shape[1], box["height"] / grid.shape[0])
    return (
        box["x"] + box["width"] / 2 + (float(col) - grid.shape[1] // 2 - 0.5) * fit,
        box["y"] + box["height"] / 2 + (float(row) - grid.shape[0] // 2 - 0.5) * fit,
    )


# the page's own policy forbids Playwright's wait_for_function, which evaluates text
def shows(page, layer):
    page.wait_for_selector(f"body[data-layer='{layer}']", state="attached")


def says(page, text):
    page.wait_for_selector(f"#summary:has-text('{text}')")


def cell_of(page):
    page.wait_for_selector("#cell[data-col]", state="attached")
    return page.evaluate("[+document.getElementById('cell').dataset.row, +document.getElementById('cell').dataset.col]")


def listed(page, column):
    """Pairs (id, number) of the rows of a table of the panel."""
    rows = page.evaluate(
        f"[...document.querySelectorAll('#cell tr[data-id][data-{column}]')]"
        f".map(row => [row.dataset.id, row.dataset.{column}])"
    )
    return [(int(key), float(value)) for key, value in rows]


def check_cell(page, explored):
    """The panel against the GeoTIFFs and the surveys; returns row and col."""
    row, col = cell_of(page)
    finished = explored.finished
    with rasterio.open(finished.files[0]) as raster:
        stored = raster.read()[:, row, col] * raster.scales[0]
    expected = sorted(
        zip([entry.speciesId for entry in finished.species], stored, strict=True), key=lambda p: (-p[1], p[0])
    )
    assert [key for key, _ in listed(page, "value")] == [key for key, _ in expected]
    assert np.allclose([value for _, value in listed(page, "value")], [value for _, value in expected], atol=1e-9)
    lon, lat = finished.grid.centre(row, col)
    places = explored.data.places.iloc[explored.data.train()]
    metres = np.sort(geo.great_circle_m(lon, lat, places["lon"], places["lat"]))[:5]
    shown = listed(page, "metres")
    assert np.allclose([value for _, value in shown], metres, atol=0.03 * finished.grid.cell_m)
    counts = dict(zip(places["surveyId"], np.diff(explored.data.labels_of(explored.data.train()).indptr), strict=True))
    cells = page.evaluate(
        "[...document.querySelectorAll('#cell tr[data-metres]')].map(row => [row.dataset.id, row.cells[1].textContent])"
    )
    assert {int(key): int(count) for key, count in cells} == {key: counts[key] for key, _ in shown}
    return row, col


def test_a_click_shows_what_the_geotiffs_say_of_that_cell(open_page, explored):
    page = open_page()
    place = 2.9, 46.6
    page.mouse.click(*screen(page, *place, explored.finished.grid))
    row, col = check_cell(page, explored)
    lon, lat = explored.finished.grid.centre(row, col)
    assert Geod(ellps="sphere").inv(*place, float(lon), float(lat))[2] < explored.finished.grid.cell_m
    for name, text, digits in (("richness", "Expected number of species", 1), ("applicability", "Expected F1", 3)):
        key = {"richness": "expected", "applicability": "expected_f1"}[name]
        band = next(band for found, _, band in explored.finished.layers(name) if found == key)
        value = page.locator(f"#cell dt:text-is('{text}') + dd").inner_text()
        assert float(value) == pytest.approx(float(band[row, col]), abs=0.6 * 10**-digits)
    assert page.locator("#cell dt:text-is('Area of applicability') + dd").inner_text() == "inside"
    page.screenshot(path=page.tmp_path / "click.png")


def test_a_cell_without_a_prediction_says_so(open_page, explored):
    page = open_page()
    page.mouse.click(*screen(page, 2.6, 45.3, explored.finished.grid))
    says(page, "No prediction there")
    assert page.locator("#cell table").count() == 0


def test_search_finds_by_name_and_by_id_and_enter_shows_the_first(open_page):
    page = open_page()
    page.fill("#search", "planta 4")
    assert page.locator("#matches").inner_text() == "1 of 7 species"
    page.keyboard.press("Enter")
    shows(page, "species/4")
    assert page.locator("#legend-title").inner_text() == "Planta 4-folia L. (104): probability of occurrence"
    page.fill("#search", "106")
    page.keyboard.press("Enter")
    shows(page, "species/6")
    page.fill("#search", "nothing like it")
    assert page.locator("#layer option").count() == 0
    page.screenshot(path=page.tmp_path / "search.png")


def colour_at(page, x, y):
    """The pixel that the layer of values has there, as red, green, blue."""
    return page.evaluate(
        """([x, y]) => { for (const tile of document.querySelectorAll('.leaflet-tile-pane canvas')) {
            const box = tile.getBoundingClientRect();
            if (x < box.left || x >= box.right || y < box.top || y >= box.bottom) continue;
            const at = [(x - box.left) * tile.width / box.width, (y - box.top) * tile.height / box.height];
            return [...tile.getContext('2d').getImageData(Math.floor(at[0]), Math.floor(at[1]), 1, 1).data].slice(0, 3);
        } }""",
        [x, y],
    )


def test_layers_switch_and_their_colours_are_those_of_the_legend(open_page, explored):
    page = open_page()
    assert page.evaluate("document.body.dataset.layer") == "grids/expected"
    grid, finished = explored.finished.grid, explored.finished
    x, y = screen(page, 2.9, 46.6, grid)
    before = colour_at(page, x, y)
    page.select_option("#layer", "species/2")
    shows(page, "species/2")
    after = colour_at(page, x, y)
    assert before != after
    facts = json.loads((finished.folder / "item.json").read_text())
    assert facts["properties"]["glc:values"] in page.locator("#legend-title").inner_text()
    band = finished.band(finished.species[2])
    at = ~grid.transform @ tuple(float(part) for part in grid.project(2.9, 46.6))
    share = band[int(at[1]), int(at[0])] / band[finished.predicted].max()
    bar = page.evaluate("[...document.getElementById('legend-bar').getContext('2d').getImageData(0, 0, 256, 1).data]")
    table = np.array(bar).reshape(256, 4)[:, :3]
    assert abs(int(np.abs(table - np.array(after)).sum(axis=1).argmin()) - share * 255) <= 1.5
    for option in ("#show-surveys", "#show-hatch", "#show-lines", "#same-scale"):
        page.locator(option).click()
    page.wait_for_selector("#legend-high:text-is('1.000')")
    page.screenshot(path=page.tmp_path / "layers.png")


def test_a_species_of_the_panel_can_be_shown(open_page, explored):
    page = open_page()
    page.mouse.click(*screen(page, *CENTRE, explored.finished.grid))
    cell_of(page)
    button = page.locator("#cell tr[data-id='103'] button")
    button.click()
    shows(page, "species/3")


def test_everything_can_be_done_with_the_keyboard(open_page, explored):
    page = open_page()
    reached = []
    for _ in range(16):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "document.activeElement.id || document.activeElement.title || document.activeElement.className"
            )
        )
    for name in ("skip", "map", "Zoom in", "Zoom out", "search", "layer", "show-hatch", "show-surveys", "lon", "lat"):
        assert name in reached
    page.focus("#map")
    page.keyboard.press("+")
    page.wait_for_timeout(500)
    page.keyboard.press("Enter")
    before = check_cell(page, explored)
    assert before == (explored.finished.grid.shape[0] // 2, explored.finished.grid.shape[1] // 2)
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(500)
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#cell:not([data-col='{before[1]}'])")
    row, col = check_cell(page, explored)
    assert abs(row - before[0]) <= 1
    assert col > before[1]
    assert "°" in page.locator("#summary[role=status]").inner_text()


def test_a_place_can_be_typed(open_page, explored):
    page = open_page()
    page.fill("#lon", "2.31")
    page.fill("#lat", "46,2")
    page.keyboard.press("Enter")
    row, col = check_cell(page, explored)
    x, y = explored.finished.grid.project(2.31, 46.2)
    at = ~explored.finished.grid.transform @ (float(x), float(y))
    assert (row, col) == (int(at[1]), int(at[0]))
    page.fill("#lon", "100")
    page.keyboard.press("Enter")
    says(page, "not on this map")


def test_every_control_has_a_name(open_page):
    page = open_page()
    nameless = page.evaluate(
        """[...document.querySelectorAll('input, select, button, a, [role], section, figure')].filter(element =>
            !(element.labels?.length || element.textContent.trim() || element.getAttribute('aria-label')
              || element.getAttribute('aria-labelledby'))).map(element => element.outerHTML)"""
    )
    assert nameless == []


def test_hostile_names_are_text(open_page, explored):
    page = open_page()
    page.fill("#search", "alert")
    page.keyboard.press("Enter")
    shows(page, "species/1")
    assert page.locator("#legend-title").evaluate("e => e.textContent") == f"{HOSTILE} (101): probability of occurrence"
    page.mouse.click(*screen(page, *CENTRE, explored.finished.grid))
    cell_of(page)
    assert HOSTILE in page.locator("#cell tr[data-id='101']").evaluate("e => e.textContent")
    assert page.locator("img, main script, main b").count() == 0
    assert page.title().startswith("votes on </script><img src=x>")


def test_on_a_phone_nothing_is_wider_than_the_screen(open_page, explored):
    page = open_page(**PHONE)
    page.locator("#map").scroll_into_view_if_needed()
    x, y = screen(page, *CENTRE, explored.finished.grid)
    page.touchscreen.tap(x, y)
    check_cell(page, explored)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    small = page.evaluate(
        """[...document.querySelectorAll('button, input, select, .leaflet-bar a')].filter(element =>
            element.getBoundingClientRect().height < 13).length"""
    )
    assert small == 0
    page.screenshot(path=page.tmp_path / "phone.png", full_page=True)


def test_dark_pages_have_a_dark_ground_and_turn_the_colours_round(open_page, explored):
    x, y = None, None
    colours = {}
    for scheme in ("light", "dark"):
        page = open_page(color_scheme=scheme)
        x, y = screen(page, *CENTRE, explored.finished.grid)
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        colours[scheme] = colour_at(page, x, y), [int(part) for part in ground[4:-1].split(",")]
        page.screenshot(path=page.tmp_path / f"{scheme}.png")
    assert colours["light"][0] != colours["dark"][0]
    assert sum(colours["dark"][1]) < 150 < 600 < sum(colours["light"][1])
    page.emulate_media(color_scheme="light")
    page.wait_for_timeout(300)
    assert colour_at(page, x, y) == colours["light"][0]


def test_a_map_in_degrees_is_shown_with_cells_as_high_as_they_are(open_page, tmp_path):
    explored = make(tmp_path / "degrees", crs="EPSG:4326", resolution=0.1)
    page = open_page(explored.out)
    page.fill("#lon", "2.31")
    page.fill("#lat", "46.2")
    page.locator(".go button").click()
    row, col = check_cell(page, explored)
    lon, lat = explored.finished.grid.centre(row, col)
    assert abs(float(lon) - 2.31) <= 0.05
    assert abs(float(lat) - 46.2) <= 0.05
    page.screenshot(path=page.tmp_path / "degrees.png")


def test_a_missing_file_is_named(browser, explored, tmp_path):
    out = shutil.copytree(explored.out, tmp_path / "copy")
    shutil.rmtree(out / site.FOLDER / "data" / "blocks")
    page = browser.new_page()
    page.goto((out / "index.html").as_uri())
    page.wait_for_selector("body[data-ready]", state="attached")
    page.focus("#map")
    page.keyboard.press("Enter")
    says(page, "blocks/0-0.js cannot be read")
    page.close()
