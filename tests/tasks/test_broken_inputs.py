"""Survey files of every edition, broken in one way each: exit code 40; file, finding and remedy in one line.

Nothing is written and no Spark is started. Broken settings and rasters are in `test_refusals`, broken experiments in
``tests/config``, rows that are quarantined one by one in ``tests/etl/test_surveys.py``, damaged outputs in
`test_outputs`.
"""

import re

import pytest

from glc import registry, schema
from glc.errors import DataError
from glc.tasks import Surveys, preflight
from tests import files_of_editions


def lines_of(path, change):
    """Rewrite a file with `change` of its list of lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(change(lines)) + "\n", encoding="utf-8")


def each_row(path, table, change):
    """Rewrite the rows of a file: `change` takes a row as {column: value} and gives it back."""

    def rows(lines):
        names = lines[0].split(table.separator)
        changed = [change(dict(zip(names, line.split(table.separator), strict=True))) for line in lines[1:]]
        return [lines[0], *(table.separator.join(row.values()) for row in changed)]

    lines_of(path, rows)


def swapped(path, table):
    lon, lat = table.columns["lon"], table.columns["lat"]
    each_row(path, table, lambda row: row | {lon: row[lat], lat: row[lon]})


def with_values(column, value):
    def breaks(path, table):
        each_row(path, table, lambda row: row | {table.columns[column]: value})

    return breaks


def with_comma(path, table):
    quote = '"' if table.separator == "," else ""
    places = [table.columns[axis] for axis in ("lon", "lat")]

    def change(row):
        return row | {name: f"{quote}{row[name].replace('.', ',')}{quote}" for name in places}

    each_row(path, table, change)


def without_column(path, table):
    lines_of(path, lambda lines: [lines[0].replace(table.columns["lat"], "latitude_x", 1), *lines[1:]])


def with_other_separator(path, table):
    other = ";" if table.separator == "," else ","
    path.write_text(path.read_text(encoding="utf-8").replace(table.separator, other), encoding="utf-8")


def twice_in_header(path, table):
    lon = table.columns["lon"]
    lines_of(path, lambda lines: [f"{lines[0]}{table.separator}{lon}", *(f"{x}{table.separator}1" for x in lines[1:])])


def as_text(encoding):
    def breaks(path, table):
        path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))

    return breaks


DEFECTS = {
    "empty": (lambda path, table: path.write_text(""), "found an empty file, expected a header"),
    "header only": (lambda path, table: lines_of(path, lambda lines: lines[:1]), "a header and no rows.*fetch"),
    "blank first line": (lambda path, table: lines_of(path, lambda lines: ["", *lines]), "a blank first line"),
    "binary": (lambda path, table: path.write_bytes(bytes(range(256)) * 20), "found binary data.*fetch the file again"),
    "UTF-16": (as_text("utf-16"), "the text is in UTF-16, expected UTF-8; try: iconv -f UTF-16"),
    "UTF-16 without a mark": (as_text("utf-16-be"), "the text is in UTF-16, expected UTF-8; try: iconv"),
    "column renamed": (without_column, "column '.*' is missing; found .*rename or add the column"),
    "column twice": (twice_in_header, "appears 2 times in the header; keep one"),
    "separator": (with_other_separator, "the separator is a .*, expected a .*; try: python -c"),
    "swapped": (swapped, "lon and lat that look swapped, as in line 2.*swap the names"),
    "projected": (with_values("lon", "3760000"), "look projected, in metres.*gdaltransform"),
    "elsewhere": (with_values("lat", "-35.5"), "a place outside the edition's area.*expected lon"),
    "no coordinates": (with_values("lon", ""), "a coordinate that is not a number.*look at the rows"),
    "decimal comma": (with_comma, "a decimal comma, as in line 2.*replace the commas"),
    "lines lost": (
        lambda path, table: path.write_text("x" * (1 << 20) + path.read_text(encoding="utf-8")),
        "the first line has more than 1,048,576 characters.*fetch it again",
    ),
}
"""What is done to the training file, and what the error says."""


@pytest.fixture
def complaint(tmp_path, refused, monkeypatch):
    """What is said of a folder of an edition: by the command for GeoLifeCLEF 2024, for others by what it asks."""
    monkeypatch.setattr(preflight, "_check_scheduler", lambda: None)

    def of(edition, folder):
        if edition == "glc2024":
            return refused("Surveys", "--dataset", str(folder))
        with pytest.raises(DataError) as error:
            preflight.check(Surveys(root=str(tmp_path / "out"), dataset=str(folder)))
        assert not (tmp_path / "out").exists()
        assert "\n" not in str(error.value)
        return str(error.value)

    return of


@pytest.mark.parametrize("defect", DEFECTS)
@pytest.mark.parametrize("edition", files_of_editions.names())
def test_a_broken_file_is_refused_with_its_name_and_the_remedy(tmp_path, complaint, edition, defect):
    folder = tmp_path / "data"
    folder.mkdir()
    made = files_of_editions.write(folder, edition)
    train = registry.editions.get(edition).train
    path, table, _ = next(entry for entry in made if entry[1].dataset == train)
    breaks, words = DEFECTS[defect]
    breaks(path, table)
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    text = complaint(edition, folder)
    assert str(path) in text
    assert re.search(words, text), text
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize("edition", files_of_editions.names())
def test_a_test_survey_that_is_there_twice_is_refused_where_the_contest_wants_each_once(tmp_path, complaint, edition):
    made = files_of_editions.write(tmp_path, edition)
    test = registry.editions.get(edition).test
    path, table, rows = next(entry for entry in made if schema.is_test(entry[1].dataset, test))
    if not table.one_row_per_survey:
        pytest.skip("the test has a row for each species of a survey")
    lines_of(path, lambda lines: [*lines, lines[1]])
    text = complaint(edition, tmp_path)
    assert f"{path}: column {table.columns['surveyId']!r}: found {rows[0]['surveyId']} in lines 2 and 42" in text
    assert "remove the repeated rows" in text


@pytest.mark.parametrize("edition", files_of_editions.names())
def test_a_dataset_without_its_training_file_is_refused(tmp_path, complaint, edition):
    made = files_of_editions.write(tmp_path, edition)
    train = {path for path, table, _ in made if table.dataset == registry.editions.get(edition).train}
    if train == {path for path, _, _ in made}:
        pytest.skip("all of it is one file")
    for path in train:
        path.unlink()
    text = complaint(edition, tmp_path)
    assert str(tmp_path) in text
    assert re.search("its training file is missing; expected .*; add it or rename yours", text)
