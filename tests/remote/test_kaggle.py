"""Kaggle's own client against a stand-in: files of a competition, credentials, and errors that say what to do."""

import io
import subprocess
import sys
import zipfile

import pytest

from glc import editions, registry
from glc.errors import ConfigError, DataError
from glc.remote import competition_files, download, kaggle
from glc.remote.competition_files import Selection
from tests import files_of_editions

AT_KAGGLE = ("glc2022", "glc2023", "glc2024", "glc2025")


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)


def publish(host, edition, tmp_path, folder=""):
    """Put the files of a small dataset of an edition on the host, in a folder there; the paths in the dataset."""
    source = tmp_path / "source"
    paths = {path for path, _, _ in files_of_editions.write(source, edition)}
    names = sorted(path.relative_to(source).as_posix() for path in paths)
    host.files |= {f"{folder}{name}": (source / name).read_bytes() for name in names}
    return names


def get(edition, folder, globs=(), say=lambda text: None):
    member, selection = registry.editions.get(edition), Selection(tuple(globs))
    api = kaggle.client()
    chosen, absent = competition_files.choose(api, member, selection)
    competition_files.state(chosen, absent, folder, say)
    return competition_files.fetch_chosen(api, member, folder, chosen, selection.key)


@pytest.mark.parametrize("edition", AT_KAGGLE)
def test_the_tables_of_every_edition_come_into_a_folder_that_it_recognises(edition, at_kaggle, tmp_path):
    at_kaggle.files = {f"Images/{number}.jpeg": b"pixels" for number in range(4)}
    names = publish(at_kaggle, edition, tmp_path)
    said = []
    paths = get(edition, tmp_path / "data" / edition, say=said.append)
    assert sorted(path.relative_to(tmp_path / "data" / edition).as_posix() for path in paths) == names
    assert editions.recognise(tmp_path / "data" / edition).edition.name == edition
    assert said[-1].startswith("together ")
    assert all(any(line.startswith(f"{name}: ") for line in said) for name in names)
    assert [entry.name for entry in (tmp_path / "data").iterdir()] == [edition]


def test_the_list_is_read_no_further_than_the_tables(at_kaggle, tmp_path):
    publish(at_kaggle, "glc2024", tmp_path)
    at_kaggle.files |= {f"Images/{number}.jpeg": b"pixels" for number in range(40)}
    get("glc2024", tmp_path / "glc24")
    assert at_kaggle.calls.count("ListDataFiles") == 1


def test_a_deeper_folder_and_a_zip_of_one_file_are_put_where_the_edition_looks(at_kaggle, tmp_path):
    names = publish(at_kaggle, "glc2024", tmp_path, "PA/tables/")
    for name in names:
        content = at_kaggle.files[f"PA/tables/{name}"]
        with zipfile.ZipFile(packed := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, content)
        at_kaggle.zipped[f"PA/tables/{name}"] = packed.getvalue()
    get("glc2024", tmp_path / "glc24")
    assert (tmp_path / "glc24" / names[0]).read_bytes() == at_kaggle.files[f"PA/tables/{names[0]}"]


def test_a_connection_that_broke_is_continued_by_the_next_run_and_the_folder_is_whole_or_absent(at_kaggle, tmp_path):
    names = publish(at_kaggle, "glc2024", tmp_path)
    name = names[1]
    at_kaggle.files[name] += b"".join(b"%d,3.5,44.1,2019,1\n" % number for number in range(20_000, 24_000))
    at_kaggle.broken[name] = [20_000, *[0] * download.TRIES]
    with pytest.raises(DataError, match=r"16,384 bytes have arrived; run the same command again"):
        get("glc2024", tmp_path / "glc24")
    assert not (tmp_path / "glc24").exists()
    at_kaggle.broken.clear()
    at_kaggle.ranges.clear()
    at_kaggle.calls.clear()
    get("glc2024", tmp_path / "glc24")
    assert at_kaggle.ranges == [(name, 16_384)]
    assert (tmp_path / "glc24" / name).read_bytes() == at_kaggle.files[name]
    assert at_kaggle.calls.count("DownloadDataFile") == 2  # the first file was there


def test_what_is_there_is_not_fetched_again_and_more_files_join_it(at_kaggle, tmp_path):
    publish(at_kaggle, "glc2024", tmp_path)
    at_kaggle.files |= {"Values/Soil/GLC24-PA-train-soilgrids.csv": b"surveyId,Soil\n1,2\n", "Images/1.jpeg": b"x"}
    folder, member = tmp_path / "glc24", registry.editions.get("glc2024")
    get("glc2024", folder)
    assert competition_files.is_complete(folder, member, Selection())
    assert not competition_files.is_complete(folder, member, Selection(("*soil*",)))
    at_kaggle.calls.clear()
    get("glc2024", folder, ["*soil*.csv"])
    assert at_kaggle.calls.count("DownloadDataFile") == 1
    assert (folder / "Values/Soil/GLC24-PA-train-soilgrids.csv").read_bytes() == b"surveyId,Soil\n1,2\n"
    assert competition_files.is_complete(folder, member, Selection(("*soil*.csv",)))
    (folder / "GLC24-PA-metadata-train.csv").write_text("surveyId\n")
    assert not competition_files.is_complete(folder, member, Selection())
    with pytest.raises(DataError, match=r"--files \*none\*: found no such file"):
        get("glc2024", folder, ["*none*"])


