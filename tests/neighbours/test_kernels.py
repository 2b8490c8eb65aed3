"""Kernel votes: their formula survey by survey, and whose labels a row never holds."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from glc import config, geo
from glc.errors import ConfigError
from glc.neighbours import ecological, gfv, kernels
from glc.neighbours.kernels import Kernels, Options
from glc.registry import graphs
from tests.helpers import survey_data

FOLD, STOP = 0, 1
SCALES = (20_000.0, 60_000.0)


@pytest.fixture(scope="module")
def data():
    return survey_data(n_train=200, n_po=150, n_test=20, folds=4)


def changed(data, rows):
    labels = data.label_matrix.toarray()
    labels[rows] = ~labels[rows]
    return dataclasses.replace(data, label_matrix=sparse.csr_matrix(labels))


def votes(data, rows, fold=FOLD, stop=STOP, **options):
    return Kernels(data, fold, stop, Options(scales_m=SCALES, **options))[rows]


def brute(data, row, training):
    """(species, 1 + scale, source) by the rules of the docstrings, one record of a survey at a time."""
    places, labels = data.places, data.label_matrix.toarray().astype(float)
    fold, dataset = places["fold"].to_numpy(), places["dataset"].to_numpy()
    part = np.arange(len(places)) if training == "leave_one_out" else places[training].to_numpy()
    seen = dataset == "pa_train"
    if dataset[row] == "pa_train":
        seen &= fold != FOLD
        if fold[row] != FOLD:
            seen &= (fold != STOP) & (part != part[row])
    metres = geo.great_circle_m(places["lon"].iloc[row], places["lat"].iloc[row], places["lon"], places["lat"])
    metres = np.asarray(metres)
    out = np.zeros((labels.shape[1], 1 + len(SCALES), 2))
    for source, mask in enumerate((seen, dataset == "po")):
        out[:, 0, source] = mask @ labels
        for number, scale in enumerate(sorted(SCALES, reverse=True), 1):
            out[:, number, source] = (np.exp(-0.5 * (metres / scale) ** 2) * mask) @ labels
    return out


@pytest.mark.parametrize("training", kernels.TRAINING)
def test_votes_are_the_weighted_records_that_may_be_seen(data, training):
    rows = np.concatenate([data.train()[::9], data.valid(FOLD)[::9], data.valid(STOP)[::9], data.test[::5]])
    found = votes(data, rows, training=training)
    expected = np.stack([brute(data, row, training) for row in rows])
    assert_array_equal(found[:, :, 0], expected[:, :, 0])
    # squares of a quarter of the scale and the cut at three scales
    assert_allclose(found, expected, rtol=0.08, atol=1.0)
    assert abs(found.sum() / expected.sum() - 1) < 0.01


def test_no_row_holds_labels_of_its_fold_or_of_its_own_block(data):
    train = np.setdiff1d(data.train(FOLD), data.valid(STOP))
    before = votes(data, np.arange(len(data.places)))
    after = votes(changed(data, data.valid(FOLD)), np.arange(len(data.places)))
    assert_array_equal(after[data.train()], before[data.train()])
    assert (after[data.test] != before[data.test]).any(axis=(1, 2, 3)).all()
    after = votes(changed(data, data.valid(STOP)), np.arange(len(data.places)))
    for rows in (train, data.valid(STOP)):
        assert_array_equal(after[rows], before[rows])
    assert (after[data.valid(FOLD)] != before[data.valid(FOLD)]).any(axis=(1, 2, 3)).all()
    assert_array_equal(votes(changed(data, data.test), data.train()), before[data.train()])
    for block in np.unique(data.places["block"].iloc[train])[::3]:
        own = train[data.places["block"].to_numpy()[train] == block]
        after = votes(changed(data, own), train)
        inside = np.isin(train, own)
        assert_array_equal(after[inside], before[train][inside])
        assert (after[~inside] != before[train][~inside]).any()


def test_presence_only_surveys_have_no_votes_and_can_be_left_out(data):
    found = votes(data, np.arange(len(data.places)))
    assert not found[data.presence_only].any()
    assert_array_equal(votes(data, data.test, po=False), found[data.test][..., :1])
    assert found[data.test, :, 0, 1].sum() > 0


def test_a_dataset_without_presence_only_surveys_has_one_source():
    data = survey_data(n_train=200, n_po=0, n_test=20, folds=4)
    found = Kernels(data, FOLD, STOP, Options(scales_m=SCALES))
    assert found.shape == (220, 20, 3, 1)
    assert_array_equal(found[data.test], votes(data, data.test, po=False))
    assert found[data.test].any(axis=(1, 2, 3)).all()
    assert found.facts["surveys"] == [200]


def test_kept_votes_and_those_made_anew_are_the_same(data, monkeypatch):
    rows = np.array([30, 25, 30, 260, 5, 100])
    kept = Kernels(data, FOLD, STOP, Options(scales_m=SCALES))
    first, again = kept[rows], kept[rows[::-1]]
    assert_array_equal(again, first[::-1])
    again[:] = -1  # what was handed out is no view of what is kept
    assert_array_equal(kept[rows], first)
    monkeypatch.setattr(kernels, "_KEEP", 0)
    assert_array_equal(votes(data, rows), first)


def test_as_an_experiment_names_it(data):
    member = graphs.get("kernels")
    classes = data.species[[1, 4, 7]]
    made, facts = member.features(data, FOLD, STOP, member.Options(scales_m=SCALES), classes)
    assert made["matrix"].shape == (len(data.places), 3, 3, 2)
    assert_allclose(made["matrix"][data.test], votes(data, data.test)[:, [1, 4, 7]], rtol=1e-5)
    assert facts["surveys"] == [200, 150]
    assert facts["scales_m"] == [60_000, 20_000]
    for wrong in ({"scales_m": ()}, {"scales_m": (0.0,)}, {"training": "none"}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            Options(**wrong)


def test_gfv_hides_training_surveys_as_its_mask_says(data):
    data = dataclasses.replace(data, places=data.places.assign(year=2020, region="ALPINE"))
    options = gfv.Options(mask="test", radius_m=20_000)
    made, _ = graphs.get("gfv").features(data, FOLD, STOP, options, data.species)
    train = np.setdiff1d(data.train(FOLD), data.valid(STOP))
    assert_array_equal(made["hidden"][train], gfv.mask(data, FOLD, STOP, options))
    assert not np.delete(made["hidden"], train).any()
    assert_array_equal(made["matrix"].toarray(), gfv.vectors(data, FOLD, STOP, options).matrix.toarray())
    assert graphs.get("gfv").features(data, FOLD, STOP, gfv.Options(), data.species)[0]["hidden"] is None
    with pytest.raises(ConfigError, match="mask"):
        gfv.Options(mask="all")
    # not left out of what names an option set, for a task's identity is that of the options as they are written
    assert '"mask":"none"' in config.canonical(gfv.Options())


@pytest.mark.parametrize(("rows", "hidden"), [("test", False), ("valid", True)])
@pytest.mark.parametrize("name", ["kernels", "gfv"])
def test_a_place_sees_what_a_survey_there_sees(data, name, rows, hidden):
    member = graphs.get(name)
    places = data.places.assign(year=2020, region="ALPINE")
    data = dataclasses.replace(data, places=places)
    options = config.options(
        member, config.Choice(name, {"scales_m": list(SCALES)} if name == "kernels" else {}), "graph"
    )
    asked = data.test if rows == "test" else data.valid(FOLD)
    made, _ = member.features(data, FOLD, STOP, options, data.species)
    around = member.anywhere(data, FOLD, STOP, options, data.species, hidden)(data.places.iloc[asked])
    wanted, got = (
        sparse.csr_matrix(each.reshape(len(asked), -1) if name == "kernels" else each).toarray()
        for each in (made["matrix"][asked], around["matrix"])
    )
    assert wanted.any()
    assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
    assert_array_equal(around["species"], made["species"])


@pytest.mark.parametrize("training", ["leave_one_out", "block", "fold"])
@pytest.mark.parametrize("year", [2020, None])
def test_vectors_of_places_cost_no_edges_of_all_surveys_and_are_the_same(data, monkeypatch, training, year):
    years = np.full(len(data.places), np.nan if year is None else year)
    data = dataclasses.replace(data, places=data.places.assign(year=years, region="ALPINE"))
    member, options, asked = graphs.get("gfv"), gfv.Options(training=training), data.places.iloc[data.test]
    wider, rows = data.with_places(asked)
    wanted = gfv.vectors(wider, FOLD, STOP, options).matrix[rows]
    around, queries, edges = member.anywhere(data, FOLD, STOP, options, data.species, False), [], ecological.edges
    monkeypatch.setattr(
        ecological, "edges", lambda q, *more, **named: queries.append(len(q)) or edges(q, *more, **named)
    )
    got = [around(asked.iloc[part])["matrix"] for part in (slice(0, 5), slice(5, None))]
    assert_allclose(sparse.vstack(got).toarray(), wanted.toarray(), rtol=1e-5)
    assert wanted.nnz
    assert queries == [len(data.train()) + len(data.test), 5, len(asked) - 5]
