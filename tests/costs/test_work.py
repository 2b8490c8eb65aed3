"""How much tasks have to do: what it grows with, and that a finished output says the same as the task before it."""

from dataclasses import replace

import pytest

from glc.costs import work
from glc.costs.sizes import Sizes
from glc.costs.work import Job
from glc.tasks import ClassicalScores, Submission
from tests.costs.jobs import job_of

SIZES = Sizes(training_rows=10_000, training_surveys=1_000, species=50, test_surveys=100, po_rows=500, po_surveys=400)


def fit(use="none", folds=10, epochs=10, patience=6, squares_m=0, seen=0):
    inputs = [Job("Folds", {"count": folds})]
    inputs += [Job("AtlasGrid", {"squares_m": float(squares_m), "squares_crs": 2154})] if squares_m else []
    parameters = {
        "model": {"name": "geolocation"},
        "train": {"max_epochs": epochs, "patience": patience},
        "po": {"use": use, "radius_m": 3_000.0},
        "inputs": [],
    }
    return Job("Fit", parameters, inputs, seen)


def test_a_training_sees_all_folds_but_two_in_every_epoch():
    assert work.of(fit(), SIZES).terms[0] == 10 * 800
    assert work.of(fit(epochs=20), SIZES).terms[0] == 20 * 800
    assert work.of(fit(folds=5), SIZES).terms[0] == 10 * 600


def test_a_training_that_may_stop_sees_fewer_epochs_and_a_finished_one_what_it_saw():
    assert work.of(fit(epochs=100, patience=6), SIZES).terms[0] == 27 * 800
    assert work.of(fit(epochs=100, patience=6, seen=7 * 790), SIZES).terms == (7 * 790, 7 * 790 * 50)


def test_presence_only_surveys_are_examples_where_the_experiment_says_so():
    assert work.of(fit("surveys"), SIZES).terms[0] == 10 * (800 + 400)


def test_a_pseudo_survey_needs_a_square_with_records():
    assert work.of(fit("pseudo"), SIZES).terms[0] == pytest.approx(10 * (800 + 400 / 3))
    counted = replace(SIZES, po_cells=90)
    assert work.of(fit("pseudo"), counted).terms[0] == 10 * (800 + 90)
    assert work.of(fit("pseudo", squares_m=9_000), counted).terms[0] == 10 * (800 + 10)


def test_scored_surveys_are_those_of_the_folds_that_run_and_of_the_test():
    splits = Job("Folds", {"count": 10})
    scores = Job("ClassicalScores", {"model": {"name": "votes"}, "validation.run": 3, "scores.keep": 20}, [splits])
    sets = Job("Predictions", {"decode": {"name": "top_k"}}, [splits, scores])
    assert sets.scored(SIZES) == 300 + 100
    assert work.of(sets, SIZES) == work.Work("Predictions top_k", (10_600, 400 * 20))


def test_folds_of_a_net_are_its_scores():
    folds = [Job("FoldScores", {"scores.keep": 100}, [fit()]) for _ in range(4)]
    assert Job("NetScores", {"scores.keep": 10}, folds).folds == 4


def test_a_task_that_nothing_describes_has_no_work():
    assert work.of(Job("Compare", {}), SIZES) is None


@pytest.mark.parametrize("experiment", ["votes", "geolocation", "best", "tighnari", "knn"])
def test_every_task_of_an_experiment_has_work_or_is_named_as_unknown(tmp_path, experiment):
    top = job_of(Submission(root=str(tmp_path), dataset="virtual:tiny", experiment=experiment))
    left, kinds, unknown = [top], set(), set()
    while left:
        job = left.pop()
        of_job = work.of(job, SIZES)
        (kinds if of_job else unknown).add(of_job.kind if of_job else job.task)
        assert of_job is None or all(term > 0 for term in of_job.terms if job.task != "VirtualPart")
        left += job.inputs
    assert {"Surveys", "Folds", "Report", "Submission"} <= kinds
    assert unknown <= {"SurveyEmbedding", "Importance"}


def test_a_variant_with_more_folds_has_more_work(tmp_path):
    def terms(experiment):
        task = ClassicalScores(root=str(tmp_path), dataset="virtual:tiny", experiment=experiment)
        return work.of(job_of(task), SIZES).terms

    few, many = terms("votes+validation.run=2"), terms("votes")
    assert all(more > fewer for fewer, more in zip(few, many, strict=True))


def test_a_stack_learns_from_the_pairs_of_some_surveys_for_each_fold_and_joins_all_scores():
    def stack(**options):
        members = [Job("ClassicalScores", {"validation.run": 5, "scores.keep": 20}, [Job("Folds", {"count": 10})])]
        model = {"name": "stack", "options": {"members": ["votes", "kriging"]} | options}
        return Job("EnsembleScores", {"model": model, "validation.run": 5, "scores.keep": 30}, members)

    joined = (500 + 100) * 2 * 30
    assert work.of(stack(), SIZES) == work.Work("EnsembleScores stack", (6 * 500 * 150, joined))
    assert work.of(stack(fit="boosted", surveys=70), SIZES).terms == (6 * 70 * 350, joined)
    assert work.of(stack(fit="boosted", candidates=20, best=1, sampled=2), SIZES).terms == (6 * 500 * 23, joined)
