"""From image tiles to coordinates with both encoders: errors of held-out tiles, and a picture of one place.

PretrainLocation (or --encoder) --- LocationErrors --+-- LocatedPlace (--at) --+-- Localisation
                                                     +------------------------+
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import luigi

from glc import storage
from glc.errors import ConfigError
from glc.location.pretraining.options import Pretraining
from glc.report.markdown import markdown
from glc.report.place import parse_place
from glc.tasks.base import GlcTask, ProductTask, Published, Requirements
from glc.tasks.location.pretraining import CHECKPOINTS, GlobeTask, PretrainLocation
from glc.tasks.parameters import ChoiceParameter, CoordinatesParameter, CountParameter, PathParameter, SectionParameter
from glc.types import JSON

GALLERY, OVER, QUERIES = 100_000, "land", 4_000
TOP = 10
REMARKS = (
    "held out: new places in the squares (of 4° unless the pre-training says otherwise) that it did not see; trained "
    "on: places that it saw.",
    "Places of one square err alike: few squares make a rough figure.",
    "ceiling: the gallery's place nearest to the query; a refined place may lie nearer. chance: a random one of it.",
)


def _encoder_folder(path: Path, option: str) -> Path:
    """The folder of both checkpoints, which the path of a ``location.ckpt`` may stand for."""
    folder = path.parent if path.name == CHECKPOINTS[0] else path
    if folder.is_file():
        raise ConfigError(
            f"{option} {path}: found a file called {folder.name}, expected {CHECKPOINTS[0]} with {CHECKPOINTS[1]} "
            "in the same folder, or that folder; rename them"
        )
    for name in CHECKPOINTS:
        if not (folder / name).is_file():
            raise ConfigError(
                f"{option} {path}: {folder / name}: no such file; give the folder of {' and '.join(CHECKPOINTS)}"
            )
    return folder


class LocalisationTask(GlobeTask, ProductTask):
    """A task on imagery, both encoders and a gallery; contents count, not paths."""

    encoder = PathParameter(
        "any",
        f"give the folder of {' and '.join(CHECKPOINTS)}",
        optional=True,
        check=_encoder_folder,
        significant=False,
        variable="ENCODER",
        description="location.ckpt, or its folder (default: pre-trained with --pretraining)",
    )
    pretraining = SectionParameter(
        Pretraining,
        default=Pretraining(),
        significant=False,
        description=PretrainLocation.pretraining.description,
    )
    threads = PretrainLocation.threads
    gallery = CountParameter(least=TOP, default=GALLERY, description="places that a tile is matched with")
    over = ChoiceParameter(
        choices=("land", "sphere"),
        default=OVER,
        description="where gallery points lie: land, or the whole sphere (as in the poster)",
    )
    queries = CountParameter(
        default=QUERIES, description="query tiles to draw from held-out and, again, from training squares"
    )
    refine = luigi.BoolParameter(description="also climb from the best candidates to the highest similarity nearby")

    def pretrained(self) -> PretrainLocation:
        """The task that makes the encoders where none are given."""
        return self.clone(PretrainLocation)

    @property
    def checkpoint(self) -> Path:
        """The location encoder's file."""
        return Path(self.encoder or self.pretrained().folder) / CHECKPOINTS[0]


