"""Runs at W&B of finished tables: made after them, and never part of what they are made from."""

import os
from pathlib import Path

import luigi

from glc import storage
from glc.dashboards.run import FOLDER, in_sweep, run_id, tag
from glc.tasks.base import GlcTask
from glc.tasks.machine import machine, wandb
from glc.tasks.preflight import check_wandb
from glc.types import JSON

OWN = "ours"
"""In place of a paper, of experiments and tables that are of none."""


class WandbTask(GlcTask):
    """A run at W&B. It has the same id each time, so that a run takes the place of an earlier one.

    product : what is logged besides what is required, which makes a new product a new task
    """

    product = luigi.Parameter(default="", description="identity of a finished output that is logged as well")

    def check(self) -> None:
        check_wandb()

    def content(self) -> JSON:
        # where it goes counts here, because going there is what the task does
        sweep = _run_of_sweep()
        return [machine().wandb_project, machine().wandb_mode, *([sweep] if sweep else [])]

    def note(self, out: Path, identifier: str) -> None:
        """Write down which run it is, and remove what an earlier one left offline, as this one has all of it."""
        # W&B puts a number behind the name of a second run of the same second
        mine = sorted((Path(self.root) / FOLDER).glob(f"offline-run-*-{identifier}*"))
        for earlier in mine[:-1]:
            storage.remove(earlier)
        storage.note(out, run=identifier, project=machine().wandb_project, offline=[path.name for path in mine[-1:]])

    def results(self) -> list[str]:
        """Where the run is."""
        facts = storage.manifest(self.folder)
        if not facts["offline"]:
            return [f"W&B: run {facts['run']} of project {facts['project']}"]
        folder = Path(self.root) / FOLDER / facts["offline"][0]
        return [f"W&B: run {facts['run']} in {folder}", "  upload it with: glc wandb sync"]


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
        self.note(out, logged["id"])


def _run_of_sweep() -> str:
    """The run that an agent of a sweep has started; empty outside of sweeps."""
    return os.environ.get("WANDB_RUN_ID", "") if in_sweep() else ""
