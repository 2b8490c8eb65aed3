"""Imagery that is streamed gives what imagery in memory gives, each row once, in bounded memory and without a copy."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from glc import schema, storage
from glc.config import Choice, Input
from glc.errors import DataError
from glc.nets.inputs import batches, tables
from glc.nets.inputs.streamed import shuffled, shuffled_pairs
from glc.nets.inputs.summary import summarise
from glc.training import arguments
from glc.training.part import Part

SURVEYS, GROUP, SIDE = 960, 24, 4
BYTES = 2 * SIDE * SIDE  # of a survey
ROOM = 10 * GROUP * BYTES
"""A quarter of the table."""
PATCHES = Input("sentinel2", block=0, size=SIDE)


def write_tiles(folder, surveys, group, side, seed=0):
    """A table of tiles of 8 bits in parts of `group` rows; every seventh survey lacks the second band."""
    rng = np.random.default_rng(seed)
    wanted = schema.tiles({"red": np.uint8, "nir": np.uint8})
    ids = rng.permutation(surveys)
    with storage.atomic_directory(folder, task="Tiles") as out:
        for part, start in enumerate(range(0, surveys, group)):
            rows = ids[start : start + group]
            columns = {"dataset": ["pa_train"] * len(rows), "surveyId": rows, "flag": ["ok"] * len(rows)}
            for band in ("red", "nir"):
                pixels = pa.array(rng.integers(0, 256, len(rows) * side**2, np.uint8))
                offsets = pa.array(np.arange(len(rows) + 1, dtype=np.int32) * side**2)
                columns[band] = pa.ListArray.from_arrays(offsets, pixels)
                columns[f"{band}_valid"] = np.float32((rows % 7 > 0) | (band == "red"))
            pq.write_table(pa.table(columns, schema=wanted), out / f"part-{part:05d}.parquet")
        storage.note(out, bands=["red", "nir"], size=side, block="full")
    return folder


def write_examples(folder, surveys, seed=1):
    """An examples table in random order; one survey in nine has no imagery."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"dataset": np.ones(surveys, np.int8), "surveyId": rng.permutation(surveys * 9 // 8)[:surveys]}
    )
    frame = frame.assign(easting=np.float32(frame["surveyId"]), northing=np.float32(0), weight=np.float32(1))
    frame["species"] = [list(range(survey % 4)) for survey in frame["surveyId"]]
    storage.write_table(frame, "examples", folder, row_group_rows=100)
    return folder


@pytest.fixture
def streamed(tmp_path):
    """Imagery of a table four times the memory that it may take."""
    (tmp_path / "scratch").mkdir()
    folder = write_tiles(tmp_path / "tiles", SURVEYS, GROUP, SIDE)
    return tables.read((PATCHES,), [[folder]], memory_bytes=ROOM, scratch=tmp_path / "scratch")


@pytest.fixture
def in_memory(streamed, tmp_path):
    """The same imagery in memory."""
    return tables.read((PATCHES,), [[tmp_path / "tiles"]])


@pytest.fixture
def summary(tmp_path):
    return summarise(write_examples(tmp_path / "examples", SURVEYS), 4)


def rows_of(loader):
    """The content of one pass by survey: (imagery, easting, species)."""
    rows = {}
    for batch in loader:
        for at, survey in enumerate(batch["surveyId"].tolist()):
            assert survey not in rows
            rows[survey] = batch["sentinel2"][at].numpy(), batch["easting"][at].item(), batch["species"][at].tolist()
    return rows


def reads(streamed):
    return streamed.reading.leader.cache.reads


def test_a_pass_has_the_rows_of_one_from_memory_and_reads_each_row_group_once(streamed, in_memory, summary, tmp_path):
    loader = batches.Batches(summary, 32, shuffle=True, features=streamed)
    rows, wanted = rows_of(loader), rows_of(batches.Batches(summary, 32, shuffle=True, features=in_memory))
    assert rows.keys() == wanted.keys()
    for survey, (imagery, *others) in rows.items():
        assert_array_equal(imagery, wanted[survey][0])
        assert others == list(wanted[survey][1:])
    assert reads(streamed) <= 1.1 * SURVEYS / GROUP
    assert not any((tmp_path / "scratch").iterdir())
    assert [len(batch["surveyId"]) for batch in loader] == [32] * 30


