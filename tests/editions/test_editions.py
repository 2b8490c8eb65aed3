"""Recognising layouts, and refusing bad files by their headers."""

from io import StringIO

import pandas as pd
import pytest

from glc import editions, registry, world
from glc.editions import _text
from glc.errors import DataError

PA = "lon,lat,year,geoUncertaintyInM,areaInM2,region,country,speciesId,surveyId\n4.9,43.6,2019,10,9,ALPINE,Spain,7,1\n"
TEST = "lon,lat,year,surveyId\n4.9,43.6,2019,1\n"


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


@pytest.mark.parametrize(
    ("edition", "names"),
    [
        ("glc2024", ("GLC24_PA_metadata_train.csv", "GLC24_PA_metadata_test.csv", "GLC24_P0_metadata_train.csv")),
        ("glc2024", ("GLC24_PA_metadata_train.csv", "GLC24_PA_metadata_test.csv", "GLC24_PO_metadata_train.csv")),
        (
            "glc2024",
            (
                "PresenceAbsenceSurveys/GLC24-PA-metadata-train.csv",
                "PresenceAbsenceSurveys/GLC24-PA-metadata-test.csv",
                "PresenceOnlyOccurrences/GLC24-PO-metadata-train.csv",
            ),
        ),
        ("glc2025", ("GLC25_PA_metadata_train.csv", "GLC25_PA_metadata_test.csv", "GLC25_P0_metadata_train.csv")),
        (
            "glc2025",
            (
                "PresenceAbsenceSurveys/GLC25_PA_metadata_train.csv",
                "PresenceAbsenceSurveys/GLC25_PA_metadata_test.csv",
                "PresenceOnlyOccurrences/GLC25_P0_metadata_train.csv",
            ),
        ),
    ],
)
def test_every_spelling_of_the_european_layout_is_recognised(tmp_path, edition, names):
    dataset = editions.recognise(write(tmp_path, dict(zip(names, (PA, TEST, PA), strict=True))))
    editions.check(dataset)
    assert dataset.edition.name == edition
    assert {table.dataset: dataset.relative(path) for table, path in dataset.files} == dict(
        zip(("pa_train", "pa_test", "po"), names, strict=True)
    )
    assert dataset.has_test


@pytest.mark.parametrize(
    ("folder", "edition", "datasets", "files"),
    [
        ("medflora", "glc2024", ("pa_train", "pa_test", "po"), 3),
        ("glc23_sample", "glc2023", ("pa_train", "po"), 2),
        ("fixtures/glc22", "glc2022", ("po", "po_test"), 4),
        ("fixtures/glc24_pre_extracted", "glc2024_extracted", ("pa_train", "pa_test"), 2),
        ("fixtures/glc25_pre_extracted", "glc2025_extracted", ("pa_train", "pa_test"), 2),
    ],
)
def test_genuine_folders_are_recognised(shared_data, folder, edition, datasets, files):
    dataset = editions.recognise(shared_data / folder)
    editions.check(dataset)
    assert (dataset.edition.name, dataset.datasets, len(dataset.files)) == (edition, datasets, files)
    assert dataset.name == folder.rsplit("/")[-1]


@pytest.mark.parametrize("folder", ["", "occurrences/"])
def test_the_layout_of_2020_is_recognised_by_its_genuine_rows(shared_data, tmp_path, folder):
    rows = (shared_data / "fixtures" / "glc20_example_occurrences.csv").read_text()
    american = pd.read_csv(StringIO(rows), sep=";").assign(lon=-100.0, lat=40.0).to_csv(sep=";", index=False)
    both = {"fr": rows, "us": american}
    write(tmp_path, {f"{folder}occurrences_{area}_train.csv": text for area, text in both.items()})
    dataset = editions.recognise(tmp_path)
    editions.check(dataset)
    assert (dataset.edition.name, dataset.datasets, dataset.has_test) == ("glc2020", ("po",), False)
    assert [table.crs for table, _ in dataset.files] == [3035, 5070]
    write(tmp_path, {f"{folder}occurrences_us_test.csv": "id;lat;lon\n7;45;-100\n"})
    assert editions.recognise(tmp_path).has_test


def test_submissions_of_2020_are_ranked():
    formats = {name: registry.editions.get(name).submission for name in registry.editions.choices()}
    assert {name for name, one in formats.items() if one == "ranked"} == {"glc2020"}
    assert set(formats.values()) == {"ranked", "sets"}


