"""One's own tables: what dataset.toml says becomes lines, and its errors name the key."""

import dataclasses
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from glc import editions
from glc.editions import _own_description
from glc.editions._own_lines import NEGATIVE, NO_PLACE, NO_SPECIES, OFF_CRS
from glc.errors import ConfigError, DataError
from tests import own_tables


def frame(folder, part="pa_train"):
    """The lines of a part."""
    dataset = editions.recognise(folder)
    editions.check(dataset)
    ((table, path),) = [(table, path) for table, path in dataset.files if table.dataset == part]
    lines = [[number, *text.split("\t")] for number, text in table.source.lines(path)]
    return pd.DataFrame(lines, columns=["line", *table.names])


def reasons(lines):
    return {tuple(row) for row in lines.loc[lines["fault_reason"] != "", ["line", *editions.FAULT]].to_numpy()}


def change(folder, old, new):
    path = folder / "dataset.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_header_with_a_species_table_a_wide_and_a_long_table_give_the_same_records(tmp_path):
    plots, there = own_tables.records()
    row, column = np.nonzero(there)
    expected = sorted(zip(plots["plot"][row], np.array(own_tables.SPECIES)[column], strict=True))
    joined, wide = frame(own_tables.splot(tmp_path / "splot")), frame(own_tables.wide(tmp_path / "wide"))
    assert joined["line"].tolist() == list(range(2, len(joined) + 2))  # of the file of species
    absent = joined[joined["status"] == editions.ABSENT]
    assert absent[["surveyId", "speciesId"]].to_numpy().tolist() == [["CH-000", "Gentiana acaulis"]]
    for lines in (joined.drop(absent.index), wide):
        assert sorted(zip(lines["surveyId"], lines["speciesId"], strict=True)) == expected
        places = lines.drop_duplicates("surveyId").set_index("surveyId").reindex(plots["plot"])
        np.testing.assert_allclose(places[["lon", "lat"]].astype(float), plots[["x", "y"]], atol=2e-7)
        assert not reasons(lines)
    assert set(joined["areaInM2"]) == {"100"}
    assert set(joined.loc[joined["date"] == "", "year"]) == {""}
    assert set(joined["date"].str[:4]) == set(joined["year"])
    numbers = frame(own_tables.long(tmp_path / "long"))
    assert sorted(zip(numbers["surveyId"], numbers["speciesId"], strict=True)) == sorted(
        zip((1_000 + row).astype(str), (100 + column).astype(str), strict=True)
    )


def test_a_wide_parquet_file_is_read_as_a_wide_csv(tmp_path):
    folder = own_tables.wide(tmp_path / "wide")
    as_csv = frame(folder)
    pd.read_csv(folder / "plots.csv", sep=";").to_parquet(folder / "plots.parquet")
    change(folder, "plots.csv", "plots.parquet")
    as_parquet = frame(folder)
    pd.testing.assert_frame_equal(as_parquet.drop(columns="line"), as_csv.drop(columns="line"))


def test_a_test_gives_its_places_and_never_its_species(tmp_path):
    folder = own_tables.wide(tmp_path / "wide")
    lines = frame(folder, "pa_test")
    assert len(lines) == 20
    assert set(lines["year"]) == {""}  # an inherited column that its file lacks
    plots = pd.read_csv(folder / "plots.csv", sep=";")
    plots[:10].to_csv(folder / "places.csv", index=False, sep=";")
    change(folder, '"places.csv"', '"places.csv"\nspecies_columns = ["Abies*"]')
    lines = frame(folder, "pa_test")
    assert len(lines) == 10
    assert set(lines["speciesId"]) == {""}


def test_the_labels_that_a_test_names_are_for_the_evaluation_alone(tmp_path):
    folder = own_tables.wide(tmp_path / "wide")
    assert editions.recognise(folder).edition.labels(editions.recognise(folder)) is None
    plots = pd.read_csv(folder / "plots.csv", sep=";")
    plots[:10].to_csv(folder / "places.csv", index=False, sep=";")
    change(folder, '"places.csv"', '"places.csv"\nspecies_columns = ["Abies*", "Bellis*"]')
    dataset = editions.recognise(folder)
    labels = dataset.edition.labels(dataset)
    wanted = {(row["plot"], name) for _, row in plots[:10].iterrows() for name in own_tables.SPECIES[:2] if row[name]}
    assert set(labels.itertuples(index=False, name=None)) == wanted
    assert dataset.truth_files() == [folder / "places.csv"]
    assert set(frame(folder, "pa_test")["speciesId"]) == {""}