def test_the_order_follows_from_the_seed_and_the_number_of_the_pass(streamed, summary):
    def order(seed, begun=0):
        loader = batches.Batches(summary, 100, shuffle=True, seed=seed, features=streamed)
        loader.begun = begun  # as of a training that continues
        return [np.concatenate([batch["surveyId"] for batch in loader]).tolist() for _ in range(2)]

    (first, second), (again, _), (resumed, _), (other, _) = order(3), order(3), order(3, begun=1), order(4)
    assert first == again
    assert second == resumed
    assert len({tuple(each) for each in (first, second, other)}) == 3


def test_without_shuffling_the_table_is_read_in_its_order(streamed, summary):
    loader = batches.Batches(summary, 32, features=streamed)
    assert rows_of(loader).keys() == rows_of(loader).keys()
    assert reads(streamed) == 2 * SURVEYS // GROUP, "twice, as there were two passes"


def test_a_large_examples_table_is_followed_too(streamed, summary):
    few = batches.Batches(summary, 32, shuffle=True, features=streamed, memory_bytes=0)
    many = batches.Batches(summary, 32, shuffle=True, features=streamed)
    assert [batch["surveyId"].tolist() for batch in few] == [batch["surveyId"].tolist() for batch in many]


def test_moments_and_known_bands_are_those_of_imagery_in_memory(streamed, in_memory):
    ids = np.random.default_rng(2).permutation(SURVEYS + 50)
    numbers = np.ones(len(ids), int)
    before = reads(streamed)
    got, wanted = (imagery.moments(numbers, ids)["sentinel2"] for imagery in (streamed, in_memory))
    assert reads(streamed) - before == SURVEYS // GROUP
    assert_allclose(got.mean, wanted.mean, rtol=1e-6)
    assert_allclose(got.std, wanted.std, rtol=1e-6)
    assert got.known == wanted.known
    assert_array_equal(streamed.known(numbers, ids), in_memory.known(numbers, ids))


def test_a_table_that_changes_while_it_is_streamed_is_named(streamed, tmp_path):
    path = tmp_path / "tiles" / "part-00003.parquet"
    table = pq.read_table(path)
    pq.write_table(table.take(np.arange(GROUP)[::-1]), path)
    with pytest.raises(DataError, match=r"part-00003.parquet: rows are out of order; rebuild the table"):
        streamed.of(np.ones(SURVEYS, int), np.arange(SURVEYS))


def test_the_smallest_inputs_stay_in_memory_and_what_cannot_be_streamed_is_copied(tmp_path):
    small = write_tiles(tmp_path / "small", 200, GROUP, 2)
    large = write_tiles(tmp_path / "large", SURVEYS, GROUP, SIDE)
    places = pd.DataFrame({"dataset": "pa_train", "surveyId": np.arange(SURVEYS), "lon": 5.0, "lat": 44.0})
    inputs = (PATCHES, Input("elevation", block=0, size=2), Input(location=Choice("xyz")))
    room = 200 * 8 * 2 + 10
    read = tables.read(inputs, [[large], [small], [places]], memory_bytes=room, scratch=tmp_path)
    assert [path.name for path in tmp_path.glob("*.values")] == ["location_xyz.values"]
    assert read.reading.leader.name == "sentinel2"
    wanted = tables.read(inputs, [[large], [small], [places]])
    surveys = np.ones(50, int), np.arange(20, 1020, 20)
    for name, values in wanted.of(*surveys).items():
        assert_array_equal(read.of(*surveys)[name], values)


def test_a_second_table_is_streamed_if_its_rows_are_in_the_same_order(tmp_path):
    large = write_tiles(tmp_path / "large", SURVEYS, GROUP, SIDE)
    near = write_tiles(tmp_path / "near", SURVEYS, 2 * GROUP, SIDE)
    far = write_tiles(tmp_path / "far", SURVEYS, GROUP, SIDE, seed=5)
    inputs = (PATCHES, Input("landcover", bands=("red",), block=0, size=SIDE))
    inputs += (Input("elevation", bands=("nir",), block=0, size=SIDE),)
    read = tables.read(inputs, [[large], [near], [far]], memory_bytes=ROOM, scratch=tmp_path)
    assert [path.name for path in tmp_path.glob("*.values")] == ["elevation.values"]
    wanted = tables.read(inputs, [[large], [near], [far]])
    loader, names = np.random.default_rng(0), np.ones(SURVEYS, int)
    for survey in np.split(read.reading.shuffled(names, np.arange(SURVEYS), loader), 10):
        got, right = read.of(names[:96], survey), wanted.of(names[:96], survey)
        for name in right:
            assert_array_equal(got[name], right[name])
    assert reads(read) <= 4 * SURVEYS / GROUP


