"""Pairs of surveys as triplets, on a handful of pairs written by hand."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from glc import geo, schema, storage
from glc.errors import DataError
from glc.nets.inputs.examples import CLASSES
from glc.nets.inputs.features import Features, Layout
from glc.nets.pretraining import triplets

PO, TRAIN = schema.dataset_numbers(["po", "pa_train"])
LAYOUT = Layout("coeffs", ("red",), 1, 1, 8)
# four squares of 20 km in a row, ten anchors in each; the neighbour of an anchor is the next one
SQUARES, EACH = 4, 10
N = SQUARES * EACH


def frame():
    anchor = np.arange(N)
    return pd.DataFrame(
        {
            "dataset": np.full(N, PO, np.int8),
            "surveyId": anchor,
            "lon": 5 + 0.25 * (anchor // EACH),
            "lat": np.full(N, 45.0),
            "easting": (4_000_000 + 20_000 * (anchor // EACH) + 1_000 * (anchor % EACH)).astype(np.float32),
            "northing": np.full(N, 2_001_000, np.float32),
            "neighbour_dataset": np.full(N, PO, np.int8),
            "neighbour_id": (anchor + 1) % N,
            "distance_m": np.full(N, 1_000.0),
            "species": [np.arange(i % 4, dtype=np.int32) for i in anchor],
        }
    )


def imagery(missing=()):
    """Of survey i the value i; none of those in `missing`."""
    values = np.arange(N, dtype=np.float32).reshape(N, 1, 1, 1)
    known = ~np.isin(np.arange(N), missing)[:, None]
    keys = np.column_stack([np.full(N, PO), np.arange(N)]).astype(np.int64)
    return Features({"x": LAYOUT}, {"x": values}, {"x": known}, {"x": keys})


@pytest.fixture
def folder(tmp_path):
    storage.write_table(frame(), "pairs", tmp_path / "pairs")
    (tmp_path / CLASSES).write_text(json.dumps([3, 5, 9]))
    return tmp_path


@pytest.fixture
def table(folder):
    return triplets.read(folder, labels=True)


def test_pairs_are_read_whole_with_their_species(table):
    expected = frame()
    order = np.argsort(table.columns["surveyId"])
    for name in ("lon", "easting", "neighbour_id", "dataset"):
        assert_array_equal(table.columns[name][order], expected[name])
    assert table.n_classes == 3
    species = table.species(order[[3, 0, 2]])
    assert species.dtype == np.int32
    assert_array_equal(species, [[0, 1, 2], [-1, -1, -1], [0, 1, -1]])
    assert table.species(order[[0]]).shape == (1, 1)


def test_without_labels_there_is_one_class_and_no_species(folder):
    table = triplets.read(folder, labels=False)
    assert table.n_classes == 1
    assert_array_equal(table.species(np.arange(N)), np.full((N, 1), -1))


def test_pairs_that_are_not_there(tmp_path, folder):
    with pytest.raises(DataError, match="no parquet file of a table of pairs"):
        triplets.read(tmp_path / "elsewhere", labels=False)
    (folder / CLASSES).unlink()
    with pytest.raises(DataError, match=f"{CLASSES} is missing, so the pairs have no species"):
        triplets.read(folder, labels=True)


def test_whole_squares_are_held_out_and_nothing_touches_them(table):
    train, valid, facts = triplets.split(table, imagery(), holdout=0.3, seed=0)
    anchor, neighbour = table.columns["surveyId"], table.columns["neighbour_id"]
    held = set(anchor[valid])
    # 30 % of 40 pairs: one square of 10, not two
    assert {survey // EACH for survey in held} == {anchor[valid][0] // EACH}
    assert len(valid) == EACH
    assert set(anchor[train]).isdisjoint(held)
    assert set(neighbour[train]).isdisjoint(held)
    # only the pair that leads into the square is lost
    assert facts == {
        "pairs": N,
        "train_pairs": N - EACH - 1,
        "valid_pairs": EACH,
        "pairs_without_imagery": 0,
        "pairs_touching_valid": 1,
    }
    assert len(train) == facts["train_pairs"]


def test_the_share_held_out_is_reached_exactly_where_it_can_be(table):
    assert triplets.split(table, imagery(), holdout=0.5, seed=3)[2]["valid_pairs"] == 2 * EACH
    assert triplets.split(table, imagery(), holdout=0.01, seed=3)[2]["valid_pairs"] == EACH


def test_the_seed_decides_which_squares_are_held_out(table):
    chosen = [tuple(triplets.split(table, imagery(), 0.3, seed)[1]) for seed in range(8)]
    assert len(set(chosen)) > 1
    assert tuple(triplets.split(table, imagery(), 0.3, 0)[1]) == chosen[0]


def test_a_pair_without_imagery_on_either_side_is_left_out(table):
    train, valid, facts = triplets.split(table, imagery(missing=(5, 22)), holdout=0.3, seed=0)
    assert facts["pairs_without_imagery"] == 4
    for rows in (train, valid):
        for name in ("surveyId", "neighbour_id"):
            assert not np.isin(table.columns[name][rows], (5, 22)).any()


def test_too_few_pairs_on_a_side_are_refused(table):
    with pytest.raises(DataError, match="expected training and held-out pairs"):
        triplets.split(table, imagery(), holdout=1.0, seed=0)


def test_the_summary_is_over_distinct_anchors(table):
    rows = np.r_[np.arange(N), np.arange(N)]
    summary = triplets.summarise(table, rows, imagery(), "here")
    assert summary.rows == N
    # species k belongs to every anchor with more than k of them
    assert_array_equal(summary.counts, [30, 20, 10])
    assert summary.width == 3
    alone = np.flatnonzero((table.species(np.arange(N)) >= 0).sum(axis=1) == 1)
    assert triplets.summarise(table, alone, imagery(), "here").width == 1
    place = frame()[["easting", "northing"]].astype(float)
    assert_allclose(summary.place_mean, place.mean())
    assert_allclose(summary.place_std, place.std(ddof=0))
    assert_allclose(summary.inputs["x"].mean, np.full((1, 1, 1), (N - 1) / 2))


def test_distant_ones_are_beyond_the_radius():
    place = geo.unit_sphere(np.array([5.0, 5.01, 6.0, 40.0]), np.full(4, 45.0))
    rng = np.random.default_rng(0)
    draws = np.array([triplets.distant(place, 20_000, rng) for _ in range(200)])
    assert [sorted(set(column)) for column in draws.T] == [[2, 3], [2, 3], [0, 1, 3], [0, 1, 2]]
    counts = np.bincount(draws[:, 2], minlength=4)
    assert counts[[0, 1, 3]].min() > 40
    assert_array_equal(triplets.distant(place[:2], 20_000, rng), [-1, -1])
    assert_array_equal(triplets.distant(place[:1], 0, rng), [-1])


def test_a_batch_has_anchors_then_neighbours(table):
    loader = triplets.Loader(table, np.arange(N), imagery(), 16, 20_000, seed=0, shuffle=True)
    assert len(loader) == 3
    batches = list(loader)
    assert [len(batch["distant"]) for batch in batches] == [16, 16, 8]
    seen = []
    for batch in batches:
        values = batch["inputs"]["x"].ravel()
        anchor, neighbour = values.chunk(2)
        seen += anchor.int().tolist()
        assert_array_equal(neighbour, (anchor + 1) % N)
        lon = 5 + 0.25 * (anchor // EACH)
        far = batch["distant"] >= 0
        assert far.any()
        assert (lon[batch["distant"][far]] != lon[far]).all()
        for value, species in zip(anchor.int().tolist(), batch["species"], strict=True):
            assert species[species >= 0].tolist() == list(range(value % 4))
    assert sorted(seen) == list(range(N))


def test_passes_differ_only_where_they_are_shuffled(table):
    def anchors(loader):
        return torch.cat([batch["inputs"]["x"].ravel().chunk(2)[0] for batch in loader]).tolist()

    shuffled = triplets.Loader(table, np.arange(N), imagery(), 16, 20_000, seed=0, shuffle=True)
    first = anchors(shuffled)
    assert anchors(shuffled) != first
    assert anchors(triplets.Loader(table, np.arange(N), imagery(), 16, 20_000, seed=0, shuffle=True)) == first
    still = triplets.Loader(table, np.arange(N), imagery(), 16, 20_000, seed=0, shuffle=False)
    assert anchors(still) == anchors(still)
    assert anchors(still) != sorted(anchors(still))
    other = triplets.Loader(table, np.arange(N), imagery(), 16, 20_000, seed=1, shuffle=True)
    assert anchors(other) != first
