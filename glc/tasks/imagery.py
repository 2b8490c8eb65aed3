"""Surveys and imagery to tables: tiles of rasters and images, cubes of series, values at the surveys."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

import luigi
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from glc import covariates, editions, registry, schema, storage, world
from glc.covariates import Raster
from glc.errors import ConfigError, MissingError, did_you_mean
from glc.tasks.base import GlcTask, spark
from glc.tasks.machine import budget
from glc.tasks.parameters import ChoiceParameter, NameParameter, imagery_folder
from glc.tasks.surveys import Surveys, SurveysTask, VirtualPart
from glc.types import JSON, Facts

# the 2023 edition keys its series and its image tiles by columns of their own
SERIES_COLUMN, IMAGE_COLUMN = "timeSerieID", "patchID"
SPARK_FROM = 200_000
"""Surveys; fewer are read before a session has started."""

T = TypeVar("T")


class ImageryTask(SurveysTask):
    """A task that joins surveys with imagery of another folder, or else of the dataset's own."""

    imagery_folder = imagery_folder()
    datasets = luigi.ListParameter[tuple[str, ...]](
        default=(),
        description="parts such as pa_train, po; or train, test: what the edition trains and tests on (default)",
    )

    @property
    def place_columns(self) -> tuple[str, ...]:
        """Columns of `places`."""
        return ("dataset", "surveyId", "lon", "lat")

    def world_part(self) -> str:
        """Part of the virtual world that holds the imagery."""
        raise NotImplementedError(f"{type(self).__name__} does not say its part")

    def requires(self) -> dict[str, GlcTask]:
        needs = {"surveys": self.clone(Surveys)}
        if self.virtual and not self.imagery_folder:
            needs["imagery"] = self.clone(VirtualPart, part=self.world_part())
        return needs

    @property
    def folders(self) -> list[Path]:
        """Folders of the imagery; the first that has the covariate is read. A virtual world has all or nothing."""
        named = [Path(self.imagery_folder)] if self.imagery_folder else []
        if self.virtual:
            return named or [self.clone(VirtualPart).world_folder]
        dataset = Path(self.dataset)
        return list(dict.fromkeys([*named, dataset.parent if dataset.is_file() else dataset]))

    @property
    def imagery(self) -> Path:
        """The first of `folders`."""
        return self.folders[0]

    def where(self, find: Callable[[Path], T]) -> tuple[Path, T]:
        """(folder, find(folder)) of the first of `folders` in which `find` raises no MissingError."""
        missing = []
        for folder in self.folders:
            try:
                return folder, find(folder)
            except MissingError as error:
                missing.append(str(error))
        raise MissingError("; and ".join(missing))

    def content(self) -> JSON:
        return None if "imagery" in self.requires() else self.files()

    def files(self) -> list[JSON]:
        """What changes when the files change: names, sizes and times, or of folders with many the stamps."""
        raise NotImplementedError(f"{type(self).__name__} does not list its files")

    def raw_files(self) -> list[Facts]:
        return [self._raw(entry) for entry in self.known_content or []]

    def _raw(self, entry: Sequence[JSON]) -> Facts:
        """What a manifest says of a file, (name, size, time), or of a folder, (name, size, time, files, digest)."""
        name, size, time_ns, *folder = entry
        place = next((place / name for place in self.folders if (place / name).exists()), Path(name))
        facts = {"path": str(place), "bytes": size, "modified": datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat()}
        return facts | ({"files": folder[0]} if folder else {})

    def stamped(self, paths: Iterable[Path], folder: Path, *, deep: bool = True) -> list[JSON]:
        """(name below the `folder`, size, time, files, digest) of folders, with those below them where `deep`.

        A manifest has one such line for a folder, which may have millions of files.
        """
        return [(str(path.relative_to(folder)), *storage.stamp(path, deep=deep)) for path in sorted(paths)]

    def relative(self, paths: Iterable[Path], folder: Path) -> list[JSON]:
        """(name below the `folder`, size, time) of files."""
        stats = [(path, path.stat()) for path in map(Path, paths)]
        return sorted((str(path.relative_to(folder)), at.st_size, at.st_mtime_ns) for path, at in stats)

    def places(self) -> pa.Table:
        """The surveys of the chosen datasets, a pyarrow table without labels."""
        folder = self.input()["surveys"].path
        facts = storage.manifest(folder)
        tests = [name for name in facts["datasets"] if schema.is_test(name, facts["test"])] or [facts["test"]]
        roles = {"train": [facts["train"]], "test": tests}
        wanted = [own for name in self.datasets or roles for own in roles.get(name, [name])]
        unknown = [name for name in wanted if name not in facts["datasets"]]
        if self.datasets and unknown:
            raise ConfigError(
                f"--datasets: found {unknown[0]!r}, expected some of: {', '.join(facts['datasets'])}"
                f"{did_you_mean(unknown[0], facts['datasets'])}"
            )
        table = storage.read_table(folder / "surveys", "surveys", columns=[*self.place_columns])
        return table.filter(pc.is_in(table["dataset"], pa.array(wanted)))

    def with_own_id(self, column: str, name: str) -> pd.DataFrame:
        """`places` with the ids of `column` of the survey tables as the column `name`, where the tables have it."""
        return self.add_own_id(self.places().to_pandas(), column, name)

    def add_own_id(self, places: pd.DataFrame, column: str, name: str) -> pd.DataFrame:
        """The same of any frame `places` with dataset, surveyId."""
        from glc.etl import series

        if self.virtual:
            return places
        ids = series.own_ids(editions.recognise(self.dataset), column)
        if ids is None:
            return places
        return places.merge(ids.rename(columns={"series_id": name}), on=["dataset", "surveyId"], how="left")

    def check_cover(self, names: Iterable[str]) -> None:
        """Refuse rasters that cannot be opened, or that cover none of a few surveys of the dataset."""
        from glc.rasters import grids

        source = Path(self.clone(Surveys).source)
        if "imagery" in self.requires() or not source.exists():  # a virtual world covers itself, or is not written yet
            return
        lon, lat = editions.coordinates(editions.recognise(source))
        for name in names:
            covariate = registry.covariates.get(name)
            if covariate.kind == "rasters":
                grids.check_cover(covariate, grids.find(covariate, self.folders), lon, lat)


