"""Tasks on labelled coordinates with frozen features: folders of them to scores, and to predictions elsewhere.

    DownstreamScores (one per benchmark and row) --- DownstreamPredictions (one per benchmark)

The tables are in folders that the user names; they are no dataset of an edition.
`glc.location.downstream.problems` reads them.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import luigi

from glc import config, registry, storage
from glc.config import Head
from glc.errors import ConfigError
from glc.location.downstream import problems
from glc.location.downstream.sources import ALL, Source, compared_with, rows
from glc.tasks.base import GlcTask, ProductTask, Published
from glc.tasks.location.globe import NAMES, VirtualGlobe, name_of, virtual_part
from glc.tasks.parameters import ChoiceParameter, PathParameter, SectionParameter
from glc.types import JSON, Facts

FILES = {"location": problems.location_files, "habitats": problems.habitat_files}
TARGETS = {"location": problems.LOCATION_TARGETS, "habitats": problems.HABITAT_TARGETS}
PREDICTIONS = {"location": "query_predictions.parquet", "habitats": "habitat_predictions.csv"}


def labelled_folder(
    what: str, variable: str = "LOCATION", optional: bool = False, among: Sequence[str] = ()
) -> PathParameter:
    """A folder of labelled coordinates; its content counts, not its path. `variable` is make's name of it."""
    return PathParameter(
        "folder",
        "give the one that holds the tables of labelled coordinates",
        optional=optional,
        among=among,
        variable=variable,
        significant=False,
        description=what,
    )


def raster_file(*among: str, default: str) -> PathParameter:
    """The raster whose nearest pixel is one of the sources, or nothing."""
    return PathParameter(
        "file",
        "give a GeoTIFF",
        optional=True,
        variable="RASTER",
        among=among,
        significant=False,
        description=f"GeoTIFF for the raster-read rows, read only at labelled coordinates{default}",
    )


class EncodersParameter(luigi.DictParameter):
    """Label -> checkpoint, or label -> {target or *: checkpoint}, so that no encoder has seen its target's bands."""

    def parse(self, x: str) -> JSON:
        try:
            return super().parse(x)
        except ValueError as error:
            raise ConfigError(
                f'--encoders (make: ENCODERS=): found {x!r}, expected JSON such as \'{{"label": "PATH"}}\' ({error})'
            ) from None

    def normalize(self, x: JSON) -> JSON:
        known = [ALL, *(target.name for targets in TARGETS.values() for target in targets)]
        encoders = {}
        for label, paths in x.items():
            paths = {ALL: paths} if isinstance(paths, str) else paths
            for target, path in paths.items():
                if target not in known:
                    raise ConfigError(
                        f"encoder {label!r}: unknown target {target!r}; expected some of: {', '.join(known)}"
                    )
                if not Path(path).is_file():
                    raise ConfigError(f"--encoders (make: ENCODERS=): encoder {label!r}: {path}: no such file")
            encoders[label] = {target: str(Path(path).resolve()) for target, path in paths.items()}
        return super().normalize(encoders)


class LabelledTask(GlcTask):
    """A task on one folder of labelled coordinates."""

    benchmark = ChoiceParameter(choices=sorted(FILES), description="whose tables are read")
    places = labelled_folder(f"folder of the tables, or {NAMES[0]}", among=NAMES)
    random_folds = luigi.IntParameter(default=1, description="random folds of location held out in turn")
    seeds = luigi.IntParameter(default=3, description="heads per target and fold")
    head = SectionParameter(Head, default=Head(), description="the [head] section")

    @property
    def origin(self) -> str:
        return self.places

    @property
    def subject(self) -> str:
        """The name of the folder, or of the virtual globe."""
        return name_of(self.places) if self.places in NAMES else super().subject

    def made(self) -> list[VirtualGlobe]:
        """The task that makes the tables, of a virtual globe."""
        part = virtual_part(self.places, "places", self.root)
        return [part] if part else []

    @property
    def tables(self) -> Path:
        """The folder of the tables."""
        return next((task.folder for task in self.made()), Path(self.places))

    def content(self) -> JSON:
        if self.made():
            return [task.identity for task in self.made()]
        return [[path.name, storage.file_digest(path)] for path in FILES[self.benchmark](self.places)]

    def raw_files(self) -> list[Facts]:
        return [] if self.made() else [storage.raw_file(path) for path in FILES[self.benchmark](self.places)]

    def problem(self) -> problems.Problem:
        """The coordinates and their labels."""
        if self.benchmark == "location":
            return problems.location(self.tables, self.random_folds)
        return problems.habitats(self.tables)


