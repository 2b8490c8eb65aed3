"""Runs at W&B of finished experiments: made after them, and never part of what they are made from."""

from pathlib import Path

from glc import config, results
from glc.dashboards.run import run_id, tag
from glc.results import Result
from glc.tasks.base import GlcTask
from glc.tasks.evaluate import Baselines, Evaluate
from glc.tasks.experiment import ExperimentProduct
from glc.tasks.machine import logs_to_wandb, wandb
from glc.tasks.wandb_table import WandbTask


class WandbRun(WandbTask, ExperimentProduct):
    """One run at W&B of a finished experiment: scores, set sizes, curves of all folds, tables, report, files.

    Classical models have one as nets have. `Submission` and `Model` are followed by it where ``[machine] logger`` is
    wandb.
    """

    def requires(self) -> dict[str, GlcTask]:
        return {"metrics": self.clone(Evaluate), "baselines": self.clone(Baselines)}

    def write(self, out: Path) -> None:
        from glc.dashboards import experiment
        from glc.dashboards.run import started

        name, settings = self.settings.name, config.to_dict(self.settings)
        settings |= {"experiment": name, "dataset": self.subject, "paper": self.paper}
        logged = wandb(self.root, self.group, name, "experiment", settings)
        logged |= {"id": run_id("experiment", self.subject, name), "tags": [tag(self.subject), tag(self.paper)]}
        result = Result(Path(self.root), self.stable("metrics", ".json"))
        baselines = results.read_baselines(self.requires()["baselines"].folder)
        with started(logged) as run:
            experiment.log(run, result, baselines, self.stable("models"))
        self.note(out, run.id, run.offline)  # an agent of a sweep gives another id


def after_experiment(product: ExperimentProduct) -> list[GlcTask]:
    """The run that follows a product of an experiment, if there is one."""
    return [product.clone(WandbRun, product=product.identity)] if logs_to_wandb() else []
