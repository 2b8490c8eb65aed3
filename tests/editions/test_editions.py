"""Recognising layouts, and refusing bad files by their headers."""

import pytest

from glc import editions, registry
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
    write(tmp_path, {f"{folder}occurrences_{area}_train.csv": rows for area in ("fr", "us")})
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
