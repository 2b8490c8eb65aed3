"""Pre-trained weights that an experiment or the command line names: identities, refusals, and what the user reads."""

import shutil
from pathlib import Path

import luigi
import pytest
import torch

from glc import config
from glc.errors import ConfigError
from glc.tasks import Submission
from glc.tasks.training import Fit, Pretrain
from glc.tasks.weights import backbone
from glc.training import timm_nets
from tests.tasks.pipeline import TINY

NET = "resnet10t"
BASELINE = f"official-baseline+model.image={NET}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with weights of a small net."""
    torch.save(timm_nets.backbone(NET, 3)[0].state_dict(), tmp_path / f"{NET}.pth")
    return tmp_path


@pytest.fixture
def named(folder: Path):
    """The same folder, which the command line names."""
    settings = luigi.configuration.get_config()
    settings.set("weights", "folder", str(folder))
    yield folder
    settings.remove_section("weights")


def fit(experiment: str = BASELINE, kind: type = Fit) -> Fit:
    luigi.task_register.Register.clear_instance_cache()
    return kind(root="out", dataset=TINY, experiment=experiment)


def test_the_content_of_weights_counts_and_not_their_path(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    shutil.copy(folder / f"{NET}.pth", other / "copy.pth")
    at_random = fit().identity
    first = fit(f'{BASELINE}+model.weights="{folder}"')
    assert first.identity == fit(f'{BASELINE}+model.weights="{other}/copy.pth"').identity != at_random
    assert str(folder) not in str(first.own_parameters())
    assert [facts["path"] for facts in first.raw_files()][-1:] == [str(folder / f"{NET}.pth")]
    torch.save(timm_nets.backbone(NET, 3)[0].state_dict(), other / "copy.pth")
    assert fit(f'{BASELINE}+model.weights="{other}/copy.pth"').identity != first.identity
    assert fit(f"{BASELINE}+model.weights=random").identity == at_random


def test_the_command_line_names_a_folder_for_every_net_of_images(named):
    assert fit().identity == fit(f'{BASELINE}+model.weights="{named}"').identity
    assert fit().backbone.file == named / f"{NET}.pth"
    assert fit(f"{BASELINE}+model.weights=random").backbone.file is None
    assert fit(f"tile-cnn+model.backbone={NET}").backbone.file == named / f"{NET}.pth"
    assert fit(f"tile2vec+model.backbone={NET}", Pretrain).backbone.file == named / f"{NET}.pth"
    for experiment in ("tile-cnn", "geolocation", "votes"):
        assert backbone(config.load(experiment)) is None
    for experiment in ("tile-cnn", "geolocation"):
        assert fit(experiment).backbone is None
    assert fit("tighnari+inputs=[{cube='bioclim'}]").backbone is None  # no tiles: no net of images is made


def test_a_net_is_given_the_file_that_was_found(named, monkeypatch):
    said = []
    task = fit()
    monkeypatch.setattr(task, "status", said.append)
    assert task.model().options["weights"] == str(named / f"{NET}.pth")
    assert said == [f"weights of {task.backbone.check().note()}"]
    assert "weights" not in fit(f"{BASELINE}+model.weights=random").model().options


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("", r"pth fits 0 of the \d+ tensors of resnet10t"),
        (
            "+model.image=resnet18",
            r"has no resnet18\.safetensors or resnet18\.pth, expected one; save them .*python -c",
        ),
        ("+model.scale=0.5", "scale: found 0.5 with weights for resnet10t"),
    ],
)
def test_what_does_not_fit_is_refused_before_training(named, change, words):
    if not change:
        torch.save({"layer.weight": torch.ones(2)}, named / f"{NET}.pth")
    with pytest.raises(ConfigError, match=words):
        fit(BASELINE + change).check()


def test_the_last_lines_of_a_submission_say_what_its_image_nets_started_from(named):
    def lines(experiment):
        luigi.task_register.Register.clear_instance_cache()
        return Submission(root="out", dataset=TINY, experiment=experiment)._weights()

    remedy = "--weights-folder FOLDER (make: WEIGHTS=) gives pre-trained ones"
    (line,) = lines(BASELINE)
    assert line.startswith(f"  weights    {NET}: ")
    assert line.endswith(f"tensors from {named}/{NET}.pth, the head is new")
    assert lines(f"{BASELINE}+model.weights=random") == [f"  random weights: {NET}; {remedy}"]
    luigi.configuration.get_config().set("weights", "folder", "")
    assert lines(BASELINE) == [f"  random weights: {NET}; {remedy}"]
    assert lines("votes") == lines("geolocation") == lines("tile-cnn") == []
    blend = "+".join(["tighnari-mean", f'model.members=["{BASELINE}+validation.run=3"]', 'model.baseline=""'])
    assert lines(blend) == [f"  random weights: {NET}; {remedy}"]
