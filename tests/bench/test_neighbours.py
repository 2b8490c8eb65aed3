"""Stages of neighbours and graph vectors on small worlds: their ways agree, and their checks see what does not."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from glc import storage
from glc.bench import stage
from glc.bench.glc24 import labelled
from glc.bench.stages import gfv
from glc.errors import DataError
from glc.world import SIZES


def run(each, folder, prepare):
    """Facts and folders of results of the ways, by name."""
    data = folder / "data"
    data.mkdir()
    prepare(data)
    facts, results = {}, {}
    for i, way in enumerate(each.ways):
        results[way.name] = folder / str(i)
        results[way.name].mkdir()
        facts[way.name] = way.run(data, results[way.name])
    return data, facts, results


def spoil(folder, column, change):
    """Rewrite a table with one value changed."""
    table = storage.read_table(folder, "neighbours")
    values = table[column].to_numpy().copy()
    values[len(values) // 2] += change
    table = table.set_column(table.column_names.index(column), column, pa.array(values))
    pq.write_table(table, folder / "part-0.parquet")


@pytest.mark.parametrize(("name", "column"), [("neighbours", "distance_m"), ("pairs", "neighbour_id")])
def test_ways_agree_and_the_check_sees_one_wrong_value(tmp_path, name, column):
    each = stage.get(name)
    data, facts, results = run(each, tmp_path, lambda data: each.prepare(data, 0.002))
    rows = {fact["rows"] for fact in facts.values()}
    assert len(rows) == 1
    assert rows.pop() > 1_000
    each.check(data, results)
    table = storage.read_table(next(iter(results.values())), "neighbours")
    if name == "pairs":
        assert pc.max(table["distance_m"]).as_py() <= 10_000
        assert "po" not in table["survey_dataset"].unique().to_pylist()
    else:
        assert pc.max(table["rank"]).as_py() == 10
    spoil(next(iter(results.values())), column, 1)
    with pytest.raises(DataError, match="differ; expected none"):
        each.check(data, results)


def test_pairs_grow_with_the_square_of_the_surveys(tmp_path):
    each = stage.get("pairs-growth")
    _, facts, _ = run(each, tmp_path, lambda data: each.prepare(data, 0.02))
    most, half, quarter = (fact["rows"] for fact in facts.values())
    assert 2.5 < most / half < 6
    assert 2.5 < half / quarter < 8


def test_graph_vectors_are_those_of_the_double_loop(tmp_path):
    each = stage.get("gfv")
    world = labelled(1, SIZES["tiny"])
    data, facts, results = run(each, tmp_path, lambda data: gfv.write(data, world))
    assert [fact["rows"] for fact in facts.values()] == [400, 400]
    each.check(data, results)
    path = list(results.values())[1] / "vectors.npz"
    vectors = sparse.load_npz(path)
    assert vectors.nnz > 100
    vectors.data[np.argmax(vectors.data)] *= 1.1
    sparse.save_npz(path, vectors)
    with pytest.raises(DataError, match="vectors differ"):
        each.check(data, results)