def test_kaggles_columns_of_2022_and_2023_are_others():
    named = {name: registry.editions.get(name).set_columns for name in registry.editions.choices()}
    assert {name for name, columns in named.items() if columns == ("Id", "Predicted")} == {"glc2022", "glc2023"}
    assert set(named.values()) == {("Id", "Predicted"), ("surveyId", "predictions")}


def test_a_folder_of_no_edition_says_what_each_edition_looks_for(tmp_path):
    write(tmp_path, {"readme.csv": "a,b\n1,2\n"})
    with pytest.raises(DataError) as error:
        editions.recognise(tmp_path)
    assert str(tmp_path) in str(error.value)
    for name in registry.editions.choices():
        assert f"\n  {name}: " in str(error.value)
    with pytest.raises(DataError, match="no such folder"):
        editions.recognise(tmp_path / "nowhere")


def test_two_editions_in_one_folder_are_refused(tmp_path):
    write(tmp_path, {"GLC24_PA_metadata_train.csv": PA, "GLC25_PA_metadata_train.csv": PA})
    with pytest.raises(DataError, match="glc2024 and glc2025"):
        editions.recognise(tmp_path)


def test_two_files_of_one_table_are_refused(tmp_path):
    write(
        tmp_path,
        {"GLC24_PA_metadata_train.csv": PA, "GLC24_P0_metadata_train.csv": PA, "GLC24_PO_metadata_train.csv": PA},
    )
    with pytest.raises(DataError, match=r"GLC24_P0_metadata_train\.csv, GLC24_PO_metadata_train\.csv"):
        editions.recognise(tmp_path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"GLC24_PA_metadata_train.csv": ""}, "found an empty file"),
        ({"GLC24_PA_metadata_train.csv": "\n" + PA}, "found a blank first line"),
        ({"GLC24_PA_metadata_train.csv": PA.splitlines()[0] + "\n\n"}, "found a header and no rows"),
        ({"GLC24_PA_metadata_train.csv": PA.replace("iesId", "ieId")}, "'speciesId' is missing.*mean 'specieId'"),
        ({"GLC24_PA_metadata_train.csv": PA.replace(",", ";")}, "separator is a semicolon, expected a comma; try: "),
        ({"GLC24_PA_metadata_train.csv": PA.replace("region", "lon")}, "column 'lon' appears 2 times"),
        ({"GLC24_PA_metadata_test.csv": TEST}, "training file is missing; expected GLC24"),
        (
            {"GLC24_PA_metadata_train.csv": PA, "GLC24_PA_metadata_test.csv": TEST + "\n5,44,2020,2\n5,44,2020,1.0\n"},
            "found 1 in lines 2 and 5, expected one row per test survey",
        ),
    ],
)  # fmt: skip
def test_unusable_files_are_refused_by_name_before_spark(tmp_path, files, message):
    dataset = editions.recognise(write(tmp_path, files))
    with pytest.raises(DataError, match=f"(?s){message}") as error:
        editions.check(dataset)
    assert "GLC24_PA_metadata" in str(error.value)


HEAD = PA.splitlines()[0] + "\n"


