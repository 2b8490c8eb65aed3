"""The files of an explorer hold the map's values, and nothing of the data leaves its place as text."""

import hashlib
import re

import numpy as np
import pandas as pd
import pytest
import rasterio

from glc import geo
from glc.errors import ConfigError, DataError
from glc.explorer import site
from glc.explorer.finished import FinishedMap
from glc.maps.geotiff import NODATA
from tests.explorer.conftest import HOSTILE, TITLE, make, read_script, unpack, values


def random_cells(finished, count=100):
    row, col = np.nonzero(finished.predicted)
    at = np.random.default_rng(0).choice(len(row), count, replace=False)
    return row[at], col[at]


def page_facts(explored):
    return read_script(explored.out / site.FOLDER / "data" / "site.js")[1]


def test_a_block_holds_the_numbers_of_the_geotiff(explored):
    facts = page_facts(explored)
    side, (rows, cols) = facts["side"], explored.finished.grid.shape
    with rasterio.open(explored.finished.files[0]) as raster:
        stored = raster.read()
        assert raster.scales[0] == facts["scale"]
    for row, col in zip(*random_cells(explored.finished), strict=True):
        down, right = row // side, col // side
        block = values(explored, f"blocks/{down}-{right}").reshape(
            len(stored), min(side, rows - down * side), min(side, cols - right * side)
        )
        assert np.array_equal(block[:, row % side, col % side], stored[:, row, col])


def test_a_map_of_several_blocks_has_each_cell_once(explored, tmp_path, monkeypatch):
    monkeypatch.setattr(site, "_NUMBERS", 7 * 16**2)
    finished = explored.finished
    site.write(finished, finished.species, tmp_path, lambda *words: None)
    scripts = list((tmp_path / site.FOLDER / "data" / "blocks").iterdir())
    assert len(scripts) > 4
    with rasterio.open(finished.files[0]) as raster:
        band = raster.read(3)
    again = np.full(band.shape, NODATA, np.uint16)
    for path in scripts:
        down, right = (int(part) * 16 for part in path.stem.split("-"))
        part = again[down : down + 16, right : right + 16]
        content = read_script(path)[1]
        assert content["cols"] == part.shape[1]
        again[down : down + 16, right : right + 16] = unpack(content).reshape(7, *part.shape)[2]
    assert np.array_equal(again, band)


def test_a_layer_of_a_species_is_its_band_within_half_a_step(explored):
    facts = page_facts(explored)
    row, col = random_cells(explored.finished)
    cells = row * facts["cols"] + col
    for number, entry in enumerate(facts["species"]):
        stored = explored.finished.band(explored.finished.species[number])
        layer = values(explored, f"species/{number}")
        assert np.array_equal(layer == site.NO_COLOUR, (stored == NODATA).ravel())
        step = entry["highest"] / site.LAST_COLOUR
        assert np.abs(layer[cells] * step - stored[row, col] * facts["scale"]).max() <= step / 2 + 1e-9
        assert entry["highest"] == pytest.approx(stored[stored != NODATA].max() * facts["scale"])


def test_layers_of_all_species_are_their_bands_within_half_a_step(explored):
    facts = page_facts(explored)
    row, col = random_cells(explored.finished)
    bands = {text: band for name in ("richness", "applicability") for text, _, band in explored.finished.layers(name)}
    assert [layer["key"] for layer in facts["layers"]] == [
        "expected",
        "decided",
        "expected_f1",
        "dissimilarity",
        "distance_to_training_m",
    ]
    for layer in facts["layers"]:
        stored = values(explored, f"grids/{layer['key']}")[row * facts["cols"] + col]
        assert np.abs(stored * layer["scale"] - bands[layer["key"]][row, col]).max() <= layer["scale"] / 2 + 1e-9
    inside = values(explored, "grids/inside").reshape(facts["rows"], facts["cols"])
    assert np.array_equal(inside == 255, ~explored.finished.predicted)
    expected = np.nan_to_num(bands["inside"], nan=2)
    assert np.array_equal(inside[explored.finished.predicted], expected[explored.finished.predicted])
    assert {0, 1, 2, 255} == set(np.unique(inside))


def test_training_surveys_keep_place_number_of_species_and_year(explored):
    data = explored.data
    columns = read_script(explored.out / site.FOLDER / "data" / "surveys.js")[1]
    frame = pd.DataFrame({name: unpack(content) for name, content in columns.items()})
    frame["surveyId"] = frame["idMillions"].astype(np.int64) * 1_000_000 + frame["idRest"]
    frame = frame.set_index("surveyId")
    rows = data.train()
    places = data.places.iloc[rows].assign(species=np.diff(data.labels_of(rows).indptr)).set_index("surveyId")
    frame = frame.loc[places.index]
    assert geo.great_circle_m(frame["lon"] / 1e6, frame["lat"] / 1e6, places["lon"], places["lat"]).max() < 0.2
    assert np.array_equal(frame["species"], places["species"])
    assert np.array_equal(frame["year"], places["year"].fillna(0))
    x, y = explored.finished.grid.transform @ (frame["col"].to_numpy() / 64, frame["row"].to_numpy() / 64)
    assert np.abs(x - places["easting"]).max() < 8000 / 64
    assert np.abs(y - places["northing"]).max() < 8000 / 64


