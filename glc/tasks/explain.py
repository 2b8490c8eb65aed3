"""``glc explain``: the answers to the ecologist's questions, and the report that shows them."""

from collections.abc import Iterator

from glc.tasks.base import GlcTask
from glc.tasks.explanation import Explanation
from glc.tasks.report import Report


class Explain(Explanation):
    """The answers of `Explanation`, and the experiment's report with them."""

    def requires(self) -> dict[str, GlcTask]:
        return {"explanation": self.clone(Explanation)}

    def complete(self) -> bool:
        return self.clone(Explanation).complete() and self.clone(Report).complete()

    def run(self) -> Iterator[list[GlcTask]]:
        """Have the report made: which one it is follows from the answers, which are there now."""
        yield [self.clone(Report)]

    def results(self) -> list[str]:
        """Where the tables and the report are."""
        report = self.clone(Report).published()[0]
        return [*self.clone(Explanation).results(), f"report      {report.path.as_uri()}"]