def train(*places):
    """A training file with these places, as text of lon and lat."""
    return HEAD + "".join(f"{place},2019,10,9,ALPINE,Spain,7,{number}\n" for number, place in enumerate(places))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (train(*["48.5,2.5"] * 20, "2.5,48.5"), "20 of the first 21 rows have lon and lat that look swapped, as in "
         "line 2: found lon '48.5', lat '2.5'; expected lon -35.58 to 44.83 and lat 24.6 to 84.73 (GeoLifeCLEF 2024)"),
        (train("3760000,2890000", "3760001.5,2890000"), "look projected, in metres.*gdaltransform -s_srs EPSG:3035"),
        (train("-100.5,40.5"), "1 of the first 1 rows have a place outside the edition's area"),
        (train(*['"4,9","43,6"'] * 3), "have a decimal comma, as in line 2: found lon '4,9', lat '43,6'"),
        (train("east,north", "NA,NA"), "2 of the first 2 rows have a coordinate that is not a number"),
        (train("4.9,43.6").encode("utf-16"), "the text is in UTF-16, expected UTF-8; try: iconv -f UTF-16"),
        (train("4.9,43.6").encode("utf-16-le"), "the text is in UTF-16"),
        (train("4.9,43.6").encode("utf-32"), "the text is in UTF-32"),
        (bytes(range(256)) * 9, "found binary data, expected the text of a CSV"),
        (b"a," * (1 << 20), "the first line has more than 1,048,576 characters"),
        (f"{'x' * 500},{'y,' * 300}\n1\n", r"'surveyId' is missing; found \['x{60}…', .* and 272 more, expected"),
    ],
)  # fmt: skip
def test_what_the_first_rows_tell_is_refused_before_spark(tmp_path, text, message):
    message = message.replace("(", r"\(").replace(")", r"\)").replace("; ", ";.*")
    dataset = editions.recognise(write(tmp_path, {"GLC24_PA_metadata_train.csv": text}))
    with pytest.raises(DataError, match=message):
        editions.check(dataset)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("test", TEST + "".join(f"{number},44,2020,{number + 9}\n" for number in range(9_000)) + "\0" * 4_096 + "\n",
         "line 9003 has NUL bytes"),
        ("train", train("4.9,43.6").replace("Spain", '"Spain,\n Ebro"'), "lines 2 to 3 are one row with a line break"),
        ("train", train(*["4.9,43.6"] * 9)[:-4], "the last line has 8 of 9 fields and no line end"),
        ("test", TEST + "5,44,2020,1459\n5,45,2020,01459\n", "1459 in lines 3 and 4, .* written 1459 and 01459"),
        ("test", TEST + "5,44,2020,+1459\n5,45,2020,1459.00\n", "1459 in lines 3 and 4, .* written .1459 and 1459.00"),
    ],
)  # fmt: skip
def test_what_no_first_row_tells_is_refused_before_spark(tmp_path, name, text, message):
    files = {f"GLC24_PA_metadata_{each}.csv": text if each == name else PA for each in {name, "train"}}
    dataset = editions.recognise(write(tmp_path, files))
    with pytest.raises(DataError, match=rf"GLC24_PA_metadata_{name}\.csv: .*{message}"):
        editions.check(dataset)


def test_the_remedy_for_line_breaks_in_fields_joins_the_lines(tmp_path, monkeypatch):
    text = train("4.9,43.6").replace("Spain", '"Spain,\n Ebro"')
    dataset = editions.recognise(write(tmp_path, {"GLC24_PA_metadata_train.csv": text}))
    with pytest.raises(DataError) as error:
        editions.check(dataset)
    monkeypatch.chdir(tmp_path)
    exec(str(error.value).split('python -c "')[1].rstrip('"'))
    editions.check(dataset)
    assert "Spain, Ebro" in (tmp_path / "GLC24_PA_metadata_train.csv").read_text()


def test_a_last_line_without_an_end_is_odd(tmp_path):
    for text, n_odd in ((PA, 0), (PA.rstrip("\n"), 1)):
        dataset = editions.recognise(write(tmp_path, {"GLC24_PA_metadata_train.csv": text}))
        editions.check(dataset)
        assert sum(oddity.rows for oddity in dataset.edition.oddities(dataset)) == n_odd


def test_a_few_strange_places_are_left_to_the_quarantine(tmp_path):
    text = train(*["4.9,43.6"] * 3, "48.5,2.5", "x,43", "3760000,2890000")
    editions.check(editions.recognise(write(tmp_path, {"GLC24_PA_metadata_train.csv": text})))


def within(folder):
    """Whether all rows of a dataset lie in the bounds of its tables, by file."""
    inside = {}
    for table, path in editions.recognise(folder).files:
        columns = [table.columns[axis] for axis in ("lon", "lat")]
        lon, lat = pd.read_csv(path, sep=table.separator, usecols=columns)[columns].to_numpy().T
        west, south, east, north = table.bounds
        inside[path.name] = bool(((west <= lon) & (lon <= east) & (south <= lat) & (lat <= north)).all())
    return inside


@pytest.mark.parametrize("folder", ["medflora", "glc23_sample", "fixtures/glc22", "fixtures/glc24_pre_extracted"])
def test_genuine_surveys_lie_in_the_bounds_of_their_edition(shared_data, folder):
    assert set(within(shared_data / folder).values()) == {True}


@pytest.mark.parametrize("size", ["tiny", "small", "glc20-tiny"])
def test_virtual_surveys_lie_in_the_bounds_of_their_edition(tmp_path, size):
    world.write(world.SIZES[size], tmp_path, parts=("metadata",))
    assert set(within(tmp_path).values()) == {True}


LATIN = "ÎLE-DE-FRANCE, Provence-Alpes-Côte d'Azur, Alpes-de-Haute-Provence, Franche-Comté, Rhône-Alpes, Midi-Pyrénées"


