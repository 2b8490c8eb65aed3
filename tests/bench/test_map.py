"""The ways of the map stage give the same scores, on a model that is a function."""

import numpy as np
import pytest

from glc.bench.stages import map as stage
from glc.errors import DataError
from tests.maps.scorers import SyntheticScorer


@pytest.fixture
def model(monkeypatch):
    """A scorer in place of the fitted experiment."""
    scorer = SyntheticScorer(8)
    scorer.facts = {"bounds": (3.6, 43.4, 4.4, 44.2), "crs": 3035}
    monkeypatch.setattr(stage.fitted, "load", lambda folder: scorer)
    monkeypatch.setattr(stage, "FEW", 30)
    return scorer


def test_a_map_has_the_scores_of_its_cells_and_a_wrong_one_is_found(model, tmp_path):
    (tmp_path / "cells").write_text("400")
    results = {}
    for way in stage.STAGE.ways:
        results[way.name] = tmp_path / way.name
        results[way.name].mkdir()
        facts = way.run(tmp_path, results[way.name])
        assert facts["rows"] == pytest.approx(400 * facts.get("share", 1), rel=0.3)
    stage.check(tmp_path, results)
    path = results[stage.BY_CELL] / "scores.npz"
    scores = np.load(path)["scores"]
    scores[7, 2] += 0.01
    np.savez(path, scores=scores)
    with pytest.raises(DataError, match=r"scores differ by up to 0.0[01]"):
        stage.check(tmp_path, results)
