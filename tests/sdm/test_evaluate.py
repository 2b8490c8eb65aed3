"""Tables of a benchmark, compared with what is known of small ones."""

import numpy as np
import pandas as pd
import pytest

from glc.sdm import evaluate
from glc.sdm.sites import Examples, Group


@pytest.fixture
def group():
    """1,000 sites; a common species that is ranked well, and one at 3 sites whose first presence is ranked 300th."""
    rng = np.random.default_rng(0)
    truth = np.zeros((1000, 2), bool)
    truth[:400, 0] = True
    truth[[300, 400, 500], 1] = True
    rows = pd.DataFrame({"x": [0.0, 1.0], "y": 0.0, "heat": rng.random(2)})
    present = np.array([[True, True], [False, False]])
    examples = Examples(rows, ("common", "rare"), present, np.array([False, True]))
    return Group("plant", examples, pd.DataFrame(index=range(1000)), truth)


def test_one_rare_species_turns_the_mean_of_prg_negative_though_its_auc_is_above_chance(group):
    scores = np.repeat(np.linspace(1, 0, 1000)[:, None], 2, axis=1)
    table = evaluate.per_species("SA", "forest", group, scores)
    assert table["presences"].tolist() == [400, 3]
    assert table["auc"].tolist() == [1, pytest.approx(1 - (300 + 399 + 498) / (3 * 997))]
    assert table["prg"][0] == pytest.approx(1)
    assert table["prg"][1] < -5
    whole = evaluate.overall(table).set_index("measure")
    assert whole.loc["PRG-AUC", "mean"] == pytest.approx(table["prg"].mean())
    assert whole.loc["PRG-AUC", "median"] == pytest.approx(table["prg"].median())
    assert whole.loc["AUC", "low"] == pytest.approx(table["auc"].min())
    assert evaluate.below_chance(table)[["species", "presences", "model"]].values.tolist() == [["rare", 3, "forest"]]


def test_means_by_group_are_of_regions_with_several(group):
    scores = np.random.default_rng(1).random((1000, 2))
    first = evaluate.per_species("SA", "forest", group, scores)
    assert evaluate.by_group(first).empty
    second = first.assign(group="bird", auc=[0.5, 0.7])
    alone = first.assign(region="CAN")
    means = evaluate.by_group(pd.concat([first, second, alone]))
    assert means["group"].tolist() == ["plant", "bird"]
    assert set(means["region"]) == {"SA"}
    assert means["species"].tolist() == [2, 2]
    assert means["forest"].tolist() == pytest.approx([first["auc"].mean(), 0.6])
