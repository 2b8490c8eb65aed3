"""`DistributionMap`: what is refused before anything runs, and a map of the virtual world at its stable place."""

import json

import luigi
import numpy as np
import pytest
import rasterio
import rasterio.warp

from glc import fitted, storage
from glc.errors import ConfigError, DataError
from glc.products import chain, product_of
from glc.tasks import DistributionMap, Explorer, Model
from tests.tasks.pipeline import TINY, build, run


def task(root, **options):
    return DistributionMap(root=root, dataset=TINY, experiment="votes", **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bounds": "8,42,-5,51"}, "west 8 is not below east -5"),
        ({"crs": "EPSG:99999"}, "no such CRS"),
        ({"resolution": -1.0}, "--resolution: found -1"),
        ({"like": "nowhere.tif"}, "no such file"),
        ({"name": "../elsewhere"}, "a folder's name"),
        ({"most_frequent": 0}, "at least 1"),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(tmp_path, options, words):
    with pytest.raises(ConfigError) as error:
        task(str(tmp_path), **options)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"bounds": "2,43,4,44", "aoi": "area"}, ConfigError, "expected one of --bounds, --like and --aoi"),
        ({"bounds": "2,43,4,44", "crs": "EPSG:4326"}, ConfigError, "--resolution 0.01"),
        ({"bounds": "2,43,4,44", "crs": "EPSG:4326", "resolution": 1000.0}, ConfigError, "expected degrees"),
        ({"bounds": "-80,30,-70,40"}, ConfigError, "outside of the area of EPSG:3035"),
        ({"bounds": "5,40.9,6,41.4"}, DataError, "no land there"),
        ({"like": "area", "resolution": 10.0}, ConfigError, "found --like and --resolution"),
    ],
)
def test_a_map_that_cannot_be_is_refused_before_anything_is_fitted(tmp_path, options, error, words):
    area = tmp_path / "area"
    ring = [[3, 43], [4, 43], [4, 44], [3, 43]]
    area.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    wanted = task(str(tmp_path), **{key: str(area) if value == "area" else value for key, value in options.items()})
    with pytest.raises(error) as caught:
        wanted.check()
    assert words in str(caught.value)


def test_files_count_by_their_content(tmp_path):
    ring = [[3, 43], [4, 43], [4, 44], [3, 43]]
    tasks = []
    for name, corner in (("a", 43), ("b", 43), ("c", 44)):
        path = tmp_path / name
        path.write_text(json.dumps({"type": "Polygon", "coordinates": [[*ring[:2], [4, corner + 1], ring[0]]]}))
        tasks.append(task(str(tmp_path), aoi=str(path)).identity)
    assert tasks[0] == tasks[1] != tasks[2]
    assert len({task(str(tmp_path), mask=mask).identity for mask in ("", "none")}) == 2


@pytest.fixture(scope="module")
def mapped(root):
    """The task of a map of the virtual world that is made, and the fitted experiment."""
    wanted = task(root, resolution=50_000.0, species="all")
    run(wanted)
    return wanted, fitted.load(wanted.clone(Model).model_folder)


def test_a_cell_is_what_the_fitted_experiment_says_at_its_centre(mapped):
    wanted, model = mapped
    files = sorted(wanted.map_folder.glob("probability*.tif"))
    with rasterio.open(files[0]) as raster:
        values, step, transform = raster.read(masked=True), raster.scales[0], raster.transform
        assert [int(text.split()[0]) for text in raster.descriptions] == list(model.species["speciesId"])
        crs = raster.crs
    row, col = np.nonzero(~np.ma.getmaskarray(values[0]))
    at = np.random.default_rng(0).choice(len(row), min(1000, len(row)), replace=False)
    row, col = row[at], col[at]
    x, y = transform @ (col + 0.5, row + 0.5)
    lon, lat = (np.array(degrees) for degrees in rasterio.warp.transform(crs, "EPSG:4326", x, y))
    places = model.places(lon, lat)
    scores = model.scores(places)
    assert np.abs(np.asarray(values[:, row, col]).T * step - scores.toarray()).max() <= step / 2 + 1e-7
    with rasterio.open(wanted.map_folder / "richness.tif") as raster:
        decided, expected = raster.read()[:, row, col]
    assert np.array_equal(decided, np.asarray(model.sets(scores, places).sum(axis=1)).ravel())
    assert np.allclose(expected, model.expected_species(scores), rtol=1e-4)
    with rasterio.open(wanted.map_folder / "applicability.tif") as raster:
        distance_m = raster.read(3)[row, col]
    assert np.allclose(distance_m, model.training_distance_m(places), rtol=1e-4, atol=0.1)


