"""The surveys ETL: every defect to its line, every genuine row accounted for."""

import csv

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from glc import editions, geo, schema, storage
from glc.errors import DataError
from glc.etl import quarantine as q
from glc.etl import rows, surveys

PLACE = "4.9,43.6,2019"
HEADER = "lon,lat,year,geoUncertaintyInM,areaInM2,region,country,speciesId,surveyId"
DIRTY = [  # (row, column, found, reason), None for a good row
    (f"{PLACE},10.0,100,ALPINE,France,7.0,1", None),
    (f"{PLACE},10.0,100,ALPINE,France,3,1", None),
    (f"{PLACE},10.0,100,ALPINE,France,7,1", None),  # an exact duplicate agrees
    ("", None),
    (f'{PLACE},,-inf,"ALPINE, ""high""",NA,5,2', None),
    ("   ", None),
    (",43.6,2019,,,,,5,3", ("lon", None, q.NO_PLACE)),
    ("4.9,NaN,2019,,,,,5,3", ("lat", None, q.NO_PLACE)),
    ("4°54',43.6,2019,,,,,5,3", ("lon", "4°54'", q.BAD_PLACE)),
    ("4.9,inf,2019,,,,,5,3", ("lat", "inf", q.BAD_PLACE)),
    ("181,43.6,2019,,,,,5,3", ("lon", "181", q.FAR_PLACE)),
    ("4.9,-90.1,2019,,,,,5,3", ("lat", "-90.1", q.FAR_PLACE)),
    ("4.9,43.6,,,,,,5,3", ("year", None, q.BAD_DATE)),
    ("4.9,43.6,20l9,,,,,5,3", ("year", "20l9", q.BAD_DATE)),
    ("4.9,43.6,2019.5,,,,,5,3", ("year", "2019.5", q.BAD_DATE)),
    ("4.9,43.6,219,,,,,5,3", ("year", "219", q.BAD_DATE)),
    (f"{PLACE},,,,,,3", ("speciesId", None, q.NO_SPECIES)),
    (f"{PLACE},,,,,7.5,3", ("speciesId", "7.5", q.BAD_SPECIES)),
    (f"{PLACE},,,,,-7,3", ("speciesId", "-7", q.FAR_SPECIES)),
    (f"{PLACE},,,,,99999999999,3", ("speciesId", "99999999999", q.FAR_SPECIES)),
    (f"{PLACE},,,,,7,1234567890123456789012345", ("surveyId", "1234567890123456789012345", q.FAR_SURVEY)),
    ('"4,9",43.6,2019,,,,,5,3', ("lon", "4,9", q.COMMA_PLACE)),
    ("45.1,43.6,2019,,,,,5,3", ("lon", "45.1", q.OUTSIDE)),
    ("43.6,4.9,2019,,,,,5,3", ("lat", "4.9", q.OUTSIDE)),
    ("4.9," * 25_000, (None, ("4.9," * 50), q.FIELDS)),
    (f"{PLACE},,,,,7,", ("surveyId", None, q.NO_SURVEY)),
    (f"{PLACE},,,,,7,3a", ("surveyId", "3a", q.BAD_SURVEY)),
    (f"{PLACE},,,,,7", (None, f"{PLACE},,,,,7", q.FIELDS)),
    (f"{PLACE},,,,,7,3,4", (None, f"{PLACE},,,,,7,3,4", q.FIELDS)),
    ("4.9,43.7,2019,,,,,8,1", ("surveyId", "4.9, 43.7, 2019 where line 2 has 4.9, 43.6, 2019", q.DISAGREES)),
    ("4.9,43.6,2018,,,,,8,1", ("surveyId", "4.9, 43.6, 2018 where line 2 has 4.9, 43.6, 2019", q.DISAGREES)),
    ("4.9,43.6,2019.0,big,,,,9,1", None),
    ("-170,-52,2019,,,,,5,3", ("lon", "-170", q.OUTSIDE)),
]


def dirty(folder, newline="\n", start=""):
    lines = [HEADER, *(row for row, *_ in DIRTY)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "GLC24_PA_metadata_train.csv").write_bytes((start + newline.join(lines) + newline).encode())
    (folder / "GLC24_PA_metadata_test.csv").write_text("lon,lat,year,surveyId\n5,44,2020,1\n6,45,2020,9\n")
    return editions.recognise(folder)


