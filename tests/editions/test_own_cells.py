"""What cells of one's own tables mean: signs of absence, codes of cover, columns that are no species."""

import csv

import numpy as np
import pytest

from glc import editions
from glc.editions import _own_cells, _own_checks
from glc.editions._own_cells import EMPTY, NEGATIVE, PRESENT, SIGN, WORD, ZERO
from glc.editions._own_lines import UNKNOWN_SIGN
from glc.errors import DataError

SPECIES = ("Arbutus", "Buxus", "Cistus", "Erica", "Fagus", "Quercus")
THERE = np.random.default_rng(0).random((60, 6)) < 0.3
TOML = '[surveys]\nfile = "plots.csv"\nsurvey = "plot"\nlon = "lon"\nlat = "lat"\n'
COLUMNS = 'species_columns = ["*"]\n'
ALL = {(str(row), SPECIES[column]) for row, column in np.argwhere(THERE)}


def write(folder, header, rows, keys, name="plots.csv"):
    folder.mkdir(exist_ok=True, parents=True)
    with open(folder / name, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    (folder / "dataset.toml").write_text(TOML + keys)
    return folder


def wide(folder, yes, no, keys="", there=THERE):
    """A table with a column for each species; `yes` and `no` are texts, or several to be used in turn."""
    yes, no = ((text,) if isinstance(text, str) else text for text in (yes, no))
    cells = [[(yes if one else no)[(i + j) % len(yes if one else no)] for j, one in enumerate(row)] for i, row in
             enumerate(there)]  # fmt: skip
    rows = [[i, f"4.{i:03d}", "44.5", *row] for i, row in enumerate(cells)]
    return write(folder, ["plot", "lon", "lat", *SPECIES], rows, COLUMNS + keys)


def long(folder, yes, no, keys=""):
    rows = [
        [i, f"4.{i:03d}", "44.5", SPECIES[j], yes if THERE[i, j] else no]
        for i in range(len(THERE)) for j in range(len(SPECIES))
    ]  # fmt: skip
    keys = 'species = "taxon"\nabundance = "status"\n' + keys
    return write(folder, ["plot", "lon", "lat", "taxon", "status"], rows, keys)


def read(folder):
    """(dataset, {(survey, species)} that are present, reasons of the other lines)."""
    dataset = editions.recognise(folder)
    editions.check(dataset)
    table, path = dataset.files[0]
    lines = [dict(zip(table.names, text.split("\t"), strict=True)) for _, text in table.source.lines(path)]
    present = [(line["surveyId"], line["speciesId"]) for line in lines if line["speciesId"] and not line["status"]]
    assert len(present) == len(set(present))
    return dataset, set(present), [line["fault_reason"] for line in lines if line["fault_reason"]]


def odd(dataset):
    return {oddity.what: oddity for oddity in dataset.edition.oddities(dataset)}


def one_of(oddities, words):
    (oddity,) = [oddity for what, oddity in oddities.items() if words in what]
    return oddity


@pytest.mark.parametrize(
    ("texts", "meaning"),
    [
        (("", "NA", "na", "NULL", "null", "None", "N/A", "#N/A", "NaN", r"\N"), EMPTY),
        (("0", "0.00", "0,00", "0%", "0,0 %", "-0", "1e-400", "absent", "Absent", "NO", "False"), ZERO),
        (("1", "12.5", "0,01", "5 %", "1,234.5", "2a", "<1", "1-5", "r", "+", "x", "X", "(+)", "yes", "TRUE", "✓"),
         PRESENT),
        (("-1", "−0,5", "-3%"), NEGATIVE),
        ((".", "-", "–", "—", "..", "?", "/", "·"), SIGN),
        (("nd", "A", "P", "seen", "0 found", "inf"), WORD),
    ],
)  # fmt: skip
def test_a_cell_is_a_number_a_word_or_a_sign(texts, meaning):
    meanings = _own_cells.Meanings()
    assert {text: meanings[text] for text in texts} == dict.fromkeys(texts, meaning)


@pytest.mark.parametrize(("yes", "no"), [
    ("1", "0"), ("x", ""), ("3", "NULL"), ("present", "absent"), ("Yes", "No"), ("TRUE", "FALSE"), ("1,5", "0,00"),
    ("25%", "0%"), (("2a", "r", "+"), ("", "NA")), ("2", ("0,0", "n/a")),
])  # fmt: skip
def test_absences_that_are_known_are_absences_in_wide_and_long_tables(tmp_path, yes, no):
    dataset, present, faults = read(wide(tmp_path / "wide", yes, no))
    assert present == ALL
    assert not faults
    assert not odd(dataset)
    if isinstance(no, str) and no not in ("", "NULL"):  # without an abundance, a row of a long table is a presence
        _, present, faults = read(long(tmp_path / "long", yes, no))
        assert present == ALL
        assert not faults


@pytest.mark.parametrize("no", [".", "-", "–", "nd", "abwesend", ("-", ".")])
def test_an_absence_that_is_not_known_is_refused_with_the_key_that_names_it(tmp_path, no):
    texts = (no,) if isinstance(no, str) else no
    for write_table in (wide, *([long] if no in texts else [])):
        with pytest.raises(
            DataError, match=r"dataset\.toml: surveys\.absent: plots\.csv has texts that.*absent = \["
        ) as e:
            editions.recognise(write_table(tmp_path, "2", no))
        assert all(repr(text) in str(e.value) for text in texts)
        assert read(write_table(tmp_path, "2", no, f"absent = {list(texts)}\n"))[1] == ALL


def test_one_letter_for_present_and_another_for_absent_are_refused_whatever_their_shares(tmp_path):
    for share in (0.2, 0.5, 0.8):
        there = np.random.default_rng(1).random((60, 6)) < share
        with pytest.raises(DataError, match=r"surveys\.absent: .*may mean absent: .*'A' \(.*absent = \["):
            editions.recognise(wide(tmp_path, "P", "A", there=there))
        with pytest.raises(DataError, match=r"surveys\.absent: "):
            editions.recognise(wide(tmp_path, "x", "o", there=there))
    with pytest.raises(DataError, match="fill many abundances"):
        editions.recognise(long(tmp_path / "long", "P", "A"))


def test_codes_of_cover_may_fill_any_share_of_the_cells(tmp_path):
    there = np.random.default_rng(1).random((60, 6)) < 0.8
    for yes in (("+", "r", "2a", "1"), "x", "1"):
        _, present, faults = read(wide(tmp_path, yes, "", there=there))
        assert len(present) == there.sum()
        assert not faults


def test_an_empty_list_of_absences_makes_any_text_a_presence(tmp_path):
    there = np.random.default_rng(1).random((60, 6)) < 0.8
    with pytest.raises(DataError, match=r"absent = \[\] if none does"):
        editions.recognise(wide(tmp_path, ("D", "A", "F"), "", there=there))
    assert len(read(wide(tmp_path, ("D", "A", "-"), "", "absent = []\n", there=there))[1]) == there.sum()


def test_a_few_words_are_presences_that_are_reported_and_a_few_signs_go_to_the_quarantine(tmp_path):
    folder = wide(tmp_path, "2", "0")
    text = (folder / "plots.csv").read_text()
    (folder / "plots.csv").write_text(text.replace(",2", ",seen", 3)[::-1].replace("2,", "?,", 2)[::-1])
    dataset, present, faults = read(folder)
    assert len(present) == THERE.sum() - 2
    assert faults == [UNKNOWN_SIGN] * 2
    oddity = one_of(odd(dataset), "no number")
    assert (oddity.rows, oddity.of) == (5, THERE.sum())
    assert "'seen' (3 cells), '?' (2 cells)" in oddity.example


def test_signs_behind_the_first_rows_are_refused_when_all_rows_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(_own_checks, "_CELLS", 1)
    monkeypatch.setattr(_own_checks, "_LEAST_ROWS", 20)
    folder = wide(tmp_path, "2", "0")
    lines = (folder / "plots.csv").read_text().splitlines()
    (folder / "plots.csv").write_text("\n".join(lines[:21] + [line.replace(",0", ",.") for line in lines[21:]]) + "\n")
    ((table, path),) = editions.recognise(folder).files
    with pytest.raises(DataError, match=r"surveys\.absent: .*'\.'"):
        list(table.source.lines(path))


def test_signs_in_labels_of_a_test_are_refused_before_the_evaluation_reads_them(tmp_path):
    folder = wide(tmp_path, "2", "0")
    (folder / "test.csv").write_text((folder / "plots.csv").read_text().replace(",0", ",-"))
    (folder / "dataset.toml").write_text(TOML + COLUMNS + '[test]\nfile = "test.csv"\n')
    editions.check(editions.recognise(folder))
    (folder / "dataset.toml").write_text(TOML + COLUMNS + '[test]\nfile = "test.csv"\nspecies_columns = ["*"]\n')
    with pytest.raises(DataError, match=r"test\.absent: test\.csv"):
        editions.recognise(folder)
    (folder / "dataset.toml").write_text(
        f'{TOML}{COLUMNS}absent = ["-"]\n[test]\nfile = "test.csv"\nspecies_columns = ["*"]\n'
    )
    dataset = editions.recognise(folder)
    assert set(dataset.edition.labels(dataset).itertuples(index=False, name=None)) == ALL


def test_columns_that_look_like_a_covariate_are_named(tmp_path):
    folder = wide(tmp_path, "2", "")
    assert not odd(editions.recognise(folder))
    rng = np.random.default_rng(0)
    with open(folder / "plots.csv", newline="") as file:
        header, *rows = csv.reader(file)
    extra = {
        "altitude_m": rng.integers(200, 2_000, 60), "observer": rng.integers(1, 7, 60),
        "by": rng.choice(["Ann", "Bo", "Cy", "Di"], 60), "temperature": rng.uniform(5, 15, 60).round(2),
        "remarks": ["mown", "wet", "dry", "burnt"] * 2 + [""] * 52,
    }  # fmt: skip
    rows = [row + [str(values[i]) for values in extra.values()] for i, row in enumerate(rows)]
    oddity = one_of(odd(editions.recognise(write(folder, [*header, *extra], rows, COLUMNS))), "covariate")
    assert (oddity.rows, oddity.of) == (5, 11)
    assert oddity.example.startswith("altitude_m: ")
    columns = [(3 + i, name) for i, name in enumerate([*SPECIES, *extra])]
    assert [name for name, _ in _own_cells.covariates(rows, columns, _own_cells.Meanings())] == [*extra]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_species_with_several_columns_is_there_where_any_of_them_has_it(tmp_path, suffix):
    import pyarrow as pa
    import pyarrow.parquet as pq

    header = ["plot", "lon", "lat", "Quercus", "Fagus", "Quercus"]
    rows = [[i, 4 + i / 100, 44, (0, 3, 5, 0)[i % 4], i % 3, (0, 0, 7, 1)[i % 4]] for i in range(24)]
    folder = write(tmp_path, header, rows, COLUMNS)
    if suffix == "parquet":
        pq.write_table(pa.table([pa.array(column) for column in zip(*rows, strict=True)], header), folder / "p.parquet")
        (folder / "dataset.toml").write_text(TOML.replace("plots.csv", "p.parquet") + COLUMNS)
    dataset, present, _ = read(folder)
    assert {survey for survey, species in present if species == "Quercus"} == {str(i) for i in range(24) if i % 4}
    oddity = one_of(odd(dataset), "several columns")
    assert (oddity.rows, oddity.of, oddity.example) == (1, 2, "Quercus")


def test_a_column_that_pandas_named_again_is_reported(tmp_path):
    header = ["plot", "lon", "lat", "Quercus", "Carex sp.1", "Quercus.1"]
    dataset, present, _ = read(write(tmp_path, header, [[i, 4 + i / 100, 44, 1, 1, 1] for i in range(3)], COLUMNS))
    assert {species for _, species in present} == {"Quercus", "Carex sp.1", "Quercus.1"}
    oddity = one_of(odd(dataset), "pandas")
    assert (oddity.rows, oddity.of, oddity.example) == (1, 3, "Quercus.1")
