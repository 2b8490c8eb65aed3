import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from glc.applicability import area
from glc.applicability.space import Space
from glc.errors import DataError


@pytest.fixture(scope="module")
def fitted():
    """Applicability of 600 training places in five folds, and what it says of them; F1 falls with `warm`."""
    rng = np.random.default_rng(0)
    values = pd.DataFrame(rng.normal(size=(600, 3)).astype(np.float32), columns=["warm", "wet", "high"])
    fold = rng.integers(-1, 5, 600)
    validation = pd.DataFrame(
        {
            "fold": fold,
            "block": rng.integers(40, size=600),
            "nearest_train_m": rng.lognormal(9, 1, 600),
            "score": np.where(fold < 4, np.clip(0.5 - 0.2 * np.abs(values["warm"]), 0, 1), np.nan),
        }
    )
    return area.fit(Space.of_table(values, {"warm": 2.0, "wet": 1.0, "high": 0.5}), values, validation), values


def test_a_place_in_the_middle_is_inside_and_one_far_off_is_not(fitted):
    (applicability, _), _ = fitted
    places = pd.DataFrame({"warm": [0.0, 30.0, np.nan], "wet": [0.0, 0.0, np.nan], "high": [0.0, 0.0, np.nan]})
    frame = applicability.at(places, np.array([5_000.0, 5_000.0, 5_000.0]))
    assert frame["inside"].tolist() == [True, False, False]
    assert np.isnan(frame["dissimilarity"][2])
    assert frame["expected_f1"].notna().tolist() == [True, False, False]
    assert frame["missing_predictors"].tolist() == [0, 0, 3]


def test_own_validation_surveys_are_measured_across_folds(fitted):
    (applicability, frame), values = fitted
    in_none = frame["fold"] < 0
    assert frame.loc[in_none, "dissimilarity"].isna().all()
    assert frame.loc[~in_none, "dissimilarity"].gt(0).all()
    assert frame.loc[frame["fold"] == 4, "expected"].isna().all()  # not scored
    assert frame.loc[frame["fold"].between(0, 3), "expected"].notna().mean() > 0.8
    assert (frame["inside"] == (frame["dissimilarity"] <= applicability.dissimilarity.threshold)).all()
    assert_allclose(applicability.at(values, frame["nearest_train_m"])["dissimilarity"], 0, atol=1e-12)


def test_saved_and_loaded_says_the_same(fitted, tmp_path):
    (applicability, _), values = fitted
    applicability.save(tmp_path / area.FILE)
    again = area.load(tmp_path / area.FILE)
    places, distance_m = values * 1.3 + 0.1, np.geomspace(10, 1e6, len(values))
    pd.testing.assert_frame_equal(again.at(places, distance_m), applicability.at(places, distance_m))
    pd.testing.assert_frame_equal(again.profile.parts, applicability.profile.parts)
    assert again.profile.facts == applicability.profile.facts
    assert again.dissimilarity.facts == applicability.dissimilarity.facts
    assert [path.name for path in tmp_path.iterdir()] == [area.FILE]


def test_without_scores_nothing_is_expected(tmp_path):
    rng = np.random.default_rng(1)
    places = np.column_stack([rng.uniform(0, 8, 90), rng.uniform(42, 48, 90)])
    validation = pd.DataFrame({"fold": np.arange(90) % 3, "block": 0, "nearest_train_m": 100.0, "score": np.nan})
    applicability, frame = area.fit(Space.of_coordinates(), places, validation)
    assert applicability.profile is None
    assert frame["expected"].isna().all()
    applicability.save(tmp_path / area.FILE)
    at = area.load(tmp_path / area.FILE).at(places, np.full(90, 100.0))
    assert at["expected_f1"].isna().all()
    assert at["inside"].all()


def test_another_measure_has_a_column_of_its_name():
    rng = np.random.default_rng(2)
    places = np.column_stack([rng.uniform(0, 8, 90), rng.uniform(42, 48, 90)])
    validation = pd.DataFrame({"fold": np.arange(90) % 3, "block": np.arange(90) // 3, "nearest_train_m": 100.0})
    validation["score"] = rng.uniform(0.6, 0.9, 90)
    applicability, _ = area.fit(Space.of_coordinates(), places, validation, measure="auc")
    at = applicability.at(places, np.full(90, 100.0))
    assert at["expected_f1"].isna().all()
    assert at["expected_auc"].between(0.6, 0.9).all()


def test_a_file_that_is_none_is_named(tmp_path):
    path = tmp_path / area.FILE
    for content in (b"", b"no archive"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"applicability\.npz: cannot be read.*fit the experiment again"):
            area.load(path)
    np.savez(path, facts=np.array('{"format": 9}'))
    with pytest.raises(DataError, match="format 9, expected 1"):
        area.load(path)
    with pytest.raises(DataError, match=r"applicability\.npz"):
        area.load(tmp_path / "absent" / area.FILE)