@pytest.fixture(scope="module")
def clean(spark, tmp_path_factory):
    """(output of the dirty file, its facts); lines end as on Unix."""
    folder = tmp_path_factory.mktemp("dirty")
    facts = surveys.write(spark, dirty(folder), folder / "out", max_quarantine_fraction=0.9)
    return folder / "out", facts


def test_every_defect_goes_to_quarantine_by_file_line_column_and_reason(clean):
    out, facts = clean
    refused = storage.read_table(out / "quarantine", "quarantine")
    file = "GLC24_PA_metadata_train.csv"
    wanted = [
        {"dataset": "pa_train", "file": file, "line": line, "column": fault[0], "found": fault[1], "reason": fault[2]}
        for line, (_, fault) in enumerate(DIRTY, start=2)
        if fault
    ]
    assert refused.to_pylist() == wanted
    train, test = facts["files"]
    rows = sum(bool(row.strip()) for row, _ in DIRTY)
    assert (train["rows"], train["kept"], train["quarantined"]) == (rows, rows - len(wanted), len(wanted))
    assert train["reasons"] == pd.Series([fault["reason"] for fault in wanted]).value_counts().to_dict()
    assert train["unreadable"] == {"geoUncertaintyInM": 1, "areaInM2": 1}
    assert (test["rows"], test["kept"]) == (2, 2)
    assert facts["rows"] == facts["kept"] + facts["quarantined"] == rows + 2


def test_good_rows_become_occurrences_and_surveys(clean):
    out, facts = clean
    made = storage.read_table(out / "surveys", "surveys").to_pylist()
    assert [(row["dataset"], row["surveyId"], row["species"]) for row in made] == [
        ("pa_test", 1, []),
        ("pa_test", 9, []),
        ("pa_train", 1, [3, 7, 9]),
        ("pa_train", 2, [5]),
    ]
    one, two = made[2:]
    assert (one["geoUncertaintyInM"], one["areaInM2"], one["region"], one["country"]) == (10, 100, "ALPINE", "France")
    assert (two["geoUncertaintyInM"], two["areaInM2"], two["region"], two["country"]) == (
        None,
        None,
        'ALPINE, "high"',
        "NA",
    )
    for row in made:
        np.testing.assert_allclose([row["easting"], row["northing"]], geo.project(row["lon"], row["lat"]), atol=1e-6)
        assert row["crs"] == 3035
    occurrences = storage.read_table(out / "occurrences", "occurrences").to_pylist()
    assert [(row["dataset"], row["surveyId"], row["speciesId"]) for row in occurrences] == [
        ("pa_test", 1, None),
        ("pa_test", 9, None),
        *[("pa_train", 1, species) for species in (3, 7, 7, 9)],
        ("pa_train", 2, 5),
    ]
    assert facts["datasets"]["pa_train"] == {"occurrences": 5, "surveys": 2, "species": 4}


def test_tables_have_their_schema_and_the_folder_nothing_else(clean):
    out, _ = clean
    assert sorted(path.name for path in out.iterdir()) == [
        "occurrences",
        "quarantine",
        "species",
        "surveys",
        "test_ids",
    ]
    for name in ("occurrences", "quarantine", "surveys"):
        assert sorted(path.name for path in (out / name).iterdir()) == ["pa_test.parquet", "pa_train.parquet"]
        table = storage.read_table(out / name, name)
        assert schema.check(table, name, name).schema.names == table.schema.names
        assert table.schema.types[:-1] == schema.TABLES[name].types[:-1]


@pytest.mark.slow
def test_lines_of_windows_in_a_folder_of_an_odd_name_give_the_same_bytes_again(spark, clean, tmp_path):
    out, _ = clean
    dataset = dirty(tmp_path / "virtual:a b[1]*{x}", newline="\r\n", start="\ufeff")
    again = tmp_path / "virtual:a b[1]*{x}" / "out"
    surveys.write(spark, dataset, again, max_quarantine_fraction=0.9)
    for path in out.rglob("*.parquet"):
        assert path.read_bytes() == (again / path.relative_to(out)).read_bytes()


