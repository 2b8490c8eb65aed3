"""Tables and pictures of downstream tasks: every encoder compared with the reference and the controls.

DownstreamPredictions --+-- LocationPictures --+-- LocationTasks
                        +----------------------+
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import luigi

from glc import storage
from glc.config import Head
from glc.location.downstream import problems
from glc.location.downstream.sources import ALL
from glc.tasks.base import GlcTask, ProductTask, Published
from glc.tasks.location.downstream import DownstreamPredictions, EncodersTask, LabelledTask, labelled_folder
from glc.tasks.location.experiment import EncoderExperimentTask
from glc.tasks.location.globe import NAMES, name_of
from glc.tasks.table import TableTask
from glc.types import JSON


class BenchmarksTask(EncodersTask, EncoderExperimentTask):
    """A task on all benchmarks of labelled coordinates; its settings count through its inputs.

    Of the experiment the heads count; what it says of pre-training, only `EncoderVariants` reads.
    """

    places = labelled_folder(f"folder of location_tasks.parquet and location_query.parquet, or {NAMES[0]}", among=NAMES)
    habitats = labelled_folder("folder of surveys_train.csv and surveys_test.csv", "HABITATS", optional=True)
    random_folds = luigi.IntParameter(default=1, significant=False, description=LabelledTask.random_folds.description)
    seeds = luigi.IntParameter(default=3, significant=False, description=LabelledTask.seeds.description)

    @property
    def head(self) -> Head:
        """The [head] section."""
        return self.settings.head

    @property
    def origin(self) -> str:
        return self.places

    @property
    def subject(self) -> str:
        """The name of the folder, or of the virtual globe."""
        return name_of(self.places) if self.places in NAMES else super().subject

    def predictions(self, benchmark: str) -> DownstreamPredictions:
        """The `DownstreamPredictions` of a benchmark."""
        folder = {"location": self.places, "habitats": self.habitats}[benchmark]
        return self.clone(DownstreamPredictions, benchmark=benchmark, places=folder)


class LocationPictures(BenchmarksTask, ProductTask):
    """Maps of errors and of embeddings: ``ROOT/location/pictures``.

    Errors are those of the blend on ``fold_knndm``, which is what the predictions are made of; embeddings are those of
    the encoders that have a checkpoint for all targets.
    """

    version = 3

    def requires(self) -> DownstreamPredictions:
        return self.predictions("location")

    def shown(self) -> dict[str, str]:
        """Label -> checkpoint of the encoders whose embedding is drawn."""
        return {label: paths[ALL] for label, paths in self.encoders.items() if ALL in paths}

    def content(self) -> JSON:
        raster = storage.file_digest(self.raster) if self.raster else ""
        return [raster, *([label, storage.file_digest(path)] for label, path in self.shown().items())]

    def names(self) -> list[str]:
        """File names of the pictures."""
        values = [f"error_{target.name}" for target in problems.LOCATION_TARGETS if target.kind == "value"]
        names = [*values, "country_map", "country_errors"]
        for label in self.shown():
            slug = _slug(label)
            names += [f"embedding_{slug}", *(f"similarity_{slug}_{_slug(place)}" for place in problems.LANDMARKS)]
        return [f"{name}.png" for name in names]

    def published(self) -> list[Published]:
        place = Path(self.root) / "location" / "pictures"
        return [Published(place / name, self.folder / name) for name in self.names()]

    def write(self, out: Path) -> None:
        from glc.report import location, location_errors

        problem = self.requires().problem()
        errors = location_errors.draw(problem, self.requires().folder / "held_out.parquet", self.raster, out)
        for label, path in self.shown().items():
            self.status(f"drawing the embedding {label}")
            location.draw_encoder(path, label, problem, out, _slug(label))
        (out / "errors.json").write_text(json.dumps(errors, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


class LocationTasks(BenchmarksTask, TableTask):
    """Every encoder compared with the nearest places, raw coordinates and the control, by three schemes of folds."""

    title = "Downstream tasks of places"
    remarks: Sequence[str] = ()

    def benchmarks(self) -> dict[str, DownstreamPredictions]:
        """The predictions of each benchmark that a folder is given for."""
        return {name: self.predictions(name) for name in ("location", *(["habitats"] if self.habitats else []))}

    def requires(self) -> dict[str, GlcTask]:
        return self.benchmarks() | {"pictures": self.clone(LocationPictures)}

    def content(self) -> JSON:
        return [self.title, *self.remarks]

    def write(self, out: Path) -> None:
        from glc.report import downstream

        drawn = self.clone(LocationPictures)
        text, scores = downstream.page(
            self.title,
            {name: task.folder for name, task in self.benchmarks().items()},
            drawn.folder / "errors.json",
            self.remarks,
            embeddings=bool(drawn.shown()),
        )
        (out / "table.md").write_text(text, encoding="utf-8")
        storage.write_csv(scores, out / "table.csv")

    def results(self) -> list[str]:
        """The tables, and where the predictions and the pictures are."""
        drawn = self.clone(LocationPictures).published()[0].path.parent
        files = [f"predictions {task.published()[0].path}" for task in self.benchmarks().values()]
        table = self.published()[0].path
        return [table.read_text(encoding="utf-8"), f"tables {table}", *files, f"pictures {drawn}"]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
