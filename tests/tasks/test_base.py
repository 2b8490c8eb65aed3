"""What every task shares: parameters, identities, ids."""

from pathlib import Path

import luigi
import numpy as np
import pytest

from glc import geo, storage, world
from glc.costs import sizes
from glc.errors import ConfigError, DataError
from glc.tasks import (
    ClassicalScores,
    Examples,
    Fit,
    Folds,
    Neighbours,
    Predictions,
    Pretrain,
    Submission,
    Surveys,
    Tiles,
    VirtualPart,
)
from glc.tasks.base import GlcTask
from glc.tasks.location.pretraining import PretrainLocationOnTiles
from glc.world import places
from tests.tasks.pipeline import TINY, run


@pytest.mark.parametrize(
    ("task", "changes", "message"),
    [
        (Fit, {"experiment": "geolocation+model=3"}, "model: found 3, expected a name or a table"),
        (Fit, {"experiment": 'geolocation+inputs=[{tile="x"}]'}, "unknown key 'tile'"),
        (Folds, {"validation": '{"counts": 3}'}, "^--validation: unknown key 'counts'"),
        (
            PretrainLocationOnTiles,
            {"experiment": "location+location.dim=0"},
            "location.dim: found 0, expected at least 1",
        ),
        (
            PretrainLocationOnTiles,
            {"experiment": "votes"},
            "found one of species, expected one of the location encoder",
        ),
        (Fit, {"experiment": "location"}, "found one of the location encoder, .* run it with: glc run location"),
        (Tiles, {"covariate": "sentinel3"}, "unknown covariate 'sentinel3'.*did you mean"),
        (Tiles, {"imagery_folder": "nowhere"}, "^--imagery-folder .*nowhere: no such folder; give the one that holds"),
    ],
)
def test_what_is_wrong_is_refused_when_the_command_is_read(task, changes, message):
    with pytest.raises(ConfigError, match=message):
        task(root="out", **changes)


def test_a_task_depends_on_its_own_sections_and_on_what_it_is_made_from(tmp_path):
    def identities(experiment):
        task = Fit(root=str(tmp_path), dataset=TINY, experiment=experiment)
        return [task.clone(kind).identity for kind in (Surveys, Folds, Examples, Fit, Predictions)]

    def changed(experiment):
        return [one != other for one, other in zip(identities(experiment), usual, strict=True)]

    usual = identities("geolocation")
    assert changed("geolocation+validation.run=2") == [False, False, False, False, True]
    assert changed("geolocation+decode=all") == [False, False, False, False, True]
    assert changed("geolocation+train.seed=3") == [False, False, False, True, True]
    assert changed("geolocation+po.use=surveys") == [False, False, True, True, True]
    assert changed("geolocation+validation.seed=3") == [False, True, True, True, True]
    assert changed("geolocation+validation.stop=own") == [False, False, True, True, True]
    assert changed("geolocation+surveys.max_quarantine_fraction=0.5") == [True] * 5
    assert changed('geolocation+description="other words"+compare_with=["votes"]') == [False] * 5


def test_experiments_that_share_a_task_share_it_for_the_scheduler_too(tmp_path):
    known = {"root": str(tmp_path), "dataset": TINY}
    one, other = (Fit(**known, experiment=name) for name in ("geolocation", "geolocation+decode=all"))
    assert one is not other
    assert one == other
    assert one.task_id == other.task_id == f"Fit_virtual-tiny_{one.identity}"
    assert len({one, other}) == 1
    assert one != Fit(**known, experiment="geolocation", fold=1)
    # products carry the experiment's name
    assert one.clone(Submission) != other.clone(Submission)


def test_an_id_is_there_also_where_the_identity_cannot_be(tmp_path):
    """Luigi asks for the id before it can report what is wrong with a task."""
    task = Tiles(root=str(tmp_path), dataset=TINY, imagery_folder=str(tmp_path))
    with pytest.raises(Exception, match="sentinel2"):
        _ = task.identity
    assert task.task_id.startswith("Tiles_")
    assert task.task_id != Tiles(root=str(tmp_path), dataset=TINY, imagery_folder=str(tmp_path), size=64).task_id


@pytest.mark.parametrize(
    ("task", "experiment", "seeds"),
    [
        (VirtualPart, "", {"world.seed": 2024}),
        (Folds, "", {"seed": 0}),
        (Fit, "geolocation+train.seed=3", {"train.seed": 3}),
        (ClassicalScores, "forest", {"model.seed": 0}),
        (ClassicalScores, "votes", {}),
        (Pretrain, "tile2vec+train.seed=3", {"pretrain.seed": 0}),
    ],
)
def test_a_manifest_has_the_seeds_that_change_its_output(tmp_path, task, experiment, seeds):
    named = {"experiment": experiment} if experiment else {}
    assert task(root=str(tmp_path), dataset=TINY, **named).random_seeds() == seeds


