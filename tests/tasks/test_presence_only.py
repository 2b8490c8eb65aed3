"""A dataset of presence-only records alone, from its tables to metrics and report; its tables need no Spark here."""

import json
import re
from pathlib import Path

import luigi
import numpy as np
import pytest

import glc
from glc import config, editions, registry, storage
from glc.errors import ConfigError
from glc.tasks import Evaluate, Model, Submission, preflight
from glc.tasks.report import Report
from glc.tasks.scores import Predictions
from glc.tasks.tables import Table
from tests.tasks import records
from tests.tasks.pipeline import build, run

FOLDS = "+validation.run=2+validation.count=3+validation.size_m=100_000"
NET = f"geolocation-po{FOLDS}+train.max_epochs=2+po.radius_m=50_000+po.min_species=1"


@pytest.fixture(scope="module", autouse=True)
def dataset(tmp_path_factory):
    """Folder of the dataset, whose edition the tests of this module know."""
    luigi.task_register.Register.clear_instance_cache()
    with records.edition():
        yield records.write(tmp_path_factory.mktemp("data") / "records").as_posix()
    luigi.task_register.Register.clear_instance_cache()


def submission(root, dataset, experiment):
    return Submission(root=root, dataset=dataset, experiment=experiment)


@pytest.mark.parametrize(
    ("experiment", "words"),
    [
        ("best-cpu", ["model 'stack' learns how to join", "use one of its members instead (", "ignored, kriging, "]),
        ("frequency", ["model.sources: found ['train']", 'frequency+model.sources=["po"]']),
        ("logistic", ["model.sources: found ['train']", 'logistic+model.sources=["po"]']),
        ("node2vec-species", ["model.edges.sources", 'node2vec-species+model.edges.sources=["po"]']),
        ("votes+model.po_weight=0", ["model.po_weight: found 0"]),
        ("votes+postprocess=lists", ["postprocess: found 'lists'", "+postprocess=none"]),
        ('tile2vec+pretrain.sources=["train"]', ["pretrain.sources: found ['train']"]),
    ],
)
def test_an_experiment_that_needs_surveys_is_refused_by_name_before_anything_runs(
    empty_root, dataset, experiment, words
):
    with pytest.raises(ConfigError) as error:
        submission(empty_root, dataset, experiment).check()
    text = str(error.value)
    name = config.load(config.Variant.parse(experiment)).name
    assert f"experiment {name!r} needs presence-absence surveys, and records has presence-only records alone: " in text
    for word in words:
        assert word in text
    assert not list(Path(empty_root).glob("store/*"))


@pytest.mark.parametrize("experiment", ["votes", "geolocation-po", "knn", 'frequency+model.sources=["po"]'])
def test_what_learns_from_records_is_not_refused(empty_root, dataset, experiment):
    submission(empty_root, dataset, experiment).check()


def test_sets_are_refused_and_so_are_tables_of_f1(empty_root, dataset):
    with pytest.raises(ConfigError, match=r"scores are relative suitability, and no decoder .* glc run votes"):
        Predictions(root=empty_root, dataset=dataset, experiment="votes").check()
    with pytest.raises(ConfigError, match="compares F1, which records does not have"):
        Table(root=empty_root, dataset=dataset).check()


def test_contests_of_single_labels_are_no_presence_only_records_alone(empty_root):
    assert [name for name in registry.editions.choices() if registry.editions.get(name).single_label] == [
        "glc2020",
        "glc2022",
    ]
    assert not Submission(root=empty_root, dataset="virtual:glc20-tiny", experiment="votes").presence_only
    assert not Submission(root=empty_root, dataset="virtual:tiny", experiment="votes").presence_only


def test_votes_end_with_metrics_and_report_and_without_a_submission(empty_root, dataset):
    assert editions.recognise(dataset).presence_only
    votes = f"votes{FOLDS}"
    task = submission(empty_root, dataset, f'{votes}+compare_with=["frequency{FOLDS}+model.sources=[\\"po\\"]"]')
    records.survey_tables(empty_root, dataset, task)
    families = run(task)
    assert {"Folds", "ClassicalScores", "Evaluate", "Baselines", "Report", "Submission"} <= set(families)
    assert "Predictions" not in families
    assert not (Path(empty_root) / "submissions").exists()
    assert storage.manifest(task.folder)["published"] == {}
    metrics = json.loads(task.stable("metrics", ".json").read_text())
    assert metrics["relative"] is True
    assert metrics["valid"]["auc"] > 0.6
    assert metrics["test"]["auc"] is not None
    text = "\n".join(task.results())
    assert f"relative suitability, validation AUC {metrics['valid']['auc']:.4f} [" in text
    assert "submission none: of presence-only records alone no set of species can be decided" in text
    page = (task.stable("reports") / "index.html").read_text()
    assert "Relative suitability." in page
    words = re.sub(r"<(pre|svg|style).*?</\1>", "", page, flags=re.S).replace("there is no F1", "")
    for text in (*task.results(), words):
        assert "F1" not in text
    assert run(submission(empty_root, dataset, task.experiment)) == []


@pytest.mark.slow
def test_a_fitted_experiment_predicts_relative_suitability_and_no_sets(empty_root, dataset):
    task = Model(root=empty_root, dataset=dataset, experiment=f"votes{FOLDS}")
    records.survey_tables(empty_root, dataset, task)
    assert "Predictions" not in run(task)
    fitted = glc.load(task.model_folder)
    assert fitted.relative
    assert fitted.data.relative
    frame = fitted.predict([3.0], [46.0])
    assert len(frame["species"].iloc[0]) > 0
    assert len(frame["predicted"].iloc[0]) == 0
    assert np.isnan(frame["expected_species"].iloc[0])


@pytest.mark.slow
def test_a_net_learns_from_pseudo_surveys_of_the_records(empty_root, dataset):
    records.survey_tables(empty_root, dataset, submission(empty_root, dataset, NET))
    done, families = build(*(kind(root=empty_root, dataset=dataset, experiment=NET) for kind in (Evaluate, Report)))
    assert done
    assert {"Examples", "Fit", "FoldScores", "NetScores", "Evaluate", "Report"} <= set(families)
    evaluation = Evaluate(root=empty_root, dataset=dataset, experiment=NET)
    metrics = json.loads(evaluation.stable("metrics", ".json").read_text())
    assert 0 < metrics["valid"]["auc"] < 1
    page = (evaluation.stable("reports") / "index.html").read_text()
    assert "Loss by epoch" in page
    assert "F1 of the 25" not in page


def test_every_task_of_a_run_is_looked_at_before_it_starts(empty_root, dataset, monkeypatch):
    monkeypatch.setattr(preflight, "_check_scheduler", lambda: None)
    with pytest.raises(ConfigError, match="experiment 'forest' needs presence-absence surveys"):
        preflight.check(submission(empty_root, dataset, "forest"))
