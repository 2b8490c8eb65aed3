"""A map as a folder: its values are scores at the centres of cells, its files are valid, a stopped run continues."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pystac
import pytest
import rasterio
from PIL import Image
from pystac.validation.stac_validator import JsonSchemaSTACValidator
from rio_cogeo.cogeo import cog_validate

from glc.errors import DataError
from glc.maps import blocks, distribution, geotiff
from glc.maps import grid as grids
from glc.maps.cover import Cover, CoverOptions
from glc.maps.origin import Origin
from tests.maps.scorers import SyntheticScorer

ORIGIN = Origin(
    title="votes on midi",
    dataset="midi",
    experiment="votes",
    provenance={"model": "0123456789ab"},
    licence="CC-BY-4.0",
    citation="GBIF.org (2024) Occurrence download",
    doi="10.15468/dl.abc",
    years=(2012, 2019),
)
GRID = grids.of_bounds((2.5, 42.3, 7.8, 45.0), "EPSG:3035", 4000)
FLOATS = ("richness", "applicability")


LAND = CoverOptions()


class StoppedError(Exception):
    """What stops a run in the middle."""


def make(out, scorer, grid=GRID, *, cover=LAND, parts=None, notice=print, draw=False, small=True, **options):
    """Write a map; its facts.

    draw : its preview too, which takes most of the time
    small : in small blocks, so that a small map has several
    """
    out.mkdir(parents=True, exist_ok=True)
    parts = parts or out.with_name(f"{out.name}-parts")
    rows = range(len(scorer.species))
    with pytest.MonkeyPatch.context() as patch:
        if small:
            patch.setattr(grids, "BLOCK", 32)
            patch.setattr(geotiff, "BLOCK", 32)
            patch.setattr(geotiff, "TILE", 64)
        if not draw:
            patch.setattr(distribution.preview, "write", lambda *words: None)
        return distribution.write(scorer, grid, cover, rows, ORIGIN, out, parts, lambda *words: None, notice, **options)


@pytest.fixture(scope="module")
def scorer():
    return SyntheticScorer(12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, scorer):
    out = tmp_path_factory.mktemp("map") / "map"
    make(out, scorer, draw=True)
    return out


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A map of more species than a file holds, of a small grid."""
    out = tmp_path_factory.mktemp("many") / "map"
    scorer = SyntheticScorer(2 * blocks.BANDS + 3, keep=40)
    make(out, scorer, grids.of_bounds((3.5, 43.3, 4.5, 44.0), "EPSG:3035", 10_000))
    return out


def random_cells(path, n=1000):
    """Rows and columns of cells with a value, and the values of all bands there (band, n)."""
    with rasterio.open(path) as raster:
        values = raster.read(masked=True)
        valid = ~np.ma.getmaskarray(values[0])
        assert (np.ma.getmaskarray(values) == ~valid).all()
        row, col = np.nonzero(valid)
        at = np.random.default_rng(0).choice(len(row), n, replace=False)
        row, col = row[at], col[at]
        scales = np.array(raster.scales)[:, None]
        return row, col, np.asarray(values[:, row, col], float) * scales, raster.scales[0]


def test_a_cell_has_the_score_at_its_centre_within_half_a_step(folder, scorer):
    row, col, values, step = random_cells(folder / "probability.tif")
    expected = scorer.scores(scorer.places(*GRID.centre(row, col))).toarray().T
    assert step == pytest.approx(1 / 65534)
    assert np.abs(values - expected).max() <= step / 2 + 1e-7
    assert expected.max() > 0.5


def test_richness_and_applicability_are_those_of_the_scorer(folder, scorer):
    row, col, values, _ = random_cells(folder / "richness.tif")
    places = scorer.places(*GRID.centre(row, col))
    scores = scorer.scores(places)
    assert np.allclose(values[0], np.asarray((scores > 0.5).sum(axis=1)).ravel())
    assert np.allclose(values[1], scorer.expected_species(scores), rtol=1e-5)
    with rasterio.open(folder / "applicability.tif") as raster:
        known = raster.read()[:, row, col]
        assert raster.descriptions == ("dissimilarity", "inside", "distance_to_training_m", "expected_f1")
    trust = scorer.applicability(places)
    for band, name in enumerate(("dissimilarity", "inside", "distance_to_training_m")):
        assert np.allclose(known[band], trust[name].to_numpy(float, na_value=np.nan), rtol=1e-5, equal_nan=True)
    assert np.isnan(known[1]).any()
    assert np.isnan(known[3]).all()


