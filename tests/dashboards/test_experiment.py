"""A finished experiment as one run of W&B, read from its files without a network."""

import numpy as np
import pandas as pd
import pytest

from glc import results, storage
from glc.dashboards import experiment, panels, table
from glc.dashboards.run import artifact_name, offline_runs, run_id, started, waiting
from tests import finished
from tests.dashboards import offline

BASELINES = [{"level": "global", "valid": 0.2, "valid_low": 0.1, "valid_high": 0.3, "test": None}]
HISTORY = {"epoch": [0, 1], "train_loss": [0.7, 0.5], "valid_loss": [0.8, 0.6], "valid_f1": [0.1, np.nan]}


def with_nets(root, folder):
    """Give the evaluation in `folder` nets of two folds among what it was made from."""
    manifest = storage.manifest(folder)
    fits = [
        finished.output(
            root, "Fit", str(fold), lambda out, fold=fold: _curve(fold).to_csv(out / "history.csv", index=False),
            parameters={"fold": str(fold), "model": {"name": "geolocation"}},
        )
        for fold in range(2)
    ]  # fmt: skip
    return finished.output(
        root, "Evaluate", "net", lambda out: _copy(folder, out), [*_inputs(root, manifest), *fits],
        parameters={"experiment": "net"}, published={f"metrics/{finished.DATASET}/net.json": "metrics.json"},
    )  # fmt: skip


def _curve(fold):
    return pd.DataFrame(HISTORY) + {"epoch": 0, "train_loss": fold, "valid_loss": fold, "valid_f1": fold}


def _inputs(root, manifest):
    return [root / entry["folder"] for entry in manifest["inputs"]]


def _copy(folder, out):
    for name in (results.METRICS, results.SURVEYS, results.AREAS):
        (out / name).write_bytes((folder / name).read_bytes())


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """(root, the result, what its offline run holds) of a net with a report."""
    root = tmp_path_factory.mktemp("root")
    data = finished.data_of()
    folder = with_nets(root, finished.add(root, "few", data, k=2))
    (root / f"metrics/{finished.DATASET}/net.json").write_bytes((folder / results.METRICS).read_bytes())
    page = root / f"reports/{finished.DATASET}/net/index.html"
    made = finished.output(
        root, "Report", "net", lambda out: (out / "index.html").write_text("<p>page</p>"), [folder],
        published={page.relative_to(root).as_posix(): "index.html"},
    )  # fmt: skip
    page.parent.mkdir(parents=True)
    page.write_bytes((made / "index.html").read_bytes())
    (result,) = [result for result in results.finished(root) if result.name == "net"]
    settings = {"mode": "offline", "project": "glc", "id": run_id("net"), "job_type": "experiment"}
    settings |= {"config": {"paper": "ours", "train": {"seed": 3}}, "dir": str(root)}
    with started(settings) as run:
        experiment.log(run, result, BASELINES)
        table_of(run, root)
    (path,) = offline_runs(root)
    return root, result, offline.read(path)


def table_of(run, root):
    folder = finished.output(
        root, "Table", "t", lambda out: pd.DataFrame({"model": ["a"]}).to_csv(out / "table.csv", index=False)
    )
    table.log(run, folder, finished.DATASET, "t")


def test_every_metric_of_the_dashboard_is_logged(logged):
    _, _, found = logged
    assert [name for name in panels.metrics() if not named(name, found["summary"])] == ["test/sample_f1"]


def named(name, summary):
    """Whether a final value or, of a table, its parts have a name."""
    return name in summary or f"{name}/_type" in summary


def test_a_test_with_labels_has_its_measures(logged):
    _, result, _ = logged
    values = result.metrics | {"test": {"sample_f1": 0.25, "by_fold": []}}
    other = results.Result(result.root, result.path)
    vars(other)["metrics"] = values  # as if its truth were known
    assert experiment.measures(other)["test/sample_f1"] == 0.25


def test_final_values_are_those_of_the_evaluation(logged):
    _, result, found = logged
    for name in ("sample_f1", "sample_f1_low", "sample_f1_high", "mean_set"):
        assert found["summary"][f"valid/{name}"] == result.metrics["valid"][name]
    assert found["summary"]["cost/seconds"] == result.costs(preparation=False).seconds
    assert found["summary"]["tables/folds/nrows"] == len(result.metrics["valid"]["by_fold"])
    assert sum(found["summary"]["valid/set_size/values"]) == result.metrics["valid"]["surveys"]


def test_curves_are_those_of_each_fold_and_their_mean(logged):
    _, _, found = logged
    rows = [row for row in found["history"] if "epoch" in row]
    assert [row["epoch"] for row in rows] == [0, 1]
    assert [row["fold_1/valid_loss"] for row in rows] == [1.8, 1.6]
    assert [row["mean_of_folds/valid_loss"] for row in rows] == pytest.approx([1.3, 1.1])
    assert "fold_0/valid_f1" not in rows[1]  # was not measured


def test_the_run_is_that_of_the_experiment(logged):
    root, _, found = logged
    assert (found["run"].run_id, found["run"].job_type) == (run_id("net"), "experiment")
    assert found["config"]["train"] == {"seed": 3}
    assert found["artifacts"]["report"] == ["index.html"]
    assert found["artifacts"]["table"] == ["table.csv"]
    assert waiting(root) == offline_runs(root)
    (file,) = offline_runs(root)[0].glob("run-*.wandb")
    file.with_name(f"{file.name}.synced").touch()
    assert waiting(root) == []


def test_products_of_another_evaluation_are_left_out(logged, tmp_path):
    root, result, _ = logged
    assert list(experiment.files(result, None)) == ["report"]
    folder = finished.output(root, "Model", "old", lambda out: (out / "model.json").write_text("{}"))
    assert "model" not in experiment.files(result, folder)
    folder = finished.output(root, "Model", "own", lambda out: (out / "model.json").write_text("{}"), [result.folder])
    assert experiment.files(result, folder)["model"] == [folder]


def test_presence_only_records_have_no_sets(tmp_path):
    finished.add(tmp_path, "few", finished.data_of(relative=True))
    (result,) = results.finished(tmp_path)
    assert experiment.set_sizes(result) == {}
    assert "valid/auc" in experiment.measures(result)
    assert {"measures", "species", "baselines"} <= set(experiment.tables(result, BASELINES))


def test_ids_and_names_are_stable_and_plain():
    assert run_id("a", "b") == run_id("a", "b") != run_id("ab")
    assert artifact_name("virtual-tiny", "votes", "report") == "virtual-tiny-votes-report"
    long = artifact_name("d", "votes+model.prior=5", "model")
    assert long != artifact_name("d", "votes model.prior=5", "model")
    assert len(artifact_name("x" * 300)) <= 128
