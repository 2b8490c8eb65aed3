import dataclasses

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from glc import config, storage
from glc.explain.importance import measured
from glc.explain.odmap import AUTHOR, odmap
from glc.explain.odmap_fields import FIELDS
from glc.explain.run import Run, summary

SURVEYS = {
    "train": "pa_train",
    "test": "pa_test",
    "glc": "0.1.0",
    "versions": {"numpy": "1.26.4"},
    "parameters": {"dataset": "/data/plots"},
    "files": [
        {"file": "train.csv", "rows": 100, "kept": 97, "quarantined": 3, "reasons": {"missing coordinate": 3}},
    ],
}  # fmt: skip
METRICS = {
    "scheme": "block",
    "stop": "next",
    "valid": {"sample_f1": 0.3211, "sample_f1_low": 0.3, "sample_f1_high": 0.34, "macro_auc": 0.8123},
}


def parts():
    row = {"surveys": 90, "west": -1.5, "south": 43.0, "east": 7.25, "north": 47.0, "first_year": 2018}
    row |= {"last_year": 2021, "uncertainty_m": 12.0, "area_m2": 100.0, "countries": "France", "crs": "EPSG:3035"}
    test = row | {"surveys": 11}
    return pd.DataFrame.from_dict({"pa_train": row, "pa_test": test}, orient="index")


def run(experiment="votes", **changes):
    known = Run(
        config.load(experiment),
        "plots",
        SURVEYS,
        {"surveys": {"0": 30, "1": 31, "2": 29}, "held_out": 0},
        {"fitted": {"k": 19}},
        METRICS,
        parts(),
        np.array([2, 10, 30]),
    )
    return dataclasses.replace(known, **changes)


def values(filled):
    frame = odmap(filled)
    return {(row.section, row.subsection, row.element): row.Value for row in frame.itertuples()}


def test_the_fields_are_those_of_version_1_in_its_order():
    frame = odmap(run())
    assert len(FIELDS) == len(frame) == 84
    assert list(frame.columns[:4]) == ["section", "subsection", "element", "Value"]
    assert list(frame["section"].unique()) == ["Overview", "Data", "Model", "Assessment", "Prediction"]
    assert (frame["Value"] != "").all()


def test_fields_equal_what_the_run_says():
    filled = values(run())
    assert filled["Overview", "Scale of Analysis", "Spatial extent"] == (
        "longitude -1.5000 to 7.2500, latitude 43.0000 to 47.0000 (training surveys)"
    )
    assert filled["Overview", "Scale of Analysis", "Temporal extent"] == "2018 to 2021 (training surveys)"
    assert filled["Overview", "Location", "Location"] == "France"
    assert filled["Data", "Biodiversity data", "Sample size"].startswith(
        "90 training surveys, 3 species with 2 to 30 surveys each, median 10"
    )
    assert filled["Data", "Biodiversity data", "Cleaning"] == "3 of 100 rows not used: 3 missing coordinate"
    assert filled["Data", "Data partitioning", "Training data"].endswith("(3 folds of 29 to 31 surveys)")
    assert "whole spatial blocks of 30 km" in filled["Data", "Data partitioning", "Validation data"]
    assert filled["Data", "Data partitioning", "Test data"] == "the dataset's own 11 test surveys"
    assert filled["Assessment", "Performance statistics", "Performance on validation data"] == (
        "F1 (mean over surveys) 0.3211 (95% interval 0.3000 to 0.3400), AUC (mean over species) 0.8123"
    )
    assert filled["Assessment", "Performance statistics", "Performance on test data"].startswith("not known")
    assert "k = 19" in filled["Model", "Threshold selection", "Threshold selection"]
    assert "prior = " in filled["Model", "Model settings", "Model settings (fitting)"]


