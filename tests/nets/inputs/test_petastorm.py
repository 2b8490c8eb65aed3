"""What Petastorm gives on this pyarrow and NumPy, against pyarrow itself; and what of it we do not offer."""

import subprocess
import sys
import threading

import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet as pq

from glc.errors import DataError
from glc.nets.inputs._petastorm import BatchedDataLoader, TransformSpec, make_batch_reader
from glc.nets.inputs.batches import Batches
from glc.nets.inputs.summary import summarise

# rows of each row group, by file
GROUPS = {
    "single": [[7]],
    "many": [[3] * 150, [1, 2, 250]],
    "some are empty": [[0, 40, 0], [0], [5, 0, 0, 6]],
}
TYPES = {
    "a": pa.int8(), "b": pa.int16(), "c": pa.int32(), "d": pa.int64(), "e": pa.uint8(), "f": pa.float32(),
    "g": pa.float64(), "h": pa.bool_(),
}  # fmt: skip


@pytest.fixture(params=GROUPS)
def table(request, tmp_path):
    """(addresses of files, the table that pyarrow reads from them)."""
    rng = np.random.default_rng(0)
    paths = []
    for number, groups in enumerate(GROUPS[request.param]):
        paths.append(tmp_path / f"with space {number}.parquet")
        with pq.ParquetWriter(paths[-1], pa.schema(list(TYPES.items()))) as writer:
            for rows in groups:
                columns = {name: pa.array(rng.integers(0, 2, rows)).cast(kind) for name, kind in TYPES.items()}
                columns["d"] = pa.array(rng.integers(-(1 << 60), 1 << 60, rows))
                columns["f"] = pa.array(rng.normal(size=rows).astype(np.float32))
                writer.write_table(pa.table(columns, schema=writer.schema))
        assert pq.ParquetFile(paths[-1]).num_row_groups == len(groups)
    return [f"file://{path}" for path in paths], pa.concat_tables([pq.read_table(path) for path in paths])


def pieces(reader):
    with reader:
        return [piece._asdict() for piece in reader]


def read(reader):
    """Columns, from the pieces that hold rows: of an empty one a list has no length."""
    filled = [piece for piece in pieces(reader) if len(piece["d"])]
    return {name: np.concatenate([piece[name] for piece in filled]) for name in filled[0]}


@pytest.mark.parametrize("pool", [{"reader_pool_type": "dummy"}, {"reader_pool_type": "thread", "workers_count": 1}])
def test_rows_order_and_types_are_those_of_pyarrow(table, pool):
    files, wanted = table
    columns = read(make_batch_reader(files, shuffle_row_groups=False, **pool))
    assert list(columns) == list(TYPES)
    for name, values in columns.items():
        assert values.dtype == TYPES[name].to_pandas_dtype()
        np.testing.assert_array_equal(values, wanted[name].to_numpy())


def test_columns_that_are_asked_for(table):
    files, wanted = table
    columns = read(
        make_batch_reader(files, schema_fields=["g", "d"], reader_pool_type="dummy", shuffle_row_groups=False)
    )
    assert sorted(columns) == ["d", "g"]
    np.testing.assert_array_equal(columns["d"], wanted["d"].to_numpy())


def test_threads_lose_no_row_and_shuffle_row_groups_whole(table):
    files, _ = table
    groups = [group.tolist() for group in _groups(files) if len(group)]
    for seed in range(5):
        reader = make_batch_reader(files, workers_count=4, shuffle_row_groups=True, seed=seed, results_queue_size=2)
        parts = [piece["d"].tolist() for piece in pieces(reader)]
        assert sorted(part for part in parts if part) == sorted(groups)


