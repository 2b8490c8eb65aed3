"""Curves of several pretrainings beside each other."""

from pathlib import Path

from glc import storage
from glc.tasks.base import ImageryFolderParameter, ProductTask, Published
from glc.tasks.pretrain import pretraining
from glc.tasks.products import ExperimentProduct
from glc.tasks.scores import Fit


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
