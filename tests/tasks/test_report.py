"""What a report is made from, by the kind of model; nothing is run."""

import pytest

from glc.tasks import Baselines, EnsembleScores, Evaluate, Neighbours, Report, Submission
from glc.tasks.training import fits
from tests.tasks.pipeline import TINY


def report(tmp_path, experiment):
    return Report(root=str(tmp_path), dataset=TINY, experiment=experiment)


@pytest.mark.parametrize(
    ("experiment", "own"),
    [
        ("votes+compare_with=[]", set()),
        ("knn+compare_with=[]", {"neighbours"}),
        ("geolocation+validation.run=2+compare_with=[]", {"fit 0", "fit 1"}),
        ('best+model.members=["votes","frequency+validation.run=10"]+compare_with=[]', {"joined"}),
    ],
)
def test_each_kind_of_model_adds_what_its_page_shows(tmp_path, experiment, own):
    needs = report(tmp_path, experiment).requires()
    assert set(needs) == {"surveys", "folds", "scores", "predictions", "metrics", "baselines", "applicability"} | own


def test_what_the_page_shows_is_of_the_experiment_itself(tmp_path):
    net = report(tmp_path, "geolocation+validation.run=2")
    assert [net.requires()[f"fit {fold}"] for fold in (0, 1)] == fits(net)
    assert net.requires()["baselines"] == net.clone(Baselines)
    knn = report(tmp_path, "knn+model.k=3")
    assert isinstance(knn.requires()["neighbours"], Neighbours)
    assert knn.requires()["neighbours"].neighbours.k == 3
    stack = report(tmp_path, 'best+model.members=["votes","frequency+validation.run=10"]')
    assert isinstance(stack.requires()["joined"], EnsembleScores)


def test_others_are_compared_where_the_folds_are_the_same(tmp_path):
    task = report(tmp_path, 'votes+compare_with=["knn+validation.run=2","knn+validation.seed=9"]')
    same, other = task.compared().values()
    assert isinstance(same, Evaluate)
    assert task.same_folds(same)  # fewer of the same folds
    assert not task.same_folds(other)
    assert task.requires()["compare with knn+validation.seed=9"] == other


def test_a_submission_is_ranked_where_the_edition_or_the_experiment_says_so(tmp_path):
    known = {"root": str(tmp_path)}
    assert not Submission(**known, dataset=TINY, experiment="votes").ranked
    assert Submission(**known, dataset=TINY, experiment="votes+submission=ranked").ranked
    assert Submission(**known, dataset="virtual:glc20-tiny", experiment="frequency").ranked
    assert not Submission(**known, dataset="virtual:glc20-tiny", experiment="frequency+submission=sets").ranked