def test_what_the_run_does_not_know_is_left_to_the_author():
    frame = odmap(run())
    left = frame[frame["source"] == "author"]
    assert left["Value"].str.contains(AUTHOR).all()
    assert not frame.loc[frame["source"] == "run", "Value"].str.contains(AUTHOR).any()
    for element in ("Study title", "Author names", "Hypotheses", "Sampling design", "Model assumptions", "Boundary"):
        assert (frame.loc[frame["element"] == element, "Value"] == AUTHOR).all()
    known = parts()
    known[["first_year", "last_year", "area_m2", "uncertainty_m"]] = np.nan
    known["countries"] = ""
    bare = values(run(parts=known))
    assert bare["Overview", "Scale of Analysis", "Temporal extent"] == AUTHOR
    assert bare["Overview", "Location", "Location"] == AUTHOR
    assert bare["Overview", "Scale of Analysis", "Spatial resolution"] == AUTHOR


@pytest.mark.parametrize(
    ("experiment", "element", "text"),
    [
        ("votes", "Model selection", "none: settings are fixed before fitting"),
        ("geolocation", "Model selection", "early stopping by f1 on the next fold"),
        ("geolocation-published", "Model selection", "early stopping by f1 on the validated fold itself"),
        ("votes", "Predictor types", "none but the coordinates and the surveys around them"),
        ("inria-run1", "Predictor types", "WorldClim definitions); soil properties (SoilGrids)"),
        ("inria-run1", "Training data", "for each fold, all training surveys outside of it"),
        ("geolocation", "Training data", "and of the next, which stops the training"),
    ],
)  # fmt: skip
def test_settings_of_the_experiment_fill_its_fields(experiment, element, text):
    frame = odmap(run(experiment)).set_index("element")["Value"]
    assert text in frame[element]


def test_a_virtual_world_is_called_simulated():
    filled = values(run(surveys=SURVEYS | {"parameters": {"dataset": "virtual:tiny"}}))
    assert filled["Overview", "Biodiversity data", "Observation type"].startswith("simulated")
    assert "virtual world tiny" in filled["Data", "Biodiversity data", "Data sources"]


def test_a_presence_only_run_promises_neither_sets_nor_absences():
    filled = values(run(relative=True, metrics={"scheme": "block", "stop": "next", "valid": {"macro_auc": 0.7}}))
    assert filled["Prediction", "Prediction output", "Prediction unit"].startswith("relative suitability")
    assert filled["Data", "Biodiversity data", "Absence data"].startswith("none")
    assert filled["Model", "Threshold selection", "Threshold selection"] == "none: no sets are decided"
    assert filled["Assessment", "Performance statistics", "Performance on validation data"].startswith("AUC")


def test_the_importance_is_that_which_was_measured(fitted):
    answer = measured(fitted, repeats=1)
    text = values(run(importance=answer))["Model", "Model estimates", "Variable importance"]
    best = answer.frame.sort_values("mean", ascending=False).iloc[0]
    assert f"(without permutation {answer.score:.4f})" in text
    assert f"{best['mean']:.4f}" in text
    assert "2 variables" in values(run(importance=answer))["Model", "Multicollinearity", "Multicollinearity"]


def test_the_summary_counts_what_the_survey_tables_hold(tmp_path):
    rows = [
        ("pa_train", 1, 1.0, 43.0, 2019, [3, 5]),
        ("pa_train", 2, 2.0, 44.0, 2021, [5]),
        ("po", 1, 9.0, 50.0, None, [7]),
    ]
    columns = dict(zip(("dataset", "surveyId", "lon", "lat", "year", "species"), zip(*rows, strict=True), strict=True))
    from glc import schema

    arrays = {
        field.name: pa.array(list(columns.get(field.name, [None] * 3)), field.type)
        for field in schema.TABLES["surveys"]
    }
    arrays["crs"] = pa.array([3035] * 3, pa.int32())
    with storage.atomic_directory(tmp_path / "out") as out:
        storage.write_table(pa.table(arrays), "surveys", out / "surveys")
    frame, counts = summary(tmp_path / "out", "pa_train")
    assert frame.loc["pa_train", ["surveys", "west", "north", "first_year", "last_year"]].tolist() == [
        2,
        1,
        44,
        2019,
        2021,
    ]
    assert np.isnan(frame.loc["po", "first_year"])
    assert frame.loc["pa_train", "crs"] == "EPSG:3035"
    assert counts.tolist() == [1, 2]