def test_the_sea_is_nodata_in_every_file(folder):
    land = Cover(GRID, CoverOptions()).all()
    for name in ("probability", "richness"):
        with rasterio.open(folder / f"{name}.tif") as raster:
            assert (np.ma.getmaskarray(raster.read(1, masked=True)) == ~land).all()
    assert not land.all()


@pytest.mark.parametrize("name", ["probability", *FLOATS])
def test_files_are_cloud_optimised(folder, name):
    valid, errors, warnings = cog_validate(folder / f"{name}.tif", strict=True)
    assert (valid, errors, warnings) == (True, [], [])
    with rasterio.open(folder / f"{name}.tif") as raster:
        assert raster.interleaving.value == "BAND" or raster.count == 1
        assert raster.crs.to_epsg() == 3035
        assert raster.transform == GRID.transform
        assert raster.overviews(1) == [2]


def test_a_larger_map_has_overviews(tmp_path):
    make(tmp_path / "map", SyntheticScorer(2), grids.of_bounds((3.0, 43.0, 6.0, 45.0), "EPSG:4326", 0.03))
    for name in ("probability", *FLOATS):
        assert cog_validate(tmp_path / "map" / f"{name}.tif", strict=True) == (True, [], [])
        with rasterio.open(tmp_path / "map" / f"{name}.tif") as raster:
            assert raster.overviews(1) == [2]


def test_bands_say_which_species_they_are_and_files_where_they_come_from(folder):
    with rasterio.open(folder / "probability.tif") as raster:
        assert raster.descriptions[:2] == ("100", "101 Planta 1-folia L.")
        assert raster.tags(2) == {
            "speciesId": "101",
            "name": "Planta 1-folia L.",
            "key": "1",
            "values": "probability",
        }
        assert raster.nodata == 65535
        tags = raster.tags()
    assert tags["TIFFTAG_COPYRIGHT"] == "CC-BY-4.0"
    assert tags["GLC_DOI"] == "10.15468/dl.abc"
    assert tags["GLC_MODEL"] == "0123456789ab"
    assert tags["TIFFTAG_SOFTWARE"].startswith("glc ")
    assert "probability" in tags["TIFFTAG_IMAGEDESCRIPTION"]


def test_more_species_than_a_file_holds_are_several_files_and_a_vrt(many):
    names = sorted(path.name for path in many.glob("probability*.tif"))
    assert names == ["probability-000.tif", "probability-001.tif", "probability-002.tif"]
    read = []
    for name in names:
        assert cog_validate(many / name, strict=True) == (True, [], [])
        with rasterio.open(many / name) as raster:
            read.append(raster.read())
            bounds, crs = raster.bounds, raster.crs
    assert [len(values) for values in read] == [500, 500, 3]
    with rasterio.open(many / "probability.vrt") as whole:
        assert np.array_equal(whole.read(), np.concatenate(read))
        assert (whole.bounds, whole.crs, whole.nodata) == (bounds, crs, 65535)
        assert whole.descriptions[1001] == "1101 Planta 1001-folia L."
        assert whole.scales[1001] == pytest.approx(1 / 65534)


@pytest.mark.parametrize("which", ["folder", "many"])
def test_the_item_is_valid_stac(which, request):
    out = request.getfixturevalue(which)
    content = json.loads((out / "item.json").read_text())
    JsonSchemaSTACValidator().validate_core(content, pystac.STACObjectType.ITEM, "1.1.0")
    item = pystac.Item.from_dict(content)
    for name, asset in item.assets.items():
        assert (out / asset.href).is_file(), name
    made = {path.name for path in out.iterdir()} - {"item.json"}
    assert set(item.assets) == made


