"""Darwin Core archives as their bytes are: recognised, refused with a remedy, and their records ruled on."""

import shutil
import zipfile

import pandas as pd
import pytest

from glc import config, editions, world
from glc.editions import _archive, _records
from glc.errors import DataError

TERMS = "http://rs.tdwg.org/dwc/terms/"
COLUMNS = ("id", "decimalLongitude", "decimalLatitude", "eventDate", "scientificName", "occurrenceStatus")
ROWS = (
    ("a1", "3.9", "43.6", "2019-05-03", "Quercus ilex", ""),
    ("a2", "3.9", "43.6", "2019-05-03", "Pinus pinea", "present"),
    ("b", "4.1", "43.7", "2020", "Quercus ilex", "absent"),
)
SIMPLE = (
    "gbifID\toccurrenceID\tspecies\tdecimalLatitude\tdecimalLongitude\tspeciesKey\n1\tx\tQuercus ilex\t43.6\t3.9\t7\n"
)


def descriptor(location, columns, row_type="Occurrence", tag="core", header=1, **written):
    written = {"encoding": "UTF-8", "fieldsTerminatedBy": "\\t", "fieldsEnclosedBy": ""} | written
    attributes = "".join(f' {name}="{value}"' for name, value in written.items())
    key = "id" if tag == "core" else "coreid"
    fields = "".join(f'<field index="{i}" term="{TERMS}{name}"/>' for i, name in enumerate(columns) if i)
    return (
        f'<{tag}{attributes} linesTerminatedBy="\\n" ignoreHeaderLines="{header}" rowType="{TERMS}{row_type}"><files>'
        f'<location>{location}</location></files><{key} index="0"/>{fields}</{tag}>'
    )


def meta(*parts):
    return f'<archive xmlns="http://rs.tdwg.org/dwc/text/">{"".join(parts)}</archive>'


def text(columns, rows, separator="\t"):
    return "".join(separator.join(row) + "\n" for row in (columns, *rows))


