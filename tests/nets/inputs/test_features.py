"""Imagery by survey, from tables of tiles and cubes as the tasks write them."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from glc import dct, registry, schema, storage
from glc.config import Choice, Input
from glc.errors import ConfigError, DataError
from glc.etl import cubes
from glc.etl import tiles as tiles_etl
from glc.location import LocationEncoder
from glc.location import features as feature_maps
from glc.nets.inputs import batches, features, tables
from glc.nets.inputs.summary import summarise
from glc.nets.layers.maps import Maps
from tests.rasters.geotiffs import geotiff

RNG = np.random.default_rng(5)
IDS = {"pa_train": [30, 10, 20], "pa_test": [10, 40], "po": [20]}


@pytest.fixture
def tiles(tmp_path):
    """A table of tiles in two parts: red, nir and a class band of two classes; survey 20 of pa_train lacks nir."""
    rows = [(dataset, survey) for dataset, ids in IDS.items() for survey in ids]
    frame = pd.DataFrame(rows, columns=["dataset", "surveyId"])
    frame["flag"] = ["ok", "edge", "ok", "outside", "ok", "ok"]
    values = {name: RNG.normal(size=(len(rows), 4)).astype(np.float32) for name in ("red", "nir", "cover_1", "cover_7")}
    folder = tmp_path / "tiles"
    with storage.atomic_directory(folder, task="Tiles") as out:
        for part, at in enumerate((slice(0, 4), slice(4, 6))):
            table = frame.iloc[at].assign(**{name: list(value[at]) for name, value in values.items()})
            for name in values:
                table[f"{name}_valid"] = np.where(table["flag"] == "outside", 0, 1).astype(np.float32)
            if part == 0:
                table.loc[2, "nir_valid"] = 0
            wanted = schema.tiles(dict.fromkeys(values, np.float32))
            pq.write_table(pa.Table.from_pandas(table, wanted, preserve_index=False), out / f"part-{part:05d}.parquet")
        storage.note(out, bands=list(values), size=16, block=2)
    return folder, values


SATELLITE = Input("sentinel2", bands=("red",), block=2, size=16)


def tiles_of(tmp_path):
    """A table of tiles of the surveys 1, 2 and 3, one band that is the same everywhere."""
    folder = tmp_path / "satellite"
    if not folder.exists():
        columns = {"dataset": "pa_train", "surveyId": [1, 2, 3], "flag": "ok", "red": [[1.0] * 4] * 3, "red_valid": 1.0}
        table = pa.Table.from_pandas(pd.DataFrame(columns), schema.tiles({"red": np.float32}), preserve_index=False)
        with storage.atomic_directory(folder, task="Tiles") as out:
            pq.write_table(table, out / "part-00000.parquet")
            storage.note(out, bands=["red"], size=16, block=2)
    return folder


def gather(found, *surveys):
    numbers = schema.dataset_numbers([dataset for dataset, _ in surveys])
    return {name: value.numpy() for name, value in found.of(numbers, [survey for _, survey in surveys]).items()}


@pytest.mark.parametrize("memory_bytes", [1 << 30, 0], ids=["memory", "streamed"])
def test_tiles_are_found_by_dataset_and_survey(tiles, tmp_path, memory_bytes):
    folder, values = tiles
    found = tables.read(
        (Input("sentinel2", block=2, size=16),), [[folder]], memory_bytes=memory_bytes, scratch=tmp_path
    )
    assert found.layouts == {
        "sentinel2": features.Layout("coeffs", ("red", "nir", "cover_1", "cover_7"), 2, 2, 16),
    }
    assert (found.reading is None) == (memory_bytes > 0)
    got = gather(found, ("pa_test", 40), ("pa_train", 10), ("pa_train", 20), ("pa_test", 10), ("po", 99), ("po", 20))
    block = np.stack([value.reshape(-1, 2, 2) for value in values.values()], axis=1)
    assert_allclose(got["sentinel2"][0], block[4])
    assert_allclose(got["sentinel2"][1], block[1])
    assert_allclose(got["sentinel2"][2][[0, 2, 3]], block[2][[0, 2, 3]])
    assert np.isnan(got["sentinel2"][2][1]).all(), "the band that the survey lacks"
    assert np.isnan(got["sentinel2"][3]).all(), "outside of the raster, though pa_train has a survey of that id"
    assert np.isnan(got["sentinel2"][4]).all(), "no such survey"
    assert_allclose(got["sentinel2"][5], block[5])


@pytest.mark.parametrize(("dtype", "block", "levels"), [(np.uint8, 0, 255), (np.float32, 0, 0), (np.float32, 4, 0)])
def test_the_levels_of_pixels_of_eight_bits_are_known(tmp_path, dtype, block, levels):
    with storage.atomic_directory(tmp_path / "tiles", task="Tiles") as out:
        frame = pd.DataFrame(
            {"dataset": ["po"], "surveyId": [1], "flag": ["ok"], "red": [[7] * 16], "red_valid": [1.0]}
        )
        wanted = schema.tiles({"red": dtype})
        pq.write_table(pa.Table.from_pandas(frame, wanted, preserve_index=False), out / "part-00000.parquet")
        storage.note(out, bands=["red"], size=4, block=block or "full")
    found = tables.read((Input("sentinel2", block=block, size=4),), [[tmp_path / "tiles"]])
    assert found.layouts["sentinel2"].levels == levels


def test_a_survey_with_one_bad_layer_keeps_the_good_ones(tiles):
    folder, values = tiles
    path = folder / "part-00000.parquet"
    table = pq.read_table(path).to_pandas()
    table.loc[0, ["flag", "nir_valid"]] = ["corrupt", 0]
    pq.write_table(pa.Table.from_pandas(table, pq.read_schema(path), preserve_index=False), path)
    found = tables.read((Input("sentinel2", block=2, size=16),), [[folder]])
    got = gather(found, ("pa_train", 30))["sentinel2"][0]
    assert np.isnan(got[1]).all()
    assert_allclose(got[0], values["red"][0].reshape(2, 2))
    assert found.known(*np.array([[1, 30], [2, 10], [0, 99]]).T).tolist() == [True, False, False]


def test_only_the_surveys_asked_for_are_kept(tiles):
    folder, values = tiles
    wanted = np.array([[0, 20], [1, 10], [1, 77]])
    found = tables.read((Input("sentinel2", block=2, size=16),), [[folder]], surveys=wanted)
    got = gather(found, ("pa_train", 10), ("pa_train", 30), ("po", 20))["sentinel2"]
    assert_allclose(got[0, 0], values["red"][1].reshape(2, 2))
    assert np.isnan(got[1]).all()
    assert_allclose(got[2, 0], values["red"][5].reshape(2, 2))


def test_steps_are_as_many_surveys_as_the_memory_takes():
    layout = features.Layout("pixels", tuple("abcd"), 128, 128, 128)
    empty = np.zeros((0, 2), np.int64)
    found = features.Features({"a": layout}, {"a": None}, {"a": None}, {"a": empty})
    steps = found.steps(1_000)
    assert (steps[-1].stop, max(one.stop - one.start for one in steps)) == (1_024, 256)  # 64 MiB of 4 x 128 x 128 x 4 B


def test_bands_are_chosen_by_name_and_a_class_band_by_its_classes(tiles):
    folder, values = tiles
    found = tables.read((Input("sentinel2", bands=("cover", "red"), block=2, size=16),), [[folder]])
    assert found.layouts["sentinel2"].bands == ("cover_1", "cover_7", "red")
    assert_allclose(gather(found, ("po", 20))["sentinel2"][0, 2], values["red"][5].reshape(2, 2))
    with pytest.raises(ConfigError, match=r"tiles 'sentinel2': unknown band 'nri'.*did you mean 'nir'"):
        tables.read((Input("sentinel2", bands=("nri",), block=2, size=16),), [[folder]])


def test_several_outputs_of_an_input_are_one(tiles, tmp_path):
    folder, values = tiles
    other = tmp_path / "other"
    with storage.atomic_directory(other, task="Tiles") as out:
        table = pq.read_table(folder / "part-00001.parquet")
        at = table.column_names.index("surveyId")
        pq.write_table(table.set_column(at, "surveyId", pa.array([1, 2])), out / "part-00000.parquet")
        storage.note(out, bands=list(values), size=16, block=2)
    found = tables.read((Input("sentinel2", block=2, size=16),), [[folder, other]])
    got = gather(found, ("po", 2), ("po", 20))["sentinel2"]
    assert_allclose(got[0], got[1])


def test_moments_are_those_of_numpy_without_what_is_missing(tiles):
    folder, _ = tiles
    found = tables.read((Input("sentinel2", block=2, size=16),), [[folder]])
    surveys = [("pa_train", 30), ("pa_train", 10), ("pa_train", 20), ("pa_test", 40), ("pa_test", 10)]
    numbers, ids = schema.dataset_numbers([d for d, _ in surveys]), np.array([s for _, s in surveys])
    moments = found.moments(numbers, ids)["sentinel2"]
    block = gather(found, *surveys)["sentinel2"]
    assert_allclose(moments.mean, np.nanmean(block, axis=0), rtol=1e-5, atol=1e-6)
    assert_allclose(moments.std, np.nanstd(block, axis=0), rtol=1e-5, atol=1e-6)
    assert moments.known == pytest.approx(4 / 5)
    with pytest.raises(DataError, match="input 'sentinel2': none of 1 training examples has any value"):
        found.moments(numbers[4:], ids[4:])


def test_large_offsets_cost_no_digits():
    values = (1e6 + RNG.normal(size=(10_000, 1, 1, 1))).astype(np.float32)
    keys = np.column_stack([np.ones(10_000, int), np.arange(10_000)])
    layout = features.Layout("coeffs", ("a",), 1, 1, 8)
    found = features.Features({"a": layout}, {"a": values}, {"a": np.ones((10_000, 1), bool)}, {"a": keys})
    moments = found.moments(keys[:, 0], keys[:, 1])["a"]
    assert_allclose(moments.std, values.astype(np.float64).std(axis=0), rtol=1e-6)


def test_cubes_by_year_band_and_terms(tmp_path):
    series = RNG.normal(size=(3, 6, 4, 21)).astype(np.float32)
    places = pd.DataFrame({"dataset": "pa_train", "surveyId": [1, 2, 3]})
    source = tmp_path / "cubes"
    for survey, cube in zip((1, 3), series[[0, 2]], strict=True):
        path = source / f"GLC24-PA-train-landsat_time_series_{survey}_cube.npy"
        path.parent.mkdir(exist_ok=True)
        np.save(path, cube)
    folder = tmp_path / "output"
    with storage.atomic_directory(folder, task="Cubes") as out:
        storage.note(out, **cubes.write_files(places, source, out, kind="landsat"))
    wanted = (Input(cube="landsat", years=(2001, 2020), bands=("nir", "red")),)
    found = tables.read(wanted, [[folder]])
    assert found.layouts["landsat_cube"] == features.Layout("cube", ("nir", "red"), 4, 2)
    names = storage.manifest(folder)["names"]
    got = gather(found, ("pa_train", 3), ("pa_train", 2))["landsat_cube"]
    assert_allclose(got[0], series[2][[names.index("nir"), names.index("red")]][:, :, [1, 20]])
    assert np.isnan(got[1]).all()
    terms = tables.read((Input(cube="landsat", coeffs=True),), [[folder]])
    assert terms.layouts["landsat_cube"].shape == (6, 8, 8)
    assert_allclose(
        gather(terms, ("pa_train", 1))["landsat_cube"].reshape(1, 6, 64), cubes.coefficients(series[:1]), rtol=1e-4
    )
    with pytest.raises(ConfigError, match="found year 2021, expected years of 2000 to 2020"):
        tables.read((Input(cube="landsat", years=(2021,)),), [[folder]])


def maps_of(found, *surveys):
    """What a tile CNN sees of the surveys, standardised over them: (survey, channel, row, col)."""
    batch = found.of(schema.dataset_numbers([dataset for dataset, _ in surveys]), [survey for _, survey in surveys])
    moments = found.moments(schema.dataset_numbers([dataset for dataset, _ in surveys]), [s for _, s in surveys])
    maps = Maps(found.layouts)
    maps.prepare(SimpleNamespace(inputs=moments))
    return maps.eval()(batch).numpy()


SURVEYS = [("pa_train", number) for number in (1, 2, 3)]


def test_a_trend_over_years_in_a_cube_reaches_the_net(tmp_path):
    climate = np.repeat(np.random.default_rng(0).normal(280, 5, (3, 4, 1, 12)), 19, axis=2).astype(np.float32)
    climate[1] = climate[0]
    climate[1] += np.linspace(-3, 3, 19, dtype=np.float32)[:, None]  # the same mean, with a trend
    climate[2, :, 0, 4] = np.nan
    source, folder = tmp_path / "cubes", tmp_path / "output"
    source.mkdir()
    for survey, cube in enumerate(climate, start=1):
        np.save(source / f"GLC24-PA-train-bioclimatic_monthly_{survey}_cube.npy", cube)
    with storage.atomic_directory(folder, task="Cubes") as out:
        places = pd.DataFrame({"dataset": "pa_train", "surveyId": [1, 2, 3]})
        storage.note(out, **cubes.write_files(places, source, out, kind="bioclim"))
    years = (2000, 2009, 2018)
    found = tables.read((SATELLITE, Input(cube="bioclim", years=years, by_year=True)), [[tiles_of(tmp_path)], [folder]])
    layout = found.layouts["bioclim_cube"]
    names = storage.manifest(folder)["names"]
    assert layout == features.Layout("cube", tuple(f"{name}_{year}" for name in names for year in years), 1, 1)
    values = gather(found, *SURVEYS)["bioclim_cube"][:, :, 0, 0].reshape(3, 4, 3)
    assert_allclose(values[:2], climate[:2, :, [0, 9, 18]].mean(axis=3), rtol=1e-6)
    assert np.isnan(values[2, :, 0]).all()
    assert np.isfinite(values[2, :, 1:]).all()
    first, trend, _ = maps_of(found, *SURVEYS)[:, 1:, 0, 0]
    assert np.abs(first - trend).max() > 0.5
    at_once = tables.read((SATELLITE, Input(cube="bioclim", years=years)), [[tiles_of(tmp_path)], [folder]])
    first, trend, _ = maps_of(at_once, *SURVEYS)[:, 1:, 0, 0]
    assert_allclose(first, trend, atol=1e-3)


def test_tiles_of_the_climate_of_years_keep_years_and_space(tmp_path):
    (tmp_path / "Climate" / "EnvironmentalRasters" / "Climate" / "Yearly").mkdir(parents=True)
    rng = np.random.default_rng(0)
    normal = rng.normal(10, 3, (1, 60, 90)).astype(np.float32)
    normal[:, :, 30:60] = normal[:, :, :30]  # the second survey lies in a copy of the first's surroundings
    for year, warmer in ((2001, -2), (2010, 0), (2019, 2)):
        values = normal.copy()
        values[:, :, 30:60] += warmer
        path = tmp_path / "Climate" / f"EnvironmentalRasters/Climate/Yearly/tas_{year}.tif"
        geotiff(path, values, names=(f"tas {year}",))
    # columns 15, 45 and 75 of pixels of 0.01 degrees from lon 5 on
    places = pd.DataFrame({"dataset": "pa_train", "surveyId": [1, 2, 3], "lon": [5.155, 5.455, 5.755], "lat": 44.695})
    with storage.atomic_directory(tmp_path / "tiles", task="Tiles") as out:
        storage.note(out, **tiles_etl.write(None, places, "climate_years", tmp_path / "Climate", out, size=16, block=4))
    found = tables.read((Input("climate_years", block=4, size=16),), [[tmp_path / "tiles"]])
    assert found.layouts["climate_years"].bands == ("tas_2001", "tas_2010", "tas_2019")
    first, trend, _ = maps_of(found, *SURVEYS)
    assert_allclose(first[1], trend[1], atol=1e-4)
    assert (np.abs(first - trend)[[0, 2], 0, 0] > 0.5).all()
    assert (np.abs(first[:, 1:, 1:]) > 0.05).mean() > 0.8


def test_class_codes_are_read_as_measurements(tmp_path):
    codes = np.random.default_rng(0).integers(1, 17, (13, 40, 40)).astype("uint8")
    path = tmp_path / "EnvironmentalRasters" / "LandCover" / "LandCover_MODIS_Terra-Aqua_500m.tif"
    path.parent.mkdir(parents=True)
    geotiff(path, codes, nodata=255)
    places = pd.DataFrame(
        {"dataset": "pa_train", "surveyId": [1], "lon": [5.205], "lat": [44.795]}
    )  # row 20, column 20
    covariate = replace(registry.covariates.get("landcover_modis"), classes={})
    with storage.atomic_directory(tmp_path / "tiles", task="Tiles") as out:
        storage.note(out, **tiles_etl.write(None, places, covariate, tmp_path, out, size=16, block=4))
    wanted = Input("landcover_modis", bands=("prop1", "type1"), classes_as="codes", block=4, size=16)
    got = gather(tables.read((wanted,), [[tmp_path / "tiles"]]), ("pa_train", 1))["landcover_modis"][0]
    assert_allclose(got, dct.compress(codes[[8, 0], 12:28, 12:28].astype(float), 4), atol=1e-4)


@pytest.mark.parametrize("memory_bytes", [1 << 30, 0], ids=["memory", "streamed"])
def test_each_batch_has_the_imagery_of_its_own_surveys(tmp_path, memory_bytes):
    n = 300
    frame = pd.DataFrame({"dataset": np.ones(n, np.int8), "surveyId": RNG.permutation(n)})
    frame = frame.assign(easting=np.float32(0), northing=np.float32(0), weight=np.float32(1), species=[[0]] * n)
    storage.write_table(frame, "examples", tmp_path / "examples", row_group_rows=64)
    keys = frame[["dataset", "surveyId"]].to_numpy(np.int64)
    values = keys[:, 1].astype(np.float32).reshape(n, 1, 1, 1)
    layout = features.Layout("coeffs", ("a",), 1, 1, 8)
    found = features.Features({"a": layout}, {"a": values}, {"a": np.ones((n, 1), bool)}, {"a": keys})
    summary = summarise(tmp_path / "examples", 1)
    loader = batches.Batches(summary, 32, shuffle=True, memory_bytes=memory_bytes, features=found)
    for _ in range(2):
        seen = list(loader)
        assert [len(batch["surveyId"]) for batch in seen] == [32] * 9 + [12]
        for batch in seen:
            assert (batch["a"].reshape(-1) == batch["surveyId"]).all()
    next(iter(loader))  # a pass that is left early leaves nothing behind that would spoil the next
    assert sum(len(batch["a"]) for batch in loader) == n


def test_no_inputs_no_features():
    assert tables.read((), []) is None


def test_values_and_graph_vectors_stand_beside_imagery(tmp_path):
    folder = tmp_path / "values"
    frame = pd.DataFrame({"dataset": ["pa_train", "pa_test"], "surveyId": [7, 8], "flag": "ok"})
    frame = frame.assign(height=np.float32([100, np.nan]), cover_2=np.float32([0, 1]))
    country = ["country_france", "country_null"]
    columns, frame = ["height", "cover_2", *country], frame.assign(**dict.fromkeys(country, np.float32(1)))
    with storage.atomic_directory(folder, task="Tabular") as out:
        (out / "tabular").mkdir()
        wanted = schema.tabular(columns)
        pq.write_table(pa.Table.from_pandas(frame, wanted, preserve_index=False), out / "tabular/part-00000.parquet")
        storage.note(out, columns=columns, categories={"cover": ["cover_2"], "country": country})
    every = tables.read((Input(table=("elevation", "landcover"), bands=("country",)),), [[folder]])
    assert every.layouts["table"].bands == ("country_france", "country_null"), "categories have words for numbers"
    found = tables.read((Input(table=("elevation", "landcover"), bands=("height", "cover")),), [[folder]])
    matrix = sparse.csr_matrix(np.float32([[0, 2, 0], [1, 0, 3]]))
    found.add_graph("gfv", matrix, [5, 6, 9], np.array([[1, 7], [2, 8]]))
    assert found.layouts["table"] == features.Layout("table", ("height", "cover_2"), 1, 1)
    assert found.layouts["gfv"] == features.Layout("graph", ("5", "6", "9"), 1, 1)
    got = gather(found, ("pa_test", 8), ("pa_train", 7), ("po", 7))
    assert_allclose(got["table"][:2, :, 0, 0], [[np.nan, 1], [100, 0]])
    assert_allclose(got["gfv"][:2, :, 0, 0], [[1, 0, 3], [0, 2, 0]])
    assert np.isnan(got["table"][2]).all()
    assert set(found.moments(np.array([1]), np.array([7]))) == {"table"}, "graph vectors come normalised"


def test_hidden_rows_are_drawn_anew_and_as_often_as_they_should():
    found = features.Features({}, {}, {}, {})
    keys = np.column_stack([np.ones(4, int), np.arange(4)])
    found.add_graph(
        "gfv", sparse.csr_matrix(np.ones((4, 3), np.float32)), [5, 6, 9], keys, hidden=np.array([0, 0.25, 0.6, 1])
    )
    found.add_graph("kernels", np.ones((4, 2, 3, 1), np.float32), [5, 6], keys)
    assert found.layouts["kernels"] == features.Layout("votes", ("5", "6"), 3, 1)
    asked = np.tile(np.arange(4), 2_000)
    drawn = [found.of(np.ones(len(asked), int), asked) for _ in range(2)]
    assert not np.array_equal(drawn[0]["gfv"], drawn[1]["gfv"])
    shown = drawn[0]["gfv"][:, :, 0, 0].numpy().reshape(-1, 4, 3)
    assert_allclose(shown.mean(axis=(0, 2)), [1, 0.75, 0.4, 0], atol=0.04)
    assert (shown == shown[:, :, :1]).all(), "a survey's vector is hidden as a whole"
    assert (drawn[0]["kernels"] == 1).all()
    assert found.moments(np.array([1]), np.array([2])) == {}


def test_the_seed_decides_which_rows_are_hidden():
    keys, matrix = np.column_stack([np.ones(200, int), np.arange(200)]), sparse.csr_matrix(np.ones((200, 1)))

    def drawn(seed):
        found = features.Features({}, {}, {}, {})
        found.add_graph("gfv", matrix, [5], keys, hidden=np.full(200, 0.5), seed=seed)
        return found.of(*keys.T)["gfv"].numpy().ravel()

    assert_array_equal(drawn(3), drawn(3))
    assert (drawn(3) != drawn(4)).any()


@pytest.fixture
def places():
    """Surveys of `IDS`, anywhere on Earth."""
    rows = [(dataset, survey) for dataset, ids in IDS.items() for survey in ids]
    lon, lat = RNG.uniform(-90, 90, (2, len(rows)))
    return pd.DataFrame(rows, columns=["dataset", "surveyId"]).assign(lon=lon, lat=lat)


@pytest.mark.parametrize("memory_bytes", [1 << 30, 0], ids=["memory", "scratch"])
def test_a_location_is_features_of_the_place_itself(places, tmp_path, monkeypatch, memory_bytes):
    monkeypatch.setattr(tables, "_BATCH", 4)
    encoder = LocationEncoder(Choice("xyz"), Choice("siren", {"hidden": 4}), 5)
    encoder.save(tmp_path / "location.ckpt")
    wanted = [Choice("harmonics", {"degree": 2}), Choice("encoder", {"path": str(tmp_path / "location.ckpt")})]
    frames = [places[places["dataset"] != "po"], places[places["dataset"] == "po"]]
    found = tables.read(
        [Input(location=one) for one in wanted], [frames, frames], memory_bytes=memory_bytes, scratch=tmp_path
    )
    assert [(name, one.kind, one.shape) for name, one in found.layouts.items()] == [
        ("location_harmonics", "table", (9, 1, 1)),
        ("location_encoder", "table", (5, 1, 1)),
    ]
    assert (tmp_path / "location_encoder.values").exists() == (memory_bytes == 0)
    at = [4, 5, 2, 1]
    got = gather(found, *places.loc[at, ["dataset", "surveyId"]].itertuples(index=False), ("po", 99))
    lon, lat = places.loc[at, ["lon", "lat"]].to_numpy().T
    for name, values in (
        ("location_harmonics", feature_maps.features("harmonics", lon, lat, degree=2)),
        ("location_encoder", encoder.embed(lon, lat)),
    ):
        assert_allclose(got[name][:-1, :, 0, 0], values, atol=1e-6)
        assert np.isnan(got[name][-1]).all()


def test_a_place_that_is_none_is_told(places):
    wanted = [Input(location=Choice("raw"))]
    with pytest.raises(DataError, match="lat: found 95"):
        tables.read(wanted, [[places.assign(lat=95.0)]])
