import numpy as np
import pandas as pd
import pytest

from glc import storage
from glc.errors import DataError
from glc.neighbours import exact, recall
from glc.neighbours.places import align, load, to_table

RADII = (2_000, 10_000, 40_000)


def places(n, seed, dataset="pa_train", groups=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "dataset": dataset,
            "surveyId": rng.permutation(n),
            "lon": rng.uniform(3, 5, n),
            "lat": rng.uniform(43, 44, n),
            "group": rng.integers(0, groups, n).astype("int32") if groups else np.int32(-1),
        }
    )


@pytest.fixture(scope="module")
def world():
    queries = places(400, 1, groups=3)
    return queries, pd.concat([queries, places(300, 2, "po")], ignore_index=True)


def made(world, k):
    queries, sources = world
    q, s = align(load(queries), load(sources))
    return to_table(q, s, *exact.nearest(queries, sources, k=k, radius_m=max(RADII)))


@pytest.mark.parametrize("k", [0, 5])
def test_the_exact_table_has_all_and_the_counts_are_its_own(world, k, tmp_path):
    table = made(world, k)
    storage.write_table(table, "neighbours", tmp_path)
    for form in (table, table.to_pandas(), tmp_path):
        lines = recall.against_exact(form, *world, RADII, k=k)
        for radius_m, line in zip(RADII, lines, strict=True):
            true = int((table["distance_m"].to_numpy() <= radius_m).sum())
            assert line == {"radius_m": radius_m, "queries": 400, "true_pairs": true, "found": true, "recall": 1.0}
    assert lines[0]["true_pairs"] < lines[2]["true_pairs"]


@pytest.mark.parametrize("k", [0, 5])
def test_a_thinned_table_has_what_is_left_of_it(world, k):
    table = made(world, k).to_pandas()
    thin = table[np.random.default_rng(0).random(len(table)) < 0.3]
    for line in recall.against_exact(thin, *world, RADII, k=k):
        left, all_of_it = ((t.distance_m <= line["radius_m"]).sum() for t in (thin, table))
        assert (line["found"], line["true_pairs"]) == (left, all_of_it)
        assert line["recall"] == left / all_of_it


def test_a_table_of_k_is_held_against_the_true_k(world):
    full = made(world, 5)
    assert recall.against_exact(full, *world, RADII, k=5)[-1]["recall"] == 1
    assert recall.against_exact(full, *world, RADII, k=0)[-1]["recall"] < 0.5
    wide = made(world, 0)
    assert recall.against_exact(wide, *world, RADII, k=5)[-1]["found"] == len(full)


def test_false_pairs_do_not_count(world):
    near = made(world, 0).to_pandas().query("distance_m <= 2000")
    far = made(world, 0).to_pandas().query("distance_m > 2000")
    assert recall.against_exact(far, *world, (2_000,))[0]["found"] == 0
    assert recall.against_exact(near, *world, (2_000,))[0]["recall"] == 1


def test_samples_are_seeded_and_bounded(world):
    table = made(world, 0)
    lines = [recall.against_exact(table, *world, RADII, sample=50, seed=seed) for seed in (1, 1, 2)]
    assert lines[0] == lines[1] != lines[2]
    assert lines[0][0]["queries"] == 50
    bounded = recall.against_exact(table, *world, RADII, max_pairs=5_000)[-1]
    assert 0 < bounded["queries"] < 400
    assert 3_000 < bounded["true_pairs"] <= 5_000


def test_nothing_to_find_has_no_recall(world):
    queries, sources = world
    empty = made(world, 0).slice(0, 0)
    lines = recall.against_exact(empty, queries, sources.assign(lon=sources.lon + 20), RADII)
    assert [(line["true_pairs"], line["recall"]) for line in lines] == [(0, None)] * 3
    assert recall.against_exact(empty, queries, sources, RADII)[-1]["recall"] == 0


def test_tables_that_do_not_fit_are_refused(world, tmp_path):
    queries, sources = world
    table = made(world, 0)
    with pytest.raises(DataError, match="is not among the sources"):
        recall.against_exact(table, queries, sources[sources.dataset == "pa_train"])
    with pytest.raises(DataError, match="'neighbour_id' is missing"):
        recall.against_exact(table.drop_columns(["neighbour_id"]), *world)
    with pytest.raises(DataError, match="no parquet file"):
        recall.against_exact(tmp_path, *world)
