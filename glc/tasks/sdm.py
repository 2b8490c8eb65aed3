"""Benchmarks of species distribution models: a folder of tables to scores of test sites, and those to tables.

    SdmCoordinates --- SdmScores (one a region, background and model) --- SdmEnsemble --- Benchmark

The tables lie in a folder that the user names; they are no dataset of an edition. `glc.sdm.nceas` and
`glc.sdm.norberg` read them.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

import luigi
import pandas as pd
from luigi.task import flatten

from glc import registry, storage
from glc.errors import ConfigError
from glc.sdm import nceas, norberg
from glc.sdm.sites import Group, read_scores, write_scores
from glc.tasks.base import GlcTask, ProductTask, Published
from glc.tasks.parameters import ChoiceParameter, PathParameter
from glc.tasks.table import TableTask
from glc.types import JSON, Facts

BENCHMARKS = {"nceas": nceas, "norberg": norberg}
MODELS = ("net", "maxent", "boosted", "forest")


def _digests(paths: Sequence[Path]) -> list[list[str]]:
    return [[path.name, storage.file_digest(path)] for path in paths]


def tables_folder(variable: str = "") -> PathParameter:
    """The folder of a benchmark's tables; `variable` is make's name of it."""
    return PathParameter(
        "folder",
        "give the one that holds the benchmark's tables",
        significant=False,
        variable=variable,
        description="folder of the benchmark's tables",
    )


class TablesTask(GlcTask):
    """A task on tables of a benchmark; their content counts, not their path."""

    data_folder = tables_folder()

    @property
    def origin(self) -> str:
        return self.data_folder


class RegionTask(TablesTask):
    """A task on one region of a benchmark."""

    benchmark = ChoiceParameter(choices=sorted(BENCHMARKS))
    region = luigi.Parameter(description="of the benchmark")

    @property
    def reader(self) -> ModuleType:
        """`glc.sdm.nceas` or `glc.sdm.norberg`."""
        return BENCHMARKS[self.benchmark]

    def content(self) -> JSON:
        return _digests(self.reader.files(self.data_folder, self.region))

    def raw_files(self) -> list[Facts]:
        return [storage.raw_file(path) for path in self.reader.files(self.data_folder, self.region)]


class SdmCoordinates(RegionTask):
    """Whether coordinates are covariates of a region, decided on its training data with the first background."""

    def write(self, out: Path) -> None:
        from glc.sdm import coordinates

        groups = self.reader.read(self.data_folder, self.region, self.reader.BACKGROUNDS[0])
        self.status(f"{self.region}: do x and y help? Blocked cross-validation")
        choice = coordinates.joins([group.examples for group in groups])
        (out / "coordinates.json").write_text(json.dumps(choice, indent=1) + "\n")
        storage.note(out, **choice)


class BackgroundTask(RegionTask):
    """A task that writes scores of a region's test sites: one parquet file per group."""

    background = luigi.Parameter(description="how the background of presence-only records is drawn")

    def groups(self) -> list[Group]:
        """The region's groups."""
        return self.reader.read(self.data_folder, self.region, self.background)


class SdmScores(BackgroundTask):
    """Scores of one model."""

    model = luigi.Parameter(description="a registered species distribution model")

    def requires(self) -> SdmCoordinates:
        return self.clone(SdmCoordinates)

    def content(self) -> JSON:
        sdm = registry.sdms.get(self.model)
        return [*super().content(), repr(sdm.Options())]

    def write(self, out: Path) -> None:
        from threadpoolctl import threadpool_limits

        place = json.loads((self.input().path / "coordinates.json").read_text())["joins"]
        sdm = registry.sdms.get(self.model)
        groups = self.groups()
        self.status(f"{self.region}: {self.model}, {self.background}")
        with threadpool_limits(1):  # small matrices: more threads only wait for each other
            scores = sdm(sdm.Options()).scores([(group.examples, group.sites) for group in groups], place)
        storage.note(out, groups=write_scores(out, groups, scores), place=place)