Block: TypeAlias = int | Literal["full"]
"""DCT coefficients kept per axis, or the pixels."""


class BlockParameter(luigi.Parameter[Block]):
    """DCT coefficients kept per axis, or ``full`` for the pixels."""

    def normalize(self, x: str | int) -> Block:
        if x == "full":
            return "full"
        try:
            return int(x)
        except ValueError:
            raise ConfigError(f"--block: found {x!r}, expected a number of DCT coefficients, or full") from None


class Tiles(ImageryTask):
    """Tiles of a covariate around every survey: low DCT coefficients of each band, or its pixels (``--block full``)."""

    version = 3
    covariate = NameParameter(
        registry.covariates, variable="COVARIATE", default="sentinel2", description="a registered covariate"
    )
    size = luigi.IntParameter(default=128, description="side of a tile in pixels")
    block = BlockParameter(default=8, description='DCT coefficients kept per axis, or "full" for the pixels')
    codes = luigi.BoolParameter(default=False, description="take class numbers as if they were measurements")
    resources = {"spark": 1}

    def world_part(self) -> str:
        kind = registry.covariates.get(self.covariate).kind
        presence_only = kind == "images" and "po" in self.datasets
        return world.PO_IMAGES if presence_only and world.PO_IMAGES in world.SIZES[self.virtual].modules else kind

    def check(self) -> None:
        self.check_cover([self.covariate])

    def files(self) -> list[JSON]:
        covariate = registry.covariates.get(self.covariate)
        if covariate.kind == "rasters":
            paths = covariate.find(self.folders)
            return self.relative(paths, next(folder for folder in self.folders if covariate.there(folder)))
        folder, layers = covariate.find(self.folders)
        known = {name for layer in layers for name in layer.templates} | {"train", "test"}
        for name in self.datasets:
            if name not in known:
                raise ConfigError(
                    f"covariate {self.covariate!r} has no images of {name} in this layout, only of "
                    f"{', '.join(sorted(known - {'train', 'test'}))}; leave these surveys out (po.use, "
                    "pretrain.sources), or read rasters, which cover all"
                )
            own = [template for layer in layers for template in layer.templates.get(name, ())]
            if own and not any(covariates.places(folder, template) for template in own):
                raise ConfigError(
                    f"{folder}: no images of {name} of covariate {self.covariate!r}; expected {own[0]}; put them "
                    "there, leave these surveys out (po.use, pretrain.sources), or read rasters, which cover all"
                )
        templates = {name for layer in layers for group in layer.templates.values() for name in group}
        below = {path for template in templates for path, _ in covariates.places(folder, template)}
        trees = self.stamped((path for path in below if path.is_dir()), folder)
        return trees + self.relative((path for path in below if path.is_file()), folder)

    def write(self, out: Path) -> None:
        from glc.etl import tiles

        self.status(f"cutting tiles of {self.covariate}", 5)
        covariate = registry.covariates.get(self.covariate)
        session = spark(self.root, *self.folders)
        facts = tiles.write(
            session,
            self.with_own_id(IMAGE_COLUMN, "image_id"),
            dataclasses.replace(covariate, classes={}) if self.codes else covariate,
            self.folders,
            out,
            size=self.size,
            block=self.block,
            memory_mb=budget().pixels / 2**20 / session.sparkContext.defaultParallelism,
            resume=self.parts_folder(),
        )
        storage.note(out, **facts)


