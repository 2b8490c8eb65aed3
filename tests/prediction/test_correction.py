import dataclasses
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from glc import config, geo, storage
from glc.classical import run
from glc.classical.frequency import Frequency
from glc.errors import ConfigError
from glc.neighbours.ecological import regions_from_nearest
from glc.prediction import sets
from glc.prediction.correction import Lists, Options, correct, lists
from glc.surveys import SurveyData
from tests.helpers import survey_data
from tests.neighbours.test_ecological import brute_force, world


def algorithm(data, fold, queries, options):
    """Algorithm 2 with loops and counters: the species columns of each query, and whether it has a neighbour."""
    places = data.places.copy()
    po = data.presence_only
    known = places.iloc[np.union1d(data.train(), data.test)]
    places.loc[po, "region"] = regions_from_nearest(places.iloc[po], known)
    labels = data.label_matrix.toarray()
    found, connected = [set() for _ in queries], [False] * len(queries)
    for name, rows, nearest, above in (
        ("train", data.train(fold), options.train_nearest, options.train_above),
        ("po", po, options.po_nearest, options.po_above),
    ):
        if name not in options.sources:
            continue
        weight = brute_force(places.iloc[queries], places.iloc[rows])
        ids = places["surveyId"].to_numpy()[rows]
        for i in range(len(queries)):
            adjacent = [j for j in range(len(rows)) if not np.isnan(weight[i, j])]
            adjacent.sort(key=lambda j: (-weight[i, j], ids[j]))
            count = Counter(s for j in adjacent[:nearest] for s in np.flatnonzero(labels[rows[j]]))
            found[i] |= {s for s, times in count.items() if times > above}
            connected[i] |= bool(adjacent)
    return found, connected


@pytest.mark.parametrize("sources", [("train",), ("po",), ("train", "po")])
@pytest.mark.parametrize("sizes", [(5, 4, 10, 8), (3, 1, 4, 0)])
@pytest.mark.parametrize("fold", [None, 1])
def test_lists_are_those_of_the_algorithm(sources, sizes, fold):
    data = world(n_train=150, n_po=150)
    queries = data.test if fold is None else data.valid(fold)
    options = Options(
        train_nearest=sizes[0], train_above=sizes[1], po_nearest=sizes[2], po_above=sizes[3], sources=sources
    )
    found, facts = lists(data, fold, queries, options)
    expected, connected = algorithm(data, fold, queries, options)
    assert found.dtype == bool
    assert found.shape == (len(queries), len(data.species))
    assert [set(found[i].indices) for i in range(len(queries))] == expected
    assert facts["merged"]["isolated"] == len(queries) - sum(connected)
    assert facts["merged"]["non_empty"] == sum(map(bool, expected))
    assert set(facts) == {*sources, "merged"}
    if sum(sizes) < 10:
        assert facts["merged"]["non_empty"] > 0


def hand_made(held, n, po=0):
    """A test survey, `n` training and `po` presence-only surveys around it; `held` of each kind hold the species."""
    names = ["pa_test"] + ["pa_train"] * n + ["po"] * po
    holds = [False] + [i < held for i in range(n)] + [i < held for i in range(po)]
    count = len(names)
    places = pd.DataFrame(
        {
            "dataset": names,
            "surveyId": np.arange(count),
            "lon": 2 + 0.001 * np.arange(count),
            "lat": 46.0,
            "year": 2020,
            "region": [None if name == "po" else "ALPINE" for name in names],
            "fold": np.where(np.array(names) == "pa_train", 0, -1),
        }
    )
    matrix = sparse.csr_matrix(np.array(holds)[:, None])
    return SurveyData(places, np.array([7], np.int32), matrix, "pa_train", "pa_test", False)


@pytest.mark.parametrize(("held", "n", "listed"), [(4, 5, 0), (5, 5, 1), (5, 9, 1), (4, 4, 0), (4, 9, 0)])
def test_more_than_four_of_the_five_nearest_training_surveys(held, n, listed):
    found, facts = lists(hand_made(held, n), None, [0], Options(sources=("train",)))
    assert found.nnz == listed == facts["train"]["non_empty"]


@pytest.mark.parametrize(("held", "po", "listed"), [(8, 10, 0), (9, 10, 1), (9, 30, 1), (9, 9, 1), (8, 8, 0)])
def test_more_than_eight_of_the_ten_nearest_presence_only_surveys(held, po, listed):
    data = hand_made(held, 1, po)
    found, facts = lists(data, None, [0], Options(sources=("po",)))
    assert found.nnz == listed == facts["po"]["non_empty"]
    assert facts["po"]["null"] == {"year": {"queries": 0, "sources": 0}, "region": {"queries": 0, "sources": 0}}


