"""Inputs of a fitted model at any place: at the surveys' places they are what the tasks' tables hold of the surveys."""

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import rasterio
from numpy.testing import assert_allclose, assert_array_equal
from rasterio.warp import Resampling, calculate_default_transform, reproject
from scipy import sparse

from glc import geo, registry, schema, storage, world
from glc.classical import run
from glc.config import Choice, Input
from glc.errors import DataError
from glc.etl import cubes, tabular
from glc.etl import tiles as tiles_etl
from glc.fitted import inputs
from glc.location import LocationEncoder
from glc.nets.inputs import tables
from glc.surveys import SurveyData
from tests.rasters.geotiffs import geotiff

MINI = dataclasses.replace(
    world.SIZES["tiny"],
    name="mini",
    n_pa=40,
    n_pa_rows=480,
    n_test=10,
    n_po_rows=300,
    n_po_surveys=230,
    raster_step=1.0,
)
SATELLITE, CLIMATE = Input(tiles="sentinel2", size=32), Input(tiles="bioclim", block=4, size=16)
COVER = Input(tiles="landcover", block=0, size=8)
TABLE = Input(table=("metadata", "coordinates", "bioclim", "elevation", "soil", "landcover", "landcover_modis"))
SERIES, MONTHLY = Input(cube="series", coeffs=True), Input(cube="bioclim", by_year=True, bands=("tas", "pr"))
PLACE = Input(location=Choice("harmonics", {"degree": 3}))