def test_seeds_give_their_order_of_row_groups(table):
    files, _ = table
    orders = [
        read(make_batch_reader(files, workers_count=1, shuffle_row_groups=True, seed=seed))["d"].tolist()
        for seed in (1, 1, 2, 3, 4, 5)
    ]
    assert orders[0] == orders[1]
    assert len(list(_groups(files))) == 1 or any(order != orders[0] for order in orders[2:])


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_batches_of_the_loader_hold_all_rows_in_order(table, rows):
    files, wanted = table
    with BatchedDataLoader(
        make_batch_reader(files, workers_count=1, shuffle_row_groups=False),
        batch_size=rows,
        transform_fn=lambda values: torch.as_tensor(np.array(values)),
    ) as loader:
        batches = [batch["d"] for batch in loader]
    assert {len(batch) for batch in batches[:-1]} <= {rows}
    assert torch.cat(batches).tolist() == wanted["d"].to_pylist()


def test_a_transform_makes_a_column_of_rows_of_several_numbers(table):
    files, wanted = table

    def twice(frame):
        return frame.assign(pair=list(np.stack([frame.f, 2 * frame.f], axis=1)))[["d", "pair"]]

    spec = TransformSpec(twice, edit_fields=[("pair", np.float32, (2,), False)], selected_fields=["d", "pair"])
    reader = make_batch_reader(files, workers_count=1, shuffle_row_groups=False, transform_spec=spec)
    columns = read(reader)
    single = wanted["f"].to_numpy()
    np.testing.assert_array_equal(columns["pair"], np.stack([single, 2 * single], axis=1))
    assert columns["pair"].dtype == np.float32
    np.testing.assert_array_equal(columns["d"], wanted["d"].to_numpy())


def test_reading_that_is_broken_off_leaves_no_thread(table):
    files, _ = table
    before = threading.active_count()
    for _ in range(3):
        with make_batch_reader(files, workers_count=3, results_queue_size=1) as reader:
            next(reader)
    assert threading.active_count() == before


@pytest.mark.parametrize("settings", [{}, {"memory_bytes": 0}, {"loader": "memory"}])
@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_of_a_table_with_empty_row_groups(tmp_path, settings, shuffle):
    kinds = {"dataset": pa.int8(), "surveyId": pa.int64()}
    kinds |= dict.fromkeys(("easting", "northing", "weight"), pa.float32()) | {"species": pa.list_(pa.int32())}
    with pq.ParquetWriter(tmp_path / "part-0.parquet", pa.schema(list(kinds.items()))) as writer:
        for start, rows in ((0, 0), (0, 40), (40, 0), (40, 3), (43, 0)):
            columns = {name: pa.array(np.ones(rows)).cast(kind) for name, kind in kinds.items() if name != "species"}
            columns["surveyId"] = pa.array(np.arange(start, start + rows))
            columns["species"] = pa.array([[number % 5] for number in range(rows)], kinds["species"])
            writer.write_table(pa.table(columns, schema=writer.schema))
    summary = summarise(tmp_path, 5)
    assert summary.groups == (0, 40, 0, 3, 0)
    order = torch.cat([batch["surveyId"] for batch in Batches(summary, 8, shuffle=shuffle, **settings)]).tolist()
    assert sorted(order) == list(range(43))
    assert shuffle or order == sorted(order)


def test_what_is_not_supported_says_so(table, tmp_path):
    files, _ = table
    with pytest.raises(DataError, match=f"{tmp_path}: expected a list of local parquet files"):
        make_batch_reader(f"file://{tmp_path}")
    with pytest.raises(DataError, match="without filters"):
        make_batch_reader(files, filters=[("a", ">", 0)])


def test_pyarrow_and_numpy_stay_as_they_are_for_others():
    code = (
        "import sys, numpy, pyarrow, pyarrow.parquet as pq\n"
        "before = [set(vars(module)) for module in (numpy, pyarrow, pq)]\n"
        "import glc.nets.inputs._petastorm\n"
        "gone = 'pyarrow.filesystem', 'pyarrow.hdfs', 'unicode_', 'string_', 'localfs', 'ParquetDatasetPiece'\n"
        "new = [set(vars(of)) - were for of, were in zip((numpy, pyarrow, pq), before)]\n"
        "print([name for name in gone if name in sys.modules or any(name in names for names in new)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _groups(files):
    """The column d by row groups."""
    for path in (address.removeprefix("file://") for address in files):
        with pq.ParquetFile(path) as file:
            yield from (file.read_row_group(group)["d"].to_numpy() for group in range(file.num_row_groups))
