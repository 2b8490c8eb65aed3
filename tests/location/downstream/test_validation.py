"""Downstream tasks on made-up places: nothing leaks between folds, and every figure is what it says."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from glc.config import Head
from glc.config.fields import Choice
from glc.errors import ConfigError
from glc.location import LocationEncoder
from glc.location.downstream import problems, sources, validation
from glc.location.downstream.heads import Prediction
from glc.location.downstream.sources import ALL, Source
from tests.location import places

HEAD = Head(width=16, least_steps=60, batch=64, epochs=1)
XYZ = Source("features", Choice("xyz"))


@pytest.fixture(scope="module")
def problem(tmp_path_factory):
    folder = tmp_path_factory.mktemp("location")
    places.write_location(folder)
    return problems.location(folder, 1)


@pytest.fixture(scope="module")
def raster(tmp_path_factory):
    path = tmp_path_factory.mktemp("raster") / "r.tif"
    places.write_raster(path)
    return str(path)


def encoder(path, bands, dim=4, seed=0):
    """Write an untrained encoder whose file says that its imagery had `bands`."""
    torch.manual_seed(seed)
    facts = {} if bands is None else {"bands": list(bands)}
    LocationEncoder(Choice("xyz"), Choice("siren"), dim, facts).save(path)
    return str(path)


SOURCES = [XYZ, *(Source(kind) for kind in sources.PLACES_ALONE)]


@pytest.mark.parametrize("source", SOURCES, ids=[source.kind for source in SOURCES])
def test_labels_of_a_fold_do_not_reach_its_own_predictions(problem, source):
    """With all labels of a fold made wrong, its own predictions stay; those of the other folds change."""
    problem = replace(problem, folds={"fold_block10": (0, 1, 2, 3)})
    fold = problem.places["fold_block10"].to_numpy()
    spoilt = problem.places.copy()
    own = fold == 2
    spoilt.loc[own, ["prec_annual_mm", "tmean_annual_c"]] += 1e4
    spoilt["altitude_m"] = spoilt["altitude_m"].astype(int) + np.where(own, 10_000, 0)
    spoilt.loc[own, "country_code"] = "ZZ"
    spoilt.loc[own, "koeppen_main"] = None
    before, after = (
        validation.cross_validate(replace(problem, places=one), source, {}, HEAD, 1).held_out["fold_block10"]
        for one in (problem.places, spoilt)
    )
    for name in before:
        np.testing.assert_array_equal(before[name].best[own], after[name].best[own])
    assert not np.array_equal(before["prec_annual_mm"].best[~own], after["prec_annual_mm"].best[~own])
    assert "ZZ" in set(after["country_code"].classes)


def test_scores_are_pooled_and_by_fold_for_each_seed(problem):
    found = validation.cross_validate(problem, XYZ, {}, HEAD, 2)
    scores = found.scores
    block = scores[scores["folds"] == "fold_block10"]
    assert set(block["fold"]) == {"0", "1", "2", "3", "all"}
    assert set(block["seed"]) == {0, 1}
    assert set(scores.loc[scores["folds"] == "fold_random", "fold"]) == {"0", "all"}
    spread = block[(block["fold"] == "all") & (block["measure"] == "R²")].groupby("target")["score"].std()
    assert (spread > 0).all()
    truth = problem.places["prec_annual_mm"].to_numpy(np.float64)
    one = replace(problem, folds={"fold_block10": (0, 1, 2, 3)})
    alone = validation.cross_validate(one, XYZ, {}, HEAD, 1)
    predicted = alone.held_out["fold_block10"]["prec_annual_mm"].values
    r2 = 1 - ((truth - predicted) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()
    row = alone.scores.query("target == 'prec_annual_mm' and fold == 'all'")
    assert row["score"].item() == pytest.approx(r2)
    assert row["places"].item() == len(truth)
    unheld = problem.places["fold_random"].to_numpy() != 0
    assert np.isnan(found.held_out["fold_random"]["prec_annual_mm"].values[unheld]).all()


def test_classes_that_training_lacks_are_counted(problem):
    spoilt = problem.places.copy()
    own = (spoilt["fold_block10"] == 1) & (np.arange(len(spoilt)) % 2 == 0)
    spoilt.loc[own, "country_code"] = "ZZ"
    one = replace(problem, places=spoilt, folds={"fold_block10": (1, 3)})
    scores = validation.cross_validate(one, Source("nearest"), {}).scores
    unseen = scores[(scores["target"] == "country_code") & (scores["measure"] == "accuracy")].set_index("fold")[
        "unseen"
    ]
    held = spoilt["fold_block10"].isin([1, 3])
    assert unseen["1"] == pytest.approx(own.sum() / (spoilt["fold_block10"] == 1).sum())
    assert unseen["all"] == pytest.approx(own.sum() / held.sum())
    assert unseen["3"] == 0


def test_measures_have_known_answers():
    value, label = problems.LOCATION_TARGETS[1], problems.LOCATION_TARGETS[0]
    truth = np.array([1.0, 2.0, 3.0])
    assert validation.measures(value, truth, Prediction(truth)) == {"R²": 1.0}
    assert validation.measures(value, truth, Prediction(np.full(3, 2.0))) == {"R²": 0.0}
    classes = np.array(list("abcdefg"), object)
    shares = np.array([[7, 6, 5, 4, 3, 2, 1]] * 4, np.float32) / 28
    truth = np.array(["a", "e", "f", None], object)
    found = validation.measures(label, truth, Prediction(shares, classes))
    assert found == {"accuracy": pytest.approx(1 / 3), "top-5 accuracy": pytest.approx(2 / 3)}
    nothing = validation.measures(label, truth[3:], Prediction(shares[3:], classes))
    assert np.isnan(list(nothing.values())).all()


def test_an_encoder_of_its_own_for_a_target_is_asked_for_that_target(problem, tmp_path):
    one = encoder(tmp_path / "one.ckpt", ["land_percent"])
    two = encoder(tmp_path / "two.ckpt", ["land_percent"], seed=1)
    source, small = Source("encoder"), replace(problem, folds={"fold_random": (0,)})
    both = validation.cross_validate(small, source, {ALL: one, "altitude_m": two}, HEAD, 1).held_out["fold_random"]
    alone = validation.cross_validate(small, source, {"altitude_m": two}, HEAD, 1).held_out["fold_random"]
    other = validation.cross_validate(small, source, {ALL: one}, HEAD, 1).held_out["fold_random"]
    assert set(alone) == {"altitude_m"}
    np.testing.assert_array_equal(both["altitude_m"].values, alone["altitude_m"].values)
    assert not np.allclose(both["altitude_m"].values, other["altitude_m"].values, equal_nan=True)
    with pytest.raises(ConfigError, match="unknown target 'altitude'"):
        validation.cross_validate(small, source, {"altitude": two}, HEAD, 1)


def test_harmonics_beside_an_embedding_are_more_columns(tmp_path):
    path = encoder(tmp_path / "one.ckpt", ["land_percent"])
    lon, lat = np.array([3.0, -70.0, 150.0]), np.array([43.0, -10.0, 62.0])
    beside = Source("encoder", Choice("harmonics", {"degree": 3}))
    found = validation._features(beside, path, (), lon, lat)
    alone = validation._features(Source("encoder"), path, (), lon, lat)
    harmonics = validation._features(Source("features", Choice("harmonics", {"degree": 3})), None, (), lon, lat)
    assert harmonics.shape == (3, 16)
    np.testing.assert_array_equal(found, np.hstack([alone, harmonics]))
    with pytest.raises(ConfigError, match=r"features: found .* expected none but of the kinds"):
        Source("raster", Choice("harmonics"))
    with pytest.raises(ConfigError, match=r"power: found .* expected 0 unless the kind is nearest"):
        Source("kriging", power=1.0)


def test_who_knows_a_target_may_not_predict_it(problem, raster, tmp_path):
    altitude, precipitation = problem.target("altitude_m"), problem.target("prec_annual_mm")
    told = encoder(tmp_path / "told.ckpt", ["altitude_m", "land_percent"])
    blind = encoder(tmp_path / "blind.ckpt", ["land_percent"])
    silent = encoder(tmp_path / "silent.ckpt", None)
    source = Source("encoder")
    assert validation.knows(source, {ALL: told}, altitude) == "its imagery had altitude_m"
    assert validation.knows(source, {ALL: told, "altitude_m": blind}, altitude) == ""
    assert validation.knows(source, {ALL: told}, precipitation) == ""
    assert "does not tell the bands" in validation.knows(source, {ALL: silent}, precipitation)
    assert validation.knows(XYZ, {}, altitude) == ""
    with pytest.raises(ConfigError, match="a raster may not be read at the places to predict"):
        validation.predict(problem, Source("raster"), {ALL: raster}, HEAD, 1)


def test_the_raster_tells_altitude_and_less_without_its_band(problem, raster):
    asked = ("country_code", "tmean_annual_c", "altitude_m")
    one = replace(problem, folds={"fold_block10": (0, 2)}, targets=tuple(map(problem.target, asked)))
    head = Head(width=32, least_steps=150, batch=64)

    def score(left_out):
        found = validation.cross_validate(one, Source("raster", left_out=left_out), {ALL: raster}, head, 1).scores
        return found[found["fold"] == "all"].set_index(["target", "measure"])["score"]

    every, own, climate = score(""), score("own"), score("climate")
    assert every["altitude_m", "R²"] > 0.9
    assert own["altitude_m", "R²"] < 0.3
    assert own["tmean_annual_c", "R²"] < 0.5 < every["tmean_annual_c", "R²"]
    assert climate["altitude_m", "R²"] < 0.3
    assert climate["tmean_annual_c", "R²"] < 0.5
    assert set(climate.index.get_level_values("target")) == {"altitude_m", "tmean_annual_c"}


def test_predictions_are_the_mean_over_seeds_and_written_as_asked(problem, tmp_path):
    found = validation.predict(problem, XYZ, {}, HEAD, 2)
    first = validation.predict(problem, XYZ, {}, HEAD, 1)
    assert not np.allclose(found["prec_annual_mm"].values, first["prec_annual_mm"].values)
    validation.save(found, tmp_path / "saved")
    again = {name: validation.load(tmp_path / "saved", name) for name in found}
    np.testing.assert_array_equal(again["altitude_m"].values, found["altitude_m"].values)
    assert again["country_code"].best.tolist() == found["country_code"].best.tolist()
    assert validation.load(tmp_path / "saved", "none") is None
    validation.write_predictions(problem, found, tmp_path / "p.parquet")
    frame = pd.read_parquet(tmp_path / "p.parquet")
    assert list(frame) == ["lat", "lon", *(target.name for target in problems.LOCATION_TARGETS)]
    pd.testing.assert_frame_equal(frame[["lat", "lon"]], problem.query)


def test_habitats_are_written_with_the_five_most_probable(tmp_path):
    places.write_habitats(tmp_path)
    problem = problems.habitats(tmp_path)
    found = validation.predict(problem, Source("nearest"), {})
    validation.write_predictions(problem, found, tmp_path / "h.csv")
    frame = pd.read_csv(tmp_path / "h.csv", keep_default_na=False)
    assert list(frame) == ["surveyId", "habitatId", "top5"]
    assert frame["surveyId"].tolist() == problem.query["surveyId"].tolist()
    assert [row.split()[0] for row in frame["top5"]] == frame["habitatId"].tolist()
    assert {len(set(row.split())) for row in frame["top5"]} == {5}
    assert "NA" in set(frame["habitatId"])
