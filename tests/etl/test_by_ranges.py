"""Plain files by ranges of ids: the tables are those that Spark's expressions write, whatever the lines hold."""

import itertools
from functools import partial

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from glc import editions
from glc.etl import by_ranges, by_survey, chunks, plain_lines, surveys
from tests.etl.test_surveys import DIRTY, HEADER, dirty


def test_chunks_are_whole_lines_that_know_their_numbers(tmp_path):
    path = tmp_path / "lines.csv"
    path.write_bytes(b"header\n" + b"\n".join(b"%d" % i for i in range(2, 400)))  # the last lacks its end
    made = chunks.of_file(path, 1, size=100)
    assert len(made) > 5
    assert b"".join(chunk.read() for chunk in made) == path.read_bytes().partition(b"\n")[2]
    for chunk in made:
        lines = chunk.read().splitlines()
        assert [int(line) for line in lines] == list(range(chunk.line, chunk.line + chunk.lines))
        starts = chunks.line_starts(chunk.read())
        assert (len(starts), starts[-1]) == (chunk.lines + 1, chunk.stop - chunk.start)


def test_a_line_that_ends_in_a_carriage_return_alone_is_left_to_spark(tmp_path):
    for text, plain in ((b"a\r\nb\r\n", True), (b"a\rb\r\n", False)):
        (tmp_path / "lines.csv").write_bytes(text)
        assert (chunks.of_file(tmp_path / "lines.csv", 0) is not None) == plain


def test_lines_that_are_not_plain_are_left_with_their_number_and_text(tmp_path):
    (chunk, reading), _ = by_ranges.chunks(dirty(tmp_path, newline="\r\n"))
    rows, others, blank = plain_lines.read(chunk, reading)
    text = [row for row, _ in DIRTY]
    assert blank == sum(not row.strip(" ") for row in text)
    assert others.to_pylist() == [{"line": line, "text": text[line - 2]} for line in others["line"].to_pylist()]
    faulty = {line for line, (_, fault) in enumerate(DIRTY, 2) if fault and "where line" not in str(fault[1])}
    assert faulty <= set(others["line"].to_pylist())
    assert {2, 3, 4, 33} <= set(rows["line"].to_pylist())
    assert rows["year"].to_pylist()[-1] == 2019  # 2019.0 in line 33
    assert rows.num_rows + others.num_rows + blank == chunk.lines


@pytest.mark.parametrize("text", ["2019 ", "2019.0", " NA", "nan", "1e3", "+7", "٣", "7.5", "", "-0"])
def test_cells_are_read_as_sparks_expressions_read_them(text):
    value, plain, _ = plain_lines._whole(-5, 3_000, False)(text)
    wanted = {"2019 ": 2019, "2019.0": 2019, " NA": None, "nan": None, "+7": 7, "": None, "-0": 0}
    assert (value, plain) == (wanted.get(text), text in wanted)


def test_ranges_cover_all_ids_and_hold_about_as_many_rows_each(monkeypatch):
    monkeypatch.setattr(by_survey, "RANGE_ROWS", 1_000)
    ids = np.sort(np.random.default_rng(0).integers(-50, 3_000, 10_000))
    ranges = by_survey.ranges([ids[i::4][::50] for i in range(4)], len(ids))
    assert ranges[0][0] < -(2**62)
    assert ranges[-1][1] > 2**62
    assert all(before[1] == after[0] for before, after in itertools.pairwise(ranges))
    counts = [((ids >= low) & (ids < high)).sum() for low, high in ranges]
    assert sum(counts) == len(ids)
    assert max(counts) < 2_000


def _odd(folder):
    """A dataset with what a line may hold: rows of many surveys in any order, some of them faulty or quoted."""
    rng = np.random.default_rng(0)
    n = 3_000
    frame = pd.DataFrame(
        {
            "lon": rng.uniform(-10, 30, 200)[at := rng.integers(0, 200, n)].round(6),
            "lat": rng.uniform(40, 60, 200)[at].round(6),
            "year": rng.integers(2017, 2022, 200)[at],
            "geoUncertaintyInM": rng.choice(["", "10.0", "x", " 5 ", "NA", "1e2"], n),
            "areaInM2": rng.choice(["", "-inf", "100"], n),
            "region": rng.choice(["ALPINE", " steppe ", "", "NA", "Baška"], n),
            "country": rng.choice(["France", "Côte"], n),
            "speciesId": rng.choice(["7", "3.0", "5.", "11", " 9", "+4"], n),
            "surveyId": at * 17 - 40,
        }
    ).astype(str)
    for name, value in (("lon", "1e1"), ("lat", "95"), ("year", "1500"), ("speciesId", "1.5"), ("surveyId", " 60.0")):
        frame.loc[rng.choice(n, 25, replace=False), name] = value
    frame.loc[rng.choice(n, 25, replace=False), "country"] = '"Korea, the north"'
    frame.loc[rng.choice(n, 25, replace=False), "region"] = 'a "quoted" one, and a field more'
    folder.mkdir()
    (folder / "GLC24_PA_metadata_train.csv").write_text(
        "\n".join([HEADER, *(",".join(row) for row in frame.itertuples(index=False))]), encoding="utf-8"
    )
    (folder / "GLC24_PA_metadata_test.csv").write_text("lon,lat,year,surveyId\n5,44,2020,1\n6,45,2020,9\n")
    return editions.recognise(folder)


def test_both_ways_write_the_same_tables_and_count_the_same(spark, tmp_path, monkeypatch):
    dataset = _odd(tmp_path / "data")
    small = partial(chunks.of_file, size=20_000)
    with monkeypatch.context() as patch:
        patch.setattr(by_ranges.text_chunks, "of_file", small)
        patch.setattr(by_survey, "RANGE_ROWS", 700)
        assert len(by_ranges.chunks(dataset)) > 5
        facts = surveys.write(spark, dataset, tmp_path / "ranges", 0.9)
    monkeypatch.setattr(by_ranges, "chunks", lambda dataset: None)
    assert surveys.write(spark, dataset, tmp_path / "expressions", 0.9) == facts
    assert set(facts["files"][0]["reasons"]) >= {"place or date disagrees with the survey's first line", "unknown date"}
    assert pq.ParquetFile(tmp_path / "ranges" / "occurrences" / "pa_train.parquet").num_row_groups > 2
    for path in sorted((tmp_path / "expressions").rglob("*.parquet")):
        table, other = (
            pq.read_table(path),
            pq.read_table(tmp_path / "ranges" / path.relative_to(tmp_path / "expressions")),
        )
        assert table.to_pylist() == other.to_pylist(), path
