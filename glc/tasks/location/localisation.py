"""From image tiles to coordinates with both encoders: errors of held-out tiles, and a picture of one place.

PretrainLocation (or --encoder) --- LocationErrors --+-- LocatedPlace (--at), LocatedImage (--image) --+-- Localisation
                                                     +---------------------------------------------------+
"""

import contextlib
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import luigi

from glc import config, storage
from glc.errors import ConfigError
from glc.report.markdown import markdown
from glc.report.place import parse_place
from glc.tasks.base import GlcTask, ProductTask, Published, Requirements
from glc.tasks.location.experiment import EncoderExperimentTask
from glc.tasks.location.globe import GlobePatches, GlobeTask
from glc.tasks.location.pretraining import CHECKPOINTS, PretrainLocation
from glc.tasks.parameters import CoordinatesParameter, PathParameter
from glc.types import JSON, Facts

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


@lru_cache(maxsize=16)
def _size(folder: str) -> int:
    """Side of what the image encoder in a folder sees, pixels."""
    from glc.location.pretraining.image_encoder import ImageEncoder

    return ImageEncoder.load(Path(folder) / CHECKPOINTS[1]).size


class LocalisationTask(GlobeTask, EncoderExperimentTask, ProductTask):
    """A task on imagery, both encoders and a gallery; contents count, not paths."""

    encoder = PathParameter(
        "any",
        f"give the folder of {' and '.join(CHECKPOINTS)}",
        optional=True,
        check=_encoder_folder,
        significant=False,
        variable="ENCODER",
        description="location.ckpt, or its folder (default: pre-trained by the experiment)",
    )
    threads = PretrainLocation.threads

    @property
    def refine(self) -> bool:
        """Whether places are climbed to from the best candidates, too."""
        return self.settings.localisation.refine

    def pretrained(self) -> PretrainLocation:
        """The task that makes the encoders where none are given."""
        return self.clone(PretrainLocation)

    @property
    def checkpoint(self) -> Path:
        """The location encoder's file."""
        return Path(self.encoder or self.pretrained().folder) / CHECKPOINTS[0]

    def prepared(self) -> list[GlobePatches]:
        """The task that makes the patches as the encoder sees them; none of rasters."""
        if not self.patches:
            return []
        return [self.clone(GlobePatches, size=_size(self.encoder) if self.encoder else self.settings.location.size)]

    @property
    def seen(self) -> str | Path:
        """The rasters, or the prepared patches."""
        return next((task.folder for task in self.prepared()), self.imagery)


class LocationErrors(LocalisationTask):
    """How far from the truth tiles are located: held-out tiles, and tiles of the training.

    ``metrics.csv``, ``queries.parquet`` (one row per query, and another where it is refined), ``errors.png``, a map,
    and ``gallery.parquet``; also published in the encoder's folder of ``ROOT/location/<imagery>``.
    """

    version = 2
    sections = ("localisation",)

    def requires(self) -> Requirements:
        return [*([] if self.encoder else [self.pretrained()]), *self.prepared()]

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
            standard &= self.settings.localisation == config.Localisation()
        parts = ["localisation", *([] if standard else [self.identity])]
        return encoder / "-".join(parts) / name

    def published(self) -> list[Published]:
        names = ("metrics.csv", "queries.parquet", "errors.png", "gallery.parquet")
        return [Published(self.stable(name), self.folder / name) for name in names]

    def write(self, out: Path) -> None:
        from glc.location.localisation import errors
        from glc.report import localisation as pictures
        from glc.report.figures import for_page

        clock, wanted = Clock(self), self.settings.localisation
        result = errors.localise(
            self.seen,
            self.checkpoint,
            gallery_size=wanted.gallery,
            on_sphere=wanted.over == "sphere",
            count=wanted.queries,
            best=TOP,
            refined=wanted.refine,
            threads=self.threads,
            stage=clock,
        )
        result.save(out)
        title = f"Geo-localisation among {len(result.land):,} places {result.spacing_km:.0f} km apart"
        pictures.error_map(for_page(out / "errors.png"), result.queries, result.gallery_on_land, title)
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
            self.seen, self.checkpoint, errors.folder, place, best=TOP, refined=self.refine, threads=self.threads
        )
        storage.write_csv(result.best, out / "place.csv")
        pictures.top_map(out / "place.png", place, result.best, result.gallery_on_land, result.title)
        storage.note(out, held_out=result.held_out)


class LocatedImage(LocalisationTask):
    """The best places for an image of the user's own: a map with ranks, and a table.

    Both are also published with the `LocationErrors`, as ``image_NAME``.
    """

    image = PathParameter(
        "file",
        "give a GeoTIFF, PNG or JPEG with the bands of the encoder",
        significant=False,
        description="GeoTIFF, PNG or JPEG with the bands of the encoder",
    )
    at = CoordinatesParameter(default="", description="where the image is, LON,LAT, if that is known")

    def requires(self) -> LocationErrors:
        return self.clone(LocationErrors)

    def reads(self) -> list[GlcTask]:
        return [*super().reads(), *self.requires().reads()]

    def content(self) -> JSON:
        return [Path(self.image).name, storage.file_digest(self.image)]

    def raw_files(self) -> list[Facts]:
        return [storage.raw_file(self.image)]

    def published(self) -> list[Published]:
        name = f"image_{config.file_name(Path(self.image).stem)}"
        return [
            Published(self.requires().stable(f"{name}{kind}"), self.folder / f"place{kind}")
            for kind in (".png", ".csv")
        ]

    def write(self, out: Path) -> None:
        from glc.location.localisation.errors import locate_image
        from glc.report import localisation as pictures

        errors, place = self.requires(), parse_place(self.at) if self.at else None
        result = locate_image(
            self.image, self.checkpoint, errors.folder, place, best=TOP, refined=self.refine, threads=self.threads
        )
        storage.write_csv(result.best, out / "place.csv")
        pictures.top_map(out / "place.png", place, result.best, result.gallery_on_land, result.title)


class Localisation(luigi.WrapperTask, LocalisationTask):
    """Errors of tiles that are placed by both encoders of a pre-training, and the best places of one tile or image.

    ``--at`` names the place of the tile, ``--image`` an image of the user's own; with both, the image is there.
    """

    at = CoordinatesParameter(default="", description="also draw the best places for the tile here, LON,LAT in degrees")
    image = PathParameter(
        "file",
        "give a GeoTIFF, PNG or JPEG with the bands of the encoder",
        optional=True,
        significant=False,
        description="also draw the best places for this image: GeoTIFF, PNG or JPEG with the bands of the encoder",
    )

    def requires(self) -> list[LocalisationTask]:
        errors = self.clone(LocationErrors)
        if self.image:
            return [errors, self.clone(LocatedImage)]
        return [errors, self.clone(LocatedPlace)] if self.at else [errors]

    def published(self) -> list[Published]:
        return []

    def run(self) -> None:
        """Nothing: all is in what it requires."""

    def results(self) -> list[str]:
        """The metrics, and where everything is."""

        errors, *place = self.requires()
        table = markdown("Geo-localisation", storage.read_csv(errors.folder / "metrics.csv"), REMARKS)
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
