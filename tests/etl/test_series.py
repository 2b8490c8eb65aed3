from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from glc import world
from glc.errors import DataError
from glc.etl import series
from glc.world import series as virtual

QUARTERS = [f"{year}_{quarter}" for year in (2000, 2001) for quarter in range(1, 5)]


def tables(folder, values, ids, shuffle=0, separator=";", id_column="timeSerieID", cells=()):
    """Six CSVs of `values` (6, n, 8), each with its rows in another order; cells: (band, row, column, text)."""
    rng = np.random.default_rng(shuffle)
    found = {}
    for index, band in enumerate(series.BANDS):
        frame = pd.DataFrame(values[index], columns=QUARTERS).astype(object)
        frame = frame.map(lambda value: "" if np.isnan(value) else f"{value:g}")
        frame.insert(0, id_column, [str(i) for i in ids])
        for where, row, column, text in cells:
            if where == band:
                frame.iloc[row, column] = text
        found[band] = folder / f"time_series_{band}.csv"
        frame.iloc[rng.permutation(len(frame))].to_csv(found[band], sep=separator, index=False, quoting=index % 2)
    return found


def fill(found, ids, quarters=8):
    values = np.full((6, len(ids), quarters), np.nan, np.float32)
    return values, *series.read(found, np.asarray(ids), values)


@pytest.fixture
def values():
    rng = np.random.default_rng(1)
    made = rng.integers(0, 255, (6, 20, 8)).astype(np.float32)
    made[rng.random(made.shape) < 0.1] = np.nan
    return made


def test_rows_in_any_order_come_to_their_place(tmp_path, values):
    ids = np.arange(20) * 7 + 3
    for shuffle in (0, 1):
        found, seen, corrupt, faults, facts = fill(tables(tmp_path, values, ids, shuffle), ids)
        assert_array_equal(found, values)
        assert seen.all()
        assert not corrupt.any()
        assert not faults
        assert [fact["rows"] for fact in facts] == [20] * 6


def test_only_the_wanted_series_are_read_and_absent_ones_stay_nan(tmp_path, values):
    ids = np.arange(20) * 7 + 3
    found, seen, *_ = fill(tables(tmp_path, values, ids), [3, 4, 24, 999])
    assert_array_equal(found[:, [0, 2]], values[:, [0, 3]])
    assert_array_equal(seen.all(axis=0), [True, False, True, False])
    assert np.isnan(found[:, [1, 3]]).all()


def test_columns_in_any_order_and_eos_in_any_quoting_are_read(tmp_path, values):
    cells = [("red", 0, 5, "eos"), ("green", 0, 5, "eos"), ("blue", 0, 5, " eos "), ("nir", 0, 5, " 12 ")]
    found = tables(tmp_path, values, range(20), cells=cells)
    frame = pd.read_csv(found["red"], sep=";", dtype=str, keep_default_na=False)
    frame[["timeSerieID", *QUARTERS[::-1]]].to_csv(found["red"], sep=";", index=False)
    wanted = values.copy()
    wanted[:4, 0, 4] = [np.nan, np.nan, np.nan, 12]
    got, _, corrupt, faults, _ = fill(found, range(20))
    assert_array_equal(got, wanted)
    assert not corrupt.any()
    assert not faults


def test_a_cell_that_is_no_number_makes_its_series_corrupt_and_no_other(tmp_path, values):
    found = tables(
        tmp_path, values, range(20), cells=[("nir", 4, 3, "12a"), ("red", 6, 2, "1e999"), ("red", 9, 0, "x9")]
    )
    got, seen, corrupt, faults, _ = fill(found, range(20))
    assert np.flatnonzero(corrupt).tolist() == [4, 6]
    assert np.isnan(got[:, corrupt]).all()
    assert not seen[0, 9]
    others = np.setdiff1d(np.arange(20), [4, 6, 9])
    assert_array_equal(got[:, others], values[:, others])
    assert {(fault["found"], fault["column"]) for fault in faults} == {
        ("12a", "2000_3"), ("1e999", "2000_2"), ("x9", "timeSerieID")
    }  # fmt: skip
    for fault in faults:
        line = Path(fault["file"]).read_text().splitlines()[fault["line"] - 1]
        assert fault["found"] in line


def test_rows_of_another_number_of_fields_are_reported_with_their_line(tmp_path, values):
    found = tables(tmp_path, values, range(20), cells=[("swir1", 11, 2, "bad")])
    lines = found["swir1"].read_text().splitlines()
    cut = lines[5].split(";")[0].strip('"')
    lines[5] = lines[5].rsplit(";", 2)[0]
    found["swir1"].write_text("\n".join(lines) + "\n")
    _, _, corrupt, faults, _ = fill(found, range(20))
    assert set(np.flatnonzero(corrupt)) == {int(cut), 11}
    (ragged,) = (fault for fault in faults if fault["reason"] == "wrong number of fields")
    (bad,) = (fault for fault in faults if fault["found"] == "bad")
    assert ragged["line"] == 6
    assert "bad" in lines[bad["line"] - 1]


