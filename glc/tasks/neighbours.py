"""Surveys to neighbour tables."""

from glc import config, storage
from glc.tasks.base import FoldedTask, SectionParameter, spark
from glc.tasks.etl import Folds, Surveys


class Neighbours(FoldedTask):
    """Neighbours of the validation surveys that are run and of the test surveys, and the table's recall.

    A validation survey's neighbours never come from its own fold. The recall against exact search within 1, 5, 10 and
    50 km is written beside the table (``recall.json``) and into the manifest.
    """

    neighbours = SectionParameter(
        config.Neighbours, default=config.Neighbours(), description="method, k, radius_m, ..."
    )
    resources = {"spark": 1}

    def requires(self):
        return {"surveys": self.clone(Surveys), "folds": self.clone(Folds)}

    def own_parameters(self):
        return super().own_parameters() | {"run": self.validation.run}

    def write(self, out):
        from glc import neighbours, surveys

        data = surveys.read(self.input()["surveys"].path, self.input()["folds"].path)
        facts = neighbours.write(spark(), data, out, self.neighbours, self.validation.run, progress=self.status)
        storage.note(out, **facts)
