"""Predictions of an experiment at the places of a file."""

import json
import logging
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import luigi

from glc import config, storage
from glc.errors import ConfigError
from glc.fitted import layout
from glc.tasks.base import GlcTask, ProductTask, Published
from glc.tasks.experiment import ExperimentProduct
from glc.tasks.model import Model
from glc.tasks.parameters import CountParameter, PathParameter, imagery_folder
from glc.types import JSON, Facts

if TYPE_CHECKING:
    from glc.fitted.place_checks import Summary
    from glc.fitted.places_file import PlacesFile

log = logging.getLogger(__name__)

TABLE = "predictions.parquet"


class AtPlaces(ProductTask):
    """Predictions of a fitted experiment at the places of a file; a subclass says where its folder is.

    A row per row of the file, in its order and with its columns; rows that cannot be used have nulls and say why.
    """

    places = PathParameter(
        "file",
        "give a .csv, .parquet or .gpkg with the columns lon and lat (degrees), and if known date and surveyId",
        significant=False,
        description="file of the places: .csv, .parquet or .gpkg",
    )
    layer = luigi.Parameter(default="", description="of a .gpkg with several layers")
    top = CountParameter(default=25, description="species listed per place; all of the predicted set are listed")
    allow_missing = luigi.BoolParameter(description="predict also where all imagery of the experiment is missing")
    imagery_folder = imagery_folder()

    @property
    def fitted_folder(self) -> Path:
        """The folder of the fitted experiment."""
        raise NotImplementedError(f"{type(self).__name__} does not say where its fitted experiment is")

    @property
    def stable_folder(self) -> Path:
        """Where the table is published."""
        raise NotImplementedError(f"{type(self).__name__} does not say where its table is published")

    @property
    def title(self) -> str:
        """The experiment and the dataset, as words."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it predicts with")

    def content(self) -> JSON:
        return [Path(self.places).name, storage.file_digest(self.places)]

    def raw_files(self) -> list[Facts]:
        return [storage.raw_file(self.places)]

    @cached_property
    def file(self) -> "PlacesFile":
        """The file of places, whose columns are checked."""
        from glc.fitted.places_file import open_places  # GDAL and shapely need not be loaded to read a command

        return open_places(self.places, self.layer)

    @cached_property
    def known(self) -> "Summary":
        """What the file holds; reads all of it."""
        from glc.fitted import place_checks, predictions

        return place_checks.summarise(self.file, predictions.ROWS)

    def check(self) -> None:
        """Refuse a file that cannot be used before the model is fitted."""
        log.info("%s: %s of %s places can be predicted", self.places, f"{self.known.usable:,}", f"{self.known.rows:,}")

    def published(self) -> list[Published]:
        name = f"{config.file_name(Path(self.places).stem)}.parquet"
        return [Published(self.stable_folder / name, self.folder / TABLE)]

    def write(self, out: Path) -> None:
        from glc.fitted import load, predictions

        self.status(f"reading {Path(self.places).name}")
        known = self.known
        for line in known.lines():
            self.status(line)
        fitted = load(self.fitted_folder, imagery_folder=self.imagery_folder)
        facts = predictions.write(
            fitted,
            self.file,
            known,
            out / TABLE,
            parts=self.parts_folder(),
            listed=self.top,
            allow_missing=self.allow_missing,
        )
        storage.note(out, **facts, reported=known.lines())

    def results(self) -> list[str]:
        """How many places were predicted, what was wrong with others, and where the table is."""
        facts = storage.manifest(self.folder)
        lines = [f"{self.title}: {facts['predicted']:,} of {facts['places']:,} places predicted"]
        if facts["missing_inputs"]:
            lines.append(f"  {facts['missing_inputs']:,} places lack an input (column missing)")
        lines += [f"  {line}" for line in facts["reported"]]
        return [*lines, f"  predictions {self.published()[0].path}"]


class Predict(AtPlaces, ExperimentProduct):
    """Predictions at the places of a file: ``ROOT/predictions/<dataset>/<experiment>/<places file>.parquet``."""

    def requires(self) -> dict[str, GlcTask]:
        return {"model": self.model}

    @property
    def model(self) -> Model:
        """The task that makes the folder of the fitted experiment."""
        return self.clone(Model)

    @property
    def fitted_folder(self) -> Path:
        return self.model.folder

    @property
    def stable_folder(self) -> Path:
        return self.stable("predictions")

    @property
    def title(self) -> str:
        return f"{self.settings.name} on {self.subject}"


class FolderPredict(AtPlaces):
    """As `Predict`, with a fitted experiment in a folder, such as one from another machine; no dataset is needed."""

    model = PathParameter(
        "folder",
        "give that of a fitted experiment, ROOT/models/<dataset>/<experiment> or a copy of it",
        significant=False,
        description="folder of a fitted experiment",
    )

    @cached_property
    def facts(self) -> Facts:
        """What ``model.json`` says."""
        path = Path(self.model) / layout.FACTS
        if not path.is_file():
            raise ConfigError(f"--model {self.model}: no fitted experiment ({layout.FACTS} is missing)")
        with layout.reading(path):
            return json.loads(path.read_text(encoding="utf-8"))

    def content(self) -> JSON:
        # loading it compares its files with their checksums
        return [super().content(), self.facts, storage.manifest(self.model)["identity"]]

    @property
    def origin(self) -> str:
        return self.model

    @property
    def subject(self) -> str:
        """The name of the dataset that it was fitted to."""
        return str(self.facts["dataset"])

    @property
    def fitted_folder(self) -> Path:
        return Path(self.model)

    @property
    def stable_folder(self) -> Path:
        return Path(self.root) / "predictions" / self.subject / config.file_name(str(self.facts["experiment"]))

    @property
    def title(self) -> str:
        return f"{self.facts['experiment']} on {self.subject}"
