"""Which explanation a report shows, what is asked for, and that it is made."""

import pytest

from glc import storage
from glc.tasks import Evaluate, Explain, Explanation, Report
from glc.tasks.importance import Importance
from tests.tasks.pipeline import TINY, run

FOREST = "inria-run1+validation.count=4+validation.run=2+validation.scheme=block+validation.size_m=30000+model.trees=4"


def report(tmp_path):
    return Report(root=str(tmp_path), dataset=TINY, experiment="votes+compare_with=[]")


def explained(task, evaluation, identity="abc"):
    """Have an explanation at the stable place."""
    folder = task.stable("explain")
    with storage.atomic_directory(folder, identity=identity, evaluation=evaluation) as out:
        (out / "importance.csv").write_text("input\n")
    return folder


def test_a_report_shows_an_explanation_of_its_own_evaluation_alone(tmp_path):
    assert report(tmp_path).explanation is None
    assert report(tmp_path).content() is None
    folder = explained(report(tmp_path), "that of other settings")
    assert report(tmp_path).explanation is None
    storage.remove(folder)
    explained(report(tmp_path), report(tmp_path).clone(Evaluate).identity)
    assert report(tmp_path).explanation == folder
    assert report(tmp_path).content() == "abc"


def test_a_damaged_explanation_is_left_out_with_a_warning(tmp_path, caplog):
    folder = explained(report(tmp_path), report(tmp_path).clone(Evaluate).identity)
    (folder / "importance.csv").write_text("changed\n")
    assert report(tmp_path).explanation is None
    assert "run glc explain again" in caplog.text


def test_species_are_one_word_or_a_list(tmp_path):
    known = {"root": str(tmp_path), "dataset": TINY, "experiment": "votes"}
    assert Explanation(**known).species == ()
    assert Explanation(**known, species="Quercus ilex").species == ("Quercus ilex",)
    assert Explanation(**known, species='["12", "Abies alba"]').species == ("12", "Abies alba")
    assert Explanation(**known, species="12").identity != Explanation(**known).identity


def test_the_importance_of_inputs_is_measured_by_the_models_of_the_folds(root):
    task = Importance(
        root=root, dataset=TINY, experiment="votes+validation.count=4+validation.run=2", repeats=1, most=20
    )
    run(task)
    assert storage.manifest(task.folder)["surveys"] == 40


@pytest.mark.slow
def test_the_tables_and_the_report_of_a_forest_are_made(root):
    task = Explain(root=root, dataset=TINY, experiment=FOREST, repeats=1)
    assert {"Model", "Explanation", "Report", "Explain"} <= set(run(task))
    folder = task.explanation_folder
    assert len((folder / "odmap.csv").read_text().splitlines()) >= 85
    assert "simulated" in (folder / "citation.md").read_text()
    page = (task.clone(Report).published()[0].path).read_text()
    assert 'id="explained"' in page
    assert "bioclim" in page
    assert task.complete()
