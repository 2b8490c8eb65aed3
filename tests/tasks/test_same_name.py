"""Stable places bear the name of the dataset's folder: two datasets of one name are kept apart. Without Spark."""

import json
import logging
import shutil
from pathlib import Path

import luigi
import pytest

from glc import editions, storage
from glc.cli.model_folder import model_folder
from glc.config import load, to_dict
from glc.errors import ConfigError, DataError
from glc.tasks import Submission
from glc.tasks.base import DatasetTask, ProductTask
from glc.tasks.outputs import Published
from tests import files_of_editions
from tests.tasks import pipeline


class Copied(ProductTask, DatasetTask):
    """A product of a dataset's files."""

    def content(self):
        return editions.recognise(self.dataset).fingerprint()

    def published(self):
        return [Published(Path(self.root) / "tables" / self.subject / "copied.txt", self.folder / "copied.txt")]

    def write(self, out):
        (out / "copied.txt").write_text(str(self.content()))


@pytest.fixture
def first(tmp_path):
    """A dataset with a product."""
    folder = tmp_path / "a" / "ds"
    files_of_editions.write(folder, "glc2024", count=4)
    assert pipeline.run(copied(tmp_path, folder)) == ["Copied"]
    return folder


def copied(tmp_path, folder):
    luigi.task_register.Register.clear_instance_cache()
    return Copied(root=str(tmp_path / "out"), dataset=str(folder))


def correct(folder):
    """Change a dataset's file."""
    path = editions.recognise(folder).paths[0]
    path.write_text(path.read_text().replace(".", ".1", 1))
    return path


def test_another_dataset_of_the_same_name_is_refused_and_nothing_is_replaced(first, tmp_path):
    other = tmp_path / "b" / "ds"
    files_of_editions.write(other, "glc2024", count=4, seed=1)
    task = copied(tmp_path, other)
    published = task.published()[0].path
    before = published.read_text()
    with pytest.raises(DataError, match=rf"--dataset {other}: .* called 'ds', {first}, .*choose another --root"):
        task.check_name()
    assert pipeline.build(task) == (False, [])
    assert published.read_text() == before
    assert pipeline.run(Copied(root=str(tmp_path / "elsewhere"), dataset=str(other))) == ["Copied"]


def test_every_task_on_a_dataset_refuses_it_before_anything_runs(first, tmp_path):
    other = tmp_path / "b" / "ds"
    files_of_editions.write(other, "glc2024", count=4, seed=1)
    task = Submission(root=str(tmp_path / "out"), dataset=str(other), experiment="votes")
    with pytest.raises(DataError, match="another dataset that is called 'ds'"):
        task.check_name()
    world = Submission(root=str(tmp_path / "out"), dataset="virtual:tiny", experiment="votes")
    world.check_name()


def test_a_corrected_dataset_takes_the_place_of_its_earlier_state(first, tmp_path):
    correct(first)
    assert pipeline.run(copied(tmp_path, first)) == ["Copied"]


def test_a_copy_is_the_same_dataset_until_one_of_both_changes(first, tmp_path):
    other = shutil.copytree(first, tmp_path / "b" / "ds")
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "ds").symlink_to(first)
    copied(tmp_path, other).check_name()
    copied(tmp_path, tmp_path / "link" / "ds").check_name()
    correct(other)
    with pytest.raises(DataError, match="another dataset"):
        copied(tmp_path, other).check_name()
    copied(tmp_path, first).check_name()


def test_a_dataset_that_was_moved_and_corrected_goes_on_with_a_word(first, tmp_path, caplog):
    moved = first.rename(tmp_path / "ds")
    correct(moved)
    with caplog.at_level(logging.WARNING):
        assert pipeline.run(copied(tmp_path, moved)) == ["Copied"]
    assert f"ds: the results under {tmp_path / 'out'} were made from {first}, which is gone" in caplog.text
    caplog.clear()
    correct(moved)
    with caplog.at_level(logging.WARNING):
        assert pipeline.run(copied(tmp_path, moved)) == ["Copied"]
    assert "which is gone" not in caplog.text, "it is known by now"


@pytest.fixture
def fitted(first, tmp_path):
    """The folder of a model of the dataset, with the manifest that its task writes."""
    folder = tmp_path / "out" / "models" / "ds" / "votes"
    files = [storage.raw_file(path) for path in editions.recognise(first).paths]
    with storage.atomic_directory(folder, raw_files=files) as out:
        (out / "scorer").mkdir()
        (out / "model.json").write_text("{}")
        text = json.dumps({"settings": to_dict(load("votes"))})
        (out / "scorer" / "experiment.json").write_text(text)
    return folder


def test_a_model_answers_for_the_data_that_it_was_fitted_to_alone(first, fitted, tmp_path):
    root = str(tmp_path / "out")
    assert model_folder("votes", str(first), root) == fitted
    assert model_folder("votes", "ds", root) == fitted, "the dataset need not be there"
    assert model_folder("votes", str(shutil.copytree(first, tmp_path / "c" / "ds")), root) == fitted
    other = tmp_path / "b" / "ds"
    files_of_editions.write(other, "glc2024", count=4, seed=1)
    with pytest.raises(ConfigError, match=rf"{fitted}: {other}/.* is not the file that it was fitted to; fit it again"):
        model_folder("votes", str(other), root)
    path = correct(first)
    with pytest.raises(ConfigError, match=rf"{path} is not the file that it was fitted to"):
        model_folder("votes", str(first), root)
    assert model_folder(str(fitted), str(first), root) == fitted, "the folder itself may be asked"