def test_labels_of_a_test_need_the_ids_of_its_surveys(tmp_path):
    folder = own_tables.wide(tmp_path / "wide")
    pd.read_csv(folder / "plots.csv", sep=";")[:10].to_csv(folder / "places.csv", index=False, sep=";")
    change(folder, '"places.csv"', '"places.csv"\nsurvey = ""\nspecies_columns = ["*"]')
    with pytest.raises(ConfigError, match=r"test\.survey: found none, expected the column of the survey's id"):
        editions.recognise(folder)


def test_a_survey_without_species_and_rows_that_cannot_be_used_are_told(tmp_path):
    folder = own_tables.wide(tmp_path / "wide", n=400)
    plots = pd.read_csv(folder / "plots.csv", sep=";", dtype=str)
    plots.loc[0, list(own_tables.SPECIES)] = "0"
    plots.loc[1, "Abies alba"] = "-1"
    plots.loc[2, "east"] = "inf"
    plots.loc[3, "north"] = "1e30"
    plots.loc[4, list(own_tables.SPECIES[:3])] = ["+", "NA", ""]
    plots.to_csv(folder / "plots.csv", index=False, sep=";")
    with open(folder / "plots.csv", "a") as file:
        file.write("CH-999;1;2\n")
    lines = frame(folder)
    assert lines.loc[lines["line"] == 2, ["speciesId", "status"]].to_numpy().tolist() == [["", editions.EMPTY]]
    refused = reasons(lines)
    assert (3, "Abies alba", "-1", NEGATIVE) in refused
    assert any(line == 5 and reason == f"{OFF_CRS} {own_tables.UTM}" for line, _, _, reason in refused)
    assert any(line == 402 and found == "CH-999, 1, 2" for line, _, found, _ in refused)
    assert "inf" in set(lines.loc[lines["line"] == 4, "lon"])  # refused by the check of coordinates, as in any edition
    of_five = lines[lines["line"] == 6]["speciesId"]
    assert "Abies alba" in set(of_five)
    assert not {"Bellis perennis", "Carex flacca"} & set(of_five)


def test_surveys_and_species_that_do_not_meet_are_told(tmp_path):
    folder = own_tables.splot(tmp_path / "splot")
    with open(folder / "sPlotOpen_DT.txt", "a") as file:
        file.write("XX-1\tAbies alba\t1\n")
    with open(folder / "sPlotOpen_header.txt", "a") as file:
        file.write("XX-2\tEU\tItaly\t9\t46\t2001\t10\n")
    refused = {(column, found, reason) for _, column, found, reason in reasons(frame(folder))}
    assert refused == {
        ("PlotObservationID", "XX-1", NO_PLACE),
        ("PlotObservationID", "XX-2", NO_SPECIES),
    }
    with open(folder / "sPlotOpen_header.txt", "a") as file:
        file.write("CH-000\tEU\tItaly\t9\t46\t2001\t10\n")
    with pytest.raises(DataError, match=r"surveys\.survey: .*'CH-000' in lines 2 and"):
        frame(folder)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('lon = "east"', 'lon = "easting"', r"surveys\.lon: column 'easting' is not .* did you mean 'east'"),
        ('file = "plots.csv"', 'file = "plot.csv"', r"surveys\.file: .*plot\.csv does not exist.*did you mean 'plots"),
        ('file = "places.csv"', 'file = "places.csv"\nlat = "y"', r"test\.lat: column 'y' is not"),
        ('year = "year"', 'years = "year"', r"surveys: .*'years'.*did you mean 'year'"),
        ('["*"]', '["Zea*"]', r"surveys\.species_columns: found no column for 'Zea\*'"),
        ('species_columns = ["*"]', "", r"surveys: found no species"),
        ('survey = "plot"', 'survey = "plot"\nseparator = ","', r"surveys\.survey: column 'plot' is not"),
        ("EPSG:25832", "EPSG:99999", r"crs: found 'EPSG:99999', expected a CRS"),
        ("EPSG:25832", "EPSG:4326", r"crs: plots\.csv has coordinates in metres"),
        ("[surveys]", "[plots]", r"'plots'"),
        ("[surveys]", "[surveys", "not a TOML file"),
        ("[surveys]", "x = " + "[" * 3_000 + "\n[surveys]", "nested too deeply"),
        ("[surveys]", "a" + ".a" * 3_000 + " = 1\n[surveys]", "nested too deeply"),
        ("[surveys]", f"projection = {'9' * 5_000}\n[surveys]", "not a TOML file"),
        (
            "[surveys]",
            "projection = 4326\n[surveys]",
            "projection: found 4326, expected the EPSG code of one in metres",
        ),
        ("[test]", 'date_format = "%Y%Y"\n[test]', r"surveys\.date_format: found '%Y%Y', expected a form of strptime"),
        (
            "[test]",
            'date_format = "%d.%m."\n[test]',
            r"surveys\.date_format: found '%d\.%m\.', expected .* with a year",
        ),
        ("[test]", 'separator = "::"\n[test]', r"surveys\.separator: found '::', expected one character"),
        ("[test]", 'absent = "."\n[test]', r"surveys\.absent: found '\.', expected a list"),
        ('"plots.csv"', '"/etc/passwd"', r"surveys\.file: '/etc/passwd' is outside of the dataset.*make a link to it"),
        ('"plots.csv"', '"../wide/plots.csv"', r"surveys\.file: '\.\./wide/plots\.csv' is outside of the dataset"),
        ('"places.csv"', "'C:\\places.csv'", r"test\.file: 'C:.*' is outside of the dataset"),
        ('"places.csv"', f'"{"a" * 5_000}"', r"test\.file: .* does not exist"),
        ('"places.csv"', '"."', r"test\.file: .* is a folder"),
        ("[test]", '[names]\nfile = "a/../../x"\nspecies = "a"\nname = "b"\n[test]', r"names\.file: .* is outside of"),
    ],
)
def test_an_error_names_the_key(tmp_path, old, new, message):
    folder = own_tables.wide(tmp_path / "wide")
    change(folder, old, new)
    with pytest.raises((ConfigError, DataError), match=f"(?s)dataset.toml: .*{message}|dataset.toml: {message}"):
        editions.check(editions.recognise(folder))


