"""Curves of several pretrainings, or trainings, beside each other."""

from pathlib import Path

import luigi

from glc import storage
from glc.tasks.base import ImageryFolderParameter, ProductTask, Published
from glc.tasks.scores import Fit
from glc.tasks.submission import ExperimentProduct
from glc.tasks.training import pretraining


class PretrainOf(ExperimentProduct):
    """Finds the pretraining of an experiment."""

    def task(self):
        """Its `Pretrain` (of the first fold, where it differs by fold)."""
        return pretraining(self.below(Fit, fold=0))["pretrain"]


class Curves(ProductTask):
    """Pretraining curves of the experiments of `variants`: ``ROOT/tables/<dataset>/<task>.png``."""

    imagery_folder = ImageryFolderParameter(default="", significant=False)
    title = ""

    def variants(self):
        """Label -> experiment."""
        raise NotImplementedError(f"{type(self).__name__} does not say its variants")

    def requires(self):
        return {
            label: self.clone(PretrainOf, experiment=experiment).task() for label, experiment in self.variants().items()
        }

    def more_identity(self):
        return [self.title, *self.variants()]

    def published(self):
        name = self.task_family.replace(".", "-").lower()
        return [Published(Path(self.root) / "tables" / self.dataset_name / f"{name}.png", self.folder / "curves.png")]

    def write(self, out):
        from glc.report import curves

        histories = {label: task.folder / "history.csv" for label, task in self.requires().items()}
        scales = curves.draw(histories, out / "curves.png", f"{self.title}: {self.dataset_name}")
        storage.note(out, logarithmic=scales)

    def results(self):
        """Where the plot is."""
        return [f"curves {self.published()[0].path}"]


class FitOf(ExperimentProduct):
    """Finds the training of one fold of an experiment."""

    fold = luigi.IntParameter(default=0)

    def task(self):
        """Its `Fit`."""
        return self.below(Fit, fold=self.fold)


class Losses(ProductTask):
    """Learning curves of the trainings of `groups`: ``ROOT/tables/<dataset>/<task>.png``."""

    imagery_folder = ImageryFolderParameter(default="", significant=False)
    title = ""

    def groups(self):
        """Title -> label -> (experiment, fold)."""
        raise NotImplementedError(f"{type(self).__name__} does not say its groups")

    def requires(self):
        return {
            title: {
                label: self.clone(FitOf, experiment=experiment, fold=fold).task()
                for label, (experiment, fold) in group.items()
            }
            for title, group in self.groups().items()
        }

    def more_identity(self):
        return [self.title, *([title, *group] for title, group in self.groups().items())]

    def picture_name(self):
        """Name of the picture's file, without its suffix."""
        return self.task_family.replace(".", "-").lower()

    def published(self):
        place = Path(self.root) / "tables" / self.dataset_name
        return [Published(place / f"{self.picture_name()}.png", self.folder / "losses.png")]

    def write(self, out):
        from glc.report import losses

        histories = {
            title: {label: task.folder / "history.csv" for label, task in group.items()}
            for title, group in self.requires().items()
        }
        losses.draw(histories, out / "losses.png", f"{self.title}: {self.dataset_name}")

    def results(self):
        """Where the plot is."""
        return [f"curves {self.published()[0].path}"]
