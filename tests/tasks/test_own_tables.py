"""Votes on one's own tables: text ids travel to the submission, names to the table of species."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from glc import storage, surveys
from glc.tasks import Submission, Surveys
from tests import own_tables
from tests.tasks.pipeline import run

SMALL = "votes+validation.run=2+validation.count=2+validation.size_m=20000"


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    task = Submission(root=str(folder / "out"), dataset=str(own_tables.wide(folder / "plots", n=300)), experiment=SMALL)
    run(task)
    return task


def test_a_submission_has_the_ids_of_the_file(wide):
    path = Path(wide.root) / "submissions" / wide.subject / f"{wide.settings.name}.csv"
    submitted = pd.read_csv(path)
    places = pd.read_csv(Path(wide.dataset) / "places.csv", sep=";")
    assert set(submitted["surveyId"]) == set(places["plot"])
    metrics = json.loads((Path(wide.root) / "metrics" / wide.subject / f"{wide.settings.name}.json").read_text())
    # the species of west and east differ only if each survey has its own place and species; by chance: 0.5
    assert metrics["valid"]["macro_auc"] > 0.65
    assert "test" not in metrics


def test_species_and_surveys_that_are_text_are_numbered_and_keep_their_text(wide):
    folder = wide.clone(Surveys).folder
    species = surveys.read_species(folder)
    assert species["speciesId"].tolist() == [1, 2, 3, 4, 5, 6]
    assert species["name"].tolist() == sorted(own_tables.SPECIES)
    names = surveys.read_survey_names(folder)
    assert names.groupby("dataset").size().to_dict() == {"pa_train": 300, "pa_test": 20}
    facts = storage.manifest(folder)
    assert facts["quarantined"] == 0
    data = wide.read_surveys()
    assert set(data.places["crs"]) == {3035}  # it suits Switzerland
    plots, there = own_tables.records(300)
    text = names[names["dataset"] == "pa_train"].set_index("surveyId")["name"]
    rows = data.rows_of(text.index.to_numpy(), "pa_train")
    order = plots.set_index("plot").index.get_indexer(text.to_numpy())
    np.testing.assert_array_equal(data.labels_of(rows).toarray(), there[order])
    np.testing.assert_allclose(data.places["lon"].to_numpy()[rows], plots["x"].to_numpy()[order], atol=2e-7)


@pytest.mark.slow
def test_numbers_stay_numbers_and_a_file_names_the_species(tmp_path):
    task = Surveys(root=str(tmp_path / "out"), dataset=str(own_tables.long(tmp_path / "records")))
    run(task)
    species = surveys.read_species(task.folder)
    assert species["speciesId"].tolist() == list(range(100, 106))
    assert species["name"].tolist() == list(own_tables.SPECIES)
    assert species["key"].tolist() == [str(2_000_000 + number) for number in range(6)]
    assert surveys.read_survey_names(task.folder) is None


@pytest.mark.slow
def test_splot_open_is_read_with_its_absences_and_its_citation(tmp_path):
    task = Surveys(root=str(tmp_path / "out"), dataset=str(own_tables.splot(tmp_path / "splot")))
    run(task)
    facts = storage.manifest(task.folder)
    assert facts["citation"]["doi"] == "10.25829/idiv.3474-40-3292"
    assert facts["datasets"]["pa_train"]["surveys"] == 120
    absences = storage.read_table(task.folder / "absences", "absences").to_pandas()
    assert len(absences) == 1


@pytest.mark.slow
def test_labels_that_the_description_names_score_the_test_and_change_nothing_else(tmp_path, wide):
    folder = own_tables.wide(tmp_path / "plots", n=300)
    plots, there = own_tables.records(320)
    for column, name in enumerate(own_tables.SPECIES):
        plots[name] = there[:, column].astype(int)
    places = pd.read_csv(folder / "places.csv", sep=";").merge(plots[["plot", *own_tables.SPECIES]], on="plot")
    places.to_csv(folder / "places.csv", sep=";", index=False)
    description = (folder / "dataset.toml").read_text()
    (folder / "dataset.toml").write_text(f'{description}species_columns = ["*"]\n')
    task = Submission(root=str(tmp_path / "out"), dataset=str(folder), experiment=SMALL)
    run(task)
    product = Path("plots") / f"{wide.settings.name}"
    metrics = json.loads((tmp_path / "out" / "metrics" / f"{product}.json").read_text())
    assert metrics["test"]["surveys"] == 20
    assert metrics["test"]["mean_species"] == there[300:].sum(axis=1).mean()
    submitted = (Path("submissions") / f"{product}.csv").as_posix()
    assert (tmp_path / "out" / submitted).read_bytes() == (Path(wide.root) / submitted).read_bytes()
