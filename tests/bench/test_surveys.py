"""The bench of the survey tables, on a small world."""

import pytest

from glc import world
from glc.bench.stages import surveys
from glc.errors import DataError


@pytest.fixture(scope="module")
def outs(spark, tmp_path_factory):
    """(folder of the data, name of a way -> its results); lines are spoilt in all ways that the stage has."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "data").mkdir()
    surveys.prepare(folder / "data", 0)
    made = {}
    for way in surveys.STAGE.ways:
        made[way.name] = folder / way.name.replace(" ", "")
        made[way.name].mkdir()
        assert way.run(folder / "data", made[way.name])["rows"] > 7_000
    return folder / "data", made


@pytest.mark.slow
def test_both_ways_make_the_same_tables(outs):
    surveys.check(*outs)


@pytest.mark.slow
def test_a_table_that_differs_is_found(outs, tmp_path):
    folder, made = outs
    mine, plain = made
    (tmp_path / "surveys").mkdir()
    (tmp_path / "surveys" / "po.parquet").write_bytes((made[plain] / "surveys" / "pa_train.parquet").read_bytes())
    with pytest.raises(DataError, match="rows of ours"):
        surveys.check(folder, {mine: made[mine], plain: tmp_path})


def test_a_scale_has_the_smallest_world_that_holds_it():
    assert [surveys.size_of(scale) for scale in (0, 1 / 16, 0.1, 1)] == ["tiny", "glc24-16th", "glc24-quarter", "glc24"]
    assert all(name in world.SIZES for _, name in surveys.WORLDS)