@pytest.mark.parametrize(
    ("text", "encoding", "word"),
    [
        (LATIN.encode() + b"\n", "UTF-8", None),
        (LATIN.encode("cp1252") + b"\n", "windows-1252", "Côte"),
        (LATIN.encode("latin-1") * 3 + b"\n", "windows-1252", "Côte"),
        (LATIN.encode() * 2 + b"\n" + LATIN.encode() + b"\nC\xf4te\n", "UTF-8; 1 lines hold other bytes", "C\ufffdte"),
    ],
)
def test_the_encoding_of_a_file_is_recognised(tmp_path, text, encoding, word):
    path = tmp_path / "a.csv"
    path.write_bytes(b"lon,lat\n" * 3 + text)
    assert str(editions.encoding(path)).startswith(encoding)
    assert editions.encoding(path).plain == (word is None)
    assert (word or "Côte") in "".join(line for _, line in _text.lines(path))


def test_a_stray_quote_hides_no_repeated_id_and_ends_with_its_line(tmp_path):
    rows = "".join(f"4.9,43.6,2019,{number}\n" for number in range(30_000))
    rows = rows.replace("4.9,43.6,2019,100\n", '4.9,43.6,"2019,100\n')
    files = {"GLC24_PA_metadata_train.csv": PA, "GLC24_PA_metadata_test.csv": "lon,lat,year,surveyId\n" + rows}
    dataset = editions.recognise(write(tmp_path, files))
    editions.check(dataset)
    assert len(editions.test_ids(dataset)) == 29_999
    write(tmp_path, files | {"GLC24_PA_metadata_test.csv": f"lon,lat,year,surveyId\n{rows}4.9,43.6,2019,600\n"})
    with pytest.raises(DataError, match="found 600 in lines 602 and 30002"):
        editions.check(editions.recognise(tmp_path))


def test_ids_of_the_test_are_kept_as_the_file_writes_them(tmp_path):
    test = "lon,lat,year,surveyId\n4,44,2019,007\nx,44,2019,1234567890123456789012345\n4,44,2019,\n4,44,2019,8.0\n"
    dataset = editions.recognise(
        write(tmp_path, {"GLC24_PA_metadata_train.csv": PA, "GLC24_PA_metadata_test.csv": test})
    )
    assert editions.test_ids(dataset) == [
        ("GLC24_PA_metadata_test.csv", 2, "007"),
        ("GLC24_PA_metadata_test.csv", 3, "1234567890123456789012345"),
        ("GLC24_PA_metadata_test.csv", 5, "8.0"),
    ]
    ids = [editions.plain_id(name) for _, _, name in editions.test_ids(dataset)]
    assert ids == ["7", "1234567890123456789012345", "8"]
    (tmp_path / "other").mkdir()
    header = "lon,lat,year,speciesId,surveyId,subset\n"
    rows = "4,44,2019,1,1,train\n4,44,2019,2,2,test\n4,44,2019,3,2,test\n4,44,2019,3,3,test\n"
    dataset = editions.recognise(write(tmp_path / "other", {"metadata.csv": header + rows}))
    assert [name for _, _, name in editions.test_ids(dataset)] == ["2", "3"]


def test_the_remedy_for_a_wrong_separator_mends_the_file(tmp_path, monkeypatch):
    dataset = editions.recognise(write(tmp_path, {"GLC24_PA_metadata_train.csv": PA.replace(",", ";")}))
    with pytest.raises(DataError) as error:
        editions.check(dataset)
    monkeypatch.chdir(tmp_path)
    exec(str(error.value).split('python -c "')[1].rstrip('"'))
    editions.check(dataset)
    assert (tmp_path / "GLC24_PA_metadata_train.csv").read_text() == PA


def test_a_byte_order_mark_and_crlf_do_not_hide_the_first_column(tmp_path):
    text = b"\xef\xbb\xbf" + PA.replace("\n", "\r\n").encode()
    dataset = editions.recognise(write(tmp_path, {"GLC24_PA_metadata_train.csv": text}))
    assert editions.header(dataset.files[0][1], dataset.files[0][0])[0] == "lon"
    editions.check(dataset)
    assert not dataset.has_test


def test_fingerprint_follows_contents_and_not_place_or_other_files(tmp_path):
    files = {"GLC24_PA_metadata_train.csv": PA, "GLC24_PA_metadata_test.csv": TEST}
    one = editions.recognise(write(tmp_path / "one", files)).fingerprint()
    two = editions.recognise(write(tmp_path / "two", files | {"notes.txt": "x"})).fingerprint()
    other = editions.recognise(
        write(tmp_path / "three", files | {"GLC24_PA_metadata_test.csv": TEST + "5,44,2020,2\n"})
    )
    assert one == two != other.fingerprint()