class LocationErrors(LocalisationTask):
    """How far from the truth tiles are located: held-out tiles, and tiles of the training.

    ``metrics.csv``, ``queries.parquet`` (one row per query, and another where it is refined), ``errors.png``, a map,
    and ``gallery.parquet``; also published in the encoder's folder of ``ROOT/location/<imagery>``.
    """

    def requires(self) -> Requirements:
        return [] if self.encoder else self.pretrained()

    def content(self) -> JSON:
        files = [Path(self.encoder) / name for name in CHECKPOINTS] if self.encoder else []
        return [self.pretrained().content(), [storage.file_digest(path) for path in files]]

    def stable(self, name: str) -> Path:
        """The stable path of a product, in a folder that is named by what is not the default."""
        encoder, standard = self.pretrained().stable(name).parent, True
        if self.encoder:
            encoder, folder = Path(self.encoder), Path(self.root) / "location" / self.subject
            if not encoder.is_relative_to(folder):  # its folder may be called as another's, or as the default's
                encoder, standard = folder / encoder.name, False
        standard &= (self.gallery, self.over, self.queries) == (GALLERY, OVER, QUERIES)
        parts = ["localisation", *(["refined"] if self.refine else []), *([] if standard else [self.identity])]
        return encoder / "-".join(parts) / name

    def published(self) -> list[Published]:
        names = ("metrics.csv", "queries.parquet", "errors.png", "gallery.parquet")
        return [Published(self.stable(name), self.folder / name) for name in names]

    def write(self, out: Path) -> None:
        from glc.location.localisation import errors
        from glc.report import localisation as pictures

        clock = Clock(self)
        result = errors.localise(
            self.imagery,
            self.checkpoint,
            gallery_size=self.gallery,
            on_sphere=self.over == "sphere",
            count=self.queries,
            best=TOP,
            refined=self.refine,
            threads=self.threads,
            stage=clock,
        )
        result.save(out)
        title = f"Geo-localisation among {len(result.land):,} places {result.spacing_km:.0f} km apart"
        pictures.error_map(out / "errors.png", result.queries, result.gallery_on_land, title)
        storage.note(out, **result.facts, seconds_of=clock.seconds)


class LocatedPlace(LocalisationTask):
    """The best places for the tile of one place: a map with ranks and distances, and a table.

    Both are also published with the `LocationErrors`, as ``at_LON_LAT``.
    """

    at = CoordinatesParameter(description="LON,LAT in degrees; in the west: --at=-3.7,40.4")

    def requires(self) -> LocationErrors:
        return self.clone(LocationErrors)

    def reads(self) -> list[GlcTask]:
        return [*super().reads(), *self.requires().reads()]

    def published(self) -> list[Published]:
        name = f"at_{self.at.replace(',', '_')}"
        return [
            Published(self.requires().stable(f"{name}{kind}"), self.folder / f"place{kind}")
            for kind in (".png", ".csv")
        ]

    def write(self, out: Path) -> None:
        from glc.location.localisation.errors import locate
        from glc.report import localisation as pictures

        errors, place = self.requires(), parse_place(self.at)
        result = locate(
            self.imagery, self.checkpoint, errors.folder, place, best=TOP, refined=self.refine, threads=self.threads
        )
        result.best.to_csv(out / "place.csv", index=False)
        pictures.top_map(out / "place.png", place, result.best, result.gallery_on_land, result.title)
        storage.note(out, held_out=result.held_out)


class Localisation(luigi.WrapperTask, LocalisationTask):
    """Errors of tiles that are placed by both encoders of a pre-training and, with ``--at``, the best places of one."""

    at = CoordinatesParameter(default="", description="also draw the best places for the tile here, LON,LAT in degrees")

    def requires(self) -> list[LocalisationTask]:
        errors = self.clone(LocationErrors)
        return [errors, self.clone(LocatedPlace)] if self.at else [errors]

    def published(self) -> list[Published]:
        return []

    def run(self) -> None:
        """Nothing: all is in what it requires."""

    def results(self) -> list[str]:
        """The metrics, and where everything is."""
        import pandas as pd

        errors, *place = self.requires()
        table = markdown("Geo-localisation", pd.read_csv(errors.folder / "metrics.csv"), REMARKS)
        seconds = storage.manifest(errors.folder)["seconds_of"]
        took = f"seconds {', '.join(f'{stage} {value:g}' for stage, value in seconds.items())}"
        drawn = [f"picture {target.path}" for task in place for target in task.published()[:1]]
        return [table, took, *drawn, f"results {errors.published()[0].path.parent}"]


class Clock:
    """Seconds of the stages of `task`, whose status says which one runs."""

    def __init__(self, task: GlcTask) -> None:
        self.task = task
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def __call__(self, stage: str, percentage: float) -> Iterator[None]:
        self.task.status(stage, percentage)
        started = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - started, 1)
