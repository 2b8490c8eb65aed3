"""The tasks of a competition: download as a Luigi command, and a submission from the data to the page of the report."""

import json
from pathlib import Path

import luigi
import pandas as pd
import pytest

from glc import editions, world
from glc.errors import ConfigError, DataError
from glc.tasks import Evaluate, GeoplantDownload, KaggleDownload, KaggleSubmit, Submission
from glc.tasks.tables import Row, Table
from tests import files_of_editions
from tests.remote import stand_in
from tests.remote.conftest import at_kaggle, host, no_credentials  # noqa: F401  # fixtures
from tests.tasks.pipeline import build

EXPERIMENT = "frequency+validation.run=2"


def publish(there, source):
    paths = {path for path, _, _ in files_of_editions.write(source, "glc2024")}
    there.files = {path.relative_to(source).as_posix(): path.read_bytes() for path in paths}


def test_a_competitions_files_come_into_a_dataset_once(at_kaggle, tmp_path):  # noqa: F811
    publish(at_kaggle, tmp_path / "source")
    task = KaggleDownload(edition="glc2024", folder=str(tmp_path / "glc24"), root=str(tmp_path / "out"))
    assert not task.complete()
    assert build(task)[0]
    assert task.complete()
    assert editions.recognise(tmp_path / "glc24").edition.name == "glc2024"
    first, second = task.results()
    assert first.startswith(f"{tmp_path / 'glc24'}: 3 files, ")
    assert first.endswith("recognised as GeoLifeCLEF 2024")
    assert second == f"  next: glc doctor --dataset {tmp_path / 'glc24'}"


def test_an_edition_without_a_competition_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match=r"--edition: found 'glc24', expected .*; did you mean 'glc2024'"):
        KaggleDownload(edition="glc24", root=str(tmp_path))
    with pytest.raises(ConfigError, match="at AIcrowd, not at Kaggle"):
        KaggleDownload(edition="glc2020", root=str(tmp_path)).complete()


def test_the_address_of_geoplant_is_a_setting(tmp_path, monkeypatch):
    config = luigi.configuration.get_config()
    config.set("geoplant", "url", "https://data.example.org/{path}")
    try:
        assert GeoplantDownload(root=str(tmp_path)).url == "https://data.example.org/{path}"
    finally:
        config.remove_section("geoplant")
    assert "{path}" in GeoplantDownload(root=str(tmp_path)).url


def test_a_virtual_world_is_not_submitted(tmp_path, at_kaggle):  # noqa: F811
    with pytest.raises(ConfigError, match="virtual-tiny: is a virtual world, expected the data of a competition"):
        KaggleSubmit(root=str(tmp_path), dataset="virtual:tiny", experiment=EXPERIMENT).check()


def test_credentials_are_asked_for_before_anything_runs(tmp_path, no_credentials):  # noqa: F811
    files_of_editions.write(tmp_path / "glc24", "glc2024")
    task = KaggleSubmit(root=str(tmp_path / "out"), dataset=str(tmp_path / "glc24"), experiment=EXPERIMENT)
    with pytest.raises(ConfigError, match="no valid credentials for Kaggle"):
        task.check()
    with pytest.raises(ConfigError, match="expected both or neither"):
        task.clone(row="top 10").check()


class Rows(Table):
    """A table with one row, of the experiment that is submitted."""

    title = "Rows"

    def rows(self):
        return [Row("frequency", self.experiment)]

    experiment = luigi.Parameter()


@pytest.mark.slow
def test_a_submission_brings_its_scores_to_the_report_and_the_tables(at_kaggle, tmp_path, spark):  # noqa: F811
    data, root = tmp_path / "glc24", str(tmp_path / "out")
    data.mkdir()
    world.write(world.SIZES["tiny"], data, parts=("metadata",))
    known = {"root": root, "dataset": str(data), "experiment": EXPERIMENT}
    at_kaggle.pending = 1
    done, families = build(KaggleSubmit(**known, wait=30.0, leaderboard=str(tmp_path / "s.csv"), row="frequency"))
    assert done
    assert families.count("Report") == 2
    file = Submission(**known).files()["test"]
    assert [*at_kaggle.uploads.values()] == [file.read_bytes()]
    page = Path(root, "reports", "glc24", EXPERIMENT, "index.html").read_text()
    assert "Leaderboard of geolifeclef-2024: public 0.36242, private 0.35111 (submission 1001" in page
    assert (tmp_path / "s.csv").read_text() == "row,public,private\nfrequency,0.36242,0.35111\n"
    assert json.loads(file.with_suffix(".kaggle.json").read_text())["ref"] == 1001

    task = KaggleSubmit(**known)
    assert task.complete()
    assert task.results()[0].startswith(
        f"{EXPERIMENT} at geolifeclef-2024: public 0.36242, private 0.35111 (number 1001"
    )
    assert build(KaggleSubmit(**known, again=True))[0]
    assert len(at_kaggle.submissions) == 2

    table = Rows(root=root, dataset=str(data), experiment=EXPERIMENT)
    assert build(table)[0]
    row = pd.read_csv(table.published()[1].path).iloc[0]
    assert (row["public"], row["private"]) == (0.36242, 0.35111)
    assert set(Evaluate(**known).settings.compare_with) == set()

    file.write_text(file.read_text().replace("\n", "\n0,1\n", 1))
    with pytest.raises(DataError, match="line 2: surveyId 0 is not a test survey"):
        KaggleSubmit(**known).validate()
    assert stand_in.TOKEN not in page
