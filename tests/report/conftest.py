"""Stories to render: plausible numbers, in the shapes that the stages write."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from glc import config
from glc.applicability import area
from glc.applicability.space import Space
from glc.evaluation import evaluate
from glc.evaluation import species as species_results
from glc.prediction import decode, sets
from glc.prediction.blocks import Held
from glc.report.story import Made, Story
from tests.helpers import laid_out

NASTY = '<script>alert("1")</script>'


def surveys(split, count, rng, folds=3, truth=True):
    """Survey rows of one split, west of the Alps, with better F1 nearby."""
    nearest = rng.lognormal(8.5, 1.2, count)
    f1 = np.clip(rng.normal(0.16, 0.07, count) - 0.01 * np.log(nearest / 1000), 0, 1)
    lon, lat = rng.uniform(-1, 8, count), rng.uniform(42, 47, count)
    return pd.DataFrame(
        {
            "split": split,
            "surveyId": np.arange(count),
            "lon": lon,
            "lat": lat,
            "country": "France",
            "region": None,
            "block": (np.floor(lon * 2) * 1000 + np.floor(lat * 2)).astype(np.int64) if split == "valid" else 0,
            "fold": rng.integers(folds, size=count) if split == "valid" else -1,
            "predicted": rng.integers(3, 60, count),
            "nearest_train_m": nearest,
            "actual": rng.poisson(20, count) + 1 if truth else -1,
            "f1": f1 if truth else np.nan,
        }
    )


def measures(frame):
    """Metrics whose F1 is that of the frame."""
    found = {
        "surveys": len(frame),
        "sample_f1": frame["f1"].mean(),
        "micro_f1": 0.1234,
        "macro_f1": 0.0456,
        "recall_at_25": 0.218,
        "recall_at_100": 0.477,
        "macro_auc": 0.8642,
        "mean_set": frame["predicted"].mean(),
        "mean_species": frame["actual"].mean(),
    }
    if (frame["split"] == "valid").all():
        low, high = evaluate.bootstrap(frame["f1"].to_numpy(), frame["block"].to_numpy(), 200)
        found |= {"sample_f1_low": low, "sample_f1_high": high, "folds": frame["fold"].nunique()}
    return found


def trusted(frames, table=False, seed=0):
    """Area of applicability and error profile of the surveys in `frames`, and their table."""
    known = frames["valid"].rename(columns={"f1": "score"})
    if table:
        rng = np.random.default_rng(seed)
        predictors = pd.DataFrame({"warm": rng.normal(size=len(known)), "wet": known["nearest_train_m"] ** 0.5})
        space = Space.of_table(predictors)
    else:
        space, predictors = Space.of_coordinates(), known[["lon", "lat"]]
    applicability, rows = area.fit(space, predictors, known.reset_index(drop=True))
    test = frames["test"].rename(columns={"f1": "score"}).reset_index(drop=True)
    places = predictors.iloc[: len(test)] if table else test[["lon", "lat"]]
    at = applicability.at(places, test["nearest_train_m"].to_numpy())
    test = test.assign(inside=at["inside"], dissimilarity=at["dissimilarity"], expected=at["expected_f1"])
    return applicability, pd.concat([rows, test], ignore_index=True)


def species(valid, count=40, seed=1):
    """Results per species of surveys with random labels: frequent ones are found, and one has a nasty name."""
    rng = np.random.default_rng(seed)
    share = np.linspace(0.02, 0.6, count)
    actual = sparse.csr_matrix(rng.random((valid, count)) < share)
    chance = np.clip(share + rng.normal(0, 0.15, (valid, count)), 0.001, 0.999)
    predicted, scores = sparse.csr_matrix(chance > 0.3), sparse.csr_matrix(chance)
    ids = np.arange(count) + 100
    table = species_results.by_species(ids, predicted, actual, np.round(share * 3 * valid).astype(int))
    table.insert(1, "name", [NASTY if number == 139 else f"Plantago {number}" for number in table["speciesId"]])
    rows = species_results.example_rows(np.arange(valid), predicted, actual)
    chances, bins = None, pd.DataFrame({name: [] for name in ("low", "high", "pairs", "probability", "rate")})
    classes = pd.DataFrame({name: [] for name in ("surveys", "pairs", "score", "probability", "rate")})
    if valid > 3:
        group = np.arange(valid) % 2
        decoder = decode.make(config.Choice("expected_f1"))
        learned = sets.statistics(Held(scores, np.zeros(valid)), actual, group, decoder)
        calibrated = species_results.Calibrated(learned, group, count)
        at = np.sort(list(rows.values()))
        chances, bins = calibrated.probabilities(Held(scores[at], np.zeros(len(at))), at), calibrated.reliability()
        classes = calibrated.by_class(Held(scores, np.zeros(valid)), actual, table["surveys"].to_numpy())
    shown = species_results.examples(rows, np.arange(valid), ids, predicted, actual, chances)
    return species_results.SpeciesResults(table, tuple(shown), bins, classes)


MADE = Made(
    date="2026-11-23 02:00 UTC",
    command="glc run votes --dataset 'my flora'",
    commit="0123456789abcdef0123456789abcdef01234567",
    fingerprint="surveys 3a698ffed3ad, folds 5dea48ce9f21",
    links=(
        ("Submission (CSV)", "../../../submissions/medflora/votes%2Bmodel.prior%3D500.csv", "written after this page"),
        ("Metrics (JSON)", "../../../metrics/medflora/votes.json", ""),
        ("Predicted sets (Parquet)", "../../../store/medflora/Predictions-26cc01dcbe14", ""),
        ("Maps", "../../../maps/medflora/votes", "after: glc map votes"),
        ("Fitted model", "../../../models/medflora/votes", "after: glc predict votes"),
    ),
)


def make(valid=600, test=200, truth=True, net=False, neighbours=True, held_out=0, area_by=None):
    """A `Story`; its surveys are random, its counts are those the tests ask for."""
    rng = np.random.default_rng(0)
    frames = {"valid": surveys("valid", valid, rng), "test": surveys("test", test, rng, truth=truth)}
    reasons = {"missing coordinate": 2, "species is not an integer": 1}
    quarantine = pd.DataFrame(
        {
            "dataset": "po",
            "file": "PO_<metadata>.csv",
            "line": [1234, 12, 77_001],
            "column": ["lat", "lat", "speciesId"],
            "found": [None, None, NASTY],
            "reason": ["missing coordinate", "missing coordinate", "species is not an integer"],
        }
    )
    scores = np.linspace(0.001, 0.9, 60)
    epochs = np.arange(12)
    history = {
        fold: pd.DataFrame(
            {
                "epoch": epochs,
                "train_loss": 40 * np.exp(-epochs / 4) + 20 + fold,
                "valid_loss": 38 * np.exp(-epochs / 4) + 24 + fold + 0.05 * (epochs - 6) ** 2,
                "valid_f1": 0.11 - 0.0012 * (epochs - 7 - fold) ** 2 / 2,
                "learning_rate": 0.002,
                "valid_f1_micro": 0.03,
                "seconds": 2.5,
            }
        )
        for fold in range(3)
    }
    recall = [(1_000, 120, 119), (5_000, 4_321, 2_000), (10_000, 9_999, 65), (50_000, 100_000, 140)]
    applicability, rows = (None, None) if area_by is None else trusted(frames, area_by == "table")
    manifest = {"seconds": 31.4, "glc": "0.1.0", "versions": {"numpy": "1.26.4", "pyspark": "3.5.9"}}
    return Story(
        experiment=config.Experiment(
            model=config.Choice("geolocation", {"latent": 256}) if net else config.Choice("votes", {"prior": 2_000.0}),
            description="Votes of the surveys around & beyond.",
            name="geolocation" if net else "votes",
            decode=config.Choice("expected_f1") if net else config.Choice("threshold_top_k", {"largest": 60}),
        ),
        dataset=f"medflora{NASTY}",
        surveys=manifest
        | {
            "files": [
                {
                    "file": "PA_train.csv", "dataset": "pa_train", "rows": 148_542, "kept": 148_542, "quarantined": 0,
                    "reasons": {}, "unreadable": {"areaInM2": 17},
                },
                {
                    "file": "PO_<metadata>.csv", "dataset": "po", "rows": 120_003, "kept": 120_000, "quarantined": 3,
                    "reasons": reasons, "unreadable": {},
                },
            ],
            "datasets": {
                "pa_train": {"occurrences": 148_542, "surveys": 6_804, "species": 3_611},
                "po": {"occurrences": 120_000, "surveys": 118_765, "species": 3_650},
            },
            "rows": 268_545, "kept": 268_542, "quarantined": 3, "train": "pa_train", "test": "pa_test",
            "species": {"number": 3_650, "named": 0, "text_ids": []},
            "overview": {
                "bounds": [1.72, 42.31, 7.62, 45.1], "years": [2017, 2021], "undated": 0.0,
                "areas": {"France": 0.96, "Italy": 0.04},
            },
            "odd": [{"what": f"surveys share one place {NASTY}", "rows": 1_111, "of": 6_804, "example": "lon 2.5"}],
        },
        quarantine=quarantine,
        folds={"surveys": {"0": 681, "1": 680}, "blocks": 812, "held_out": held_out, "seconds": 1.2},
        metrics={split: measures(frame) for split, frame in frames.items() if split == "valid" or truth}
        | {"scheme": "block", "stop": "next"},
        per_survey=pd.concat(frames.values(), ignore_index=True),
        baselines=[
            {"level": level, "valid": value, "valid_low": value - 0.004, "valid_high": value + 0.005,
             "test": value + 0.003 if truth else None}
            for level, value in (("global", 0.0612), ("country", 0.0612), ("region", 0.0721), ("district", 0.0987))
        ],
        decoder={"calibration": [[float(x), float(0.8 * x**1.2)] for x in scores], "validation_pairs": 2_457_600}
        if net
        else {"k": 19, "threshold": 0.27, "validation_f1": 0.1043},
        neighbours=manifest
        | {
            "parameters": {"neighbours": '{"method": "lsh", "k": 10, "radius_m": 50000, "sources": ["train", "po"]}'},
            "rows": 68_000, "queries": 800, "sources": 125_569, "without_neighbours": 12, "bucket_length": 20.0,
            "recall": [
                {"radius_m": radius_m, "queries": 800, "true_pairs": true, "found": found, "recall": found / true}
                for radius_m, true, found in recall
            ],
        }
        if neighbours
        else None,
        histories=history if net else {},
        applicability=applicability,
        trusted=rows,
        species=species(valid),
        sections=frozenset({"validation", "model", "scores", "decode", *(("train", "po") if net else ())}),
        steps={"survey tables": (31.4, 900), "folds": (1.2, None)},
        made=MADE,
    )  # fmt: skip


@pytest.fixture(scope="session")
def make_story():
    """The function that makes a story."""
    return make


@pytest.fixture(scope="session")
def nasty():
    """Text of the data that must not become markup."""
    return NASTY


@pytest.fixture
def undrawn(monkeypatch):
    """Pages without the lines of their figures, for tests of words alone."""
    monkeypatch.setattr("glc.report.figures._inline", laid_out)
