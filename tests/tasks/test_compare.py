"""The task Compare on finished experiments, and what it refuses before anything runs."""

import json
from pathlib import Path

import luigi
import pytest

from glc.errors import ConfigError
from glc.products import chain, product_of
from glc.tasks import Compare
from tests import finished
from tests.tasks.pipeline import TINY, build, run


@pytest.fixture
def root(tmp_path):
    luigi.task_register.Register.clear_instance_cache()
    data = finished.data_of()
    finished.add(tmp_path, "votes", data, k=3)
    finished.add(tmp_path, "knn", data, k=8)
    yield tmp_path
    luigi.task_register.Register.clear_instance_cache()


def compare(root, **options):
    luigi.task_register.Register.clear_instance_cache()
    return Compare(root=str(root), dataset=TINY, **options)


def test_without_names_all_finished_experiments_are_compared_and_nothing_is_trained(root):
    task = compare(root)
    assert run(task) == ["Compare"]
    page = root / "comparisons/virtual-tiny/all.html"
    assert task.results()[0] == f"comparison {page.as_uri()}"
    assert {path.suffix for path in page.parent.iterdir()} == {".html", ".csv", ".json"}
    assert run(compare(root)) == []
    _, folder, warning = product_of(page)
    assert warning == ""
    made_of = {step.task for step in chain(root, folder)}
    assert {"Compare", "Evaluate", "Predictions", "Surveys", "Folds"} <= made_of


def test_another_finished_experiment_makes_another_page(root):
    first = compare(root)
    run(first)
    finished.add(root, "frequency", finished.data_of(), k=5)
    second = compare(root)
    assert second.identity != first.identity
    assert run(second) == ["Compare"]
    facts = json.loads((root / "comparisons/virtual-tiny/all.json").read_text())
    assert {row["experiment"] for row in facts["costs"]} == {"votes", "knn", "frequency"}


def test_an_experiment_to_compare_with_names_the_page(root):
    run(compare(root, against="knn"))
    facts = json.loads((root / "comparisons/virtual-tiny/all-against-knn.json").read_text())
    assert facts["comparisons"][0]["against"] == "knn"
    with pytest.raises(ConfigError, match=r"--against: found 'kn', expected one of .*did you mean 'knn'"):
        compare(root, against="kn").check()


def test_an_experiment_to_compare_with_may_be_spelled_in_any_order(root):
    names = ["votes", "knn+validation.run=2+model.k=3"]
    task = compare(root, experiments=names, against="knn+validation.run=2+model.k=3")
    assert task.reference == "knn+model.k=3+validation.run=2"
    task.check()
    assert task.page_name.endswith("-against-knn+model.k=3+validation.run=2")


def test_a_removed_evaluation_is_left_out_by_name(root):
    path = root / "metrics/virtual-tiny/votes.json"
    path.write_text(path.read_text().replace("0.", "0.1", 1))
    run(compare(root))
    html = (root / "comparisons/virtual-tiny/all.html").read_text()
    assert "votes.json: was edited" in html
    assert "1 experiment on virtual-tiny" in html


def test_nothing_finished_says_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing is finished on virtual-tiny under .*glc run votes --dataset"):
        compare(tmp_path).check()
    assert not build(compare(tmp_path))[0]


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ("votes+validation.seed=1", "validation.seed is 1, votes has 0"),
        ("votes+validation.size_m=50_000", "validation.size_m is 50000.0, votes has 30000"),
        ("votes+surveys.max_quarantine_fraction=0.5", "surveys.max_quarantine_fraction is 0.5"),
    ],
)
def test_named_experiments_of_other_folds_are_refused_by_name(tmp_path, other, reason):
    with pytest.raises(ConfigError) as error:
        compare(tmp_path, experiments=f"votes, {other}").check()
    assert "cannot be compared with votes survey by survey" in str(error.value)
    assert reason in str(error.value)


def test_fewer_folds_of_the_same_split_and_another_scheme_are_accepted(tmp_path):
    names = ("votes", "knn+validation.run=1", "votes+validation.scheme=random")
    compare(tmp_path, experiments=names).check()


def test_presence_only_scores_are_not_compared_with_those_of_surveys(root):
    path = root / "metrics/virtual-tiny/knn.json"
    other = root / "other"
    finished.add(other, "records", finished.data_of(relative=True))
    for kind in ("store", "metrics"):
        for source in (other / kind).rglob("*"):
            place = root / source.relative_to(other)
            if source.is_file() and not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(source.read_bytes())
    assert path.is_file()
    with pytest.raises(ConfigError, match=r"records was evaluated on presence-only records alone \(AUC\), "):
        compare(root).check()


def test_names_may_hold_commas_in_brackets_and_quotes():
    text = 'votes, knn+model.sources=["train","po"], votes+description="a, b"'
    task = Compare(dataset=TINY, experiments=text)
    names = ["votes", 'knn+model.sources=["train","po"]', 'votes+description="a, b"']
    assert [str(variant) for variant in task.experiments] == names
    assert Compare(dataset=TINY, experiments=json.dumps(names)).experiments == task.experiments
    for wrong, reason in (("votes,votes", "twice"), ("vots", "did you mean 'votes'"), ("[votes", "JSON list")):
        with pytest.raises(ConfigError, match=reason):
            Compare(dataset=TINY, experiments=wrong)


def test_long_lists_of_names_have_a_short_file_name(tmp_path):
    names = [f"votes+model.prior={prior}" for prior in range(1_000, 1_040)]
    task = compare(tmp_path, experiments=names)
    assert len(task.page_name) <= 120
    assert task.page_name != compare(tmp_path, experiments=names[:-1]).page_name
    assert Path(task.published()[0].path).parent == tmp_path / "comparisons/virtual-tiny"