def test_too_many_unusable_rows_stop_the_run_with_an_example_and_the_remedy(spark, tmp_path):
    dataset = dirty(tmp_path)
    with pytest.raises(
        DataError, match=r"(?s)GLC24_PA_metadata_train.csv: 26 of 31 rows.*surveys.max_quarantine_fraction"
    ) as error:
        surveys.write(spark, dataset, tmp_path / "out", max_quarantine_fraction=0.5)
    assert "4 unknown date, as in line 14, column 'year': found None" in str(error.value)


@pytest.fixture(scope="module")
def troubled(spark, tmp_path_factory):
    """(dataset, output, facts): a test with rows that cannot be used, and presence-only occurrences in Latin-1."""
    folder = tmp_path_factory.mktemp("troubled")
    rows = "".join(f"4.9,43.6,2019,,,,,{7 + number % 2},{number}\n" for number in range(40))
    (folder / "GLC24_PA_metadata_train.csv").write_text(f"{HEADER}\n{rows}")
    (folder / "GLC24_PA_metadata_test.csv").write_text(
        "lon,lat,year,surveyId\n5,44,2020,007\n,44,2020,12\n5,44,2020,1234567890123456789012345\n5,44,2020,9.0\n"
    )
    latin = "4.9,43.6,2019,,,ÎLE-DE-FRANCE,Côte d'Azur,5,1\n4.9,43.6,2019,,,ÎLE-DE-FRANCE, BIS,France,5,2\n"
    (folder / "GLC24_PO_metadata_train.csv").write_bytes(f"{HEADER}\n{latin}".encode("latin-1"))
    dataset = editions.recognise(folder)
    return dataset, folder / "out", surveys.write(spark, dataset, folder / "out", max_quarantine_fraction=0.9)


def test_test_surveys_that_cannot_be_used_are_named_as_the_file_has_them(troubled, tmp_path):
    dataset, out, facts = troubled
    huge = "1234567890123456789012345"
    ids = storage.read_table(out / "test_ids", "test_ids").to_pandas()
    assert ids["surveyId"].tolist() == ["007", "12", huge, "9.0"]
    assert ids["line"].tolist() == [2, 3, 4, 5]
    assert facts["unscored"] == ["12", huge]
    with pytest.raises(
        DataError, match=r"test.csv: 2 of 4 test surveys cannot be used, 12 in line 3.*surveys.incomplete"
    ):
        surveys._unscored(dataset, ids, out, "fail")
    assert surveys._unscored(dataset, ids[ids["line"] == 2], out, "fail") == []
    none = out.with_name("none") / "surveys"
    none.mkdir(parents=True)
    pq.write_table(schema.TABLES["surveys"].empty_table(), none / "pa_test.parquet")
    with pytest.raises(DataError, match="no usable row of pa_test"):
        surveys._unscored(dataset, ids, none.parent, "frequent")


def test_lines_in_another_encoding_are_read_and_named_in_the_quarantine_too(troubled):
    _, out, facts = troubled
    (bad,) = storage.read_table(out / "quarantine", "quarantine", filters=[("dataset", "==", "po")]).to_pylist()
    assert bad["found"] == "4.9,43.6,2019,,,ÎLE-DE-FRANCE, BIS,France,5,2"
    (good,) = storage.read_table(out / "surveys", "surveys", filters=[("dataset", "==", "po")]).to_pylist()
    assert (good["region"], good["country"]) == ("ÎLE-DE-FRANCE", "Côte d'Azur")
    assert [file.get("encoding") for file in facts["files"]] == [None, None, "windows-1252"]


def test_a_file_that_was_replaced_by_an_equal_one_has_changed(tmp_path):
    dataset = dirty(tmp_path)
    stamps = dataset.stamps()
    surveys._refuse_changes(dataset, stamps)
    path = tmp_path / "GLC24_PA_metadata_train.csv"
    (tmp_path / "other").write_bytes(path.read_bytes())
    (tmp_path / "other").replace(path)
    with pytest.raises(DataError, match=r"GLC24_PA_metadata_train.csv: the file changed while it was read"):
        surveys._refuse_changes(dataset, stamps)


def test_a_place_off_the_projection_is_quarantined(spark):
    # the antipode of the centre of EPSG:3035 is not on it; an edition of the whole world could have a survey there
    places = spark.sql(
        "select lon, lat, cast(null as struct<column: string, found: string, reason: string>) as fault "
        "from values (-170D, -52D), (10D, 52D) as t(lon, lat)"
    )
    (bad, _), (good, easting) = rows.projected(places, 3035, "lon").select("fault", "easting").collect()
    assert tuple(bad) == ("lon", "-170.0, -52.0", f"{q.OFF_MAP} EPSG:3035")
    assert good is None
    assert easting == pytest.approx(4_321_000)