def test_a_virtual_world_has_an_identity_before_it_is_made(tmp_path):
    task = Submission(root=str(tmp_path), dataset=TINY, experiment="tighnari")
    assert task.identity
    assert not list(tmp_path.iterdir())
    assert not task.complete()


def test_an_experiment_is_the_same_however_it_is_written(tmp_path):
    luigi.task_register.Register.clear_instance_cache()
    known = {"root": str(tmp_path), "dataset": TINY}
    one = Submission(**known, experiment="votes+validation.run=3+model.prior=500")
    other = Submission(**known, experiment="votes+model.prior=500+validation.run=3")
    assert one == other
    path = one.published()[0].path
    assert path.name == "votes+model.prior=500+validation.run=3.csv"


def test_finished_tables_tell_the_sizes_of_a_dataset(root):
    tiny = world.SIZES["tiny"]
    records = places.po(tiny)
    cells = len(np.unique(geo.cell_ids(records.lon, records.lat, sizes.CELL_M)))
    counted = sizes.of_tables(Surveys(root=root, dataset=TINY).folder)
    assert (counted.training_surveys, counted.po_surveys) == (tiny.n_pa, tiny.n_po_surveys)
    assert counted.po_cells == pytest.approx(cells, abs=3)  # the files have degrees to six decimals


def test_neighbours_are_a_task_on_the_data(tmp_path):
    task = Neighbours(root=str(tmp_path), dataset=TINY, neighbours='{"k": 3}')
    assert task.neighbours.k == 3
    assert task.identity != Neighbours(root=str(tmp_path), dataset=TINY).identity


class Copied(GlcTask):
    """A copy of a file, which `meddle` is called with while it is read."""

    source = luigi.Parameter(significant=False)
    meddle = staticmethod(lambda path: None)
    task_namespace = "test"

    @property
    def origin(self):
        return self.source

    def content(self):
        path = Path(self.source)
        return [(path.name, storage.file_digest(path))]

    def write(self, out):
        (out / "copy").write_bytes(Path(self.source).read_bytes())
        self.meddle(Path(self.source))


def test_what_is_read_after_it_changed_is_not_kept(tmp_path, monkeypatch):
    source = tmp_path / "source.csv"
    source.write_text("as scheduled")
    task = Copied(root=str(tmp_path / "out"), source=str(source))
    assert not task.complete()
    source.write_text("half")
    with pytest.raises(DataError, match=r"source.csv has changed since the run was scheduled.*run the same command"):
        task.run()
    assert not any(path.is_file() for path in (tmp_path / "out").rglob("*"))
    source.write_text("as scheduled")
    monkeypatch.setattr(Copied, "meddle", staticmethod(lambda path: path.write_text("while it was read")))
    with pytest.raises(DataError, match="has changed"):
        task.run()
    assert not task.complete()
    monkeypatch.undo()
    source.write_text("as scheduled")
    run(task)
    assert (task.folder / "copy").read_text() == "as scheduled"


class Slow(GlcTask):
    """A task with a part, which may fail, or change what it reads, when the part is finished."""

    fails = luigi.BoolParameter(significant=False)
    meddles = luigi.BoolParameter(significant=False)
    source = "as scheduled"
    task_namespace = "test"

    @property
    def origin(self):
        return "here"

    def content(self):
        return self.source

    def status(self, message, percentage=None):
        pass

    def write(self, out):
        self.parts_folder().mkdir(exist_ok=True)
        (self.parts_folder() / "one").write_text("1")
        if self.fails:
            raise KeyError("failed")
        if self.meddles:
            self.source = "changed"


def test_parts_outlive_a_failure_and_go_when_the_output_is_finished(tmp_path):
    with pytest.raises(KeyError):
        Slow(root=str(tmp_path), fails=True).run()
    task = Slow(root=str(tmp_path))
    assert (task.parts_folder() / "one").exists()
    task.run()
    assert task.complete()
    assert [path.name for path in task.folder.parent.iterdir()] == [task.folder.name]


def test_parts_of_what_changed_meanwhile_are_not_found_again(tmp_path):
    task = Slow(root=str(tmp_path), meddles=True)
    with pytest.raises(DataError, match="since the run was scheduled"):
        task.run()
    assert not task.parts_folder().exists()
