"""Environmental values at surveys against rasterio's own samples, hand-made tables and known outliers."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import rasterio
from numpy.testing import assert_allclose, assert_array_equal
from pyproj import Transformer
from rasterio.transform import from_origin, rowcol
from rasterio.warp import transform_bounds

from glc import registry, schema
from glc.covariates import Raster
from glc.errors import ConfigError, DataError
from glc.etl import cleaning, metadata, tabular
from glc.rasters.cutter import FLAGS, RasterCutter
from glc.rasters.values import RasterValues
from tests.rasters.geotiffs import geotiff


def _places(lon, lat, dataset="pa_train"):
    return pd.DataFrame({"dataset": dataset, "surveyId": np.arange(len(lon)), "lon": lon, "lat": lat})


def _read(out):
    table = pq.read_table(sorted((out / "tabular").glob("*.parquet")))
    assert table.schema.equals(schema.tabular(table.column_names[3:]))
    return table.to_pandas()


def _written(tmp_path, places, covariates, spark=None, **options):
    facts = tabular.write(spark, places, covariates, tmp_path, tmp_path / "out", **options)
    frame = _read(tmp_path / "out").sort_values(["dataset", "surveyId"]).reset_index(drop=True)
    assert facts["rows"] == len(frame) == len(places)
    assert list(frame.columns[3:]) == facts["columns"]
    return facts, frame


def _sampled(path, places, crs="EPSG:4326"):
    """What rasterio samples at the places, NaN for nodata and outside, scale and offset applied."""
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(places["lon"], places["lat"])
    with rasterio.open(path) as source:
        found = np.ma.stack(list(source.sample(zip(x, y, strict=True), masked=True))).astype(float).filled(np.nan)
        row, col = rowcol(source.transform, x, y, op=np.floor)
        outside = (row < 0) | (row >= source.height) | (col < 0) | (col >= source.width)
        found[outside] = np.nan
        return found * source.scales + source.offsets


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32"])
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3035"])
@pytest.mark.parametrize("layout", [{}, {"tiled": True, "blockxsize": 32, "blockysize": 16, "compress": "deflate"}])
def test_values_are_those_of_rasterios_sample(tmp_path, dtype, crs, layout):
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 250, (2, 700, 600)).astype(dtype)
    pixels[:, rng.random((700, 600)) < 0.2] = 0
    place = {} if crs == "EPSG:4326" else {"transform": from_origin(3_900_000, 2_400_000, 400, 400)}
    scaled = {"scales": (0.1, 2), "offsets": (-27, 5)}
    path = geotiff(
        tmp_path / "x.tif", pixels, nodata=0, crs=crs, names=("a", "b"), step=0.005, **place, **layout, **scaled
    )
    with rasterio.open(path) as source:
        bounds = transform_bounds(source.crs, "EPSG:4326", *source.bounds)
    n = 3_000
    places = _places(rng.uniform(bounds[0] - 0.3, bounds[2] + 0.3, n), rng.uniform(bounds[1] - 0.3, bounds[3] + 0.3, n))
    places.loc[7, "lon"] = np.nan
    wanted = np.full((n, 2), np.nan)
    known = places["lon"].notna()
    wanted[known] = _sampled(path, places[known], crs)
    facts, frame = _written(tmp_path, places, [Raster("x", ("x.tif",), limits={"*": (-1e6, 1e6)})])
    assert_allclose(frame[["value_a", "value_b"]], wanted, rtol=1e-6)
    assert facts["nulls"] == {"value_a": np.isnan(wanted[:, 0]).sum(), "value_b": np.isnan(wanted[:, 1]).sum()}
    assert 400 < facts["nulls"]["value_a"] < n - 400
    assert_array_equal(frame["flag"] == "missing", np.isnan(wanted).all(axis=1))
    assert facts["flags"]["missing"] == np.isnan(wanted).all(axis=1).sum()


def test_the_outermost_pixels_are_inside_and_what_is_beyond_is_missing(tmp_path):
    geotiff(tmp_path / "x.tif", np.arange(12.0, dtype="float32").reshape(1, 3, 4), step=1.0, west=0.0, north=3.0)
    places = _places([0.0, 3.999, 0.0, 3.999, 4.0, -1e-9, 1.5, 1.5], [3.0, 3.0, 0.001, 0.001, 1.5, 1.5, 0.0, 3.001])
    _, frame = _written(tmp_path, places, [Raster("x", ("x.tif",))])
    assert_array_equal(frame["value_x"], [0, 3, 8, 11, np.nan, np.nan, np.nan, np.nan])
    assert list(frame["flag"]) == ["ok"] * 4 + ["missing"] * 4


def test_a_place_on_the_date_line_has_the_value_that_its_tile_has(tmp_path):
    pixels = np.random.default_rng(0).normal(size=(1, 36, 72)).astype(np.float32)
    geotiff(tmp_path / "g.tif", pixels, step=5, west=-180, north=90, names=("g",))
    covariate, places = Raster("g", ("g.tif",), name="g"), _places([180.0, 179.9, -180.0], [0.0, 0.0, 0.0])
    found = RasterValues(covariate, [tmp_path]).read(places)[0].ravel()
    assert_array_equal(found, pixels[0, 18, [0, 71, 0]])
    tiles, _, rank, _ = RasterCutter(covariate, [tmp_path], 4, "full", 64).cut(places)
    assert list(FLAGS[rank]) == ["ok"] * 3
    assert_array_equal(found.astype(np.float32), tiles["g"].reshape(3, 4, 4)[:, 2, 2])


def test_classes_are_columns_and_an_unknown_one_is_none_of_them(tmp_path):
    codes = np.array([[[1, 2, 3, 0, 9]]], "uint8")
    geotiff(tmp_path / "x.tif", codes, step=1.0, west=0.0, north=1.0, nodata=0)
    covariate = Raster("x", ("x.tif",), bands=("kind",), classes={1: (1, 2, 3)})
    places = _places(np.arange(6) + 0.5, np.full(6, 0.5))
    facts, frame = _written(tmp_path, places, [covariate])
    assert facts["categories"]["value_kind"] == facts["columns"]
    assert facts["columns"] == ["value_kind_1", "value_kind_2", "value_kind_3", "value_kind_null"]
    wanted = np.eye(4)[[0, 1, 2, 3, 3, 3]]  # nodata, a code that is no class, outside
    assert_array_equal(frame[facts["columns"]], wanted)
    assert list(frame["flag"]) == ["ok"] * 3 + ["missing"] * 3
    assert set(facts["nulls"].values()) == {3}


def test_infinite_is_null_limits_and_footprint_rule(tmp_path):
    inf = np.inf
    pixels = np.array([[[-inf, inf, -1, 0, 200, 255, 256, 1e30]]], "float32")
    folder = tmp_path / "EnvironmentalRasters" / "HumanFootprint"
    folder.mkdir(parents=True)
    geotiff(folder / "hfp.tif", pixels, step=1.0, west=0.0, north=1.0)
    geotiff(tmp_path / "x.tif", pixels, step=1.0, west=0.0, north=1.0)
    places = _places(np.arange(8) + 0.5, np.full(8, 0.5))
    plain = Raster("x", ("x.tif",), limits={"y": (5, 6), "x": (0, 255), "*": (7, 8)})
    facts, frame = _written(tmp_path, places, ["footprint", plain])
    nan = np.nan
    assert_array_equal(frame["footprint_hfp"], [nan, nan, 1, 0, 200, 255, 255, 255])
    assert_array_equal(frame["value_x"], [nan, nan, nan, 0, 200, 255, nan, nan])
    assert facts["replaced"] == {"footprint_hfp": 3, "value_x": 0}
    assert facts["outliers"] == {"footprint_hfp": 0, "value_x": 3}
    assert facts["limits"]["value_x"] == [0, 255]


def test_outliers_are_counted_over_training_surveys_alone(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.normal(10, 2, (1, 1, 1000)).astype("float32")
    pixels[0, 0, 3], pixels[0, 0, 990] = 500, -500
    geotiff(tmp_path / "x.tif", pixels, step=0.01, west=0.0, north=0.01)
    lon = (np.arange(1000) + 0.5) * 0.01
    places = _places(lon, np.full(1000, 0.005))
    places.loc[900:, "dataset"] = "pa_test"
    covariate = Raster("x", ("x.tif",))
    facts, frame = _written(tmp_path, places, [covariate], training=places[:900])
    assert facts["outliers"] == {"value_x": 2}
    assert facts["fitted_on"] == 900
    assert frame["value_x"].isna().sum() == 2
    train = pixels[0, 0, :900].astype(float)
    middle = np.median(train)
    above, below = train[train >= middle] - middle, middle - train[train <= middle]
    wanted = [middle - 20 * 1.4826 * np.median(below), middle + 20 * 1.4826 * np.median(above)]
    assert_allclose(facts["limits"]["value_x"], wanted)
    # other test surveys change nothing
    again, _ = _written(tmp_path, places[:950], [covariate], training=places[:900])
    assert again["limits"] == facts["limits"]


def test_a_column_that_hardly_varies_has_no_limit():
    assert cleaning.outlier_limits(np.r_[np.zeros(900), np.arange(100)]) == (-np.inf, np.inf)
    assert cleaning.outlier_limits(np.arange(99.0)) == (-np.inf, np.inf)
    low, high = cleaning.outlier_limits(np.r_[np.arange(200.0)] ** 3)
    assert low < 0 < 200**3 < high, "a skewed column keeps its tail"


def _csvs(folder, tables, year="GLC24", flat=False):
    for (dataset, kind), frame in tables.items():
        place = folder if flat else folder / "EnvironmentalRasters" / "EnvironmentalRasters" / kind
        place.mkdir(parents=True, exist_ok=True)
        frame.to_csv(place / f"{year}-{dataset}-{kind}.csv", index=False)


@pytest.mark.parametrize("flat", [False, True])
def test_contest_tables_join_by_survey_in_any_order(tmp_path, flat):
    rng = np.random.default_rng(0)
    ids = np.arange(500)
    bio = pd.DataFrame({"surveyId": ids, **{f"Bio{i}": rng.normal(2800, 40, 500) for i in range(1, 20)}})
    bio.loc[3, "Bio1"], bio.loc[4, "Bio12"] = np.inf, -1
    hfp = pd.DataFrame({"surveyId": ids, "HumanFootprint-Built1994": rng.integers(-1, 300, 500).astype(float)})
    shuffled = rng.permutation(500)
    test = bio.iloc[:20].assign(surveyId=np.arange(20))  # an id may be in both datasets
    _csvs(
        tmp_path,
        {
            ("PA-train", "bioclimatic"): bio.iloc[shuffled],
            ("PA-test", "bioclimatic"): test.iloc[::-1].add([0] + [1] * 19),
            ("PA-train", "human_footprint"): pd.concat([hfp.iloc[shuffled], hfp.iloc[:9]]),
            ("PA-test", "human_footprint"): hfp.iloc[:20],
            ("PA-train", "bioclimatic_monthly"): bio,
        },
        flat=flat,
    )
    places = pd.concat(
        [_places(rng.uniform(0, 5, 502), rng.uniform(40, 45, 502)), _places(np.ones(20), np.ones(20), "pa_test")]
    ).sample(frac=1, random_state=0)
    training = places[places["dataset"] == "pa_train"]
    facts, frame = _written(tmp_path, places, ["bioclim", "footprint"], training=training)
    assert facts["sources"] == {"bioclim": "tables", "footprint": "tables"}
    assert facts["columns"] == [*(f"bioclim_bio{i}" for i in range(1, 20)), "footprint_humanfootprint_built1994"]
    train, held = (frame[frame["dataset"] == name].reset_index(drop=True) for name in ("pa_train", "pa_test"))
    wanted = bio.drop(columns="surveyId").replace(np.inf, np.nan).to_numpy(copy=True)
    wanted[4, 11] = np.nan  # precipitation below zero
    assert_allclose(train.iloc[:500, 3:22], wanted, rtol=1e-6)
    assert list(train["flag"]) == ["ok"] * 500 + ["missing"] * 2
    built = hfp["HumanFootprint-Built1994"].clip(upper=255)
    assert_array_equal(train["footprint_humanfootprint_built1994"][:500], built.where(built >= 0, 1))
    assert_allclose(held["bioclim_bio2"], bio["Bio2"][:20] + 1, rtol=1e-6)
    assert facts["infinite"]["bioclim_bio1"] == 2
    assert facts["outliers"]["bioclim_bio12"] == 1


def test_land_cover_of_a_table_is_one_hot_by_layer(tmp_path):
    frame = pd.DataFrame({"surveyId": [5, 6], **{f"LandCover-{i}": [1, 2] for i in range(1, 14)}})
    frame.loc[1, "LandCover-1"] = 255
    _csvs(tmp_path, {("PA-train", "landcover"): frame}, year="GLC25", flat=True)
    places = _places(np.ones(7), np.ones(7))[5:]
    _, made = _written(tmp_path, places, ["landcover_modis"])
    assert list(made["landcover_modis_type1_1"]) == [1, 0]
    assert list(made["landcover_modis_type1_null"]) == [0, 1]
    assert list(made["landcover_modis_type2_2"]) == [0, 1]
    assert list(made["landcover_modis_prop1_confidence"]) == [1, 2]
    _csvs(
        tmp_path, {("PA-train", "landcover"): pd.DataFrame({"surveyId": [5, 6], "LandCover": [40, 41]})}, "GLC25", True
    )
    with pytest.raises(DataError, match="'type1': found 2 of 2 values such as 40, expected class codes"):
        _written(tmp_path, places, ["landcover_modis"])
    _csvs(tmp_path, {("PA-train", "landcover"): frame.assign(**{"LandCover-14": 1})}, "GLC25", True)
    with pytest.raises(DataError, match=r"'LandCover-14'\], expected 13 numbered columns"):
        _written(tmp_path, places, ["landcover_modis"])


def test_tables_that_cannot_be_used_are_told_of(tmp_path):
    places = _places(np.ones(4), np.ones(4))
    good = pd.DataFrame({"surveyId": range(4), "Elevation": [1.0, 2, 3, 4]})
    for frame, error in (
        (good.assign(Elevation=[1, 2, "high", 4]), "line 4: column 'Elevation': found 'high', expected a number"),
        (pd.concat([good, good.assign(Elevation=7)]), "survey 0 has rows that differ; expected one row per survey"),
        (good.rename(columns={"surveyId": "id"}), "column 'surveyId' is missing; found \\['id', 'Elevation'\\]"),
        (good.iloc[:0], "found a header and no rows"),
    ):
        _csvs(tmp_path, {("PA-train", "elevation"): frame}, flat=True)
        with pytest.raises(DataError, match=error):
            _written(tmp_path, places, ["elevation"])
    _csvs(tmp_path, {("PA-train", "elevation"): good}, flat=True)
    with pytest.raises(DataError, match=r"there is no such CSV of po, .*take the rasters for all: source=rasters"):
        _written(tmp_path, places.assign(dataset="po"), ["elevation"], training=places)
    geotiff(tmp_path / "altitude_5m.tif", np.full((1, 9, 9), 8, "int16"), step=1.0, west=0.0, north=9.0)
    facts, made = _written(tmp_path, places, ["elevation"], source="rasters")
    assert facts["sources"] == {"elevation": "rasters"}
    assert (made["elevation_altitude_5m"] == 8).all()
    with pytest.raises(DataError, match="survey 0 of dataset 'pa_train' is there more than once"):
        _written(tmp_path, pd.concat([places, places]), ["elevation"])
    with pytest.raises(ConfigError, match="'sentinel2' has one image per survey"):
        _written(tmp_path, places, ["sentinel2"])
    with pytest.raises(ConfigError, match="columns would share a name"):
        _written(tmp_path, places, ["elevation", "elevation"])


def test_a_damaged_block_costs_only_its_own_surveys(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 255, (1, 128, 128)).astype("uint8")
    layout = {"tiled": True, "blockxsize": 32, "blockysize": 32, "compress": "deflate"}
    path = geotiff(tmp_path / "x.tif", pixels, step=0.1, west=0.0, north=12.8, **layout)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 40] = b"\xff" * 40
    path.write_bytes(data)
    places = _places(rng.uniform(0, 12.8, 200), rng.uniform(0, 12.8, 200))
    wanted = []
    for place in places[["lon", "lat"]].to_numpy():
        with rasterio.open(path) as source:
            try:
                wanted.append(float(next(source.sample([place]))[0]))
            except rasterio.errors.RasterioIOError:
                wanted.append(np.nan)
    facts, frame = _written(tmp_path, places, [Raster("x", ("x.tif",))])
    assert facts["unreadable"] == np.isnan(wanted).sum() > 0
    assert_array_equal(frame["value_x"], wanted)


def test_spark_and_one_process_write_the_same(tmp_path, spark, monkeypatch):
    monkeypatch.setattr(tabular, "_ROWS", 150)
    registry.covariates.get("elevation")
    pixels = np.random.default_rng(0).integers(0, 900, (1, 100, 100)).astype("int16")
    geotiff(tmp_path / "altitude_5m.tif", pixels, step=0.1, west=0.0, north=50.0)
    rng = np.random.default_rng(1)
    places = _places(rng.uniform(0, 10, 500), rng.uniform(40, 50, 500))
    po = places.assign(dataset="po")
    places = pd.concat([places, po])
    one, alone = _written(tmp_path, places, ["elevation"])
    for path in (tmp_path / "out" / "tabular").iterdir():
        path.unlink()
    two, spread = _written(tmp_path, places, ["elevation"], spark=spark)
    pd.testing.assert_frame_equal(alone, spread)
    assert len(list((tmp_path / "out" / "tabular").iterdir())) == 7
    assert not alone.duplicated(["dataset", "surveyId"]).any()
    assert {**one, "seconds": 0} == {**two, "seconds": 0}


SOIL = ("bdticm", "bldfie", "cecsol", "clyppt", "orcdrc", "phihox", "sltppt", "sndppt")


def _vectors(folder, n=60):
    """Genuine layout of 2020 to 2022: one CSV of all occurrences; returns its frame."""
    rng = np.random.default_rng(2)
    names = [*(f"bio_{i}" for i in range(1, 20)), *SOIL]
    frame = pd.DataFrame(rng.uniform(1, 99, (n, 27)).round(3), columns=names)
    frame["bdticm"] *= 1_000
    frame = frame.mask(rng.random(frame.shape) < 0.1)
    frame.insert(0, "observation_id", rng.permutation(n) + 10_000_000)
    (folder / "pre-extracted").mkdir(exist_ok=True)
    frame.to_csv(folder / "pre-extracted" / "environmental_vectors.csv", sep=";", index=False)
    return frame


def _occurrences(frame):
    """Training and test occurrences of `_vectors`, and one more of each that it lacks."""
    ids = [*frame["observation_id"], 1, 2]
    names = np.where(np.arange(len(ids)) % 3 == 0, "po_test", "po")
    return pd.DataFrame({"dataset": names, "surveyId": ids, "lon": 4.0, "lat": 44.0})


def test_one_csv_of_environmental_vectors_serves_training_and_test(tmp_path):
    vectors = _vectors(tmp_path)
    places = _occurrences(vectors)
    facts, made = _written(tmp_path, places, ["bioclim", "soil"], training=places[places["dataset"] == "po"])
    assert facts["sources"] == {"bioclim": "tables", "soil": "tables"}
    assert facts["columns"] == [*(f"bioclim_bio_{i}" for i in range(1, 20)), *(f"soil_{name}" for name in SOIL)]
    wanted = vectors.set_index("observation_id").reindex(made["surveyId"])
    assert_allclose(made[facts["columns"]], wanted, rtol=1e-6)  # an empty field is null
    assert facts["nulls"]["soil_bdticm"] == wanted["bdticm"].isna().sum() > 2
    assert made["soil_bdticm"].max() > 50_000
    assert facts["flags"] == {"ok": 60, "missing": 2}
    assert set(made.loc[made["flag"] == "missing", "surveyId"]) == {1, 2}
    assert set(made["dataset"]) == {"po", "po_test"}


def test_environmental_vectors_of_other_columns_are_refused(tmp_path):
    vectors = _vectors(tmp_path)
    places, path = _occurrences(vectors), tmp_path / "pre-extracted" / "environmental_vectors.csv"
    for frame, error in (
        (vectors.rename(columns={"bio_7": "bio7"}), "'bio_7' is missing; found .*expected observation_id and bio_1, .*"
         "did you mean 'bio7'.*or try the rasters"),
        (vectors.rename(columns={"observation_id": "id"}), "column 'observation_id' is missing; found \\['id', "),
        (vectors.assign(bio_3="warm"), "line 2: column 'bio_3': found 'warm', expected a number"),
    ):  # fmt: skip
        frame.to_csv(path, sep=";", index=False)
        with pytest.raises(DataError, match=error):
            _written(tmp_path, places, ["bioclim"])
    vectors.drop(columns="sndppt").to_csv(path, sep=";", index=False)
    _written(tmp_path, places, ["bioclim"])  # the soil is no concern of the climate
    with pytest.raises(DataError, match="column 'sndppt' is missing"):
        _written(tmp_path, places, ["soil"])
    path.unlink()
    with pytest.raises(DataError, match=r"no CSV of covariate 'soil'; .*or pre-extracted/environmental_vectors"):
        _written(tmp_path, places, ["soil"], source="tables")
    with pytest.raises(DataError, match=r"no file of covariate 'soil'.*may also be a CSV.*environmental_vectors"):
        _written(tmp_path, places, ["soil"])


AREAS = {"FR": {"west": 2.0, "north": 48.0}, "USA": {"west": -100.0, "north": 40.0, "step": 0.02}}


def _areas(folder, nodata_told=True):
    """Genuine layout of the rasters of 2020 to 2022, a file for each variable and area, gaps among them."""
    rng = np.random.default_rng(3)
    for name in [*(f"bio_{i}" for i in range(1, 20)), *SOIL]:
        (folder / "rasters" / name).mkdir(parents=True, exist_ok=True)
        dtype, gap = ("int32", -2147483647) if name.startswith(("bio", "bdticm")) else ("int16", -32768)
        for area, place in AREAS.items():
            pixels = rng.integers(1, 99, (1, 50, 60)).astype(dtype)
            pixels[rng.random(pixels.shape) < 0.1] = gap
            path = folder / "rasters" / name / f"{name}_{area}.tif"
            geotiff(path, pixels, nodata=gap if nodata_told else None, **place)


def _around_areas(n=200):
    rng = np.random.default_rng(4)
    france, america = ([2.0, 2.59], [47.51, 48.0]), ([-100.0, -98.81], [39.01, 40.0])
    lon, lat = (np.concatenate([rng.uniform(*one[i], n // 2) for one in (france, america)]) for i in range(2))
    lon[:9], lat[50:53] = 10.0, -20.0  # off both
    return _places(lon, lat, "po")


@pytest.mark.parametrize("nodata_told", [True, False])
def test_rasters_of_two_areas_are_one_column_each(tmp_path, nodata_told):
    _areas(tmp_path, nodata_told)
    places = _around_areas()
    facts, frame = _written(tmp_path, places, ["bioclim", "soil"])
    names = [*(f"bio_{i}" for i in range(1, 20)), *SOIL]
    assert facts["columns"] == [f"{'soil' if name in SOIL else 'bioclim'}_{name}" for name in names]
    assert facts["sources"] == {"bioclim": "rasters", "soil": "rasters"}
    for column, name in zip(facts["columns"], names, strict=True):
        france, america = (_sampled(tmp_path / f"rasters/{name}/{name}_{area}.tif", places)[:, 0] for area in AREAS)
        wanted = np.where(np.isnan(france), america, france)
        wanted[wanted < 0] = np.nan  # nodata that the file does not tell
        assert_allclose(frame[column], wanted)
        assert facts["nulls"][column] == np.isnan(wanted).sum() > 12
    assert facts["flags"] == {"ok": 188, "missing": 12}
    assert sum(facts["outliers"].values()) == 0, "nodata is no measurement"


def test_where_areas_overlap_the_first_that_knows_a_value_wins(tmp_path):
    geotiff(tmp_path / "x_FR.tif", np.array([[[1, 2, -1]]], "int16"), nodata=-1, step=1.0, west=0.0, north=1.0)
    geotiff(tmp_path / "x_USA.tif", np.array([[[7, 8, 9]]], "int16"), nodata=-1, step=1.0, west=1.0, north=1.0)
    places = _places(np.arange(5) + 0.5, np.full(5, 0.5))
    for areas, wanted in ((("FR", "USA"), [1, 2, 8, 9, np.nan]), (("USA", "FR"), [1, 7, 8, 9, np.nan])):
        _, frame = _written(tmp_path, places, [Raster("x", ("x_*.tif",), areas=areas)])
        assert_array_equal(frame["value_x"], wanted)


def test_the_first_folder_that_has_a_covariate_wins_be_it_csv_or_raster(tmp_path):
    places = _around_areas(20)
    own, named = tmp_path / "own", tmp_path / "named"
    for folder in (own, named):
        folder.mkdir()
    places["surveyId"] = _vectors(own)["observation_id"][:20]
    globe = {"step": 40.0, "west": -180.0, "north": 90.0}
    geotiff(named / "bioclim_derived.tif", np.full((1, 9, 9), 5, "uint8"), names=["bio1"], **globe)
    facts = tabular.write(None, places, ["bioclim", "soil"], [named, own], tmp_path / "out")
    assert facts["sources"] == {"bioclim": "rasters", "soil": "tables"}
    assert facts["columns"][0] == "bioclim_bio1"
    facts = tabular.write(None, places, ["bioclim"], [named, own], tmp_path / "out", source="tables")
    assert facts["files"] == [str(own / "pre-extracted" / "environmental_vectors.csv")]


def _surveys(n=8, dataset="pa_train"):
    places = _places(np.linspace(0, 1, n), np.linspace(40, 41, n), dataset)
    return places.assign(
        year=2018,
        areaInM2=100.0,
        geoUncertaintyInM=10.0,
        region="MEDITERRANEAN",
        country=["France", "Spain"] * (n // 2),
    )


def test_metadata_are_values_and_one_hot_columns_of_the_training_surveys_categories(tmp_path):
    train = _surveys()
    train.loc[0, ["areaInM2", "region"]] = np.inf, None
    train.loc[1, ["geoUncertaintyInM", "country"]] = -1, "Île-de-France"
    facts, frame = _written(tmp_path, train, ["metadata", "coordinates"])
    kinds = facts["categories"]
    assert kinds["metadata_region"] == ["metadata_region_mediterranean", "metadata_region_null"]
    assert kinds["metadata_country"] == [
        f"metadata_country_{name}" for name in ("france", "spain", "ile_de_france", "null")
    ]
    assert facts["columns"] == [
        *("metadata_year", "metadata_area_m2", "metadata_uncertainty_m"),
        *kinds["metadata_region"],
        *kinds["metadata_country"],
        *("coordinates_lon", "coordinates_lat"),
    ]
    assert facts["sources"] == {"metadata": "surveys", "coordinates": "surveys"}
    assert_array_equal(frame["metadata_area_m2"], [np.nan, *[100] * 7])
    assert_array_equal(frame["metadata_uncertainty_m"], [10, np.nan, *[10] * 6])
    assert facts["infinite"]["metadata_area_m2"] == facts["outliers"]["metadata_uncertainty_m"] == 1
    assert_array_equal(frame[kinds["metadata_region"]], np.eye(2)[[1, *[0] * 7]])
    assert_array_equal(frame[kinds["metadata_country"]], np.eye(4)[[0, 2, 0, 1, 0, 1, 0, 1]])
    assert_allclose(frame[["coordinates_lon", "coordinates_lat"]], train[["lon", "lat"]], rtol=1e-6)


def test_a_category_that_no_training_survey_has_is_null_and_makes_no_column(tmp_path):
    train, test = _surveys(), _surveys(4, "pa_test").assign(country=["Spain", "Malta", "", None], region="BOREAL")
    alone, _ = _written(tmp_path / "alone", train, ["metadata"])
    facts, frame = _written(tmp_path, pd.concat([train, test]), ["metadata"], training=train)
    assert facts["columns"] == alone["columns"]
    columns = ["metadata_country_france", "metadata_country_spain", "metadata_country_null"]
    of_test = frame[frame["dataset"] == "pa_test"]
    assert_array_equal(of_test[columns], np.eye(3)[[1, 2, 2, 2]])
    assert (of_test["metadata_region_null"] == 1).all()


def test_years_far_from_those_of_training_are_null(tmp_path):
    train = _surveys(200).assign(year=np.arange(200) % 5 + 2015)
    train.loc[7, "year"] = 20_187
    facts, frame = _written(tmp_path, train, ["metadata"])
    assert facts["outliers"]["metadata_year"] == 1
    assert np.flatnonzero(frame["metadata_year"].isna()).tolist() == [7]


def test_names_of_categories_never_clash_and_rare_ones_share_the_null_column(monkeypatch):
    monkeypatch.setattr(metadata, "MOST_CATEGORIES", 5)
    often = ["A b", "a-b", "null", "Ελλάδα", "7"]
    train = _surveys(18).assign(country=[*often * 3, "rare", "rarer", "rarest"])
    covariate = registry.covariates.get("metadata")
    values = metadata.MetadataValues(covariate, metadata.categories(covariate, train))
    assert values.known["country"] == sorted(often)
    assert values.labels["country"] == ["7", "a_b", "a_b_2", "null_3", "4"]
    codes = values.read(train)[0][:, values.columns.index("country")]
    assert np.isnan(codes).tolist() == [False] * 15 + [True] * 3


def test_metadata_need_their_columns_and_reach_the_workers_of_spark(tmp_path, spark):
    with pytest.raises(DataError, match="column 'year' is missing"):
        tabular.write(None, _places([0.0], [40.0]), ["metadata"], tmp_path, tmp_path / "out")
    places = _surveys()
    places.loc[2, "country"] = None
    _, here = _written(tmp_path / "here", places, ["metadata"])
    _, there = _written(tmp_path / "there", places, ["metadata"], spark)
    pd.testing.assert_frame_equal(here, there)
