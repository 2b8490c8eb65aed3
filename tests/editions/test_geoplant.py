"""GeoPlant's layout, as the virtual world writes it."""

import shutil

import numpy as np
import pandas as pd
import pytest

from glc import editions, world
from glc.errors import DataError
from glc.etl import cubes, series, values
from glc.evaluation import evaluate
from glc.registry import covariates
from glc.world import geoplant, geoplant_values

SIZE = world.SIZES["geoplant-tiny"]
TESTS = ("pa_test_iid", "pa_test_ood", "pa_test_glc25")


@pytest.fixture(scope="module")
def _written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("geoplant")
    world.write(SIZE, folder, parts=SIZE.modules)
    return folder


@pytest.fixture
def folder(_written, tmp_path):
    return shutil.copytree(_written, tmp_path / "geoplant")


def test_the_three_tests_are_recognised_and_their_labels_apart(folder):
    dataset = editions.recognise(folder)
    editions.check(dataset)
    assert (dataset.edition.name, dataset.tests, dataset.train) == ("geoplant", TESTS, "pa_train")
    assert len(editions.test_ids(dataset)) == 100  # ten ids are in two tests
    truth = evaluate.read_truth(dataset, folder)
    counts = truth.assign(dataset=truth["dataset"].fillna("any")).groupby("dataset")["surveyId"].nunique()
    assert counts.to_dict() == {"pa_test_iid": 40, "any": 30}
    (folder / geoplant.LABELS).unlink()
    assert set(evaluate.read_truth(dataset, folder)["dataset"]) == {"pa_test_iid"}
    digest = evaluate.truth_digest(dataset)
    (folder / geoplant.LABELS).write_text("survey,speciesId\n1,2\n")
    assert evaluate.truth_digest(dataset) != digest
    with pytest.raises(DataError, match=r"test_labels.csv: column 'surveyId' is missing"):
        evaluate.read_truth(dataset, folder)


def test_ids_of_two_tests_clash_and_their_places_differ():
    own = geoplant.surveys(SIZE)
    same = own["pa_test_iid"].merge(own["pa_test_ood"], on="surveyId", suffixes=("", "_other"))
    assert len(same) == geoplant.SAME_IDS
    assert (same["lon"] != same["lon_other"]).all()
    assert all(frame["surveyId"].is_unique for frame in own.values())
    assert len(own["pa_train"]) + len(own["pa_test_iid"]) == SIZE.n_pa


def test_tables_of_values_are_of_their_test(folder, tmp_path):
    alphaearth = covariates.get("alphaearth")
    tables = values.tables(alphaearth, folder)
    assert set(tables) == {"pa_train", "po", *TESTS}
    read = values.TableValues(alphaearth, tables, tmp_path)
    assert read.columns == [f"a{number:02d}" for number in range(geoplant_values.COMPONENTS)]
    ood = pd.read_parquet(tables["pa_test_ood"])
    places = pd.DataFrame({"dataset": "pa_test_ood", "surveyId": [*ood["surveyId"], 999_999]})
    made, unreadable = read.read(places)
    np.testing.assert_array_equal(made[:-1], ood.drop(columns="surveyId"))
    assert np.isnan(made[-1]).all()
    assert not unreadable.any()


def test_the_newest_version_of_a_table_is_read(folder):
    soil = covariates.get("soil")
    for name in ("legacy", "v1", "v2"):
        path = folder / "EnvironmentalValues" / "SoilGrids" / name / "PA-train-soilgrids.csv"
        path.parent.mkdir(parents=True)
        path.write_text("surveyId,bdod\n1,100\n")
    assert values.tables(soil, folder)["pa_train"].parent.name == "v2"
    shutil.copytree(path.parent, folder / "EnvironmentalValues" / "Other" / "v2")
    with pytest.raises(DataError, match="expected one of them"):
        values.tables(soil, folder)


def test_the_footprint_of_iid_has_no_name_of_its_test(folder):
    below = folder / "EnvironmentalValues" / "HumanFootprint" / "v2"
    below.mkdir(parents=True)
    for name in ("PA-train", "PA-test", "PA-test-ood", "PA-test-glc25"):
        (below / f"{name}-human_footprint.csv").write_text("surveyId,footprint\n1,2\n")
    tables = values.tables(covariates.get("footprint"), folder)
    assert tables["pa_test_iid"].name == "PA-test-human_footprint.csv"
    assert "pa_test" not in tables


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"id": [1], "A00": [0.5]}, "column 'surveyId' is missing"),
        ({"surveyId": [1]}, "column a value is missing"),
        ({"surveyId": [1], "A00": ["x"]}, "column 'A00': found values of type (large_)?string"),
        ({"surveyId": [1, 1], "A00": [0.5, 0.6]}, "survey 1 has rows that differ"),
        ({"surveyId": [1.0, None], "A00": [0.5, 0.6]}, "column 'surveyId': found rows without it"),
    ],
)
def test_a_parquet_file_of_values_that_is_not_one_is_refused(folder, tmp_path, frame, message):
    path = folder / geoplant_values.ALPHAEARTH.format("PA-train")
    pd.DataFrame(frame).to_parquet(path)
    with pytest.raises(DataError, match=f"PA-train-alphaearth.parquet: {message}"):
        values.TableValues(covariates.get("alphaearth"), {"pa_train": path}, tmp_path)


def test_names_of_files_and_folders_tell_the_test():
    assert series.dataset_of("PA-test-iid-landsat_time_series-red.csv") == "pa_test_iid"
    assert series.dataset_of("GLC25-PA-test-landsat_time_series-red.csv") == "pa_test"
    assert series.dataset_of_file("x/PA-test-ood-landsat_time_series", "GLC24-PA-test-series-red.csv") == "pa_test_ood"
    assert series.dataset_of_file("x/PA-test-ood-landsat_time_series", "GLC24-PA-train-series-red.csv") == "pa_train"
    assert series.dataset_of_file("x/PA-train-landsat_time_series", "time_series_red.csv") is None


def test_cubes_of_tests_whose_ids_clash_are_told_apart_by_their_folders(tmp_path):
    places = pd.DataFrame({"dataset": ["pa_test_iid", "pa_test_ood"], "surveyId": [7, 7]})
    for number, name in enumerate(("iid", "ood")):
        below = tmp_path / "TimeSeries" / "Bioclim" / "cubes" / f"PA-test-{name}-bioclimatic-monthly"
        below.mkdir(parents=True)
        np.save(below / "GLC24-PA-test-bioclimatic_monthly_7_cube.npy", np.full((4, 19, 12), number, np.float32))
    paths = cubes.locate(places, tmp_path, "bioclim")
    assert [path.parent.name[8:11] for path in paths] == ["iid", "ood"]
