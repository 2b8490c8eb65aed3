"""A submission has the format of its dataset's edition, on the tiny world of 2020 and on that of 2024."""

import json
from pathlib import Path

import pandas as pd
import pytest

from glc import storage, submission
from glc.tasks import Evaluate, Folds, Submission
from tests.tasks.pipeline import run

QUADRATS = "+validation.scheme=quadrats+validation.size_m=5000+validation.held_out=0.2+validation.count=20"


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    root = str(tmp_path_factory.mktemp("out"))
    experiment = f"frequency{QUADRATS}+validation.run=2"
    return Submission(root=root, dataset="virtual:glc20-tiny", experiment=experiment)


@pytest.mark.slow
def test_the_world_of_2020_ends_in_ranked_species_and_its_measures(task):
    run(task)
    name = task.settings.name
    path = Path(task.root) / "submissions" / "virtual-glc20-tiny" / f"{name}.csv"
    frame = pd.read_csv(path, sep=";")
    assert list(frame) == submission.RANKED_HEADER
    data = task.read_surveys()
    held = data.places["surveyId"].to_numpy()[data.test]
    assert set(frame["id"]) == set(held)
    assert storage.manifest(task.clone(Folds).folder)["held_out"] == len(held) > 20
    metrics = json.loads((Path(task.root) / "metrics" / "virtual-glc20-tiny" / f"{name}.json").read_text())
    by_survey = pd.read_parquet(task.clone(Evaluate).folder / "surveys.parquet")
    for split in ("valid", "test"):
        assert 0 < metrics[split]["adaptive_top_30"] <= 1
        assert 0.3 < metrics[split]["top_30"] <= 1  # 30 of 40 species, the commonest
        part = by_survey[by_survey["split"] == split]
        for measure in ("top_30", "adaptive_top_30"):
            assert part[measure].mean() == pytest.approx(metrics[split][measure])
    # measured again from the file: the held-out occurrences have their own labels
    label = data.labels_of(data.test).argmax(axis=1).A1
    truth = pd.Series(data.species[label], index=held)
    best = frame[frame["rank"] <= 30]
    hits = (best["species_id"].to_numpy() == truth.loc[best["id"]].to_numpy()).sum()
    assert hits / len(held) == pytest.approx(metrics["test"]["top_30"])
    page = (Path(task.root) / "reports" / "virtual-glc20-tiny" / name / "index.html").read_text()
    assert "GeoLifeCLEF 2020" in page


def test_a_share_held_out_changes_the_folds(task):
    known = {"root": task.root, "dataset": "virtual:tiny"}
    plain = Folds(**known)
    assert plain.identity == Folds(**known, validation={"held_out": 0.025}).identity
    assert plain.identity != Folds(**known, validation={"held_out": 0.1}).identity


def test_only_ranked_submissions_depend_on_the_scores(task):
    assert "scores" in task.requires()
    other = Submission(root=task.root, dataset="virtual:tiny", experiment="frequency")
    assert not other.ranked
    assert "scores" not in other.requires()