class DownstreamScores(LabelledTask):
    """Scores of one source on all targets and folds, and what it predicts.

    ``scores.csv``, ``sums.parquet`` (what pooled scores are made of, by block), ``held_out/<folds>/<target>.npz`` and,
    unless a raster is read, ``query/<target>.npz``.
    """

    version = 3
    source = SectionParameter(Source, description="features used to describe coordinates")
    paths = luigi.DictParameter[dict[str, str]](
        default={}, significant=False, description="target, or *: file of the raster or the encoder"
    )

    def requires(self) -> list[VirtualGlobe]:
        return self.made()

    def content(self) -> JSON:
        choice, options = self.source.features, ""
        if choice.name != "none":
            options = repr(config.options(registry.locations.get(choice.name), choice, "features"))
        files = sorted([target, storage.file_digest(path)] for target, path in self.paths.items())
        return [super().content(), options, files]

    def raw_files(self) -> list[Facts]:
        return [*super().raw_files(), *map(storage.raw_file, sorted(set(self.paths.values())))]

    def write(self, out: Path) -> None:
        from glc.location.downstream import validation

        problem, paths = self.problem(), dict(self.paths)
        self.status(f"{self.benchmark}: heads on {self.source.kind} {self.source.features.name}")
        result = validation.cross_validate(problem, self.source, paths, self.head, self.seeds)
        storage.write_csv(result.scores, out / "scores.csv")
        result.sums.to_parquet(out / "sums.parquet", index=False)
        for column, predictions in result.held_out.items():
            validation.save(predictions, out / "held_out" / column)
        if self.source.kind != "raster":
            validation.save(validation.predict(problem, self.source, paths, self.head, self.seeds), out / "query")
        storage.note(out, places=len(problem.places), query=len(problem.query))


class EncodersTask(GlcTask):
    """Which encoders, and which raster, are compared with the reference and the controls."""

    raster = raster_file(default="")
    encoders = EncodersParameter(default={}, significant=False, description='JSON: {"label": "checkpoint", ...}')


class DownstreamPredictions(EncodersTask, LabelledTask, ProductTask):
    """Coordinates without labels, predicted by the mean of sources that ``fold_knndm`` chooses for each target.

    ``scores.csv`` of all rows, the blend among them, with 95 % intervals, ``differences.csv`` (of each from the first
    reference, kriging and the control), ``tables.md`` of both, ``chosen.json``, ``held_out.parquet`` (the blend's
    predictions of each of these folds by sources that the other folds choose, by which it is evaluated) and the
    predictions, which are also published at ``ROOT/location``. No source may know the target: a raster is never among
    them, nor is an encoder whose imagery had the target's own bands.
    """

    version = 2
    random_folds = luigi.IntParameter(default=1, significant=False, description=LabelledTask.random_folds.description)
    seeds = luigi.IntParameter(default=3, significant=False, description=LabelledTask.seeds.description)
    head = SectionParameter(Head, default=Head(), significant=False, description=LabelledTask.head.description)

    def rows(self) -> dict[str, tuple[Source, dict[str, str]]]:
        """Label of a row -> (source, paths)."""
        return rows(self.benchmark, TARGETS[self.benchmark], self.raster, self.encoders)

    def requires(self) -> dict[str, DownstreamScores]:
        settings = {name: getattr(self, name) for name in ("root", "benchmark", "places", "seeds", "head")}
        if self.benchmark == "location":
            settings["random_folds"] = self.random_folds
        return {
            label: DownstreamScores(source=source, paths=paths, **settings)
            for label, (source, paths) in self.rows().items()
        }

    def content(self) -> JSON:
        return [super().content(), list(self.rows())]

    def published(self) -> list[Published]:
        name = PREDICTIONS[self.benchmark]
        return [Published(Path(self.root) / "location" / name, self.folder / name)]

    def write(self, out: Path) -> None:
        from glc.location.downstream import blending, validation
        from glc.report import downstream

        problem = self.problem()
        result = blending.blend_all(
            problem,
            self.rows(),
            {label: task.folder for label, task in self.requires().items()},
            problems.CHOOSING,
            compared_with(self.benchmark),
            progress=lambda title: self.status(f"{self.benchmark}: choosing what predicts {title}"),
        )
        storage.write_csv(result.scores, out / "scores.csv")
        storage.write_csv(result.differences, out / "differences.csv")
        text = json.dumps(result.chosen, indent=1, ensure_ascii=False)
        (out / "chosen.json").write_text(text + "\n", encoding="utf-8")
        result.held_out.to_parquet(out / "held_out.parquet", index=False)
        validation.write_predictions(problem, result.query, out / PREDICTIONS[self.benchmark])
        text = downstream.section(self.benchmark, problem, result.scores, result.differences)
        (out / downstream.SECTION).write_text(text, encoding="utf-8")
        storage.note(out, chosen=result.chosen, query=len(problem.query))

    def results(self) -> list[str]:
        """The tables of this benchmark, as they are on the page of `LocationTasks`."""
        from glc.report.downstream import SECTION

        return [(self.folder / SECTION).read_text(encoding="utf-8")]