def test_everything_comes_as_one_archive_that_is_unpacked(at_kaggle, tmp_path):
    names = publish(at_kaggle, "glc2025", tmp_path)
    with zipfile.ZipFile(packed := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, at_kaggle.files[name])
        archive.writestr("SatelitePatches/PA-train/1.tiff", b"pixels")
    at_kaggle.zipped["geolifeclef-2025.zip"] = packed.getvalue()
    folder, member, said = tmp_path / "glc25", registry.editions.get("glc2025"), []
    competition_files.state_all(kaggle.client(), member, folder, said.append)
    paths = competition_files.fetch_all(kaggle.client(), member, folder)
    assert (folder / "SatelitePatches/PA-train/1.tiff").read_bytes() == b"pixels"
    assert len(paths) == len(names) + 1
    assert said[0].startswith("geolifeclef-2025.zip: ")
    assert competition_files.is_complete(folder, member, Selection(everything=True))
    assert [entry.name for entry in tmp_path.iterdir() if "download" in entry.name] == []


def test_a_file_of_another_size_than_listed_is_refused(at_kaggle, tmp_path):
    names = publish(at_kaggle, "glc2024", tmp_path)
    at_kaggle.listed[names[0]] = 5
    with pytest.raises(DataError, match=r"bytes, expected 5 as listed"):
        get("glc2024", tmp_path / "glc24")


def test_a_name_that_leads_out_of_the_folder_is_refused(at_kaggle, tmp_path):
    publish(at_kaggle, "glc2024", tmp_path)
    at_kaggle.files["../../evil.csv"] = b"x"
    with pytest.raises(DataError, match=r"\.\./\.\./evil.csv: leads out of"):
        get("glc2024", tmp_path / "glc24", ["*evil.csv"])


def test_a_competition_without_the_tables_says_what_was_found_and_looked_for(at_kaggle, tmp_path):
    at_kaggle.files = {"train.csv": b"x"}
    with pytest.raises(DataError, match=r"found train.csv, expected GLC24.*--all"):
        get("glc2024", tmp_path / "glc24")


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (401, "refuses the credentials"),
        (403, r"open https://www.kaggle.com/competitions/geolifeclef-2024/rules and accept the rules"),
        (404, "knows no such competition"),
        (429, "too many requests.*run the same command again in 0 seconds"),
        (500, "answered 500"),
    ],
)
def test_what_kaggle_refuses_is_explained(at_kaggle, tmp_path, status, text):
    at_kaggle.answers["ListDataFiles"] = [(status, "You must accept this competition's rules")]
    with pytest.raises((ConfigError, DataError), match=text) as error:
        get("glc2024", tmp_path / "glc24")
    assert "(You must accept this competition's rules)" in str(error.value)


def test_without_credentials_it_says_how_to_give_them(no_credentials, capsys):
    with pytest.raises(ConfigError, match=r"KAGGLE_API_TOKEN.*KAGGLE_USERNAME and KAGGLE_KEY.*kaggle\.json"):
        kaggle.client()
    assert capsys.readouterr().out == ""


def test_a_token_that_is_not_valid_is_no_credential(at_kaggle, monkeypatch):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_old")
    with pytest.raises(ConfigError, match="no valid credentials"):
        kaggle.client()


def test_a_user_name_and_key_will_do(at_kaggle, monkeypatch, tmp_path):
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    monkeypatch.setenv("KAGGLE_USERNAME", "someone")
    monkeypatch.setenv("KAGGLE_KEY", "key")
    publish(at_kaggle, "glc2024", tmp_path)
    assert get("glc2024", tmp_path / "glc24")


def test_a_host_that_does_not_answer_is_named(at_kaggle, tmp_path, monkeypatch):
    from kagglesdk import kaggle_env

    api = kaggle.client()
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, "http://127.0.0.1:9")
    with pytest.raises(DataError, match="no answer from Kaggle"):
        list(kaggle.files(api, "geolifeclef-2024", "page"))


def test_the_contest_of_2020_was_elsewhere():
    with pytest.raises(ConfigError, match=r"at AIcrowd, not at Kaggle.*aicrowd.com/challenges/lifeclef-2020-geo"):
        competition_files.contest_at_kaggle(registry.editions.get("glc2020"))
    with pytest.raises(ConfigError, match="is of no contest"):
        competition_files.contest_at_kaggle(registry.editions.get("table"))


def test_the_client_is_loaded_without_authenticating():
    code = (
        "import builtins, sys; from glc.remote import kaggle; api = kaggle._api_class();"
        "print(vars(sys.modules['kaggle']).get('api').__name__, api._authenticated)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "kaggle.api False"  # the folder, where the package's __init__ has a client


def test_without_the_package_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(kaggle.importlib.util, "find_spec", lambda name: None)
    for name in [name for name in sys.modules if name.split(".")[0] == "kaggle"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ConfigError, match=r"pip install -e '\.\[kaggle\]'"):
        kaggle.client()