def zipped(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def archive(tmp_path):
    """A zip with two records and an absence of a publisher."""
    return zipped(
        tmp_path / "own.zip",
        {"meta.xml": meta(descriptor("occurrence.txt", COLUMNS)), "occurrence.txt": text(COLUMNS, ROWS)},
    )


def ruled(dataset, settings=None):
    """Rows of the dataset's first table after its rules."""
    dataset = dataset.edition.prepare(dataset, settings or config.Surveys())
    table, path = dataset.files[0]
    split = [
        editions._text.split(line, table.separator, table.quote)
        for _, line in table.source.lines(path, table.header_lines)
    ]
    frame = pd.DataFrame(split, columns=editions.header(path, table), dtype=object).reindex(columns=table.reads)
    return table.rules(frame.where(frame.notna() & (frame != ""), None))


def records(**columns):
    """`_records.apply` to rows that are usable, except perhaps for their `columns`."""
    n = max(len(values) for values in columns.values())
    usual = {
        "id": "1",
        "decimalLongitude": "3.9",
        "decimalLatitude": "43.6",
        "speciesKey": "7",
        "species": "Quercus ilex",
    }
    frame = pd.DataFrame(
        {name: [None] * n for name in _records.READS} | {k: [v] * n for k, v in usual.items()}, dtype=object
    )
    for name, values in columns.items():
        frame[name] = pd.Series(values, dtype=object)
    usual_settings = config.Surveys()
    return _records.apply(
        frame,
        id_column="id",
        by=("speciesKey",),
        bases=usual_settings.basis_of_record,
        max_uncertainty_m=usual_settings.max_uncertainty_m,
    )


@pytest.mark.parametrize("way", ["the zip", "its folder", "unpacked"])
def test_an_archive_is_recognised_by_its_zip_by_its_folder_and_unpacked(archive, way, tmp_path):
    if way == "unpacked":
        shutil.unpack_archive(archive, tmp_path / "unpacked")
    path = {"the zip": archive, "its folder": archive.parent, "unpacked": tmp_path / "unpacked"}[way]
    dataset = editions.recognise(path)
    editions.check(dataset)
    assert (dataset.edition.name, dataset.datasets, dataset.train) == ("darwincore", ("po",), "po")
    assert editions.coordinates(dataset, 5) == ([3.9], [43.6])
    made = ruled(dataset)
    assert made["surveyId"].tolist() == ["a1", "a2", "b"]
    assert made["speciesId"].tolist() == ["Quercus ilex", "Pinus pinea", "Quercus ilex"]
    assert made["status"].tolist() == [None, None, "absent"]
    assert made["fault_reason"].isna().all()
    assert len(dataset.fingerprint()) == (3 if way == "unpacked" else 2)  # meta.xml says what the columns are


def test_a_simple_csv_download_is_recognised_by_its_columns(tmp_path):
    path = zipped(tmp_path / "0001-2.zip", {"0001-2.csv": SIMPLE})
    made = ruled(editions.recognise(path))
    assert made.loc[0, ["surveyId", "speciesId", "speciesName", "speciesKey"]].tolist() == [
        "1",
        "7",
        "Quercus ilex",
        "7",
    ]
    assert editions.recognise(tmp_path).files == editions.recognise(path).files
    assert editions.recognise(path).edition.citation(editions.recognise(path))["title"] == "0001-2"


def test_a_genuine_download_is_read(shared_data):
    dataset = editions.recognise(shared_data / "fixtures/gbif/gbif-results.zip")
    editions.check(dataset)
    made = ruled(dataset)
    assert len(made) == 158
    assert made["lon"].notna().sum() == 56
    reasons = made["fault_reason"].value_counts().to_dict()
    assert reasons == {_records.BASIS: 7, _records.ZERO: 4, _records.COUNTRY: 4}
    assert made.loc[0, ["surveyId", "year", "date", "speciesId"]].tolist() == [
        "607759330",
        "1930",
        "1930-04-01",
        "5213564",
    ]
    assert dataset.edition.citation(dataset)["title"] == "GBIF Occurrence Download 0000006-130717145108713"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"meta.xml": meta(descriptor("gone.txt", COLUMNS))}, r"the file 'gone.txt' is missing; found meta.xml; fetch"),
        ({"meta.xml": "<archive>"}, r"meta.xml cannot be read .*fetch the archive again"),
        ({"meta.xml": "<archive/>"}, r"meta.xml cannot be read .*expected a descriptor"),
        ({"readme.md": "no table"}, r"found readme.md, expected meta.xml .*fetch the download again"),
        ({"0001.csv": "gbifID\tspecies\n1\tx\n"}, r"column 'decimalLongitude' is missing; found gbifID, species.*"),
        ({"0001.csv": SIMPLE.replace("\t", ",")}, r"column 'gbifID' is missing.*separated by tabs"),
        (
            {"meta.xml": meta(descriptor("a.txt", ("id", "eventDate"))), "a.txt": "id\teventDate\n1\t2019\n"},
            r"column 'decimalLongitude' is missing; found id, eventDate.*fetch a download with coordinates",
        ),
        (
            {"meta.xml": meta(descriptor("a.txt", COLUMNS[:4])), "a.txt": text(COLUMNS[:4], [ROWS[0][:4]])},
            "no column says which species",
        ),
        (
            {"meta.xml": meta(descriptor("a.txt", COLUMNS, "Taxon")), "a.txt": text(COLUMNS, ROWS)},
            "found a core of the type Taxon, expected Occurrence",
        ),
        (
            {"meta.xml": meta(descriptor("a.txt", COLUMNS, "Event")), "a.txt": text(COLUMNS, ROWS)},
            "found 0 extensions of occurrences",
        ),
        (
            {"meta.xml": meta(descriptor("a.txt", COLUMNS, encoding="klingon")), "a.txt": text(COLUMNS, ROWS)},
            "found the encoding 'klingon'",
        ),
        (
            {"meta.xml": meta(descriptor("a.txt", COLUMNS)), "a.txt": text(COLUMNS, [])},
            "found a header and no rows",
        ),
    ],
)  # fmt: skip
def test_an_archive_that_cannot_be_used_is_refused_by_name_before_spark_starts(tmp_path, files, message):
    path = zipped(tmp_path / "own.zip", files)
    with pytest.raises(DataError, match=message) as error:
        editions.check(editions.recognise(path))
    assert str(path) in str(error.value)


def test_a_zip_that_is_none_is_refused(tmp_path):
    path = tmp_path / "download.zip"
    path.write_text("<html>please log in</html>")
    with pytest.raises(DataError, match=r"download.zip: is no zip archive .*expected the zip of a GBIF download"):
        editions.recognise(path)


def test_a_damaged_member_is_refused(archive):
    content = bytearray(archive.read_bytes())
    at = content.index(b"occurrence.txt") + 40
    content[at : at + 20] = b"x" * 20
    archive.write_bytes(content)
    with pytest.raises(DataError, match=r"occurrence.txt cannot be unpacked .*fetch the archive again"):
        editions.check(editions.recognise(archive))