def test_presence_only_surveys_take_the_region_of_the_nearest_survey():
    data = hand_made(9, 1, 10)
    places = data.places.copy()
    places.loc[1, ["region", "lon"]] = "BOREAL", 2.0055  # in the midst of the presence-only surveys
    split = dataclasses.replace(data, places=places)
    found, facts = lists(split, None, [0], Options(sources=("po",)))
    assert found.nnz == facts["merged"]["isolated"] == 0
    assert lists(split, None, [0], Options(sources=("po",), same=("year",)))[0].nnz == 1
    far = data.places.assign(
        lon=np.where(data.places["dataset"] == "po", data.places["lon"] + 0.05, data.places["lon"])
    )
    far = dataclasses.replace(data, places=far)
    assert geo.great_circle_m(2.0, 46, 2.05, 46) > 3_000
    assert lists(far, None, [0], Options(sources=("po",)))[0].nnz == 1
    facts = lists(far, None, [0], Options(sources=("po",), region_m=3_000))[1]
    assert facts["po"]["isolated"] == 1
    assert facts["po"]["null"]["region"]["sources"] == 10


def test_labels_of_the_queries_and_their_fold_do_not_matter():
    data = world(n_train=150, n_po=150)
    options = Options(train_nearest=3, train_above=1)
    queries = data.valid(1)
    flipped = data.label_matrix.toarray()
    flipped[queries] = ~flipped[queries]
    flipped[data.test] = True
    before = lists(data, 1, queries, options)[0]
    after = lists(dataclasses.replace(data, label_matrix=sparse.csr_matrix(flipped)), 1, queries, options)[0]
    assert_array_equal(before.toarray(), after.toarray())
    with pytest.raises(ConfigError, match="held out"):
        lists(data, None, queries, options)


def test_correction_adds_to_a_set_and_keeps_its_order():
    predicted = sparse.csr_matrix((np.ones(5, bool), [3, 0, 4, 2, 1], [0, 3, 5, 5]), shape=(3, 6))
    extra = sparse.csr_matrix(np.array([[1, 1, 0, 0, 0, 1], [0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 0, 0]], bool))
    found = correct(predicted, extra)
    assert found.dtype == bool
    assert_array_equal(found.indptr, [0, 5, 7, 8])
    assert_array_equal(found.indices, [3, 0, 4, 1, 5, 2, 1, 3])
    assert_array_equal(predicted.indices, [3, 0, 4, 2, 1])
    nothing = sparse.csr_matrix((3, 6), dtype=bool)
    assert_array_equal(correct(predicted, nothing).indices, predicted.indices)
    with pytest.raises(ConfigError, match="shape"):
        correct(predicted, nothing[:2])


def test_options_that_make_no_sense():
    for wrong in ({"train_above": 5}, {"po_above": -1}, {"po_nearest": 0}, {"sources": ("test",)}, {"region_m": 0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            Options(**wrong)


def test_correction_enters_the_sets_and_validation_never_sees_its_own_fold(tmp_path):
    data = survey_data()
    data = dataclasses.replace(data, places=data.places.assign(year=2020, region="R"))
    options = Options(radius_m=400_000, train_nearest=3, train_above=1, sources=("train",))
    with storage.atomic_directory(tmp_path / "scores") as out:
        run.write(Frequency(Frequency.Options()), data, out, folds=[0, 1], keep=25, progress=lambda *_: None)
    choice = config.Choice("top_k", {"k": 1})

    def written(name, data):
        with storage.atomic_directory(tmp_path / name) as out:
            facts = sets.write(tmp_path / "scores", data, out, choice, Lists(options))
        return (
            sets.read(tmp_path / name / "valid", data.species),
            sets.read(tmp_path / name / "test", data.species),
            facts,
        )

    (ids, folds, valid), (_, _, test), facts = written("first", data)
    assert facts["corrected"]["fold 0"]["merged"]["non_empty"] > 0
    for fold in (0, 1):
        rows = data.rows_of(ids[folds == fold], data.train_name)
        wanted, _ = lists(data, fold, rows, options)
        assert (wanted > valid[folds == fold]).nnz == 0
    assert valid.sum() > len(ids)
    wanted, _ = lists(data, None, data.test, options)
    assert (wanted > test).nnz == 0
    matrix = data.label_matrix.tolil()
    own = data.valid(0)
    matrix[own] = ~matrix[own].toarray()
    (_, _, other), _, _ = written("second", dataclasses.replace(data, label_matrix=matrix.tocsr()))
    assert (other[folds == 0] != valid[folds == 0]).nnz == 0
    assert (other[folds == 1] != valid[folds == 1]).nnz > 0
