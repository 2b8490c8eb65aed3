"""Dataset to parquet: the virtual world, the surveys, the folds."""

import luigi

from glc import config, editions, storage, world
from glc.tasks.base import VIRTUAL, FoldedTask, GlcTask, SurveysTask, spark


class VirtualPart(GlcTask):
    """One part of the embedded virtual world: metadata, rasters, images, series or cubes.

    All parts of a size share one dataset folder, ``ROOT/datasets/virtual-SIZE``, in the layout of the world's edition.
    """

    part = luigi.ChoiceParameter(choices=world.PARTS, default="metadata")

    @property
    def world_folder(self):
        """The dataset's folder."""
        return self.folder.parent.parent

    @property
    def folder(self):
        return super().folder.parents[2] / "datasets" / self.dataset_name / ".parts" / f"{self.part}-{self.identity}"

    def more_identity(self):
        return repr(world.SIZES[self.dataset.removeprefix(VIRTUAL)])

    def write(self, out):
        size = self.dataset.removeprefix(VIRTUAL)
        self.status(f"making the {self.part} of the {size} virtual world")
        with storage.merged_into(self.world_folder) as scratch:
            world.write(world.SIZES[size], scratch, parts=(self.part,))
        storage.note(out, world=size, part=self.part)


class TruthMixin:
    """For tasks that evaluate: the only ones that may read the labels of a dataset's test, where it has them."""

    def source(self):
        """The dataset's folder."""
        return self.clone(VirtualPart).world_folder if self.dataset.startswith(VIRTUAL) else self.dataset

    def more_identity(self):
        # labels of the test may be added to a dataset later; then it is evaluated anew
        from glc.evaluation import evaluate

        return None if self.dataset.startswith(VIRTUAL) else evaluate.truth_digest(self.source())

    def read_truth(self):
        """Labels of the test, a frame (surveyId, speciesId), or None."""
        from glc.evaluation import evaluate

        return evaluate.read_truth(self.source())


class Surveys(SurveysTask):
    """Survey CSVs to typed tables: occurrences, surveys with label lists, and the quarantine."""

    resources = {"spark": 1}

    def requires(self):
        return [self.clone(VirtualPart)] if self.dataset.startswith(VIRTUAL) else []

    @property
    def source(self):
        """The dataset's folder."""
        return self.requires()[0].world_folder if self.requires() else self.dataset

    def more_identity(self):
        return None if self.requires() else editions.recognise(self.dataset).fingerprint()

    def write(self, out):
        from glc.etl import surveys

        dataset = editions.recognise(self.source)
        editions.check(dataset)
        self.status(f"reading {len(dataset.files)} tables of edition {dataset.edition.name}", 5)
        facts = surveys.write(spark(), dataset, out, self.surveys.max_quarantine_fraction)
        storage.note(out, edition=dataset.edition.name, train=dataset.edition.train, test=dataset.edition.test, **facts)


class Folds(FoldedTask):
    """Folds of the training surveys; where the dataset has no test, one more spatial fold is held out as the test."""

    def requires(self):
        return self.clone(Surveys)

    def own_parameters(self):
        # how many of the folds are run does not change them
        return {key: value for key, value in config.to_dict(self.validation).items() if key != "run"}

    def write(self, out):
        from glc.etl import folds

        known = storage.manifest(self.input().path)
        facts = folds.write(
            self.input().path / "surveys",
            out,
            self.validation,
            dataset=known["train"],
            hold_out=not known["datasets"].get(known["test"], {}).get("surveys"),
        )
        storage.note(out, **facts)
        if facts["held_out"]:
            self.status("the dataset has no test set: held-out spatial blocks take its place", 100)


class SplitTask(FoldedTask):
    """A task that reads the surveys with their folds."""

    def requires(self):
        return {"surveys": self.clone(Surveys), "folds": self.clone(Folds)}

    def read_surveys(self):
        """The dataset's surveys with their folds, `glc.surveys.SurveyData`."""
        from glc import surveys

        return surveys.read(self.input()["surveys"].path, self.input()["folds"].path)


class RunFoldsTask(SplitTask):
    """A task over the surveys of the folds that are run."""

    def own_parameters(self):
        return super().own_parameters() | {"run": self.validation.run}