@pytest.mark.slow
def test_lines_are_physical_across_the_splits_of_a_file(spark, tmp_path):
    n = 30_000
    ids = np.arange(n)
    text = [f"{4 + i / n:.6f},43.5,2019,{i % 50},{i}" for i in ids]
    bad = [3, 10_000, 20_001, 29_998]
    for i in bad:
        text[i] = f"x,43.5,2019,1,{i}"
    text[15_000] += "\n"
    (tmp_path / "GLC24_PA_metadata_train.csv").write_text("lon,lat,year,speciesId,surveyId\n" + "\n".join(text))
    (tmp_path / "GLC24_P0_metadata_train.csv").write_text("lon,lat,year,speciesId,surveyId\n" + "\n".join(text[:10]))
    before = spark.conf.get("spark.sql.files.maxPartitionBytes")
    spark.conf.set("spark.sql.files.maxPartitionBytes", "200000")
    try:
        assert spark.read.text(str(tmp_path / "GLC24_PA_metadata_train.csv")).rdd.getNumPartitions() > 2
        facts = surveys.write(spark, editions.recognise(tmp_path), tmp_path / "out", max_quarantine_fraction=0.2)
    finally:
        spark.conf.set("spark.sql.files.maxPartitionBytes", before)
    found = storage.read_table(tmp_path / "out" / "quarantine", "quarantine").to_pandas()
    lines = found[found.dataset == "pa_train"].line.tolist()
    assert lines == [i + 2 + (i > 15_000) for i in bad]
    assert found[found.dataset == "po"].line.tolist() == [5]
    assert facts["rows"] == n + 10


@pytest.mark.slow
def test_rows_of_an_unknown_subset_are_quarantined_once(spark, tmp_path):
    header = "lon,lat,year,speciesId,surveyId,subset\n"
    (tmp_path / "metadata.csv").write_text(
        header + "4,44,2019,1,1,train\n4,44,2019,2,2,test\n4,44,2019,2,3,val\n4,44,2019,2,4,\n"
    )
    facts = surveys.write(spark, editions.recognise(tmp_path), tmp_path / "out", max_quarantine_fraction=0.9)
    found = storage.read_table(tmp_path / "out" / "quarantine", "quarantine").to_pandas()
    found = found.astype(object).where(found.notna(), None)
    assert found[["line", "column", "found", "reason"]].values.tolist() == [
        [4, "subset", "val", q.SUBSET],
        [5, "subset", None, q.SUBSET],
    ]
    assert facts["rows"] == 4
    assert facts["kept"] == 2


def test_a_training_file_without_a_usable_row_is_refused(spark, tmp_path):
    (tmp_path / "GLC24_PA_metadata_train.csv").write_text("lon,lat,year,speciesId,surveyId\n4,44,2019,1,x\n")
    with pytest.raises(DataError, match="no usable row of pa_train"):
        surveys.write(spark, editions.recognise(tmp_path), tmp_path / "out", max_quarantine_fraction=1.0)


def test_occurrence_ids_that_repeat_with_another_place_do_not_make_two_surveys_of_one_id(spark, tmp_path):
    header = "glcID;date;year;lon;lat;geoUncertaintyInM;speciesId\n"
    rows = ["9;2017-06-13;2017;4.5;47.9;1;24", "7;2017-06-13;2017;4.5;47.9;1;25", "7;2017-06-13;2017;5.5;47.9;1;26",
            "8;2017-06-14;2017;4.5;47.9;1;27", "6;2017-02-30;2017;4.5;47.9;1;28"]  # fmt: skip
    (tmp_path / "Presences_Absences_train.csv").write_text(header + "\n".join(rows))
    surveys.write(spark, editions.recognise(tmp_path), tmp_path / "out", max_quarantine_fraction=0.9)
    made = storage.read_table(tmp_path / "out" / "surveys", "surveys").to_pylist()
    assert [(row["surveyId"], row["species"]) for row in made] == [(7, [24, 25]), (8, [27])]
    found = storage.read_table(tmp_path / "out" / "quarantine", "quarantine").to_pylist()
    assert [(row["line"], row["column"], row["reason"]) for row in found] == [
        (4, "surveyId", q.DISAGREES),
        (6, "date", q.BAD_DATE),
    ]