class SdmEnsemble(BackgroundTask, ProductTask):
    """Rank mean of `MODELS`; of groups without truth also at ``ROOT/nceas/<region>[_<group>]_scores.parquet``."""

    models = luigi.ListParameter(default=MODELS, description="whose ranks are averaged")

    def requires(self) -> list[SdmScores]:
        return [self.clone(SdmScores, model=name) for name in self.models]

    def published(self) -> list[Published]:
        place = Path(self.root) / self.benchmark
        end = "" if self.background == self.reader.BACKGROUNDS[0] else f"_{self.background}"
        truths = self.reader.truths(self.data_folder, self.region)
        return [
            Published(place / f"{self.region}{infix}_scores{end}.parquet", self.folder / f"{group}.parquet")
            for group, truth in truths.items()
            for infix in ["" if len(truths) == 1 else f"_{group}"]
            if truth is None
        ]

    def write(self, out: Path) -> None:
        from glc.sdm.ensemble import rank_mean

        groups = self.groups()
        scores = [rank_mean([read_scores(task.folder, group) for task in self.requires()]) for group in groups]
        storage.note(out, groups=write_scores(out, groups, scores))


class Benchmark(TablesTask, TableTask):
    """Fit all models on all regions, and write the tables of a benchmark.

    ``table.md`` and ``table.csv`` (all means), ``per_species.csv`` and ``differences.csv``; the first two also at
    ``ROOT/tables/<folder>``. Without any truth the page only says where the scores are, and ``table.csv`` has no rows.
    Subclasses say the benchmark, and what its figures are compared with.
    """

    version = 2
    benchmark = ""
    remarks: Sequence[str] = ()
    pairs: Sequence[tuple[str, str]] = ()
    references: Mapping[str, Mapping[str, float]] = {}
    """Mean AUC by region of models that are known by such means alone, by the model's name."""
    background = luigi.Parameter(default="", description="of the training; empty: the benchmark's first")

    def requires(self) -> list[SdmEnsemble]:
        reader = BENCHMARKS[self.benchmark]
        background = self.background or reader.BACKGROUNDS[0]
        if background not in reader.BACKGROUNDS:
            raise ConfigError(f"--background {background}: expected one of: {', '.join(reader.BACKGROUNDS)}")
        tasks = [
            self.clone(SdmEnsemble, benchmark=self.benchmark, region=region, background=background)
            for region in reader.REGIONS
        ]
        for scores in flatten([task.requires() for task in tasks]):
            # a model that cannot run is refused before the others are fitted, and not where it has run already
            if not storage.exists(scores.folder):
                registry.sdms.get(scores.model).check()
        return tasks

    def content(self) -> JSON:
        return [self.title, *self.remarks, *map(list, self.pairs), self.references, _digests(self.truths())]

    def truths(self) -> list[Path]:
        """The files with the truth of the test sites."""
        reader = BENCHMARKS[self.benchmark]
        truths = [reader.truths(self.data_folder, region).values() for region in reader.REGIONS]
        return sorted({path for some in truths for path in some if path})

    def raw_files(self) -> list[Facts]:
        return [storage.raw_file(path) for path in self.truths()]

    def reads(self) -> list[GlcTask]:
        scores = flatten([task.requires() for task in self.requires()])
        return [*super().reads(), *scores, *flatten([task.requires() for task in scores])]

    def published_scores(self, table: pd.DataFrame) -> pd.DataFrame | None:
        """Published figures to compare with, a frame like that of `evaluate.per_species`, NaN where unknown."""
        return None

    def sections(self, table: pd.DataFrame) -> list[str]:
        """Further sections of the page, Markdown."""
        return []

    def table_name(self) -> str:
        return super().table_name() + (f"-{self.background}" if self.background else "")

    def write(self, out: Path) -> None:
        from glc.report import benchmark

        runs = [
            benchmark.Run(
                region=task.region,
                groups=task.groups(),
                scores={scores.model: scores.folder for scores in task.requires()} | {"ensemble": task.folder},
                choice=task.requires()[0].requires().folder,
                written=[target.path.relative_to(self.root) for target in task.published()],
            )
            for task in self.requires()
        ]
        facts = benchmark.write(
            runs,
            out,
            title=self.title,
            remarks=self.remarks,
            pairs=self.pairs,
            references=self.references,
            published_scores=self.published_scores,
            sections=self.sections,
        )
        storage.note(out, **facts)

    def results(self) -> list[str]:
        """The tables, and where they are."""
        written = [str(target.path) for task in self.requires() for target in task.published()]
        return [*super().results(), *(f"scores {path}" for path in written)]
