"""Surveys to neighbour tables."""

from pathlib import Path

from glc import config, storage
from glc.etl.cluster import is_local
from glc.tasks.base import spark
from glc.tasks.machine import machine
from glc.tasks.parameters import SectionParameter
from glc.tasks.surveys import FoldedTask, ReadsSurveys
from glc.types import JSON


class Neighbours(ReadsSurveys, FoldedTask):
    """Neighbours of the validation surveys that are run and of the test surveys, and the table's recall.

    A validation survey's neighbours never come from its own fold. The recall against exact search within 1, 5, 10 and
    50 km is in ``recall.json`` and in the manifest.
    """

    neighbours = SectionParameter(
        config.Neighbours, default=config.Neighbours(), description="method, k, radius_m, ..."
    )

    @property
    def cluster(self) -> bool:
        """Whether Spark has other machines than this one."""
        return not is_local(machine().spark_master)

    @property
    def resources(self) -> dict[str, int]:  # type: ignore[override]  # Luigi only reads it
        """The Spark session, where it does the work."""
        return {"spark": 1} if self.cluster or self.neighbours.method == "lsh" else {}

    def own_parameters(self) -> dict[str, JSON]:
        return super().own_parameters() | {"run": self.validation.run}

    def write(self, out: Path) -> None:
        from glc import neighbours

        data = self.read_surveys()
        facts = neighbours.write(
            lambda: spark(self.root),
            data,
            out,
            self.neighbours,
            self.validation.run,
            cluster=self.cluster,
            progress=self.status,
        )
        storage.note(out, **facts)