def test_the_shuffle_mixes_the_groups_that_are_held():
    groups, held, rows = 200, 20, 100
    group = np.repeat(np.arange(groups), rows)
    group[::50] = -1
    order = shuffled(group, held, np.random.default_rng(0))
    assert_array_equal(np.sort(order), np.arange(len(group)))
    at = np.empty(len(order), int)
    at[order] = np.arange(len(order))
    needed = np.zeros(len(order) + 1, int)
    for number in range(groups):
        mine = at[group == number]
        needed[mine.min()] += 1
        needed[mine.max() + 1] -= 1
    assert needed.cumsum().max() <= held
    batch = group[order[len(order) // 2 :][:1800]]
    share = np.unique(batch[batch >= 0], return_counts=True)[1]
    assert len(share) >= held - 2
    assert share.max() < 3 * 1800 / held
    for end in (order[:1800], order[-1800:]):
        mine = group[end]
        assert np.unique(mine[mine >= 0], return_counts=True)[1].max() < 4 * 1800 / held
    missing = at[group == -1] / len(order)
    assert np.histogram(missing, 4, (0, 1))[0].min() > 0.15 * len(missing)


def test_pairs_are_asked_for_part_by_part():
    groups, held, count = 40, 9, 20_000
    rng = np.random.default_rng(0)
    first, second = rng.integers(-1, groups, (2, count))
    order = shuffled_pairs(first, second, held, rng)
    assert_array_equal(np.sort(order), np.arange(count))
    kept, loads = [], 0
    for pair in order:
        for number in (first[pair], second[pair]):
            if number in kept:
                kept.remove(number)
            else:
                loads += 1
                kept = kept[-held + 1 :]
            kept.append(number)
    assert loads < groups * groups / (held // 2) * 1.2, "at random it would be about once for each survey"


_PASS = """
import sys
from pathlib import Path
from glc import memory
from glc.nets.inputs import batches, tables
from glc.nets.inputs.summary import summarise
from glc.config import Input
folder, room = Path(sys.argv[1]), int(sys.argv[2])
read = tables.read((Input("sentinel2", block=0, size=128),), [[folder / "tiles"]], memory_bytes=room, scratch=folder)
loader = batches.Batches(summarise(folder / "examples", 4), 64, shuffle=True, features=read)
before = memory.resident(__import__("os").getpid())
with memory.peak() as peak:
    rows = sum(len(batch["surveyId"]) for batch in loader)
print(rows, peak.bytes - before)
"""


@pytest.mark.slow
def test_memory_is_bounded_by_the_budget_and_not_by_the_table(tmp_path):
    surveys, room = 8_192, 32 << 20  # of 256 MB
    write_tiles(tmp_path / "tiles", surveys, 128, 128)
    write_examples(tmp_path / "examples", surveys)
    line = subprocess.run(
        [sys.executable, "-c", _PASS, str(tmp_path), str(room)], capture_output=True, text=True, check=True
    ).stdout.split()
    rows, grown = map(int, line)
    assert rows == surveys
    # a batch of float32 in the making and one ahead, a row group in the making, examples, and 80 MB of pyarrow's own
    assert room / 2 < grown < room + (180 << 20)
    assert {path.name for path in tmp_path.iterdir()} == {"tiles", "examples"}


def test_processes_of_a_training_share_the_batches_and_read_on_their_own(streamed, summary, tmp_path):
    alone = list(batches.Batches(summary, 32, shuffle=True, features=streamed))
    (tmp_path / "job").mkdir()
    arguments.write(tmp_path / "job", streamed)
    for index in range(2):
        features = arguments.read(tmp_path / "job")
        assert reads(features) == 0
        assert features.reading.leader is features._values["sentinel2"]
        parts = batches.Batches(summary, 32, shuffle=True, features=features, part=Part(index, 2))
        for part, whole in zip(parts, alone, strict=True):
            assert_array_equal(part["surveyId"], whole["surveyId"][index::2])
            assert_array_equal(part["sentinel2"], whole["sentinel2"][index::2])


def test_several_processes_divide_the_memory_of_what_is_streamed(streamed, tmp_path):
    settings = {"memory_bytes": ROOM, "scratch": tmp_path / "scratch"}
    both = tables.read((PATCHES,), [[tmp_path / "tiles"]], processes=2, **settings)
    assert both.reading.leader.cache.capacity < streamed.reading.leader.cache.capacity
    whole = tables.read((PATCHES,), [[tmp_path / "tiles"]], memory_bytes=5 * ROOM, processes=2)
    assert whole.reading is None