def survey_data(frames, **more):
    """`SurveyData` of frames by dataset, without species."""
    places = pd.concat([frame.assign(dataset=name) for name, frame in frames.items()], ignore_index=True)
    places["easting"], places["northing"] = geo.project(places["lon"], places["lat"])
    places = places.assign(crs=3035, fold=-1, block=0, **more)
    places.loc[places["dataset"] == "pa_train", "fold"] = 0
    labels = sparse.csr_matrix((len(places), 1), dtype=bool)
    return SurveyData(places, np.array([1], np.int32), labels, "pa_train", "pa_test", False)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Folder of a small virtual world with all its imagery, and its surveys."""
    folder = tmp_path_factory.mktemp("mini")
    world.write(MINI, folder, world.PARTS)
    frames = {
        name: pd.read_csv(next(folder.rglob(f"GLC24-PA-metadata-{name[3:]}.csv"))).drop_duplicates("surveyId")
        for name in ("pa_train", "pa_test")
    }
    return folder, survey_data(frames)


def stored(wanted, folder, data, out):
    """The output of the task that makes the table of an input."""
    places = data.places
    with storage.atomic_directory(out, task=wanted.name) as scratch:
        if wanted.table:
            training = places[places["dataset"] == data.train_name]
            facts = tabular.write(None, places, wanted.table, [folder], scratch, training=training)
        elif wanted.cube == "series":
            facts = cubes.write_series(places, folder, scratch)
        elif wanted.cube:
            facts = cubes.write_files(places, folder, scratch, wanted.cube)
        else:
            block = wanted.block or "full"
            facts = tiles_etl.write(None, places, wanted.tiles, [folder], scratch, size=wanted.size, block=block)
        storage.note(scratch, **facts)
    return out


def described(chosen, folder, data, out, kind="net"):
    """Facts of inputs as JSON gives them back, and the outputs they were learned from."""
    outputs = {wanted.name: stored(wanted, folder, data, out / wanted.name) for wanted in chosen if wanted.stored}
    facts = inputs.describe(chosen, outputs, [folder], data, out, kind=kind)
    return json.loads(json.dumps(facts, allow_nan=False)), outputs


ALL = (SATELLITE, CLIMATE, COVER, TABLE, SERIES, MONTHLY, PLACE)


@pytest.fixture(scope="module")
def fitted(dataset, tmp_path_factory):
    """(folder of the imagery, surveys, facts, outputs) of a net that reads everything."""
    folder, data = dataset
    return folder, data, *described(ALL, folder, data, tmp_path_factory.mktemp("outputs"))


def gathered(features, places):
    batch = features.of(schema.dataset_numbers(places["dataset"]), places["surveyId"].to_numpy())
    return {name: values.numpy() for name, values in batch.items()}


def anywhere(lon, lat, **columns):
    """Places that are no surveys."""
    frame = pd.DataFrame({"dataset": "pa_test", "surveyId": -1 - np.arange(len(lon)), "lon": lon, "lat": lat})
    return frame.assign(**({"year": 2020, "geoUncertaintyInM": np.nan, "areaInM2": np.nan, "region": None,
                            "country": "Etruria"} | columns))  # fmt: skip


def test_at_the_surveys_places_the_inputs_are_those_of_the_tables(fitted):
    folder, data, facts, outputs = fitted
    places = data.places.sample(frac=1, random_state=0)  # in another order than any file
    values = inputs.read(facts, places, [folder], surveys=data.places)
    assert values.missing.to_numpy().mean() < 0.02  # some surveys lie where no raster has a value
    assert list(values.missing.columns) == [wanted.name for wanted in ALL]
    sources = [[outputs[wanted.name]] if wanted.stored else [data.places] for wanted in ALL]
    known = tables.read(ALL, sources)
    features = values.features(places)
    assert features.layouts == known.layouts
    found, expected = gathered(features, places), gathered(known, places)
    for name in expected:
        if name == PLACE.name:  # batches of another size round otherwise
            assert_allclose(found[name], expected[name], atol=1e-6)
        else:
            assert_array_equal(found[name], expected[name], err_msg=name)
            assert np.isfinite(expected[name]).any()


def test_a_place_that_is_no_survey_has_its_rasters_and_lacks_what_only_surveys_have(fitted):
    _, data, facts, _ = fitted
    survey = data.places[data.places["dataset"] == "pa_train"].iloc[[3]]
    places = anywhere(survey["lon"], survey["lat"], year=survey["year"].to_numpy(), country=None)
    values = inputs.read(facts, places)
    at_survey = inputs.read(facts, survey)
    assert values.missing.iloc[0].to_dict() == {wanted.name: wanted in (SATELLITE, SERIES, MONTHLY) for wanted in ALL}
    assert_array_equal(values.imagery["bioclim"], at_survey.imagery["bioclim"])
    own, other = values.tables["table"], at_survey.tables["table"]
    of_place = [name for name in own if name.startswith("metadata_")]
    assert_array_equal(own.drop(columns=of_place), other.drop(columns=of_place))
    assert_array_equal(own["metadata_year"], survey["year"])
    assert own["metadata_country_null"].tolist() == [1]
    batch = gathered(values.features(places), places)
    for name in ("sentinel2", "series_cube", "bioclim_cube"):
        assert np.isnan(batch[name]).all()
    assert np.isfinite(batch["bioclim"]).all()


def test_changed_values_of_a_table_reach_the_net(fitted):
    _, data, facts, _ = fitted
    places = data.places.iloc[:3]
    values = inputs.read(facts, places)
    values.tables["table"]["elevation_elevation_m"] = [7.0, np.nan, 9.0]
    at = list(values.layouts["table"].bands).index("elevation_elevation_m")
    assert_array_equal(gathered(values.features(places), places)["table"][:, at, 0, 0], [7, np.nan, 9])


def test_where_all_imagery_is_missing_a_prediction_is_refused_unless_allowed(fitted, tmp_path):
    folder, _, facts, _ = fitted
    moved = facts | {"folders": [str(tmp_path / "gone")]}
    with pytest.raises(DataError, match=r"none of the 2 places has a value of .*sentinel2.*table.*--imagery-folder"):
        inputs.read(moved, anywhere([10.0, 11.0], [45.0, 46.0]), [tmp_path])
    values = inputs.read(moved, anywhere([10.0, 11.0], [45.0, 46.0]), allow_missing=True)
    assert values.missing.drop(columns=PLACE.name).to_numpy().all()
    assert np.isfinite(values.tables["table"]["metadata_year"]).all()  # the places say so themselves
    assert (values.tables["table"]["landcover_landcover_null"] == 1).all()
    with pytest.raises(DataError, match=r"the surveys lon 170 to 170"):
        inputs.read(facts, anywhere([170.0], [-45.0]), [folder])


def test_some_places_off_the_rasters_are_missing(fitted):
    folder, _, facts, _ = fitted
    values = inputs.read(facts, anywhere([170.0, 10.0], [-45.0, 45.0]), [folder])
    assert values.missing["table"].tolist() == values.missing["bioclim"].tolist() == [True, False]
    assert values.tables["table"]["bioclim_bio1"].isna().tolist() == [True, False]


def test_imagery_is_found_again_in_another_folder(fitted, tmp_path):
    folder, data, facts, _ = fitted
    shutil.copytree(folder / "EnvironmentalRasters", tmp_path / "EnvironmentalRasters")
    places = data.places.iloc[:5]
    values = inputs.read(facts | {"folders": []}, places, [tmp_path])
    wanted = inputs.read(facts, places)
    pd.testing.assert_frame_equal(values.tables["table"], wanted.tables["table"])
    assert values.missing["sentinel2"].all()
    assert not wanted.missing["sentinel2"].any()
    with pytest.raises(DataError, match="no such folder; expected one with the imagery"):
        inputs.read(facts, places, [tmp_path / "typo"])


def warped(path, out, crs):
    """Write a raster in another CRS, of pixels so small that few places change theirs."""
    with rasterio.open(path) as source:
        transform, width, height = calculate_default_transform(
            source.crs, crs, source.width, source.height, *source.bounds, resolution=5_000
        )
        profile = source.profile | {"crs": crs, "transform": transform, "width": width, "height": height}
        out.parent.mkdir(parents=True)
        with rasterio.open(out, "w", **profile) as target:
            for band in source.indexes:
                reproject(rasterio.band(source, band), rasterio.band(target, band), resampling=Resampling.nearest)
                target.set_band_description(band, source.descriptions[band - 1])


def test_a_raster_in_another_crs_is_reprojected_and_reported(fitted, tmp_path):
    folder, data, facts, _ = fitted
    name = "EnvironmentalRasters/Elevation/elevation.tif"
    warped(folder / name, tmp_path / name, "EPSG:3035")
    reader = inputs.Reader(facts, [tmp_path])
    assert any("EPSG:3035; places are projected to it" in note for note in reader.notes)
    places = data.places.iloc[:30]
    found, wanted = (
        values.tables["table"]["elevation_elevation_m"] for values in (reader.read(places), inputs.read(facts, places))
    )
    assert np.mean(found == wanted) > 0.8


def test_tiles_of_a_raster_in_another_crs_are_warped_and_reported(dataset, tmp_path):
    folder, data = dataset
    facts, _ = described([Input(tiles="elevation", block=2, size=8)], folder, data, tmp_path)
    name = "EnvironmentalRasters/Elevation/elevation.tif"
    warped(folder / name, tmp_path / "laea" / name, "EPSG:3035")
    reader = inputs.Reader(facts, [tmp_path / "laea"])
    assert any("EPSG:3035, warped to EPSG:4326 to cut tiles" in note for note in reader.notes)
    values = reader.read(data.places)
    assert values.imagery["elevation"].shape == (len(data.places), 1, 2, 2)
    assert values.known["elevation"].mean() > 0.9


def test_rasters_of_another_product_are_refused_or_reported(fitted, tmp_path):
    folder, _, facts, _ = fitted
    path = tmp_path / "EnvironmentalRasters" / "Elevation" / "elevation.tif"
    path.parent.mkdir(parents=True)
    with rasterio.open(folder / path.relative_to(tmp_path)) as source:
        feet, profile, name = source.read(), source.profile, source.descriptions[0]
    with rasterio.open(path, "w", **profile) as target:
        target.write((feet * 3.28).clip(max=8_000).astype(feet.dtype))
        target.set_band_description(1, name)
    reader = inputs.Reader(facts, [tmp_path])
    assert any("is it the same product, in the same units?" in note for note in reader.notes)
    with rasterio.open(path, "r+") as target:
        target.set_band_description(1, "slope")
    with pytest.raises(DataError, match=r"'elevation_elevation_m' is missing; found elevation_slope, expected"):
        inputs.Reader(facts, [tmp_path])


CSV = Input(table=("bioclim",))


@pytest.fixture
def csvs(dataset, tmp_path):
    """A dataset whose bioclimatic values are CSVs, and its facts; and the raster that has the same values."""
    folder, data = dataset
    own = tmp_path / "csvs"
    own.mkdir()
    raster = Input(table=("bioclim",))
    table = stored(raster, folder, data, tmp_path / "rasters")
    values = run.read_table(table, data)
    names = [name.removeprefix("bioclim_") for name in storage.manifest(table)["columns"]]
    for split in ("train", "test"):
        rows = (data.places["dataset"] == f"pa_{split}").to_numpy()
        frame = pd.DataFrame(values[rows], columns=names)
        frame.insert(0, "surveyId", data.places["surveyId"].to_numpy()[rows])
        frame.to_csv(own / f"GLC24-PA-{split}-bioclimatic.csv", index=False)
    facts, outputs = described([CSV], own, data, tmp_path / "described", kind="classical")
    assert storage.manifest(outputs["table"])["sources"] == {"bioclim": "tables"}
    return own, folder, data, facts, outputs


def test_rows_of_csvs_are_found_by_their_survey(csvs):
    _, _, data, facts, outputs = csvs
    places = data.places.sample(frac=1, random_state=1)
    values = inputs.read(facts, places, surveys=data.places)
    wanted = run.read_table(outputs["table"], data)[places.index]
    assert_array_equal(values.table(), wanted)
    assert values.layouts == {}
    assert_array_equal(values.missing["table"], np.isnan(wanted).all(axis=1))
    with pytest.raises(DataError, match="none of the 1 places has a value of table"):
        inputs.read(facts, anywhere([10.0], [45.0]))


def test_rasters_take_the_place_of_csvs_only_where_they_have_the_same_values(csvs, tmp_path):
    own, folder, data, facts, _ = csvs
    survey = data.places.iloc[[0]]
    places = anywhere(survey["lon"], survey["lat"])
    values = inputs.read(facts, places, [own, folder])
    assert_allclose(values.table(), inputs.read(facts, survey).table())
    assert any("fitted on CSVs; places without a row take the pixels" in note for note in values.notes)
    kelvin = tmp_path / "kelvin" / "EnvironmentalRasters" / "Climate" / "bioclim.tif"
    kelvin.parent.mkdir(parents=True)
    with rasterio.open(folder / kelvin.relative_to(tmp_path / "kelvin")) as source:
        pixels, profile, names = source.read(), source.profile, source.descriptions
    with rasterio.open(kelvin, "w", **profile) as target:
        target.write(pixels * 10 + 2731)
        target.descriptions = names
    with pytest.raises(DataError, match="has other values at the training surveys, expected those of the CSVs"):
        inputs.read(facts | {"folders": []}, places, [tmp_path / "kelvin"])


def test_the_id_of_a_survey_elsewhere_is_not_that_survey(fitted):
    _, data, facts, _ = fitted
    train = data.places[data.places["dataset"] == "pa_train"]
    places = anywhere([train["lon"].iloc[0] + 1, train["lon"].iloc[1]], [train["lat"].iloc[0], train["lat"].iloc[1]])
    places["surveyId"] = train["surveyId"].to_numpy()[:2]
    values = inputs.read(facts, places, surveys=data.places)
    assert values.missing["sentinel2"].tolist() == [True, False]
    assert values.notes[-1].startswith("1 places have the surveyId of a survey that lies elsewhere")
    # files of pa_train are those of a survey of pa_train, though the place is called one of the test
    wanted = inputs.read(facts, train.iloc[[1]])
    assert_array_equal(values.imagery["sentinel2"][1], wanted.imagery["sentinel2"][0])
    assert not inputs.read(facts, places).missing["sentinel2"].any()


def test_a_location_encoder_travels_in_the_model_folder(dataset, tmp_path):
    _, data = dataset
    path = tmp_path / "encoder.ckpt"
    LocationEncoder(Choice("harmonics", {"degree": 3}), Choice("siren", {"hidden": 8}), 4).save(path)
    (tmp_path / "model").mkdir()
    wanted = Input(location=Choice("encoder", {"path": str(path)}))
    facts = inputs.describe([wanted], {}, [], data, tmp_path / "model", kind="net")
    expected = LocationEncoder.load(path).embed(data.places["lon"], data.places["lat"])
    path.unlink()
    shutil.move(tmp_path / "model", tmp_path / "moved")
    values = inputs.read(facts, data.places, model_folder=tmp_path / "moved")
    assert_allclose(values.tables["location_encoder"], expected, atol=1e-6)


def test_one_covariate_of_a_table_may_be_absent(dataset, tmp_path):
    folder, data = dataset
    facts, _ = described([Input(table=("elevation", "landcover"))], folder, data, tmp_path)
    shutil.copytree(
        folder / "EnvironmentalRasters" / "LandCover", tmp_path / "a" / "EnvironmentalRasters" / "LandCover"
    )
    values = inputs.read(facts | {"folders": []}, data.places.iloc[:4], [tmp_path / "a"])
    assert values.tables["table"]["elevation_elevation_m"].isna().all()
    assert not values.tables["table"].filter(like="landcover").isna().to_numpy().any()
    assert not values.missing["table"].any()


def test_a_block_of_places_is_read_by_windows(dataset, tmp_path, monkeypatch):
    _, data = dataset
    (tmp_path / "rasters").mkdir()
    pixels = np.random.default_rng(0).uniform(0, 5_000, (1, 2_000, 2_000)).astype(np.float32)  # metres
    options = {"tiled": True, "blockxsize": 256, "blockysize": 256}
    geotiff(tmp_path / "rasters" / "altitude_5m.tif", pixels, step=0.03, west=-20.0, north=75.0, **options)
    facts, _ = described([Input(table=("elevation",))], tmp_path / "rasters", data, tmp_path)
    rng = np.random.default_rng(1)
    lon, lat = rng.uniform(0, 5, 2_000), rng.uniform(45, 50, 2_000)
    reader, opened = inputs.Reader(facts), []
    plain = rasterio.open
    monkeypatch.setattr(rasterio, "open", lambda *path, **more: opened.append(path) or plain(*path, **more))
    values = reader.read(anywhere(lon, lat))
    assert len(opened) <= 2
    row, col = np.floor((75 - lat) / 0.03).astype(int), np.floor((lon + 20) / 0.03).astype(int)
    assert_array_equal(values.tables["table"].to_numpy()[:, 0], pixels[0, row, col])


@pytest.mark.slow  # `lint-imports` says the same of pyspark
def test_inputs_are_read_without_spark_luigi_and_petastorm():
    code = (
        "import sys; import glc.fitted.inputs, glc.fitted.imagery, glc.nets.inputs.selection; "
        "print([name for name in ('pyspark', 'luigi', 'petastorm') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_real_patches_and_series_are_found_by_the_ids_of_the_survey_tables(shared_data, tmp_path):
    folder = shared_data / "glc23_sample"
    table = registry.editions.get("glc2023")
    frames = {}
    for name, path in ((part.dataset, path) for part, path in table.find(folder)):
        frame = pd.read_csv(path, sep=";")
        key = next(part.columns["surveyId"] for part, _ in table.find(folder) if part.dataset == name)
        frames[name] = frame.rename(columns={key: "surveyId"})[["surveyId", "lon", "lat"]].drop_duplicates("surveyId")
    data = dataclasses.replace(survey_data(frames), train_name="po", test_name="pa_train")
    wanted = (Input(tiles="sentinel2", size=64), Input(cube="series"))
    own = inputs._own_ids
    places = data.places
    for column, name in (("patchID", "image_id"), ("timeSerieID", "series_id")):
        ids = own(folder, column)
        places = places.merge(ids.rename(columns={"series_id": name}), on=["dataset", "surveyId"], how="left")
    outputs = {item.name: stored(item, folder, dataclasses.replace(data, places=places), tmp_path / item.name)
               for item in wanted}  # fmt: skip
    facts = inputs.describe(wanted, outputs, [folder], dataclasses.replace(data, places=places), tmp_path, kind="net")
    chosen = data.places.sample(frac=1, random_state=0)
    values = inputs.read(facts, chosen, surveys=data.places)
    known = tables.read(wanted, [[outputs[item.name]] for item in wanted])
    found, expected = gathered(values.features(chosen), chosen), gathered(known, chosen)
    for name in expected:
        assert_array_equal(found[name], expected[name], err_msg=name)
    assert (chosen["dataset"].to_numpy()[~values.missing["sentinel2"]] == "po").all()
    assert (~values.missing["sentinel2"]).sum() == (~values.missing["series_cube"]).sum() == 100
