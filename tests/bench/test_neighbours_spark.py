"""The stages of neighbours that need Spark, on small worlds."""

import pyarrow.parquet as pq
import pytest

from glc import storage
from glc.bench import stage
from glc.errors import DataError
from tests.bench.test_neighbours import run


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lsh", "neighbours-spark"])
def test_stages_over_spark(tmp_path, spark, name):
    each = stage.get(name)
    data, facts, results = run(each, tmp_path, lambda data: each.prepare(data, 0.005))
    ours, other = facts.values()
    each.check(data, results)
    assert other["start_s"] >= 0
    assert ours["rows"] == other["rows"] if name == "neighbours-spark" else 0 < other["rows"] < ours["rows"]
    if name == "lsh":
        table = storage.read_table(next(iter(results.values())), "neighbours")
        pq.write_table(table.slice(1), next(iter(results.values())) / "part-0.parquet")
        with pytest.raises(DataError, match="expected all"):
            each.check(data, results)
