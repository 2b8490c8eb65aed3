import dataclasses

import numpy as np
import pandas as pd
import pytest

from glc.applicability import area
from glc.applicability.components import Components
from glc.applicability.space import Space
from glc.report import page, trust
from tests.report.test_page import text_of


def surveys(split, inside, score, expected, blocks=2, dissimilarity=0.2):
    """Surveys of one split and area."""
    count = len(score)
    return pd.DataFrame(
        {
            "split": split,
            "inside": inside,
            "dissimilarity": dissimilarity,
            "score": score,
            "expected": expected,
            "block": np.arange(count) % blocks,
        }
    )


def test_expected_and_observed_are_of_the_same_surveys():
    table = pd.concat(
        [
            surveys("valid", True, [0.2, 0.4, 0.9], [0.25, 0.35, np.nan]),
            surveys("valid", False, [0.1, 0.1], [np.nan, np.nan]),
            surveys("valid", False, [0.7], [np.nan], dissimilarity=np.nan),
            surveys("test", True, [0.5], [0.3], blocks=1),
            surveys("test", False, [np.nan], [0.3]),
        ]
    )
    inside, outside, unknown, test = trust.rows(table)
    assert (inside["area"], inside["surveys"], inside["covered"], inside["blocks"]) == ("inside", 3, 2, 2)
    assert inside["expected"] == pytest.approx(0.3)
    assert inside["observed"] == pytest.approx(0.3)
    assert inside["low"] <= 0.3 <= inside["high"]
    assert inside["beyond"] == pytest.approx(0.9)
    assert (outside["expected"], outside["observed"], outside["covered"]) == (None, None, 0)
    assert outside["beyond"] == pytest.approx(0.1)
    assert (unknown["area"], unknown["beyond"]) == ("no predictor known", 0.7)
    assert (test["split"], test["observed"], test["low"], test["beyond"]) == ("test", 0.5, None, None)


@pytest.mark.parametrize("by", ["coordinates", "table"])
def test_figure_shows_the_profile_of_either_space(make_story, by):
    story = make_story(valid=300, test=30, area_by=by)
    svg = trust.figure(story.applicability, story.trusted)
    assert "end of the area of applicability" in svg
    assert "expected" in svg
    assert ("dissimilarity" in svg.split(">", 1)[1]) == (by == "table")
    assert len(trust.parts(story.applicability.profile)) >= 4


def test_the_page_says_by_what_places_are_compared(make_story):
    story = make_story(valid=300, test=30, area_by="table")
    assert "multiplied by their permutation importance" not in text_of(page.render(story))
    valid = story.trusted[story.trusted["split"] == "valid"].reset_index(drop=True)
    rng = np.random.default_rng(0)
    values = pd.DataFrame(rng.normal(size=(len(valid), 2)), columns=["warm", "wet"])
    weighted, _ = area.fit(Space.of_table(values, {"warm": 2.0, "wet": 1.0}), values, valid)
    shown = text_of(page.render(dataclasses.replace(story, applicability=weighted)))
    assert "standardised and multiplied by their permutation importance" in shown
    folds = np.unique(valid["fold"])
    raw = {f"net {fold}": rng.normal(size=(len(valid), 5)).astype(np.float32) for fold in folds}
    components = {name: Components.fit(own) for name, own in raw.items()}
    points = {name: components[name].of(own) for name, own in raw.items()}
    nets, _ = area.fit_nets(points, components, dict(zip(raw, folds, strict=True)), valid)
    shown = text_of(page.render(dataclasses.replace(story, applicability=nets)))
    assert f"what the last layer of each of {len(folds)} nets reads of the imagery" in shown
