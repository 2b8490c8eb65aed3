"""Finished experiments of a dataset on one page: ``ROOT/comparisons/<dataset>/<name>.html``."""

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import luigi
import pandas as pd

from glc import config, editions, results, storage
from glc.errors import ConfigError, DataError, GlcError, did_you_mean
from glc.results import Result
from glc.tasks.base import DatasetTask, GlcTask, ProductTask, Published
from glc.tasks.evaluate import Evaluate
from glc.tasks.parameters import NamedParameter, imagery_folder
from glc.tasks.report import Report
from glc.tasks.surveys import Folds, Surveys
from glc.types import JSON, Facts

ALL = "all"
_LONGEST = 80
"""Characters of a page's name that is made of those of its experiments."""


class ExperimentsParameter(NamedParameter[tuple[config.Variant, ...]]):
    """Experiments with commas between, or a JSON list; none for all that are finished."""

    def normalize(self, x: str | Sequence[str | config.Variant]) -> tuple[config.Variant, ...]:
        names = self._split(x) if isinstance(x, str) else list(x)
        variants = tuple(config.Variant.parse(name) for name in names)
        for variant in variants:
            config.load(variant)
        repeated = [str(variant) for variant in variants if variants.count(variant) > 1]
        if repeated:
            raise ConfigError(f"{self.called}: {repeated[0]} is there twice; name each experiment once")
        return variants

    def parse(self, x: str) -> tuple[config.Variant, ...]:
        return self.normalize(x)

    def serialize(self, x: tuple[config.Variant, ...]) -> str:
        return json.dumps([str(variant) for variant in x])

    def _split(self, text: str) -> list[str]:
        """Names between commas outside of brackets and quotes, as a change of an experiment may hold some."""
        text = text.strip()
        if text.startswith("["):
            try:
                return [str(name) for name in json.loads(text)]
            except (json.JSONDecodeError, RecursionError):
                raise ConfigError(f"{self.called}: found {text!r}, expected a JSON list of experiments") from None
        # a comma with an even number of quotes behind it and no bracket that closes before one opens
        parts = re.split(r""",(?=(?:[^"]*"[^"]*")*[^"]*$)(?![^\[{]*[\]}])""", text)
        return [part.strip() for part in parts if part.strip()]