def test_a_site_that_is_too_large_is_refused_before_anything_is_written(explored, tmp_path):
    finished = explored.finished
    for share in (0.6, 0.9):
        limit = int(explored.facts["bytes"] * share)
        with pytest.raises(ConfigError, match=r"choose fewer species .*--species.* or map a coarser grid") as error:
            site.write(finished, finished.species, tmp_path, lambda *words: None, limit=limit)
        assert "7 species" in str(error.value)
        assert list(tmp_path.iterdir()) == []
    site.write(finished, finished.species, tmp_path, lambda *words: None, limit=explored.facts["bytes"])


def test_the_bytes_that_are_counted_are_those_on_disk(explored):
    files = [path for path in explored.out.rglob("*") if path.is_file()]
    assert explored.facts["bytes"] == sum(path.stat().st_size for path in files)
    assert explored.facts["files"] == len(files)


def test_text_from_data_is_no_markup_anywhere(explored):
    facts = page_facts(explored)
    assert facts["species"][1]["name"] == HOSTILE
    assert facts["title"] == TITLE
    for path in explored.out.rglob("*.js"):
        if path.parent.name != "leaflet":
            assert "alert(1)</script>" not in path.read_text()
    page = (explored.out / "index.html").read_text()
    assert "<img" not in page
    assert page.count("votes on &lt;/script&gt;&lt;img src=x&gt;") == 2


def test_no_script_of_the_page_makes_markup_or_code_of_text(explored):
    scripts = list((explored.out / site.FOLDER).glob("*.js"))
    assert len(scripts) == 5
    for path in scripts:
        text = path.read_text()
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(", "http:"):
            assert word not in text, f"{path.name}: {word}"


def test_the_page_names_only_files_that_are_there_and_no_host(explored):
    page = (explored.out / "index.html").read_text()
    names = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert {name for name in names if not name.startswith(("#", "data:"))} == {
        f"{site.FOLDER}/{name}"
        for name in (
            *("explorer.css", "data.js", "places.js", "layers.js", "panel.js", "main.js"),
            *("leaflet/leaflet.css", "leaflet/leaflet.js"),
        )
    }
    assert all((explored.out / name).is_file() for name in names if name.startswith(site.FOLDER))
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "")


def test_leaflet_is_the_version_that_the_page_credits_unmodified_and_with_its_licence(explored):
    folder = explored.out / site.FOLDER / "leaflet"
    published = {  # dist/ of leaflet 1.9.4 at npm
        "leaflet.js": "db49d009c841f5ca34a888c96511ae936fd9f5533e90d8b2c4d57596f4e5641a",
        "leaflet.css": "a7837102824184820dfa198d1ebcd109ff6d0ff9a2672a074b9a1b4d147d04c6",
    }
    assert {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in published} == published
    version = re.search(r'\.version="([\d.]+)"', (folder / "leaflet.js").read_text())[1]
    assert any(f"Leaflet {version}" in text for text, _ in page_facts(explored)["credits"])
    assert "BSD 2-Clause" in (folder / "LICENSE").read_text()
    assert f"{site.FOLDER}/$" in (folder.parent / "main.js").read_text()  # the credits lead to it


def test_credits_name_data_licence_and_basemap(explored):
    credits = page_facts(explored)["credits"]
    assert credits[0] == ["Surveys: Plots & <b>more</b>, doi:10.15468/dl.abc", "https://doi.org/10.15468/dl.abc"]
    assert credits[1][0] == "Licence: CC0 (7 records)"
    assert any("Natural Earth" in text for text, _ in credits)


def test_an_address_that_is_no_doi_is_no_link(explored):
    explored.finished.facts["citation"]["doi"] = "javascript:alert(1)"
    try:
        from glc.explorer.description import describe

        facts = describe(explored.finished, explored.finished.species, [1] * 7, 64, {})
    finally:
        explored.finished.facts["citation"]["doi"] = "10.15468/dl.abc"
    assert facts["credits"][0][1] == ""


def test_some_species_can_be_chosen_by_id_or_name_and_others_are_refused(explored):
    chosen = explored.finished.chosen("104, Planta 2-folia L.")
    assert [entry.speciesId for entry in chosen] == [104, 102]
    assert explored.finished.chosen(" ") == explored.finished.species
    with pytest.raises(ConfigError, match=r"map .*: --species: found '999', expected ids or names of the 7 species"):
        explored.finished.chosen("999")


@pytest.mark.parametrize("missing", ["map", "model"])
def test_a_folder_that_is_no_map_or_model_is_named(explored, tmp_path, missing):
    folders = {"map": explored.finished.folder, "model": explored.finished.model} | {missing: tmp_path}
    with pytest.raises(DataError, match=rf"{tmp_path}.*glc map EXPERIMENT"):
        FinishedMap(folders["map"], folders["model"])


def test_a_relative_suitability_has_no_numbers_of_species_and_says_so(tmp_path):
    explored = make(tmp_path, relative=True, species=2, resolution=20_000)
    facts = page_facts(explored)
    assert facts["relative"]
    assert facts["values"] == "relative suitability"
    assert [layer["key"] for layer in facts["layers"]] == ["dissimilarity", "distance_to_training_m"]
    assert facts["surveys"] == len(explored.data.train())