def test_an_archive_never_writes_or_reads_outside_of_itself(tmp_path):
    (tmp_path / "secret.txt").write_text(text(COLUMNS, ROWS))
    folder = tmp_path / "unpacked"
    folder.mkdir()
    (folder / "meta.xml").write_text(meta(descriptor("../secret.txt", COLUMNS)))
    with pytest.raises(DataError, match=r"names the file '../secret.txt', expected one inside the archive"):
        editions.recognise(folder)
    path = zipped(
        tmp_path / "slip.zip",
        {"meta.xml": meta(descriptor("../../slip.txt", COLUMNS)), "../../slip.txt": text(COLUMNS, ROWS)},
    )
    ((table, _),) = editions.recognise(path).files
    inside = tmp_path / "scratch" / "deep"
    inside.mkdir(parents=True)
    assert table.source.unpack(path, inside).parent == inside
    assert [file.name for file in tmp_path.rglob("*slip*")] == ["slip.zip"]


def test_a_file_that_would_unpack_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(_archive, "_RATIO_FROM", 1_000)
    bomb = {"meta.xml": meta(descriptor("a.txt", COLUMNS)), "a.txt": text(COLUMNS, ROWS * 20_000)}
    path = zipped(tmp_path / "bomb.zip", bomb)
    with pytest.raises(DataError, match=r"a.txt would unpack to .* times its size"):
        editions.check(editions.recognise(path))


def test_two_archives_in_one_folder_are_refused(archive):
    shutil.copy(archive, archive.with_name("other.zip"))
    with pytest.raises(DataError, match=r"found the archives other.zip, own.zip, expected one"):
        editions.recognise(archive.parent)


@pytest.mark.parametrize(
    ("date", "year", "day"),
    [
        ("2019-05-03", "2019", "2019-05-03"),
        ("2019-05-03T10:20:00Z", "2019", "2019-05-03"),
        ("2019-05-03 10:20", "2019", "2019-05-03"),
        ("2019-05", "2019", None),
        ("2019", "2019", None),
        ("2019-05-03/2019-05-03", "2019", "2019-05-03"),
        ("2019-05-03/2019-05-07", "2019", None),
        ("2019-05-03/07", "2019", None),
        ("2019-05-03/03", "2019", "2019-05-03"),
        ("2019-05-03/06-07", "2019", None),
        ("2019-05-03T10:00/2019-05-03T12:00", "2019", "2019-05-03"),
        ("2019-12-30/2020-01-02", "2019", None),
        ("1950/1980", None, None),
        (None, None, None),
    ],
)
def test_dates_give_a_year_and_a_day_where_they_say_so(date, year, day):
    made = records(eventDate=[date])
    assert made.loc[0, ["year", "date", "fault_reason"]].replace({float("nan"): None}).tolist() == [year, day, None]


def test_a_date_that_is_not_understood_falls_back_on_its_parts_or_costs_the_date_alone():
    made = records(
        eventDate=["Fri Jan 01 00:00:00 CET 1909", None, "spring", "2019-02-31", "9999-12-31", None, None],
        year=["1909", "2001", None, None, None, "2019", "0019"],
        month=["1", "7", None, None, None, "2", "1"],
        day=["1", None, None, None, None, "31", "1"],
    ).replace({float("nan"): None})
    assert made["date"].tolist() == ["1909-01-01", *[None] * 6]
    assert made["year"].tolist() == ["1909", "2001", None, None, None, "2019", None]
    assert made["lost_date"].tolist() == [None, None, "spring", "2019-02-31", "9999-12-31", "2019-02-31", "0019"]
    assert made["fault_reason"].isna().all()


def test_places_of_another_datum_are_moved_and_of_an_unknown_one_refused():
    made = records(geodeticDatum=["WGS84", "EPSG:4326", None, "ED50", "EPSG:4230", "my own", "EPSG:2154"])
    assert made["lon"].tolist()[:3] == ["3.9"] * 3
    assert made["lon"][3] == made["lon"][4]
    # ED50 and WGS 84 are some 130 m apart in France
    assert 50 < abs(float(made["lat"][3]) - 43.6) * 111_195 + abs(float(made["lon"][3]) - 3.9) * 80_000 < 300
    assert made["fault_reason"].tolist()[5:] == [_records.NO_DATUM] * 2


def test_status_basis_uncertainty_and_identification():
    made = records(
        occurrenceStatus=["PRESENT", "absent", None, None, "doubtful"], individualCount=["0", None, "0", "3", None]
    )
    assert made["status"].tolist()[:4] == [None, "absent", "absent", None]
    assert made["fault_reason"].tolist()[4] == _records.STATUS
    made = records(basisOfRecord=["HumanObservation", "PRESERVED_SPECIMEN", "FossilSpecimen", None])
    assert made["fault_reason"].notna().tolist() == [False, False, True, False]
    made = records(coordinateUncertaintyInMeters=["30", "0", "10000", "10001", "big"])
    assert made["geoUncertaintyInM"].tolist() == ["30", None, "10000", "10001", "big"]
    assert made["fault_reason"].notna().tolist() == [False, False, False, True, False]
    assert records(speciesKey=["7", None])["fault_reason"].tolist()[1] == _records.NOT_A_SPECIES