class Compare(ProductTask, DatasetTask):
    """Compare experiments: scores, paired differences, where and for which species they differ, time and memory.

    What is missing of the named experiments is run first; without names all finished ones are compared and nothing is
    trained. Also published at ``ROOT/comparisons/<dataset>/<name>.html``, with the tables as ``.csv`` and ``.json``.
    """

    only_looked_at = True
    experiments = ExperimentsParameter(
        default="", description="names with commas between, or a JSON list; by default all that are finished"
    )
    against = luigi.Parameter(
        default="", description="experiment that the others are compared with; by default the best"
    )
    name = luigi.Parameter(default="", description="name of the page; by default those of the experiments")
    imagery_folder = imagery_folder()

    @cached_property
    def evaluations(self) -> dict[str, Evaluate]:
        """Name -> evaluation of the named experiments."""
        tasks = [self.clone(Evaluate, experiment=experiment) for experiment in self.experiments]
        return {task.settings.name: task for task in tasks}

    @cached_property
    def reference(self) -> str:
        """Name of the experiment that the others are compared with, however its options are written; or nothing."""
        try:
            return config.load(self.against).name if self.against else ""
        except GlcError:
            return self.against  # `check` says what there is

    def requires(self) -> dict[str, GlcTask]:
        tasks: dict[str, GlcTask] = {f"evaluate {name}": task for name, task in self.evaluations.items()}
        return tasks | {f"report {name}": task.clone(Report) for name, task in self.evaluations.items()}

    @cached_property
    def finished(self) -> list[Result]:
        """The finished experiments of the dataset whose evaluations are still there."""
        return [result for result, problem in self._all if not problem]

    @cached_property
    def _all(self) -> list[tuple[Result, str]]:
        """Finished experiments, each with why it cannot be compared, or nothing."""
        pairs = []
        for result in results.finished(Path(self.root), self.subject):
            try:
                result.folds  # noqa: B018 - a property that reads manifests
            except DataError as error:
                pairs.append((result, str(error)))
            else:
                pairs.append((result, ""))
        return pairs

    def compared(self) -> list[Result]:
        """What is compared, which must be finished."""
        if not self.evaluations:
            return self.finished
        return [Result(Path(self.root), task.stable("metrics", ".json")) for task in self.evaluations.values()]

    def content(self) -> JSON:
        if self.evaluations:
            return None
        return [[result.name, result.identity, bool(result.report)] for result in self.finished]

    def check(self) -> None:
        if self.evaluations:
            _refuse_other_folds(self.evaluations)
            names = list(self.evaluations)
        else:
            if not self.finished:
                raise ConfigError(
                    f"nothing is finished on {self.subject} under {self.root}; name experiments, which are then run "
                    f"(glc compare votes knn --dataset {self.dataset}), or run one: glc run votes --dataset "
                    f"{self.dataset}"
                )
            _refuse_mixed(self.finished)
            names = [result.name for result in self.finished]
        if self.reference and self.reference not in names:
            raise ConfigError(
                f"--against: found {self.against!r}, expected one of the compared experiments: {', '.join(names)}"
                f"{did_you_mean(self.against, names)}"
            )

    @property
    def page_name(self) -> str:
        """The published files' name, without an ending."""
        if self.name:
            return config.file_name(self.name)
        text = ",".join(self.evaluations) or ALL
        text += f"-against-{self.reference}" if self.reference else ""
        if len(text) > _LONGEST:
            text = f"{text[:_LONGEST]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        return config.file_name(text)

    def published(self) -> list[Published]:
        place = Path(self.root) / "comparisons" / self.subject
        files = {".html": "page.html", ".csv": "tables.csv", ".json": "tables.json"}
        return [Published(place / f"{self.page_name}{end}", self.folder / name) for end, name in files.items()]

    def _origins(self) -> Facts:
        facts = super()._origins()
        if not self.evaluations:  # which no task is required for
            facts["inputs"] = [
                {"task": "Evaluate", "identity": result.identity, "folder": os.path.relpath(result.folder, self.root)}
                for result in self.finished
            ]
        return facts

    def write(self, out: Path) -> None:
        from glc.evaluation import comparison
        from glc.report import comparison as page
        from glc.report import published

        compared = self.compared()
        for result in compared:
            storage.check(result.folder)
        groups, truth = comparison.by_folds(compared), self._truth()
        made = []
        for number, group in enumerate(groups):
            self.status(f"comparing {len(group)} experiments with the same folds", 100 * number / len(groups))
            made.append(comparison.compare(group, self.reference, truth))
        step = compared[0].step("Surveys")
        known = (
            published.table(compared, step.facts) if step and step.facts else pd.DataFrame(columns=published.COLUMNS)
        )
        left_out = [problem for _, problem in self._all if problem] if not self.evaluations else []
        page.write(page.Contents(self.subject, made, self.published()[0].path, known, left_out), out)
        storage.note(out, experiments=[result.name for result in compared], groups=len(groups))

    def _truth(self) -> pd.DataFrame | None:
        """Labels of the tests, for the baselines; None where the dataset has none, or is no longer there."""
        from glc.evaluation import evaluate

        surveys = self.clone(Surveys)
        source = Path(surveys.source)
        return evaluate.read_truth(editions.recognise(source), surveys.folder) if source.exists() else None

    def results(self) -> list[str]:
        """Where the page and its tables are."""
        page, *tables = (target.path for target in self.published())
        return [f"comparison {page.as_uri()}", *(f"tables     {path}" for path in tables)]


def _refuse_other_folds(evaluations: Mapping[str, Evaluate]) -> None:
    """Raise a ConfigError for experiments of one scheme whose surveys are dealt to other folds.

    Those of another scheme are shown apart, and marked; of one scheme a person would compare them.
    """
    first: dict[str, str] = {}
    for name, task in evaluations.items():
        other = evaluations[first.setdefault(task.validation.scheme, name)]
        if task.clone(Folds).identity == other.clone(Folds).identity:
            continue
        differs = [
            f"{section}.{key} is {value!r}, {other.settings.name} has {theirs[key]!r}"
            for section in ("validation", "surveys")
            for own, theirs in [(config.to_dict(getattr(it.settings, section)) for it in (task, other))]
            for key, value in own.items()
            if value != theirs[key] and key not in ("run", "stop")
        ]
        raise ConfigError(
            f"--experiments: {name} cannot be compared with {other.settings.name} survey by survey, because their "
            f"folds differ: {'; '.join(differs)}; give both the same, or compare each with experiments of its own folds"
        )


def _refuse_mixed(finished: Sequence[Result]) -> None:
    """Raise a ConfigError where some scores are relative suitability and some F1."""
    relative = [result.name for result in finished if result.relative]
    others = [result.name for result in finished if not result.relative]
    if relative and others:
        raise ConfigError(
            f"{relative[0]} was evaluated on presence-only records alone (AUC), {others[0]} on presence-absence "
            "surveys (F1), so that they cannot be compared; name experiments of one kind, or give another --root"
        )