def test_dates_in_a_format_and_parts_of_dates(tmp_path):
    folder = own_tables.splot(tmp_path / "splot", n=5)
    header = pd.read_csv(folder / "sPlotOpen_header.txt", sep="\t")
    header["Date_of_recording"] = ["13.05.2001", "1.6.1999", "NA", "", "2001"]
    header.to_csv(folder / "sPlotOpen_header.txt", sep="\t", index=False)
    change(folder, 'date = "Date_of_recording"', 'date = "Date_of_recording"\ndate_format = "%d.%m.%Y"')
    lines = frame(folder).drop_duplicates("surveyId")
    assert lines["date"].tolist() == ["2001-05-13", "1999-06-01", "", "", "2001"]  # the last one is refused
    assert lines["year"].tolist() == ["2001", "1999", "", "", ""]
    header["Date_of_recording"] = ["2001-05-13", "2001-05", "2001", "NA", "summer"]
    header.to_csv(folder / "sPlotOpen_header.txt", sep="\t", index=False)
    change(folder, 'date_format = "%d.%m.%Y"', "")
    lines = frame(folder).drop_duplicates("surveyId")
    assert lines["date"].tolist() == ["2001-05-13", "", "", "", "summer"]
    assert lines["year"].tolist() == ["2001", "2001", "2001", "", ""]


def test_a_change_of_any_of_its_files_changes_the_dataset(tmp_path):
    folder = own_tables.splot(tmp_path / "splot")
    names = {"dataset.toml", "sPlotOpen_header.txt", "sPlotOpen_DT.txt"}
    dataset = editions.recognise(folder)
    assert {name for name, _ in dataset.fingerprint()[1:]} == names == set(dataset.stamps())
    assert dataset.edition.citation(dataset) == {
        "doi": "10.25829/idiv.3474-40-3292", "title": "sPlotOpen", "rights": "CC BY 4.0"
    }  # fmt: skip


def test_the_descriptions_of_the_page_load_and_splot_opens_is_the_one_of_these_tests():
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    blocks = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    jura, splot = (_own_description.parse(block, "docs/data.md")[0] for block in blocks if "[surveys]" in block)
    assert jura.test.lon == jura.surveys.lon == "east"
    assert dataclasses.replace(splot, rights="CC BY 4.0") == _own_description.parse(own_tables.SPLOT, "tests")[0]


