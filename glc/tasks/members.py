"""What each member brings to an ensemble."""

from pathlib import Path

from glc import config, registry, storage
from glc.errors import ConfigError
from glc.tasks.base import Requirements
from glc.tasks.evaluate import Evaluate
from glc.tasks.parameters import ExperimentParameter
from glc.tasks.scores import EnsembleScores
from glc.tasks.tables import ExperimentsTask, model_steps
from glc.types import JSON


class Members(ExperimentsTask):
    """The validation F1 of an ensemble, and what it loses without each of its members.

    The members' own scores are made once; an ensemble is fitted again for each that is left out.
    """

    title = "Members of an ensemble, each left out in turn"
    experiment = ExperimentParameter(
        default="best-cpu", significant=False, description="an ensemble: its name, or the path of its TOML"
    )

    def members(self) -> tuple[str, ...]:
        """The experiments that are joined; a ConfigError where there are not two of them at least."""
        settings = config.load(self.experiment)
        names: tuple[str, ...] = ()
        if registry.models.get(settings.model.name).ensemble:
            names = tuple(settings.model.options.get("members", ()))
        if len(names) < 2:
            raise ConfigError(
                f"--experiment {self.experiment}: found the model {settings.model.name!r} with {len(names)} members, "
                "expected an ensemble of two or more, such as best-cpu"
            )
        return names

    def check(self) -> None:
        self.refuse_presence_only()
        self.members()

    def table_name(self) -> str:
        return f"members-{self.experiment.file_name}"

    def without(self, member: str) -> Evaluate:
        """The `Evaluate` of the ensemble without a member."""
        rest = [name for name in self.members() if name != member]
        return self.evaluation(self.experiment.changed(model={"members": rest}))

    def alone(self) -> dict[str, Evaluate]:
        """Member -> its own `Evaluate`, on the folds of the ensemble."""
        joined = self.evaluation(self.experiment).clone(EnsembleScores).members
        return {name: predictions.clone(Evaluate) for name, predictions in joined.items()}

    def requires(self) -> Requirements:
        needs = {"": self.evaluation(self.experiment)}
        needs |= {f"without {name}": self.without(name) for name in self.members()}
        return needs | {f"alone {name}": task for name, task in self.alone().items()}

    def content(self) -> JSON:
        return [self.title, str(self.experiment), *self.members()]

    def write(self, out: Path) -> None:
        from glc.report import members, tables

        whole, alone = self.evaluation(self.experiment), self.alone()
        rows = [
            members.Row(
                name, alone[name].folder, self.without(name).folder, [step.folder for step in model_steps(alone[name])]
            )
            for name in self.members()
        ]
        frame = members.table(whole.folder, rows)
        tables.write(out, f"{self.title}: {self.experiment} on {self.subject}", frame, members.REMARKS)
        storage.note(out, rows=len(frame))
