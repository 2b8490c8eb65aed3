"""A stack of two models on the tiny virtual world, through Luigi."""

import json
from pathlib import Path

import luigi
import numpy as np
import pytest

from glc import scores, storage
from glc.errors import ConfigError
from glc.tasks import Evaluate, Predictions, Submission
from glc.tasks.scores import ClassicalScores, EnsembleScores

FOLDS = "validation.count=4+validation.run=2"
STACK = f"""
compare_with = ["votes+{FOLDS}"]
model = {{ name = "stack", members = ["frequency+{FOLDS}", "votes+{FOLDS}"] }}
validation = {{ count = 4, run = 3 }}
"""


@pytest.fixture(scope="module")
def root(root):
    """As a path; the surveys have been read."""
    return Path(root)


def submission(root, text=STACK, name="joined"):
    (root / f"{name}.toml").write_text(text)
    luigi.task_register.Register.clear_instance_cache()
    return Submission(root=str(root), dataset="virtual:tiny", experiment=str(root / f"{name}.toml"))


@pytest.mark.slow
def test_a_stack_ends_in_a_submission_and_a_second_run_does_nothing(root):
    task = submission(root)
    assert luigi.build([task], local_scheduler=True, log_level="WARNING")
    below = task.clone(Predictions).scores()
    assert isinstance(below, EnsembleScores)
    members = {name: predictions.scores() for name, predictions in below.members.items()}
    assert [type(one) for one in members.values()] == [ClassicalScores] * 2
    facts = storage.manifest(below.folder)["model_facts"]
    assert list(facts) == ["0", "1", "2", "test"]
    assert set(facts["test"]["members"]) == set(members)
    valid = scores.read(below.folder / "valid")
    alone = scores.read(next(iter(members.values())).folder / "valid")
    assert valid.surveys.tolist() == alone.surveys.tolist()
    assert valid.fold.tolist() == alone.fold.tolist()
    assert (valid.matrix.data > 0).all()
    assert (valid.matrix.data < 1).all()
    assert (root / "submissions" / "virtual-tiny" / "joined.csv").is_file()

    ran = []
    luigi.Task.event_handler(luigi.Event.SUCCESS)(lambda one: ran.append(one.task_family))
    assert luigi.build([submission(root)], local_scheduler=True, log_level="WARNING")
    assert ran == []


@pytest.mark.slow
def test_boosted_trees_make_other_scores_of_the_same_members(root):
    weights = submission(root).clone(Predictions).scores()
    text = STACK.replace('name = "stack"', 'name = "stack", fit = "boosted", candidates = 30, trees = 5')
    task = submission(root, text, "boosted")
    assert luigi.build([task], local_scheduler=True, log_level="WARNING")
    trees = task.clone(Predictions).scores()
    assert [one.folder for one in trees.members.values()] == [one.folder for one in weights.members.values()]
    one, other = (scores.read(each.folder / "valid").matrix for each in (trees, weights))
    changed = np.diff((abs(one - other) > 1e-6).tocsr().indptr)
    assert changed.mean() > 20
    assert changed.max() <= 30


@pytest.mark.parametrize(
    ("member", "complaint"),
    [
        ("vots", "unknown experiment 'vots'"),
        (
            "votes",
            r"'votes' has validation.count = 10, expected .* own 4; write votes\+validation.count=4\+validation.run=3,",
        ),
        (
            "votes+validation.count=4+validation.run=2+validation.seed=3",
            "validation.seed = 3, expected this experiment's own 0",
        ),
        (f"votes+{FOLDS}+validation.size_m=9000", "validation.size_m = 9000.0"),
        (f"votes+{FOLDS}+validation.scheme=random", "validation.scheme = 'random'"),
        ("{root}/wrong.toml", "is a stack itself"),
        (f"geolocation+{FOLDS}+cross_fusion.use=true", "honest on the first fold alone"),
    ],
)
def test_members_that_do_not_fit_are_refused_before_anything_runs(root, member, complaint):
    task = submission(root, STACK.replace(f"frequency+{FOLDS}", member.format(root=root)), "wrong")
    with pytest.raises(ConfigError, match=complaint):
        task.complete()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (STACK.replace("run = 3", "run = 1"), "validation.run: found 1, expected at least 2 to join models"),
        ('model = "stack"', "key 'members' is missing"),
        ('model = { name = "stack", members = ["votes", "votes"] }', "members: .* expected each once"),
    ],
)
def test_settings_that_make_no_stack_are_refused(root, text, complaint):
    with pytest.raises(ConfigError, match=complaint):
        submission(root, text, "useless").complete()


@pytest.mark.slow
def test_a_blend_is_the_mean_of_the_members_that_beat_the_baseline(root):
    members = [f"{name}+{FOLDS}" for name in ("votes", "frequency+model.level=district", "knn+model.k=1")]
    text = f"""
model = {{ name = "blend", members = {members!r}, baseline = "frequency+{FOLDS}" }}
validation = {{ count = 4, run = 3 }}
""".replace("'", '"')
    task = submission(root, text, "blended")
    assert luigi.build([task], local_scheduler=True, log_level="WARNING")
    below = task.clone(Predictions).scores()
    assert isinstance(below, EnsembleScores)
    told = {fold: one["members"] for fold, one in storage.manifest(below.folder)["model_facts"].items()}
    assert set(told) == {"0", "1", "2", "test"}
    f1 = {}
    for name in [*members, f"frequency+{FOLDS}"]:
        alone = Evaluate(root=str(root), dataset="virtual:tiny", experiment=f"{name}+validation.run=3")
        assert luigi.build([alone], local_scheduler=True, log_level="WARNING")
        f1[name] = json.loads((alone.folder / "metrics.json").read_text())["valid"]["sample_f1"]
    baseline = f1.pop(f"frequency+{FOLDS}")
    above = [name for name, value in f1.items() if value > baseline]
    assert told["test"] == {name: (name in above) / len(above) for name in f1}
    assert f"votes+{FOLDS}" in above
    page = (root / "reports" / "virtual-tiny" / "blended" / "index.html").read_text()
    assert "This experiment combines others" in page
    assert (root / "submissions" / "virtual-tiny" / "blended.csv").is_file()


@pytest.mark.slow
def test_a_blend_of_one_fold_joins_a_net_with_cross_fusion(root):
    one = "validation.count=4+validation.run=1"
    net = "geolocation+validation.count=4+validation.run=2+train.max_epochs=1+cross_fusion.max_epochs=1"
    text = f"""
model = {{ name = "blend", baseline = "frequency+{one}", members = ["{net}+cross_fusion.use=true", "votes+{one}"] }}
validation = {{ count = 4, run = 1 }}
decode = {{ name = "threshold_top_k", reading = "intersection" }}
postprocess = {{ name = "lists", sources = ["po"] }}
"""
    task = submission(root, text, "halves")
    assert luigi.build([task], local_scheduler=True, log_level="WARNING")
    below = task.clone(Predictions).scores()
    fused, votes, _ = below.members.values()
    assert (fused.validation.run, votes.validation.run) == (2, 1)
    facts = storage.manifest(below.folder)["model_facts"]
    assert list(facts) == ["half 1", "half 2", "test"]
    valid, alone = (scores.read(folder / "valid") for folder in (below.folder, fused.scores().folder))
    assert valid.surveys.tolist() == alone.surveys.tolist()
    assert set(valid.fold) == {0}
