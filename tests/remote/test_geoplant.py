"""GeoPlant v2 from a stand-in of its host."""

import pytest

from glc import editions, registry
from glc.errors import ConfigError, DataError
from glc.remote import download, geoplant
from tests import files_of_editions


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)


@pytest.fixture
def url(host, tmp_path):
    files_of_editions.write(tmp_path / "source", "geoplant")
    for path in geoplant.paths(["values"]):
        file = tmp_path / "source" / path
        host.files[path] = file.read_bytes() if file.is_file() else b"surveyId,value\n1,2\n"
    return f"{host.url}/files/{{path}}?dl=1"


def test_surveys_and_values_come_into_a_folder_that_the_edition_recognises(host, url, tmp_path):
    said, folder = [], tmp_path / "geoplant"
    paths = geoplant.fetch(folder, ["values"], url, said.append)
    assert sorted(path.relative_to(folder).as_posix() for path in paths) == sorted(host.files)
    assert editions.recognise(folder).edition.name == "geoplant"
    assert said[0].startswith("PresenceAbsenceSurveys/PA_metadata_train.csv: ")
    assert said[-1].startswith("together ")


def test_more_parts_join_what_is_there(host, url, tmp_path):
    folder, name = tmp_path / "geoplant", "PresenceOnlyOccurrences/PO_metadata_train.csv"
    host.files[name] += b"".join(b"%d,3.5,44.1,1\n" % number for number in range(50_000, 54_000))
    geoplant.fetch(folder, [], url, lambda text: None)
    assert (folder / name).read_bytes() == host.files[name]
    before = (folder / name).stat().st_ino
    geoplant.fetch(folder, ["values"], url, lambda text: None)
    assert (folder / name).stat().st_ino == before
    assert (folder / "EnvironmentalValues/HumanFootprint/v2/PA-test-human_footprint.csv").is_file()


def test_the_manifest_has_every_path_once_and_its_surveys_are_the_editions():
    names = [path for paths in geoplant.PARTS.values() for path in paths]
    assert len(set(names)) == len(names)
    tables = [table.patterns[0] for table in registry.editions.get("geoplant").tables]
    assert sorted(geoplant.PARTS["surveys"]) == sorted(tables)


def test_what_cannot_be_fetched_is_explained(host, url, tmp_path):
    with pytest.raises(ConfigError, match=r"--part: found 'value', expected one of: surveys.*did you mean 'values'"):
        geoplant.paths(["value"])
    with pytest.raises(ConfigError, match=r"\[geoplant\] url"):
        geoplant.fetch(tmp_path / "geoplant", [], "lab.example.org", lambda text: None)
    with pytest.raises(DataError, match=r"soilgrids.zip|Bioregions.*answered 404.*--url"):
        geoplant.fetch(tmp_path / "geoplant", ["rasters"], url, lambda text: None)
    with pytest.raises(DataError, match="no answer from"):
        geoplant.fetch(tmp_path / "geoplant", [], "http://127.0.0.1:9", lambda text: None)
    host.kind = "text/html; charset=utf-8"
    with pytest.raises(DataError, match="found a web page at"):
        geoplant.fetch(tmp_path / "geoplant", [], url, lambda text: None)
    assert not (tmp_path / "geoplant").exists()