def test_a_wide_table_of_3000_species_is_read_in_little_memory(tmp_path):
    n, species = 600, 3_000
    rng = np.random.default_rng(0)
    with open(tmp_path / "wide.csv", "w") as file:
        file.write(",".join(["plot", "x", "y", *(f"species {number}" for number in range(species))]) + "\n")
        for row in range(n):
            cells = np.where(rng.random(species) < 0.01, "12.5", "0.00")
            file.write(f"p{row},{9 + row / n:.4f},46," + ",".join(cells) + "\n")
    (tmp_path / "dataset.toml").write_text(
        '[surveys]\nfile = "wide.csv"\nsurvey = "plot"\nlon = "x"\nlat = "y"\nspecies_columns = ["species *"]\n'
    )
    ((table, path),) = editions.recognise(tmp_path).files
    tracemalloc.start()
    n_lines = sum(1 for _ in table.source.lines(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.9 < n_lines / (0.01 * n * species) < 1.1
    assert peak < n * species * 60 / 3  # a cell of text takes some 60 bytes


def test_a_link_in_the_folder_may_lead_to_a_file_elsewhere(tmp_path):
    folder = own_tables.wide(tmp_path / "wide")
    wanted = frame(folder)
    (folder / "plots.csv").rename(tmp_path / "elsewhere.csv")
    (folder / "plots.csv").symlink_to(tmp_path / "elsewhere.csv")
    pd.testing.assert_frame_equal(frame(folder), wanted)


def test_line_breaks_within_quotes_belong_to_a_field(tmp_path):
    folder = own_tables.wide(tmp_path / "wide", n=40)
    wanted = frame(folder)
    plots = pd.read_csv(folder / "plots.csv", sep=";", dtype=str)
    remarks = [("wet;\n\nmown", 'a "b"\nc', "dry")[i % 3] for i in range(40)]
    plots.insert(1, "remarks\n(free text)", remarks)
    plots.to_csv(folder / "plots.csv", sep=";", index=False, lineterminator="\r\n")
    change(folder, '["*"]', f"{list(own_tables.SPECIES)}")
    lines = frame(folder)
    pd.testing.assert_frame_equal(lines.drop(columns="line"), wanted.drop(columns="line"))
    assert lines.drop_duplicates("surveyId")["line"].tolist()[:4] == [3, 6, 8, 9]  # the header has two lines


def test_a_quote_that_is_not_closed_hides_no_row(tmp_path):
    folder = own_tables.wide(tmp_path / "wide", n=400)
    wanted = frame(folder)
    text = (folder / "plots.csv").read_text()
    for stray in ("CH-005", "CH-099", "CH-100"):
        text = text.replace(f"{stray};", f'"{stray};')
    (folder / "plots.csv").write_text(text)
    lines = frame(folder)
    assert {row[0] for row in reasons(lines)} == {7, 101, 102}
    lost = wanted["surveyId"].isin(["CH-005", "CH-099", "CH-100"])
    pd.testing.assert_frame_equal(
        lines[lines["fault_reason"] == ""].reset_index(drop=True), wanted[~lost].reset_index(drop=True)
    )


def test_a_line_of_excel_names_the_separator_and_a_mark_of_windows_is_no_text(tmp_path):
    folder = own_tables.wide(tmp_path / "wide")
    wanted = frame(folder)
    (folder / "plots.csv").write_bytes(b"\xef\xbb\xbfsep=;\r\n" + (folder / "plots.csv").read_bytes())
    (folder / "dataset.toml").write_bytes(b"\xef\xbb\xbf" + (folder / "dataset.toml").read_bytes())
    lines = frame(folder)
    pd.testing.assert_frame_equal(lines.assign(line=lines["line"] - 1), wanted)


def test_a_file_that_was_cut_off_is_refused_and_one_without_a_line_end_is_odd(tmp_path):
    folder = own_tables.wide(tmp_path / "wide")
    plots = folder / "plots.csv"
    text = plots.read_text()
    plots.write_text(text[:-1])
    assert len(frame(folder)) > 100
    dataset = editions.recognise(folder)
    (oddity,) = dataset.edition.oddities(dataset)
    assert "without a line end" in oddity.what
    assert (oddity.rows, oddity.of) == (1, 2)
    plots.write_text(text[: text.rindex(";")])
    with pytest.raises(DataError, match=r"plots\.csv: the last line has 9 of 10 fields and no line end"):
        editions.recognise(folder)


def test_a_hole_of_a_copy_is_refused_by_its_line(tmp_path):
    folder = own_tables.wide(tmp_path / "wide")
    data = bytearray((folder / "plots.csv").read_bytes())
    line = data[:2_000].count(b"\n") + 1
    data[2_000:6_000] = bytes(4_000)
    (folder / "plots.csv").write_bytes(data)
    with pytest.raises(DataError, match=rf"plots\.csv: found binary data.*: line {line} has NUL bytes"):
        editions.recognise(folder)


def test_what_says_that_a_value_is_missing_is_no_value(tmp_path):
    folder = own_tables.splot(tmp_path / "splot", n=8)
    header = pd.read_csv(folder / "sPlotOpen_header.txt", sep="\t", dtype=str, keep_default_na=False)
    header["Date_of_recording"] = ["NULL", "-", ".", "0000-00-00", "None", "n/a", "2001-05-13", "absent"]
    header["Country"] = ["NULL", "none", "NA", "N/A", "", "Italy", "Italy", "Italy"]
    header.loc[5, ["Longitude", "Latitude"]] = "0", "0.0"
    header.to_csv(folder / "sPlotOpen_header.txt", sep="\t", index=False)
    lines = frame(folder).drop_duplicates("surveyId")
    assert lines["date"].tolist() == ["", "", "", "", "", "", "2001-05-13", "absent"]  # the last one is refused
    assert lines["country"].tolist() == ["", "", "NA", "", "", "Italy", "Italy", "Italy"]
    assert {row[1:] for row in reasons(frame(folder))} == {("Longitude", "0, 0.0", "place is 0, 0")}


def test_a_format_without_a_day_gives_the_year(tmp_path):
    folder = own_tables.splot(tmp_path / "splot", n=2)
    header = pd.read_csv(folder / "sPlotOpen_header.txt", sep="\t").assign(Date_of_recording=["06/2001", "13/2001"])
    header.to_csv(folder / "sPlotOpen_header.txt", sep="\t", index=False)
    change(folder, 'date = "Date_of_recording"', 'date = "Date_of_recording"\ndate_format = "%m/%Y"')
    lines = frame(folder).drop_duplicates("surveyId")
    assert lines[["year", "date"]].to_numpy().tolist() == [["2001", ""], ["", "13/2001"]]  # there is no 13th month


def test_surveys_of_two_files_meet_where_one_writes_their_numbers_with_decimals(tmp_path):
    folder = own_tables.splot(tmp_path / "splot")
    for name, end in (("sPlotOpen_header.txt", ".0\t"), ("sPlotOpen_DT.txt", "\t")):
        text = (folder / name).read_text()
        (folder / name).write_text(re.sub(r"CH-(\d+)\t", rf"1\1{end}", text))
    lines = frame(folder)
    assert not reasons(lines)
    assert lines["surveyId"].nunique() == 120


def test_names_of_other_species_are_odd(tmp_path):
    folder = own_tables.long(tmp_path / "long")
    dataset = editions.recognise(folder)
    assert not dataset.edition.oddities(dataset)
    text = (folder / "names.csv").read_text()
    (folder / "names.csv").write_text(re.sub(r"^(10\d),", r"\1.0,", text, flags=re.MULTILINE))
    dataset = editions.recognise(folder)
    assert not dataset.edition.oddities(dataset)
    (folder / "names.csv").write_text(re.sub(r"^10([0-3]),", r"90\1,", text, flags=re.MULTILINE))
    dataset = editions.recognise(folder)
    (oddity,) = dataset.edition.oddities(dataset)
    assert "are not in names.csv" in oddity.what
    assert (oddity.rows, oddity.of, oddity.example) == (4, 6, "100")


def test_two_ways_to_write_the_id_of_a_test_survey_are_refused_unless_ids_are_text(tmp_path):
    folder = own_tables.long(tmp_path / "long")
    (folder / "places.csv").write_text("plot,x,y,year\n7,9,46,2000\n07,9.5,46,2000\n")
    with open(folder / "dataset.toml", "a") as file:
        file.write('[test]\nfile = "places.csv"\n')
    with pytest.raises(
        DataError, match=r"places\.csv: column 'surveyId': found 7 in lines 2 and 3, .*written 7 and 07"
    ):
        editions.check(editions.recognise(folder))
    (folder / "places.csv").write_text("plot,x,y,year\n7,9,46,2000\n07,9.5,46,2000\nA1,9.5,46,2000\n")
    editions.check(editions.recognise(folder))
