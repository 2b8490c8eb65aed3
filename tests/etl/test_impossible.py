"""Values that cannot be, whatever a raster declares, in tiles, tables and at places; and columns without any value."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from glc import registry
from glc.covariates import Metadata, Raster
from glc.errors import DataError
from glc.etl import tabular, tiles
from glc.rasters.reader import Reader
from glc.rasters.values import RasterValues
from tests.rasters.geotiffs import find, geotiff

LOWEST = float(np.finfo("float32").min)
LAND = (300 + 200 * np.sin(np.mgrid[0:120, 0:120][0] / 20) + 100 * np.cos(np.mgrid[0:120, 0:120][1] / 15)).astype(
    "float32"
)
SEA = np.mgrid[0:120, 0:120][1] - 0.3 * np.mgrid[0:120, 0:120][0] > 75
KINDS = {
    "declared": (LOWEST, LOWEST),
    "rounded": (LOWEST, -3.4e38),
    "undeclared": (-9999, None),
    "highest": (-LOWEST, None),
    "infinite": (-np.inf, None),
    "mixed": (-9999, LOWEST),
}
"""What the sea has, and what the file declares: a coast in the east of a raster of elevation."""


def _coast(folder, kind, **layout):
    """The file of elevation in `folder`, whose sea is of a `KINDS`."""
    sea, nodata = KINDS[kind]
    path = folder / "EnvironmentalRasters" / "Elevation" / "elevation.tif"
    path.parent.mkdir(parents=True)
    band = np.where(SEA, sea, LAND).astype("float32")
    return geotiff(path, band[None], step=1 / 120, west=3.0, north=44.0, nodata=nodata, **layout)


@pytest.fixture
def places():
    rng = np.random.default_rng(5)
    place = {"lon": rng.uniform(3.1, 3.9, 200), "lat": rng.uniform(43.1, 43.9, 200)}
    return pd.DataFrame({"dataset": "pa_train", "surveyId": np.arange(200), **place})


def _table(folder):
    return pq.read_table(sorted(folder.glob("part-*.parquet"))).to_pandas().sort_values("surveyId", ignore_index=True)


def _tiles(folder, places, covariate="elevation", **options):
    facts = tiles.write(None, places, covariate, folder, folder / "tiles", **{"size": 16, "block": 4} | options)
    return facts, _table(folder / "tiles")


@pytest.mark.parametrize("kind", KINDS)
def test_tiles_and_tables_are_those_of_the_same_sea_declared_as_it_is(tmp_path, places, kind, caplog):
    made = {}
    for name in ("declared", kind):
        folder = tmp_path / name
        if not folder.exists():
            _coast(folder, name)
        facts, cut = _tiles(folder, places)
        report = tabular.write(None, places, ["elevation"], folder, folder / "table")
        made[name] = facts, cut, report, _table(folder / "table" / "tabular")
    (_, wanted, _, wanted_values), (facts, cut, report, values) = made["declared"], made[kind]
    assert list(cut["flag"]) == list(wanted["flag"])
    assert_allclose(np.stack(cut["elevation"]), np.stack(wanted["elevation"]), rtol=1e-5)
    assert_array_equal(cut["elevation_valid"], wanted["elevation_valid"])
    mean = np.stack(cut["elevation"])[:, 0] / 16
    assert mean.min() > 0
    assert mean.max() < 600
    assert_array_equal(values["elevation_elevation"], wanted_values["elevation_elevation"])
    assert values["elevation_elevation"].between(0, 600).sum() + values["elevation_elevation"].isna().sum() == 200
    sea = SEA[((44 - places["lat"]) * 120).astype(int), ((places["lon"] - 3) * 120).astype(int)]
    assert_array_equal(values["elevation_elevation"].isna(), sea)
    strange = report["infinite"]["elevation_elevation"] + report["outliers"]["elevation_elevation"]
    if kind == "declared":
        assert (facts["impossible"], strange) == ([], 0)
        assert "cannot be" not in caplog.text
        return
    (found,) = facts["impossible"]
    assert (found["band"], found["pixels"], found["of"]) == ("elevation", int(SEA.sum()), SEA.size)
    assert found["example"] == pytest.approx(KINDS[kind][0])
    assert strange == int(sea.sum())
    assert f"{int(SEA.sum())} of {SEA.size} pixels looked at cannot be" in caplog.text
    assert f"{strange} of 200 values of surveys cannot be (expected -500 to 9000)" in caplog.text


@pytest.mark.parametrize("kind", ["rounded", "undeclared", "infinite", "mixed"])
def test_a_warp_mixes_no_impossible_value_into_others(tmp_path, kind):
    sea, nodata = KINDS[kind]
    band = np.where(SEA, sea, LAND).astype("float32")[None]
    path = geotiff(tmp_path / "x.tif", band, step=1000, west=500_000, north=4_850_000, crs="EPSG:32631", nodata=nodata)
    (grid,) = find(path, limits={"*": (-500, 9_000)})
    with Reader(grid) as reader:
        values, valid = reader.box(0, 0, *grid.shape)
        part = reader.box(20, 30, 40, 50)
    assert grid.warped
    assert LAND.min() - 1 <= values[valid].min() <= values[valid].max() <= LAND.max() + 1
    assert 0.9 < valid.mean() / (~SEA).mean() < 1.01
    assert_array_equal(part[1], valid[:, 20:60, 30:80])  # whatever box a pixel is part of
    assert_array_equal(part[0][part[1]], values[:, 20:60, 30:80][part[1]])


def test_a_fill_value_of_a_covariate_without_limits_is_no_value_where_none_is_declared(tmp_path):
    for number, fill in enumerate((-9999, -99_999, -32_768)):
        band = np.full((1, 10, 10), 5, "int32")
        band[0, :, :4] = fill
        path = geotiff(tmp_path / f"x{number}.tif", band)
        with Reader(find(path)[0]) as reader:
            assert_array_equal(reader.box(0, 0, 10, 10)[1][0], band[0] == 5)
            assert (reader.means(), reader.impossible[0]) == (5, (40, 100, fill))
        declared = geotiff(tmp_path / f"y{number}.tif", band, nodata=-1)
        with Reader(find(declared)[0]) as reader:
            assert reader.box(0, 0, 10, 10)[1].all(), "a file that declares another nodata means its values"


def test_values_beyond_are_replaced_in_tiles_as_in_tables(tmp_path, places):
    path = tmp_path / "EnvironmentalRasters" / "HumanFootprint" / "hfp.tif"
    path.parent.mkdir(parents=True)
    band = np.tile(np.array([-20, 300, 7, LOWEST], "float32"), (120, 30))[None]
    geotiff(path, band, step=1 / 120, west=3.0, north=44.0)
    facts, cut = _tiles(tmp_path, places, "footprint", size=1, block="full")
    report = tabular.write(None, places, ["footprint"], tmp_path, tmp_path / "table")
    values = _table(tmp_path / "table" / "tabular")["footprint_hfp"]
    known = values.notna()
    assert set(values[known]) == {1, 255, 7}
    assert_array_equal(np.stack(cut["hfp"])[known, 0], values[known])
    assert_array_equal(cut["hfp_valid"] > 0, known)
    assert facts["impossible"][0]["pixels"] == 120 * 30
    assert report["infinite"]["footprint_hfp"] == int((~known).sum())


def test_a_place_has_the_value_of_the_first_area_where_it_can_be(tmp_path):
    for area, value in (("FR", -9999), ("USA", 7)):
        geotiff(tmp_path / f"x_{area}.tif", np.full((1, 10, 10), value, "int16"), nodata=-1)
    covariate = Raster("x", ("x_*.tif",), areas=("FR", "USA"), limits={"*": (0, 10)})
    at = pd.DataFrame({"lon": [5.05], "lat": [44.95]})
    for raw in (True, False):
        assert RasterValues(covariate, [tmp_path], raw=raw).read(at)[0] == 7


def test_a_band_without_a_value_at_any_survey_is_named(tmp_path, places, caplog):
    bands = np.stack([LAND, np.where(np.mgrid[0:120, 0:120][0] < 2, 5, -1).astype("float32")])
    geotiff(tmp_path / "x.tif", bands, step=1 / 120, west=3.0, north=44.0, nodata=-1, names=("high", "bare"))
    covariate = Raster("test", ("x.tif",), name="test")
    facts, _ = _tiles(tmp_path, places, covariate, size=4)
    assert facts["empty"] == ["bare"]
    assert "no survey has a value of bare (1 of 2 bands)" in caplog.text
    report = tabular.write(None, places, [covariate], tmp_path, tmp_path / "table")
    assert report["empty"] == ["test_bare"]
    assert "no survey has a value of test_bare" in caplog.text


def test_a_covariate_without_a_value_at_any_survey_is_refused(tmp_path, places):
    band = np.where(np.mgrid[0:120, 0:120][0] < 2, 5, -1).astype("float32")[None]
    geotiff(tmp_path / "x.tif", band, step=1 / 120, west=3.0, north=44.0, nodata=-1)
    covariate = Raster("test", ("x.tif",), name="test")
    with pytest.raises(DataError, match=r"x\.tif: covariate 'test' has no value around any of 200 surveys \(x\)"):
        _tiles(tmp_path, places, covariate, size=4)
    with pytest.raises(DataError, match=r"x\.tif: covariate 'test' has no value at any of 200 surveys \(test_x\)"):
        tabular.write(None, places, [covariate], tmp_path, tmp_path / "table")


def test_metadata_without_a_value_are_named_and_not_refused(tmp_path, places):
    assert isinstance(registry.covariates.get("metadata"), Metadata)
    covariate = Metadata("area", values={"area_m2": "areaInM2"}, name="area")
    report = tabular.write(None, places.assign(areaInM2=np.nan), [covariate], tmp_path, tmp_path / "table")
    assert report["empty"] == ["area_area_m2"]
