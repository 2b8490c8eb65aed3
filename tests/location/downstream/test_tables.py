"""Tables of downstream scores: means, spreads and what they leave unsaid."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from glc.location.downstream import problems, tables
from tests.location import places


def rows(row, target, measure, scores, unseen=0.0, low=np.nan, high=np.nan):
    facts = {"row": row, "target": target, "measure": measure, "folds": "fold_block10", "fold": "all", "unseen": unseen}
    facts |= {"low": low, "high": high, "places": 400}
    return [facts | {"seed": seed, "score": score} for seed, score in enumerate(scores)]


@pytest.fixture
def problem(tmp_path):
    places.write_location(tmp_path)
    return problems.location(tmp_path)


def test_a_cell_is_mean_and_spread_and_empty_where_nothing_was_asked(problem):
    scores = pd.DataFrame(
        rows("head", "altitude_m", "R²", [0.4, 0.5, 0.6], low=0.3456, high=0.65)
        + rows("head", "country_code", "accuracy", [0.7, 0.7, 0.7], unseen=0.125)
        + rows("10-NN", "altitude_m", "R²", [0.25])
        + [rows("10-NN", "altitude_m", "R²", [0.9])[0] | {"fold": "2"}]
        + [rows("10-NN", "altitude_m", "R²", [0.8])[0] | {"folds": "fold_random"}]
    )
    found = tables.table(scores, problem, "fold_block10").set_index("row")
    assert found["altitude, R²"].to_dict() == {"head": "0.500 ± 0.100 [0.346, 0.650]", "10-NN": "0.250"}
    assert found["country, accuracy"].to_dict() == {"head": "0.700 ± 0.000", "10-NN": ""}
    told = " ".join(tables.remarks(scores, problem, "fold_block10"))
    assert "400 places, held out in 1 fold;" in told
    assert "a bootstrap over blocks of 1,000 km." in told
    assert "12.5% of them have a country that their training folds lack" in told
    assert "10 places have no Köppen main class" in told


def test_what_was_chosen_and_what_was_not_asked():
    found = tables.chosen(
        {"location": {"altitude_m": {"mean of": {"a": 2, "b": 1}, "not asked": {"c": "its imagery had altitude_m"}}}}
    )
    assert found.to_dict("records") == [
        {
            "target": "altitude_m",
            "mean of": "2 × a, 1 × b",
            "not asked, as they may know the target": "c: its imagery had altitude_m",
        }
    ]


def test_differences_have_signs_and_are_those_of_the_folds_and_the_other_row(problem):
    facts = {"row": "blend", "target": "altitude_m", "measure": "R²", "folds": "fold_knndm", "compared with": "kriging"}
    table = pd.DataFrame(
        [
            facts | {"difference": 0.02, "low": -0.001, "high": 0.0412},
            facts | {"row": "xyz", "target": "country_code", "measure": "accuracy"}
            | {"difference": -0.5, "low": np.nan, "high": np.nan},
            facts | {"folds": "fold_block10", "difference": 0.9, "low": 0.9, "high": 0.9},
            facts | {"compared with": "10-NN", "difference": 0.8, "low": 0.8, "high": 0.8},
        ]
    )  # fmt: skip
    rows_of = tables.differences(table, problem, "fold_knndm", "kriging").set_index("row")
    assert rows_of["altitude, R²"].to_dict() == {"blend": "+0.020 [-0.001, +0.041]", "xyz": ""}
    assert rows_of["country, accuracy"].to_dict() == {"blend": "", "xyz": "-0.500"}


def test_the_folds_that_choose_say_how_far_apart_they_are(problem):
    scores = pd.DataFrame(rows("head", "altitude_m", "R²", [0.4])).assign(folds="fold_knndm")
    problem = replace(
        problem, matched=replace(problem.matched, size_m=9_600.0, median_m=4_310.0, wanted_median_m=4_360.0)
    )
    sentence = next(text for text in tables.remarks(scores, problem, "fold_knndm") if "Cells" in text)
    assert sentence == (
        "Cells of 9.6 km: to the next place of another fold it is 4.3 km in the median, from a place to predict to the "
        "next labelled one 4.4 km."
    )
    assert not [text for text in tables.remarks(scores.assign(folds="x"), problem, "x") if "Cells" in text]
    assert tables.distances(replace(problem, matched=replace(problem.matched, size_m=0.0))).startswith(
        "Places one by one"
    )