class Cubes(ImageryTask):
    """Cubes of every survey: ``series`` from the six quarterly tables, ``landsat`` or ``bioclim`` from cube files."""

    version = 2
    kind = ChoiceParameter(variable="KIND", choices=("series", "landsat", "bioclim"), default="bioclim")
    max_corrupt_fraction = luigi.FloatParameter(
        default=0.05, description="a larger share of unusable cubes stops the run"
    )

    def world_part(self) -> str:
        return "series" if self.kind == "series" else "cubes"

    def files(self) -> list[JSON]:
        from glc.etl import cubes, series

        if self.kind == "series":
            folder, by_dataset = self.where(series.find)
            return self.relative((path for tables in by_dataset.values() for path in tables.values()), folder)
        folder, below = self.where(lambda folder: cubes.folders(folder, self.kind))
        return self.stamped(below, folder, deep=False)

    def write(self, out: Path) -> None:
        from glc.etl import cubes, series

        self.status(f"reading {self.kind} cubes", 5)
        if self.kind == "series":
            folder, _ = self.where(series.find)
            facts = cubes.write_series(
                self.with_own_id(SERIES_COLUMN, "series_id"),
                folder,
                out,
                max_corrupt_fraction=self.max_corrupt_fraction,
            )
        else:
            folder, _ = self.where(lambda folder: cubes.folders(folder, self.kind))
            facts = cubes.write_files(
                self.places(), folder, out, kind=self.kind, max_corrupt_fraction=self.max_corrupt_fraction
            )
        storage.note(out, **facts)


class RastersParameter(luigi.ListParameter):
    """Names of registered rasters and of metadata."""

    def normalize(self, x: Iterable[str]) -> tuple[str, ...]:
        names = tuple(super().normalize(x))
        if not names:
            raise ConfigError('--covariates: found none, expected a list such as \'["bioclim", "elevation"]\'')
        for name in names:
            if registry.covariates.get(name).kind not in ("rasters", "metadata"):
                raise ConfigError(
                    f"--covariates: {name!r} is one image per survey, expected rasters, such as bioclim, or metadata"
                )
        return names


class Tabular(ImageryTask):
    """Values of covariates at every survey, cleaned; from the contest's CSVs, else from the survey's own pixel.

    Metadata, such as the year, are columns of the survey tables.
    """

    version = 3
    covariates = RastersParameter(default=("bioclim", "elevation"), description="registered rasters, or metadata")
    source = ChoiceParameter(
        choices=("auto", "tables", "rasters"), default="auto", description="CSVs, pixels, or CSVs where there are any"
    )
    resources = {"spark": 1}

    @property
    def rasters(self) -> dict[str, Raster]:
        """The covariates that have files, by name."""
        chosen = {name: registry.covariates.get(name) for name in self.covariates}
        return {name: covariate for name, covariate in chosen.items() if covariate.kind == "rasters"}

    @property
    def place_columns(self) -> tuple[str, ...]:
        from glc.etl import tabular

        return tabular.columns(self.covariates)

    def world_part(self) -> str:
        return "rasters"

    def files(self) -> list[JSON]:
        from glc.etl import values

        facts = []
        for covariate in self.rasters.values():
            tables, folder = values.find(covariate, self.folders, self.source)
            for path in tables.values() or covariate.find([folder]):
                stat = path.stat()
                facts.append((path.name, stat.st_size, stat.st_mtime_ns))
        return facts

    def check(self) -> None:
        from glc.etl import values

        self.check_cover(
            name for name, covariate in self.rasters.items() if not values.find(covariate, self.folders, self.source)[0]
        )

    def write(self, out: Path) -> None:
        from glc.etl import tabular

        self.status(f"values of {', '.join(self.covariates)}", 5)
        # the same rule for outliers whichever datasets are wanted
        training = self.clone(Tabular, datasets=("train",)).places()
        places = self.places()
        session = spark(self.root, *self.folders) if len(places) > SPARK_FROM else None
        facts = tabular.write(
            session, places, self.covariates, self.folders, out, training=training, source=self.source
        )
        storage.note(out, **facts)
