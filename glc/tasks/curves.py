"""Learning curves of several runs in one figure."""

from pathlib import Path

from glc import config, storage
from glc.tasks.base import GlcTask
from glc.tasks.tables import ExperimentsTask
from glc.tasks.training import Fit, fit_of, pretraining
from glc.types import JSON


class Curves(ExperimentsTask):
    """Pre-training curves of the experiments of `variants`."""

    suffixes = (".png",)
    version = 2

    def variants(self) -> dict[str, config.Variant]:
        """Label -> experiment."""
        raise NotImplementedError(f"{type(self).__name__} does not say its variants")

    def requires(self) -> dict[str, GlcTask]:
        # that of the first fold, where it differs by fold
        return {
            label: pretraining(self.clone(Fit, experiment=experiment, fold=0))["pretrain"]
            for label, experiment in self.variants().items()
        }

    def content(self) -> JSON:
        return [self.title, *self.variants()]

    def write(self, out: Path) -> None:
        from glc.report import curves
        from glc.report.figures import for_page

        histories = {label: task.folder / "history.csv" for label, task in self.requires().items()}
        scales = curves.draw(histories, for_page(out / "table.png"), f"{self.title}: {self.subject}")
        storage.note(out, logarithmic=scales)


class Losses(ExperimentsTask):
    """Learning curves of the trainings of `groups`."""

    suffixes = (".png",)
    version = 2

    def groups(self) -> dict[str, dict[str, tuple[config.Variant, int]]]:
        """Title -> label -> (experiment, fold)."""
        raise NotImplementedError(f"{type(self).__name__} does not say its groups")

    def requires(self) -> dict[str, dict[str, GlcTask]]:
        return {
            title: {label: fit_of(self.evaluation(experiment), fold) for label, (experiment, fold) in group.items()}
            for title, group in self.groups().items()
        }

    def content(self) -> JSON:
        return [self.title, *([title, *group] for title, group in self.groups().items())]

    def write(self, out: Path) -> None:
        from glc.report import losses
        from glc.report.figures import for_page

        histories = {
            title: {label: task.folder / "history.csv" for label, task in group.items()}
            for title, group in self.requires().items()
        }
        losses.draw(histories, for_page(out / "table.png"), f"{self.title}: {self.subject}")