def test_the_item_says_what_the_map_is(folder):
    content = json.loads((folder / "item.json").read_text())
    facts = content["properties"]
    assert facts["proj:code"] == "EPSG:3035"
    assert facts["proj:shape"] == list(GRID.shape)
    assert facts["start_datetime"].startswith("2012")
    assert facts["end_datetime"].startswith("2019")
    assert facts["license"] == "CC-BY-4.0"
    assert facts["sci:doi"] == "10.15468/dl.abc"
    assert facts["glc:model"] == "0123456789ab"
    assert [band["name"] for band in content["assets"]["richness.tif"]["bands"]] == ["decided", "expected"]
    west, south, east, north = content["bbox"]
    assert west < 2.5
    assert south < 42.3
    assert east > 7.8
    assert north > 45


def test_styles_for_qgis_hold_the_colours_of_the_values(folder):
    style = ElementTree.parse(folder / "probability.qml").getroot()
    items = style.findall(".//item")
    assert (items[0].get("value"), items[-1].get("value")) == ("0", "1")
    richest = float(ElementTree.parse(folder / "richness.qml").getroot().findall(".//item")[-1].get("value"))
    with rasterio.open(folder / "richness.tif") as raster:
        assert richest == pytest.approx(np.nanmax(raster.read()), rel=1e-4)


def test_the_preview_shows_land_sea_and_colours(folder):
    with Image.open(folder / "preview.png") as picture:
        assert min(picture.size) > 500
        pixels = np.asarray(picture.convert("RGB"), np.int64) @ np.array([1 << 16, 1 << 8, 1])
    assert (pixels == 0xDFE7EE).mean() > 0.05  # the sea
    assert len(np.unique(pixels)) > 300


def test_presence_only_maps_are_of_relative_suitability(tmp_path):
    make(tmp_path / "map", SyntheticScorer(3, relative=True))
    with rasterio.open(tmp_path / "map" / "probability.tif") as raster:
        assert raster.descriptions[1] == "101 Planta 1-folia L."
        assert raster.units[1] == "relative suitability"
        assert raster.tags()["GLC_VALUES"] == "relative suitability"
        assert raster.read(1).min() < 65535
    with rasterio.open(tmp_path / "map" / "richness.tif") as raster:
        assert np.isnan(raster.read()).all()
    with rasterio.open(tmp_path / "map" / "applicability.tif") as raster:
        assert np.isnan(raster.read(4)).all()
        assert np.isfinite(raster.read(1)).any()
    assert (
        json.loads((tmp_path / "map" / "item.json").read_text())["properties"]["glc:values"] == "relative suitability"
    )


def test_cells_without_an_input_are_nodata(tmp_path):
    facts = make(tmp_path / "map", SyntheticScorer(2, covered=(3.0, 43.0, 5.0, 46.0)))
    row, col = np.indices(GRID.shape)
    lon, lat = GRID.centre(row, col)
    with rasterio.open(tmp_path / "map" / "probability.tif") as raster:
        valid = ~np.ma.getmaskarray(raster.read(1, masked=True))
    inside = (lon >= 3) & (lon <= 5) & (lat >= 43)
    assert valid.any()
    assert not valid[~inside].any()
    assert facts["predicted_cells"] == valid.sum()
    assert facts["messages"] == ["soil is in EPSG:4326"]


def test_a_map_that_no_input_covers_is_refused_unless_asked_for(tmp_path):
    elsewhere = SyntheticScorer(2, covered=(20, 40, 30, 50))
    with pytest.raises(DataError, match="soil, which is all that the model reads"):
        make(tmp_path / "map", elsewhere)
    facts = make(tmp_path / "map", elsewhere, allow_missing=True)
    assert "inputs without a value anywhere, replaced by the training mean: soil" in facts["messages"]
    assert facts["predicted_cells"] > 0