def data_rows(path, separator=","):
    with open(path, newline="") as file:
        return list(csv.DictReader(file, delimiter=separator))


def test_genuine_glc23_rows_are_all_accounted_for(spark, shared_data, tmp_path):
    dataset = editions.recognise(shared_data / "glc23_sample")
    facts = surveys.write(spark, dataset, tmp_path / "out")
    for table, path in dataset.files:
        rows = data_rows(path, ";")
        table_rows = pq.read_table(tmp_path / "out" / "occurrences" / f"{table.dataset}.parquet").to_pandas()
        wanted = sorted((float(row["lon"]), float(row["lat"]), int(row["year"]), int(row["speciesId"])) for row in rows)
        assert sorted(table_rows[["lon", "lat", "year", "speciesId"]].itertuples(index=False, name=None)) == wanted
        x, y = (sorted(float(row[f"{axis}_EPSG3035"]) for row in rows) for axis in "xy")
        np.testing.assert_allclose(np.sort(table_rows.easting), x, atol=2)
        np.testing.assert_allclose(np.sort(table_rows.northing), y, atol=2)
    assert facts["datasets"] == {
        "pa_train": {"occurrences": 100, "surveys": 99, "species": 80},
        "po": {"occurrences": 100, "surveys": 100, "species": 96},
    }
    made = storage.read_table(tmp_path / "out" / "surveys", "surveys").to_pandas()
    assert made[made.surveyId == 5336807].species.iloc[0].tolist() == [4669, 5501]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("medflora", marks=pytest.mark.slow),  # 270,000 rows
        pytest.param("fixtures/glc22", marks=pytest.mark.slow),  # tests/tasks/test_tabular.py reads it too
        # the layout of the virtual world, and of medflora
        pytest.param("fixtures/glc24_pre_extracted", marks=pytest.mark.slow),
        pytest.param("fixtures/glc25_pre_extracted", marks=pytest.mark.slow),
    ],
)
def test_genuine_folders_are_accounted_for_row_by_row(spark, shared_data, tmp_path, name):
    dataset = editions.recognise(shared_data / name)
    facts = surveys.write(spark, dataset, tmp_path / "out")
    occurrences = storage.read_table(tmp_path / "out" / "occurrences", "occurrences").to_pandas()
    refused = storage.read_table(tmp_path / "out" / "quarantine", "quarantine").to_pandas()
    if name == "fixtures/glc25_pre_extracted":  # two genuine rows disagree with their survey's first
        assert refused[["line", "column", "reason"]].values.tolist() == [
            [3, "surveyId", q.DISAGREES],
            [6, "surveyId", q.DISAGREES],
        ]
    for name in dataset.datasets:
        wanted = []
        for table, path in dataset.files:
            if table.dataset != name:
                continue
            gone = set(refused.line[(refused.dataset == name) & (refused.file == dataset.relative(path))])
            for line, row in enumerate(data_rows(path, table.separator), start=2):
                if line not in gone and (not table.where or row[table.where[0]] == table.where[1]):
                    species = int(float(row[table.columns["speciesId"]])) if table.labelled else -1
                    lon, lat = (float(row[table.columns[axis]]) for axis in ("lon", "lat"))
                    wanted.append((int(row[table.columns["surveyId"]]), species, lon, lat))
        mine = occurrences[occurrences.dataset == name].fillna({"speciesId": -1})
        found = mine[["surveyId", "speciesId", "lon", "lat"]].itertuples(index=False, name=None)
        assert sorted(found) == sorted(wanted)
    assert facts["rows"] == len(occurrences) + len(refused)
    assert set(occurrences.crs) == {table.crs for table, _ in dataset.files}
    made = storage.read_table(tmp_path / "out" / "surveys", "surveys").to_pandas()
    assert not made.duplicated(["dataset", "surveyId"]).any()
    for name, group in occurrences.groupby("dataset"):
        wanted = group.dropna(subset="speciesId").groupby("surveyId").speciesId.agg(lambda ids: sorted(set(ids)))
        found = made[made.dataset == name].set_index("surveyId").species
        assert found.index.tolist() == sorted(set(group.surveyId))
        assert [list(species) for species in found] == [wanted.get(i, []) for i in found.index]
