"""The folder of a fitted experiment: where it is looked for, and what is said if it is not there."""

import json

import pytest

from glc.cli.model_folder import model_folder, output_root, subject
from glc.config import load, to_dict
from glc.errors import ConfigError


def made(root, dataset, experiment, settings=""):
    folder = root / "models" / dataset / experiment
    (folder / "scorer").mkdir(parents=True)
    (folder / "model.json").write_text("{}")
    saved = {"settings": to_dict(load(settings or experiment))}
    (folder / "scorer" / "experiment.json").write_text(json.dumps(saved))
    return folder


def test_the_folder_of_outputs_is_that_of_the_tasks(tmp_path, monkeypatch):
    from glc.tasks.machine import output_folder

    monkeypatch.delenv("LUIGI_CONFIG_PATH", raising=False)
    assert output_root() == output_folder()
    (tmp_path / "own.cfg").write_text(f"[machine]\nroot = {tmp_path}/mine%\n[core]\nx = y\n")
    monkeypatch.setenv("LUIGI_CONFIG_PATH", str(tmp_path / "own.cfg"))
    assert output_root() == tmp_path / "mine%"
    assert output_root(str(tmp_path)) == tmp_path


def test_a_dataset_is_called_as_in_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert subject("virtual:tiny") == "virtual-tiny"
    assert subject(f"{tmp_path}/plots/") == "plots"
    assert subject("plots") == "plots"


def test_a_model_is_given_by_names_or_by_its_folder(tmp_path):
    votes = made(tmp_path, "virtual-tiny", "votes")
    changed = made(tmp_path, "medflora", "votes+model.prior=500")
    assert model_folder("votes", "virtual:tiny", str(tmp_path)) == votes
    assert model_folder("votes+model.prior=500", "medflora", str(tmp_path)) == changed
    assert model_folder(str(votes), "virtual:small", str(tmp_path)) == votes


def test_a_model_of_an_experiment_that_has_changed_since_is_refused(tmp_path):
    folder = made(tmp_path, "medflora", "votes", "votes+model.prior=500")
    with pytest.raises(
        ConfigError, match=r"\[model\] of votes has changed since it was fitted: .*Model --experiment votes"
    ):
        model_folder("votes", "medflora", str(tmp_path))
    assert model_folder(str(folder), "medflora", str(tmp_path)) == folder
    other = made(tmp_path, "virtual-tiny", "votes", "votes+description=mine")
    assert model_folder("votes", "virtual:tiny", str(tmp_path)) == other


@pytest.mark.parametrize(
    ("experiment", "dataset", "message"),
    [
        ("knn", "virtual:tiny", r"fitted on it: votes\); make it: luigi --module glc.tasks Model --experiment knn "
         r"--dataset virtual:tiny --root"),
        ("votes+model.prior=3", "virtual:tiny", r"--experiment 'votes\+model.prior=3' --dataset"),
        ("vots", "virtual:tiny", "there is no experiment 'vots'; did you mean 'votes'"),
        ("qqqq", "virtual:tiny", "there is no experiment 'qqqq'; glc list shows them"),
        ("votes", "virtual:small", r"make it: .* --dataset virtual:small"),
        ("votes", "medflor", "there is no dataset 'medflor'.*did you mean 'medflora'"),
    ],
)  # fmt: skip
def test_a_model_that_is_not_there_is_explained(tmp_path, experiment, dataset, message):
    made(tmp_path, "virtual-tiny", "votes")
    made(tmp_path, "medflora", "votes")
    with pytest.raises(ConfigError, match=message):
        model_folder(experiment, dataset, str(tmp_path))