@pytest.mark.slow
def test_a_click_in_the_explorer_lists_what_the_fitted_experiment_predicts_there(mapped, browser):
    wanted, model = mapped
    explorer = Explorer(root=wanted.root, dataset=TINY, experiment="votes")
    assert run(explorer)[-1] == "Explorer"
    with rasterio.open(wanted.map_folder / "probability.tif") as raster:
        step, (row, col) = raster.scales[0], np.argwhere(~np.ma.getmaskarray(raster.read(1, masked=True)))[40]
        x, y = raster.transform @ (col + 0.5, row + 0.5)
        lon, lat = (degrees[0] for degrees in rasterio.warp.transform(raster.crs, "EPSG:4326", [x], [y]))
    page = browser.new_page()
    page.goto((explorer.site_folder / "index.html").as_uri())
    page.wait_for_selector("body[data-ready]", state="attached")
    page.fill("#lon", str(lon))
    page.fill("#lat", str(lat))
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#cell[data-row='{row}'][data-col='{col}']")
    if page.locator("button.more").count():
        page.locator("button.more").click()
    rows = page.evaluate(
        "[...document.querySelectorAll('#cell tr[data-value]')].map(row => [+row.dataset.id, +row.dataset.value])"
    )
    page.close()
    predicted = model.predict(lon, lat, most=len(model.species))
    expected = dict(zip(predicted["species"][0], predicted["probability"][0], strict=True))
    assert {key for key, _ in rows} == set(model.species["speciesId"])
    assert all(abs(value - expected.get(key, 0)) <= step / 2 + 1e-7 for key, value in rows)
    assert [value for _, value in rows] == sorted((value for _, value in rows), reverse=True)


def test_the_map_is_whole_at_its_stable_place_and_says_where_it_comes_from(mapped):
    wanted, _ = mapped
    storage.check(wanted.map_folder)
    assert not wanted.parts_folder().exists()
    facts = storage.manifest(wanted.map_folder)
    assert facts["predicted_cells"] > 0
    assert facts["minutes_stated"] >= 0
    root, folder, warning = product_of(wanted.map_folder / "richness.tif")
    assert [step.task for step in chain(root, folder)][:2] == ["DistributionMap", "Model"]
    assert not warning
    item = json.loads((wanted.map_folder / "item.json").read_text())
    assert item["properties"]["glc:model"] == wanted.clone(Model).identity


def test_maps_with_a_name_stay_when_the_one_without_is_made_again(mapped):
    wanted, _ = mapped
    root = wanted.root
    named = task(root, resolution=50_000.0, species="all", name="coarse")
    assert named.map_folder.parent == wanted.map_folder
    run(named)
    run(task(root, resolution=60_000.0))
    assert named.complete()
    assert not wanted.complete()  # another map is at its place
    assert storage.exists(named.map_folder)


def test_an_unknown_species_is_refused_with_a_hint(mapped):
    wanted, model = mapped
    species_id = int(model.species["speciesId"].max())
    with pytest.raises(ConfigError, match=f"--species: found '{species_id}9'.*did you mean '{species_id}'"):
        task(wanted.root, species=f"{species_id}9").check()


def test_minutes_and_bytes_stay_on_the_screen(root):
    notices = []
    luigi.Task.event_handler("event.glc.notice")(lambda task, text: notices.append(text))
    done, _ = build(task(root, resolution=70_000.0))
    assert done
    assert any("most frequent of" in text for text in notices)
    assert any("minutes and" in text for text in notices)
