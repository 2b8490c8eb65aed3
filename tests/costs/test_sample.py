"""Sizes of datasets from a sample of their lines, compared with what the files hold."""

import random
from collections import Counter

import numpy as np
import pytest

from glc import editions, geo, world
from glc.costs import sample, sizes
from glc.costs.sizes import Sizes
from glc.world import places


def chunks(keys, count=40, length=600):
    """Keys of consecutive rows at places all over a table."""
    return [keys[start : start + length] for start in range(0, len(keys) - length, len(keys) // count)]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("rows_per_key", [lambda: 20, lambda: 1, lambda: 1 + int(random.lognormvariate(2, 0.8))])
def test_keys_are_counted_whether_equal_ones_are_together_or_scattered(together, rows_per_key):
    random.seed(0)
    keys = [str(key) for key in range(30_000) for _ in range(rows_per_key())]
    if not together:
        random.shuffle(keys)
    assert sample.distinct(chunks(keys), len(keys)) == pytest.approx(len(set(keys)), rel=0.2)


def test_no_rows_have_no_keys():
    assert sample.distinct([[]], 0) == 0


def test_kinds_that_a_sample_lacks_are_estimated():
    random.seed(0)
    drawn = Counter(random.randrange(1_000) for _ in range(1_500))
    assert len(drawn) < 800
    assert sample.all_kinds(drawn) == pytest.approx(1_000, rel=0.1)


def test_a_small_dataset_is_counted_exactly(tmp_path):
    tiny = world.SIZES["tiny"]
    world.write(tiny, tmp_path, parts=("metadata",))
    counted = sample.sizes(editions.recognise(tmp_path))
    assert (counted.training_rows, counted.training_surveys) == (tiny.n_pa_rows, tiny.n_pa)
    assert (counted.po_rows, counted.test_surveys, counted.tested) == (tiny.n_po_rows, tiny.n_test, tiny.n_test)
    assert counted.species == pytest.approx(tiny.n_species, rel=0.05)


def test_squares_with_presence_only_records_are_counted(tmp_path):
    tiny = world.SIZES["tiny"]
    world.write(tiny, tmp_path, parts=("metadata",))
    records = places.po(tiny)
    expected = len(np.unique(geo.cell_ids(records.lon, records.lat, sizes.CELL_M)))
    assert 1_000 < expected < tiny.n_po_surveys
    # the files have degrees to six decimals, so that a place on an edge may change its square
    assert sample.sizes(editions.recognise(tmp_path)).po_cells == pytest.approx(expected, abs=3)


def test_what_is_no_place_has_no_square():
    assert len(sample._cells(["2.5\t48.9", "", "x\t48", "1\t", "3\t95", "2.6\t48.9"])) == 2


def test_a_longer_file_is_not_read_whole_and_counted_about(tmp_path, monkeypatch):
    monkeypatch.setattr(sample, "CHUNKS", 8)
    monkeypatch.setattr(sample, "CHUNK_BYTES", 4_096)
    tiny = world.SIZES["tiny"]
    world.write(tiny, tmp_path, parts=("metadata",))
    dataset = editions.recognise(tmp_path)
    size = next(path.stat().st_size for table, path in dataset.files if table.dataset == "pa_train")
    assert size > 8 * 4_096
    counted = sample.sizes(dataset)
    assert counted.training_rows == pytest.approx(tiny.n_pa_rows, rel=0.05)
    assert counted.training_surveys == pytest.approx(tiny.n_pa, rel=0.5)
    assert counted.po_rows == pytest.approx(tiny.n_po_rows, rel=0.05)


def test_an_archive_of_records_is_counted(tmp_path):
    records = world.SIZES["gbif"]
    world.write(records, tmp_path, parts=("metadata",))
    counted = sample.sizes(editions.recognise(tmp_path))
    assert counted.training_rows == pytest.approx(records.n, rel=0.2)
    assert (counted.po_rows, counted.test_surveys) == (0, 0)


def test_without_a_test_some_training_surveys_are_one():
    assert Sizes(training_rows=5_000, training_surveys=400, species=60).tested == 40


def test_a_part_of_a_world_has_that_share_of_its_rows():
    whole, part = world.SIZES["glc24"].counts, world.SIZES["glc24-16th"].counts
    assert part["species"] == whole["species"]
    for name in ("training_rows", "training_surveys", "test_surveys", "po_rows", "po_surveys"):
        assert part[name] == pytest.approx(whole[name] / 16, rel=0.01)
