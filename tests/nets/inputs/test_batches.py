"""Batches through real Petastorm: every row once, in a seeded order, padded right."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from glc import storage
from glc.errors import ConfigError, DataError
from glc.nets.inputs._petastorm import BatchedDataLoader, make_batch_reader
from glc.nets.inputs.batches import Batches
from glc.nets.inputs.summary import summarise
from glc.training.part import BATCH_ROWS, Part

N, CLASSES = 1000, 30
STREAMED = {"memory_bytes": 0, "buffer_rows": 400}
MEMORY = {"loader": "memory"}
CASES = {"whole": {}, "streamed": STREAMED, "whole-memory": MEMORY, "streamed-memory": MEMORY | STREAMED}


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "dataset": np.ones(N, np.int8),
            "surveyId": rng.permutation(N) + 7_000_000_000,
            "easting": rng.normal(4e6, 1e5, N).astype(np.float32),
            "northing": rng.normal(2e6, 3e5, N).astype(np.float32),
            "weight": rng.uniform(0.1, 1, N).astype(np.float32),
            "species": [np.sort(rng.choice(CLASSES, rng.integers(0, 9), replace=False)) for _ in range(N)],
        }
    )


@pytest.fixture(scope="module")
def summary(frame, tmp_path_factory):
    folder = tmp_path_factory.mktemp("with space") / "examples"
    storage.write_table(frame, "examples", folder, row_group_rows=90)
    return summarise(folder, CLASSES)


def ids(batches):
    return torch.cat([batch["surveyId"] for batch in batches]).tolist()


def test_summary_counts_and_places(summary, frame):
    assert summary.rows == N
    assert sum(summary.groups) == N
    assert len(summary.groups) == 12
    assert summary.width == frame.species.map(len).max()
    np.testing.assert_array_equal(summary.counts, np.bincount(np.concatenate(frame.species), minlength=CLASSES))
    place = frame[["easting", "northing"]].to_numpy(float)
    np.testing.assert_allclose(summary.place_mean, place.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(summary.place_std, place.std(axis=0), rtol=1e-9)


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
@pytest.mark.parametrize("shuffle", [False, True])
def test_every_row_once_and_whole(summary, frame, settings, shuffle):
    batches = Batches(summary, 64, shuffle=shuffle, **settings)
    assert batches.in_memory == ("memory_bytes" not in settings)
    known = frame.set_index("surveyId")
    for _ in range(2):
        seen = list(batches)
        assert len(seen) == len(batches) == 16
        assert [len(batch["surveyId"]) for batch in seen] == [64] * 15 + [40]
        order = ids(seen)
        assert sorted(order) == sorted(known.index)
        if not shuffle:
            assert order == frame.surveyId.tolist()
        for batch in seen:
            rows = known.loc[batch["surveyId"].numpy()]
            for name in ("easting", "northing", "weight"):
                np.testing.assert_array_equal(batch[name], rows[name])
            assert batch["species"].dtype == torch.int32
            assert batch["species"].shape[1] == summary.width
            for padded, wanted in zip(batch["species"].tolist(), rows.species, strict=True):
                assert padded == [*wanted, *[-1] * (summary.width - len(wanted))]


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_order_follows_from_the_seed_and_the_pass(summary, settings):
    first, again, other = (Batches(summary, 64, shuffle=True, seed=seed, **settings) for seed in (1, 1, 2))
    torch.manual_seed(0)
    passes = [ids(first), ids(first)]
    torch.manual_seed(99)
    state = torch.get_rng_state()
    assert [ids(again), ids(again)] == passes
    assert torch.equal(state, torch.get_rng_state())  # and the order does not disturb other draws
    assert passes[0] != passes[1]
    assert ids(other) != passes[0]


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_shuffling_mixes_rows_of_distant_row_groups(summary, frame, settings):
    place = pd.Series(np.arange(N), frame.surveyId)
    first = place[ids(Batches(summary, 64, shuffle=True, **settings))[:64]]
    assert len(set(first // 90)) >= 4


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_a_pass_broken_off_does_not_harm_the_next(summary, frame, settings):
    batches = Batches(summary, 64, shuffle=True, **settings)
    next(iter(batches))
    for number, _ in enumerate(batches):
        if number == 3:
            break
    assert sorted(ids(batches)) == sorted(frame.surveyId)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("settings", [{}, STREAMED, {"memory_bytes": 0}], ids=["whole", "streamed", "one buffer"])
def test_both_loaders_give_the_same_batches_in_the_same_order(summary, settings, shuffle):
    petastorm, memory = (
        Batches(summary, 64, shuffle=shuffle, seed=3, loader=loader, **settings) for loader in ("petastorm", "memory")
    )
    for _ in range(2):
        for read, kept in zip(petastorm, memory, strict=True):
            assert list(read) == list(kept)
            for name, values in read.items():
                assert values.dtype == kept[name].dtype
                assert torch.equal(values, kept[name])


def test_the_streamed_order_is_that_of_petastorms_own_loader(summary):
    ours = Batches(summary, 64, shuffle=True, seed=5, **STREAMED)
    files = [f"file://{path}" for path in Path(summary.folder).glob("*.parquet")]
    reader = make_batch_reader(files, schema_fields=["surveyId"], shuffle_row_groups=True, seed=5, workers_count=1)
    with BatchedDataLoader(reader, batch_size=64, shuffling_queue_capacity=400) as loader:
        torch.manual_seed(5)
        wanted = [batch["surveyId"].tolist() for batch in loader]
    assert [batch["surveyId"].tolist() for batch in ours] == wanted


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
@pytest.mark.parametrize("count", [2, 3])
def test_processes_share_the_rows_of_the_same_batches(summary, frame, settings, count):
    alone = Batches(summary, 64, shuffle=True, **settings)
    shared = [Batches(summary, 64, shuffle=True, part=Part(index, count), **settings) for index in range(count)]
    assert {len(batches) for batches in shared} == {len(alone)}
    for _ in range(2):
        for batch, *parts in zip(alone, *shared, strict=True):
            assert {int(part[BATCH_ROWS]) for part in parts} == {len(batch["surveyId"])}
            for index, part in enumerate(parts):
                for name in batch:
                    assert torch.equal(part[name], batch[name][index::count])


def test_rows_that_stand_in_for_those_that_a_process_lacks_do_not_count(summary):
    """Of the last batch, of 40 rows, ten processes of 50 have none and 40 a single one; all take two."""
    whole = list(Batches(summary, 64))[-1]
    parts = [Part(index, 50) for index in range(50)]
    last = [list(Batches(summary, 64, part=part))[-1] for part in parts]
    assert [len(batch["surveyId"]) for batch in last] == [2] * 50
    assert torch.cat([batch["weight"][:1] for batch in last[:40]]).tolist() == whole["weight"].tolist()
    assert not torch.cat([*(batch["weight"][1:] for batch in last), *(batch["weight"] for batch in last[40:])]).any()
    own = [batch["surveyId"][: part.own(40)] for batch, part in zip(last, parts, strict=True)]
    assert torch.cat(own).tolist() == whole["surveyId"].tolist()
    assert [len(part.take({"surveyId": torch.zeros(1)})["surveyId"]) for part in parts] == [1] * 50  # a survey alone


def test_no_thread_that_reads_is_refused(summary):
    with pytest.raises(ConfigError, match="workers: found 0, expected at least 1"):
        Batches(summary, 10, workers=0)


def test_several_files_and_lists_that_are_all_empty(tmp_path, frame):
    empty = frame.assign(species=[[]] * N)
    storage.write_table(empty[:600], "examples", tmp_path / "a")
    storage.write_table(empty[600:], "examples", tmp_path / "b")
    (tmp_path / "a/part-0.parquet").rename(tmp_path / "part-0.parquet")
    (tmp_path / "b/part-0.parquet").rename(tmp_path / "part-1.parquet")
    summary = summarise(tmp_path, CLASSES)
    assert summary.groups == (600, 400)
    batches = list(Batches(summary, 300))
    assert ids(batches) == frame.surveyId.tolist()
    assert all((batch["species"] == -1).all() for batch in batches)


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_a_short_pass_is_an_error(tmp_path, frame, settings):
    storage.write_table(frame, "examples", tmp_path)
    batches = Batches(summarise(tmp_path, CLASSES), 64, **settings)
    storage.write_table(frame[:-1], "examples", tmp_path)
    with pytest.raises(DataError, match="999 rows, expected 1,000"):
        list(batches)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f[:0], "no rows"),
        (lambda f: f.assign(species=[[CLASSES]] * len(f)), "holds 30, expected class indices 0 to 29"),
        (lambda f: f.assign(species=[[-1]] * len(f)), "holds -1"),
        (lambda f: f.assign(species=[None] * len(f)), "null lists"),
        (lambda f: f.assign(easting=np.float32("inf")), "'easting' has 1000 values that are not finite"),
        (lambda f: f.assign(weight=np.float32(-1)), "'weight' holds -1"),
    ],
)
def test_examples_that_cannot_be_trained_on(tmp_path, frame, change, message):
    storage.write_table(change(frame), "examples", tmp_path)
    with pytest.raises(DataError, match=message):
        summarise(tmp_path, CLASSES)


def test_missing_folder_and_missing_column(tmp_path, frame):
    with pytest.raises(DataError, match="no parquet file of an examples table"):
        summarise(tmp_path / "nowhere", CLASSES)
    frame.drop(columns="weight").to_parquet(tmp_path / "part-0.parquet")
    with pytest.raises(DataError, match="column 'weight' is missing"):
        summarise(tmp_path, CLASSES)
