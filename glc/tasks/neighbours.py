"""Surveys to neighbour tables."""

from glc import config, storage
from glc.tasks.base import SectionParameter, spark
from glc.tasks.surveys import RunFoldsTask


class Neighbours(RunFoldsTask):
    """Neighbours of the validation surveys that are run and of the test surveys, and the table's recall.

    A validation survey's neighbours never come from its own fold. The recall against exact search within 1, 5, 10 and
    50 km is written beside the table (``recall.json``) and into the manifest.
    """

    neighbours = SectionParameter(
        config.Neighbours, default=config.Neighbours(), description="method, k, radius_m, ..."
    )
    resources = {"spark": 1}

    def write(self, out):
        from glc import neighbours

        data = self.read_surveys()
        facts = neighbours.write(spark(), data, out, self.neighbours, self.validation.run, progress=self.status)
        storage.note(out, **facts)