@pytest.mark.parametrize("order", [1, -1])
def test_rows_of_one_id_that_differ_are_corrupt_and_equal_ones_are_not(tmp_path, values, order):
    found = tables(tmp_path, values, range(20))
    lines = found["blue"].read_text().splitlines()
    row = next(line for line in lines if line.split(";")[0] == "5")
    same = next(line for line in lines if line.split(";")[0] == "8")
    differing = row.rsplit(";", 1)[0] + ";201"
    lines = [lines[0], *[*lines[1:], same, differing][::order]]
    found["blue"].write_text("\n".join(lines) + "\n")
    got, _, corrupt, faults, facts = fill(found, range(20))
    assert np.flatnonzero(corrupt).tolist() == [5]
    assert np.isnan(got[:, 5]).all()
    assert_array_equal(got[:, 8], values[:, 8])
    assert [fault["found"] for fault in faults] == ["5"]
    assert facts[2]["repeated"] == 2


def test_headers_tell_what_is_wrong(tmp_path, values):
    found = tables(tmp_path, values, range(20))
    for text, message in (
        ("id;2000_1;2000_2", "timeSerieID"),
        ("timeSerieID;2000_1;2000_2;2000_4", "2000, 3"),
        ("timeSerieID;2000_1;2000_2;2000_3;2000_4;2000_4", "2000, 4"),
        ("timeSerieID;q1", "'q1'"),
        ("", "first column"),
    ):
        found["red"].write_text(text + "\n")
        with pytest.raises(DataError, match=message):
            series.header(found["red"])
    found["red"].write_text("timeSerieID;2000_1;2000_2;2000_3;2000_4\n1;2;3;4;5\n")
    with pytest.raises(DataError, match="4 quarters, expected 8"):
        fill(found, range(20))


def test_tables_without_rows_have_no_series_and_cut_headers_are_told(tmp_path, values):
    found = tables(tmp_path, values[:, :0], [])
    got, seen, *_ = fill(found, [1, 2])
    assert not seen.any()
    assert np.isnan(got).all()
    found["nir"].write_text(found["nir"].read_text().strip())
    with pytest.raises(DataError, match=r"nir\.csv: cannot be read as a CSV"):
        fill(found, [1, 2])


def test_find_tells_missing_bands_and_doubles(tmp_path, values):
    with pytest.raises(DataError, match="no quarterly series"):
        series.find(tmp_path)
    found = tables(tmp_path, values, range(20))
    assert series.find(tmp_path) == {None: found}
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "time_series_red.csv").touch()
    with pytest.raises(DataError, match="expected one"):
        series.find(tmp_path)
    (tmp_path / "copy" / "time_series_red.csv").unlink()
    found["nir"].unlink()
    with pytest.raises(DataError, match="bands nir are missing"):
        series.find(tmp_path)


def test_the_virtual_worlds_tables_are_found_by_dataset(tmp_path):
    world.write_series(world.SIZES["tiny"], tmp_path)
    found = series.find(tmp_path)
    assert set(found) == {"pa_train", "pa_test"}
    assert found["pa_test"]["swir2"] == virtual.path(tmp_path, "pa_test", "swir2")


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("GLC24-PA-train-landsat_time_series-red.csv", "pa_train"),
        ("GLC24-P0-train-landsat-time-series_12_cube.npy", "po"),
        ("GLC25-PO_train-x.csv", "po"),
        ("PO-test.csv", "po_test"),
        ("time_series_red.csv", None),
    ],
)
def test_names_tell_the_dataset(name, dataset):
    assert series.dataset_of(name) == dataset


def test_series_ids_are_read_from_occurrence_tables(tmp_path):
    path = tmp_path / "o.csv"
    path.write_text(";glcID;timeSerieID\n0;7;70.0\n1;5;50\n2;7;70\n3;6;\n")
    assert series.series_ids(path, "glcID").values.tolist() == [[5, 50], [7, 70]]
    path.write_text("glcID;timeSerieID\n7;70\n7;71\n")
    with pytest.raises(DataError, match="glcID 7 has two"):
        series.series_ids(path, "glcID")
    path.write_text("glcID;timeSerieID\n7;seven\n")
    with pytest.raises(DataError, match="'seven'"):
        series.series_ids(path, "glcID")
    with pytest.raises(DataError, match="surveyId"):
        series.series_ids(path, "surveyId")


def test_real_series_equal_what_pandas_joins(shared_data):
    tables = series.find(shared_data / "glc23_sample")[None]
    frames = {
        band: pd.read_csv(path, sep=";", index_col=0, na_values=["eos"]).sort_index() for band, path in tables.items()
    }
    ids = frames["red"].index.to_numpy()
    got, seen, corrupt, faults, _ = fill(tables, ids, 84)
    for index, band in enumerate(series.BANDS):
        assert_array_equal(got[index], frames[band].to_numpy(np.float32))
    assert seen.all()
    assert not corrupt.any()
    assert not faults
    assert np.isnan(got).sum() == 6 * 344
    found = series.series_ids(
        shared_data / "glc23_sample/Presence_only_occurrences/Presences_only_train_sample.csv", "glcID"
    )
    assert set(found["series_id"]) == set(ids)
