"""Runs at W&B of finished tables: made after them, and never part of what they are made from."""

import logging
import os
from pathlib import Path

import luigi

from glc import storage
from glc.dashboards.run import FOLDER, in_sweep, run_id, tag
from glc.errors import explain
from glc.tasks import attempts
from glc.tasks.base import GlcTask
from glc.tasks.console import signals
from glc.tasks.machine import machine, wandb
from glc.tasks.preflight import check_wandb, is_commands_own
from glc.types import JSON

log = logging.getLogger(__name__)
OWN = "ours"
"""In place of a paper, of experiments and tables that are of none."""


class WandbTask(GlcTask):
    """A run at W&B. It has the same id each time, so that a run takes the place of an earlier one.

    What it is made from is finished: if it fails, that is a warning, unless the command asks for it alone.

    product : what is logged besides what is required, which makes a new product a new task
    """

    product = luigi.Parameter(default="", description="identity of a finished output that is logged as well")

    failure = ""

    def check(self) -> None:
        check_wandb()

    def complete(self) -> bool:
        return attempts.has_failed(self.identity) or super().complete()

    def _make(self) -> None:
        try:
            super()._make()
        except Exception as error:
            signals.check()
            if is_commands_own(self):
                raise
            log.exception("no run at W&B")
            self.failure = explain(error)
            attempts.note(self.identity)

    def content(self) -> JSON:
        # where it goes counts here, because going there is what the task does
        sweep = _run_of_sweep()
        return [machine().wandb_project, machine().wandb_mode, *([sweep] if sweep else [])]

    def note(self, out: Path, identifier: str, offline: bool) -> None:
        """Write down which run it is, and remove what an earlier one left offline, as this one has all of it.

        out : folder of the output; identifier : of the run; offline : whether it was written offline
        """
        # W&B puts a number behind the name of a second run of the same second
        mine = sorted((Path(self.root) / FOLDER).glob(f"offline-run-*-{identifier}*"))
        written = mine[-1:] if offline else []
        for earlier in mine:
            if earlier not in written:
                storage.remove(earlier)
        storage.note(out, run=identifier, project=machine().wandb_project, offline=[path.name for path in written])

    def results(self) -> list[str]:
        """Where the run is, or why there is none."""
        if self.failure:
            return [
                f"warning: there is no run at W&B ({self.failure}); the results are finished all the same",
                "  the same command tries again; then: glc wandb sync",
            ]
        if not storage.exists(self.folder):  # it failed, as another process has said
            return []
        facts = storage.manifest(self.folder)
        if not facts["offline"]:
            return [f"W&B: run {facts['run']} of project {facts['project']}"]
        folder = Path(self.root) / FOLDER / facts["offline"][0]
        mode = machine().wandb_mode
        refused = mode == "online"
        cause = f"warning: W&B did not take run {facts['run']}, which is" if refused else f"W&B: run {facts['run']}"
        return [f"{cause} in {folder}", "  upload it with: glc wandb sync"]


class WandbTable(WandbTask):
    """One run at W&B of a finished table, of a paper or ours: the table, and its CSV and Markdown as files."""

    table = luigi.Parameter(significant=False, description="folder of the finished table")
    name = luigi.Parameter(description="name of its run")
    title = luigi.Parameter(significant=False, description="heading of the table")
    paper = luigi.Parameter(default=OWN, significant=False, description="paper that it is of")
    table_subject = luigi.Parameter(description="name of the dataset in paths")

    @property
    def origin(self) -> str:
        return self.table_subject

    def requires(self) -> dict[str, GlcTask]:
        return {}

    def write(self, out: Path) -> None:
        from glc.dashboards import table
        from glc.dashboards.run import started

        settings = {"table": self.name, "title": self.title, "dataset": self.subject, "paper": self.paper}
        settings |= storage.manifest(self.table)["parameters"]
        logged = wandb(self.root, f"{self.subject}: {self.paper}", self.name, "table", settings)
        logged |= {"id": run_id("table", self.subject, self.name), "tags": [tag(self.subject), tag(self.paper)]}
        with started(logged) as run:
            table.log(run, Path(self.table), self.subject, self.name)
        self.note(out, run.id, run.offline)


def _run_of_sweep() -> str:
    """The run that an agent of a sweep has started; empty outside of sweeps."""
    return os.environ.get("WANDB_RUN_ID", "") if in_sweep() else ""
