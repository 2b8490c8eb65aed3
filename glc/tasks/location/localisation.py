"""Both encoders of a pre-training to places of tiles: errors of held-out ones, and a picture of one place.

PretrainLocation (or --encoder) --- LocationErrors --+-- LocatedPlace (--at) --+-- Localisation
                                                     +------------------------+
"""

import argparse
import contextlib
import time
from pathlib import Path

import luigi

from glc import storage
from glc.errors import ConfigError
from glc.report.markdown import markdown
from glc.report.place import parse_place
from glc.tasks.base import OptionParameter, ProductTask, Published
from glc.tasks.location.pretraining import OnImagery, PretrainLocation

CHECKPOINTS = ("location.ckpt", "image.ckpt")
GALLERY, OVER, QUERIES = 100_000, "land", 4_000
TOP = 10
REMARKS = (
    "held out: new places in the squares (of 4° unless the pre-training says otherwise) that it did not see; trained "
    "on: places that it saw.",
    "Places of one square err alike: few squares make a rough figure.",
    "ceiling: the gallery's place nearest to the query; a refined place may lie nearer. chance: a random one of it.",
)


class EncoderParameter(luigi.Parameter):
    """A ``location.ckpt`` with its ``image.ckpt`` beside it, or their folder; checked when the command is read."""

    def normalize(self, x):
        if not x:
            return ""
        folder = Path(x).parent if Path(x).name == CHECKPOINTS[0] else Path(x)
        if folder.is_file():
            raise ConfigError(
                f"--encoder {x}: found a file called {folder.name}, expected {CHECKPOINTS[0]} with {CHECKPOINTS[1]} "
                "beside it, or their folder; rename them"
            )
        for name in CHECKPOINTS:
            if not (folder / name).is_file():
                raise ConfigError(
                    f"--encoder {x}: {folder / name}: no such file; give the folder of {' and '.join(CHECKPOINTS)}"
                )
        return str(folder.resolve())


class CountParameter(OptionParameter, luigi.IntParameter):
    """A number of places, at least `least`; checked when the command is read."""

    def __init__(self, least, **kwargs):
        self.least = least
        super().__init__(**kwargs)

    def normalize(self, x):
        if x < self.least:
            raise ConfigError(f"{self.option}: found {x} places, expected at least {self.least}: {self.description}")
        return x


class PlaceParameter(luigi.Parameter):
    """``LON,LAT`` in degrees, or nothing; checked when the command is read."""

    def normalize(self, x):
        if not x:
            return ""
        try:
            lon, lat = parse_place(x)
        except argparse.ArgumentTypeError as error:
            raise ConfigError(f"--at: {error}") from None
        if not (abs(lon) <= 180 and abs(lat) <= 90):
            raise ConfigError(f"--at {x}: expected degrees within ±180 and ±90, lon first: --at=7.1,43.7")
        return f"{lon:g},{lat:g}"


class LocalisationTask(OnImagery, ProductTask):
    """A task on imagery, both encoders and a gallery; contents count, not paths."""

    encoder = EncoderParameter(
        default="", description="location.ckpt, or its folder (default: pre-trained with --pretraining)"
    )
    pretraining = PretrainLocation.pretraining
    threads = PretrainLocation.threads
    gallery = CountParameter(least=TOP, default=GALLERY, description="places that a tile is matched with")
    over = luigi.ChoiceParameter(
        choices=("land", "sphere"), default=OVER, description="where they lie; the poster's: sphere"
    )
    queries = CountParameter(least=1, default=QUERIES, description="places to find, of either kind")
    refine = luigi.BoolParameter(description="also climb from the best candidates to the highest similarity nearby")
    carried = ("imagery", "encoder", "pretraining")

    def pretrained(self):
        """The task that makes the encoders where none are given."""
        return self.clone(PretrainLocation)

    @property
    def checkpoint(self):
        """The location encoder's file."""
        return Path(self.encoder or self.pretrained().folder) / CHECKPOINTS[0]