def test_settings_of_the_experiment_say_what_is_used(tmp_path):
    header, row = SIMPLE.splitlines()
    rows = f"{header}\tbasisOfRecord\tcoordinateUncertaintyInMeters\n{row}\tFOSSIL_SPECIMEN\t\n{row}\t\t500\n"
    dataset = editions.recognise(zipped(tmp_path / "a.zip", {"a.csv": rows}))
    assert ruled(dataset)["fault_reason"].notna().tolist() == [True, False]
    strict = config.Surveys(basis_of_record=("FOSSIL_SPECIMEN",), max_uncertainty_m=400)
    assert ruled(dataset, strict)["fault_reason"].notna().tolist() == [False, True]


def test_codes_of_countries_agree_near_borders_and_coasts_only():
    lon = ["2.35", "13.4", "7.60", "-2.0", "178.0", "3.9", "2.35", "-53.0"]
    lat = ["48.86", "52.52", "47.56", "46.0", "-18.0", "43.6", "48.86", "4.0"]
    codes = ["FR", "FR", "FR", "FR", "FJ", "AU", "XK", "GF"]  # Basel is at the border; two at sea, off France and Fiji
    made = records(decimalLongitude=lon, decimalLatitude=lat, countryCode=codes)
    assert made["fault_reason"].notna().tolist() == [False, True, False, False, False, True, False, False]
    assert made["country"].tolist()[:2] == ["France", "France"]
    assert made["fault_found"][5] == "AU at 3.9, 43.6"


EVENTS = (
    "id",
    "decimalLongitude",
    "decimalLatitude",
    "eventDate",
    "parentEventID",
    "sampleSizeValue",
    "sampleSizeUnit",
)
FOUND = ("id", "scientificName", "occurrenceStatus", "decimalLatitude")


@pytest.mark.parametrize("packed", [True, False])
def test_events_with_occurrences_are_surveys(tmp_path, packed):
    events = [
        ("site", "3", "43", "2019", "", "", ""),
        ("p1", "3.9", "43.6", "2019-05-03", "site", "100", "square metre"),
        ("p2", "4.0", "43.7", "2019-05-04", "site", "1", "hour"),
    ]
    found = [("p1", "Quercus ilex", "", "0"), ("p1", "Pinus pinea", "absent", ""), ("gone", "Pinus pinea", "", "")]
    files = {
        "meta.xml": meta(
            descriptor("event.txt", EVENTS, "Event"), descriptor("occurrence.txt", FOUND, "Occurrence", "extension")
        ),
        "event.txt": text(EVENTS, events),
        "occurrence.txt": text(FOUND, found),
    }
    path = zipped(tmp_path / "events.zip", files)
    if not packed:
        shutil.unpack_archive(path, tmp_path / "unpacked")
        path = tmp_path / "unpacked"
    dataset = editions.recognise(path)
    editions.check(dataset)
    assert (dataset.datasets, dataset.train) == (("pa_train",), "pa_train")
    inside = "events.zip/" if packed else ""
    assert [dataset.file_name(*file) for file in dataset.files] == [f"{inside}occurrence.txt", f"{inside}event.txt"]
    made = ruled(dataset)
    assert made["surveyId"].tolist() == ["p1", "p1", "gone"]
    assert made["status"].tolist() == [None, "absent", None]
    assert made["areaInM2"].tolist() == ["100", "100", None]
    assert made["lat"].tolist() == ["43.6", "43.6", None]  # the event's, not the occurrence's
    (_, (table, file)) = dataset.files
    assert [(line, text.split("\t")[0]) for line, text in table.source.lines(file)] == [(4, "p2")]
    assert table.source.unpack(file, tmp_path).read_text().startswith("4\tp2\t4.0\t43.7\t")


def test_the_virtual_archive_has_what_a_download_has(tmp_path):
    size = world.SIZES["gbif"]
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        world.write(size, tmp_path / name)
    assert (tmp_path / "a" / "gbif.zip").read_bytes() == (tmp_path / "b" / "gbif.zip").read_bytes()
    dataset = editions.recognise(tmp_path / "a")
    editions.check(dataset)
    assert dataset.edition.citation(dataset)["doi"] == "10.5072/dl.virtual"
    table, path = dataset.files[0]
    rows = [line.split("\t") for _, line in table.source.lines(path)]
    assert len(rows) == size.n == 12_000
    whole = pd.DataFrame([row for row in rows if len(row) == len(table.names)], columns=table.names)
    assert set(whole["geodeticDatum"]) == {"WGS84", "ED50", "my own"}
    assert len(whole) < len(rows)
    assert whole["species"].nunique() == whole["taxonKey"].nunique() == size.n_species