def test_a_stopped_run_continues_and_gives_the_same_map(tmp_path, folder, scorer):
    class Stopping(SyntheticScorer):
        left = 2

        def scores(self, places, values=None):
            if len(places) > blocks._PROBED:
                self.left -= 1
                if self.left < 0:
                    raise StoppedError
            return super().scores(places, values)

    parts = tmp_path / "parts"
    with pytest.raises(StoppedError):
        make(tmp_path / "map", Stopping(12), parts=parts)
    done = {path: path.stat().st_mtime_ns for path in parts.glob("*.npz")}
    assert done
    shutil.rmtree(tmp_path / "map")
    whole, counted = SyntheticScorer(12), SyntheticScorer(12)
    make(tmp_path / "map", counted, parts=parts)
    make(tmp_path / "whole", whole)
    assert all(path.stat().st_mtime_ns == time for path, time in done.items())
    assert counted.scored < whole.scored
    for name in ("probability.tif", "richness.tif", "applicability.tif"):
        assert (tmp_path / "map" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_minutes_and_bytes_are_stated_before_the_second_block(tmp_path):
    seen = []

    class Watching(SyntheticScorer):
        def scores(self, places, values=None):
            seen.append(len(places))
            return super().scores(places, values)

    def notice(text):
        assert "minutes and" in text
        assert "MB" in text
        seen.append("stated")

    make(tmp_path / "map", Watching(3), notice=notice)
    assert seen.index("stated") == 2  # after the probe and the first block
    assert len(seen) > 6


def test_what_is_stated_is_about_what_the_map_takes(folder, tmp_path):
    facts = make(tmp_path / "map", SyntheticScorer(12))
    taken = sum(path.stat().st_size for path in (tmp_path / "map").glob("*.tif"))
    assert 0.4 < facts["bytes_stated"] / taken < 4


def test_a_disk_that_is_too_small_is_reported_before_the_second_block(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10, 10, 1000))
    scorer = SyntheticScorer(3)
    with pytest.raises(DataError, match=r"the map .* on disk, .*coarser --resolution"):
        make(tmp_path / "map", scorer)
    assert scorer.scored < 1_500  # of 6,000 cells


def test_cells_finer_than_the_data_are_warned_of():
    (message,) = distribution.finer_than_data({"soil": 8000.0, "climate": 1000.0}, GRID)
    assert "resolution 4,000 m is finer than the data (soil about 8,000 m)" in message
    assert distribution.finer_than_data({"soil": 5000.0}, GRID) == []


def test_a_score_that_is_no_number_is_refused(tmp_path):
    class Broken(SyntheticScorer):
        def scores(self, places, values=None):
            scores = super().scores(places, values)
            scores.data[:1] = np.nan
            return scores

    with pytest.raises(DataError, match="no number"):
        make(tmp_path / "map", Broken(2))


def test_scores_beyond_one_have_a_larger_step(tmp_path):
    class Counts(SyntheticScorer):
        def scores(self, places, values=None):
            return super().scores(places, values) * 7

    scorer = Counts(2)
    make(tmp_path / "map", scorer)
    row, col, values, step = random_cells(tmp_path / "map" / "probability.tif")
    expected = scorer.scores(scorer.places(*GRID.centre(row, col))).toarray().T
    assert expected.max() > 1
    assert np.abs(values - expected).max() <= step / 2 + 1e-6


MEMORY = """
import sys
from pathlib import Path
from glc import memory
from glc.maps import grid
from tests.maps.scorers import SyntheticScorer
from tests.maps.test_distribution import make
with memory.peak() as peak:
    area = grid.of_bounds((2.5, 44.0, 4.5, 45.5), "EPSG:3035", 1000)
    make(Path(sys.argv[1]), SyntheticScorer(3000), area, draw=True, small=False)
print(peak.bytes)
"""


@pytest.mark.slow
def test_three_thousand_species_stay_below_two_gigabytes(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path / "map")],
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
        check=True,
    )
    assert int(done.stdout.splitlines()[-1]) < 2 * 2**30
    assert len(list((tmp_path / "map").glob("probability-*.tif"))) == 6
    size = sum(path.stat().st_size for path in (tmp_path / "map").glob("*.tif"))
    assert size > 30 * 2**20  # there was something to write