class LocationErrors(LocalisationTask):
    """How far from the truth tiles are placed: held-out ones, and ones trained on.

    ``metrics.csv``, ``queries.parquet`` (a row a query, and another where it is refined), ``errors.png``, a map, and
    ``gallery.parquet``. They also stand in the encoder's folder of ``ROOT/location/<imagery>``.
    """

    def requires(self):
        return [] if self.encoder else self.pretrained()

    def more_identity(self):
        files = [Path(self.encoder) / name for name in CHECKPOINTS] if self.encoder else []
        return [self.pretrained().more_identity(), [storage.file_digest(path) for path in files]]

    def stable(self, name):
        """The stable path of a product, in a folder that is named by what is not the default."""
        encoder, standard = self.pretrained().stable(name).parent, True
        if self.encoder:
            encoder, here = Path(self.encoder), Path(self.root) / "location" / self.dataset_name
            if not encoder.is_relative_to(here):  # its folder may be called as another's, or as the default's
                encoder, standard = here / encoder.name, False
        standard &= (self.gallery, self.over, self.queries) == (GALLERY, OVER, QUERIES)
        own = ["localisation", *(["refined"] if self.refine else []), *([] if standard else [self.identity])]
        return encoder / "-".join(own) / name

    def published(self):
        names = ("metrics.csv", "queries.parquet", "errors.png", "gallery.parquet")
        return [Published(self.stable(name), self.folder / name) for name in names]

    def write(self, out):
        import pandas as pd

        from glc.location.localisation import gallery, search
        from glc.report import localisation as pictures
        from glc.training.lightning import torch_threads

        clock, pair, frames = Clock(self), search.Pair.load(self.checkpoint), []
        with torch_threads(self.threads):
            with clock("cutting tiles", 5):
                asked, squares, lost = search.queries(self.imagery, pair, self.queries)
            with clock("embedding the gallery", 20):
                land = search.on_land(pair.stack(self.imagery), pair.options)
                at = gallery.spiral(self.gallery, land if self.over == "land" else None)
                vectors, spacing = pair.location.embed(*at, progress=True), gallery.spacing_km(*at)
            for kind, some in asked.items():
                with clock(f"searching, {kind}", 40):
                    images = pair.image.embed(some.tiles)
                    found = search.search(images, vectors, *at, TOP)
                    frames.append(search.results(some, found, at, False).assign(queries=kind))
                if self.refine:
                    with clock(f"refining, {kind}", 60):
                        found = search.refine(pair.location, images, found, spacing)
                        frames.append(search.results(some, found, at, True).assign(queries=kind))
        frame = pd.concat(frames, ignore_index=True)
        frame.to_parquet(out / "queries.parquet", index=False)
        search.metrics(frame, at, pair.options.holdout_deg).to_csv(out / "metrics.csv", index=False)
        pd.DataFrame({"lon": at[0], "lat": at[1]}).to_parquet(out / "gallery.parquet", index=False)
        on_land = land(*at)
        title = f"Geo-localisation among {len(on_land):,} places {spacing:.0f} km apart"
        pictures.error_map(out / "errors.png", frame, [x[on_land] for x in at], title)
        storage.note(
            out, held_out_squares=squares.tolist(), lost=lost, gallery_spacing_km=spacing, seconds_of=clock.seconds
        )


class LocatedPlace(LocalisationTask):
    """The best places for the tile of one place: a map with ranks and distances, and a table.

    Both also stand beside the `LocationErrors` as ``at_LON_LAT``.
    """

    at = PlaceParameter(description="LON,LAT in degrees; in the west: --at=-3.7,40.4")
    carried = (*LocalisationTask.carried, "gallery", "over", "queries", "refine")

    def requires(self):
        return self.clone(LocationErrors)

    def published(self):
        name = f"at_{self.at.replace(',', '_')}"
        return [
            Published(self.requires().stable(f"{name}{kind}"), self.folder / f"place{kind}")
            for kind in (".png", ".csv")
        ]

    def write(self, out):
        import pandas as pd

        from glc.location.localisation import search
        from glc.report import localisation as pictures
        from glc.training.lightning import torch_threads

        errors, place = self.requires(), parse_place(self.at)
        facts, pair = storage.manifest(errors.folder), search.Pair.load(self.checkpoint)
        stack, at = pair.stack(self.imagery), pd.read_parquet(errors.folder / "gallery.parquet").to_numpy().T
        with torch_threads(self.threads):
            images = pair.image.embed(search.tile(stack, *place))
            found = search.search(images, pair.location.embed(*at), *at, TOP, progress=False)
            if self.refine:
                found = search.refine(pair.location, images, found, facts["gallery_spacing_km"], progress=False)
        best = search.ranked(place, found)
        best.to_csv(out / "place.csv", index=False)
        held = int(pair.square(*([x] for x in place))[0]) in facts["held_out_squares"]
        seen = "in a held-out square" if held else "not held out"
        land = search.on_land(stack, pair.options)(*at)
        title = f"The {len(best)} best of {at.shape[1]:,} places{', refined' if self.refine else ''}; {seen}"
        pictures.top_map(out / "place.png", place, best, [x[land] for x in at], title)
        storage.note(out, held_out=held)


class Localisation(luigi.WrapperTask, LocalisationTask):
    """Errors of tiles that are placed by both encoders of a pre-training and, with ``--at``, the best places of one."""

    at = PlaceParameter(default="", description="also draw the best places for the tile here, LON,LAT in degrees")

    def requires(self):
        errors = self.clone(LocationErrors)
        return [errors, self.clone(LocatedPlace)] if self.at else [errors]

    def published(self):
        return []

    def run(self):
        """Nothing: all is in what it requires."""

    def results(self):
        """The metrics, and where everything is."""
        import pandas as pd

        errors, *place = self.requires()
        table = markdown("Geo-localisation", pd.read_csv(errors.folder / "metrics.csv"), REMARKS)
        seconds = storage.manifest(errors.folder)["seconds_of"]
        took = f"seconds {', '.join(f'{stage} {value:g}' for stage, value in seconds.items())}"
        drawn = [f"picture {target.path}" for task in place for target in task.published()[:1]]
        return [table, took, *drawn, f"results {errors.published()[0].path.parent}"]


class Clock:
    """Seconds of the stages of `task`, whose status tells which one is on."""

    def __init__(self, task):
        self.task, self.seconds = task, {}

    @contextlib.contextmanager
    def __call__(self, stage, percentage):
        self.task.status(stage, percentage)
        started = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - started, 1)
