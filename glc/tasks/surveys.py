"""Dataset to parquet: the virtual world, the surveys, the folds."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from glc import config, editions, labels, schema, storage, world
from glc.errors import ConfigError, DataError
from glc.etl import overview
from glc.prediction import sets
from glc.surveys import SurveyData
from glc.surveys import read as read_survey_data
from glc.tasks.base import DatasetTask, GlcTask, spark
from glc.tasks.parameters import ChoiceParameter, SectionParameter
from glc.types import JSON, Facts


class VirtualPart(DatasetTask):
    """One part of the embedded virtual world: metadata, rasters, images, series, cubes or po_images.

    All parts of a size share one dataset folder, ``ROOT/datasets/virtual-SIZE``, in the layout of the world's edition.
    """

    version = 2
    part = ChoiceParameter(
        choices=(*world.PARTS, world.PO_IMAGES), default="metadata", description="the part that is made"
    )

    @property
    def world_folder(self) -> Path:
        """The dataset's folder."""
        return self.folder.parent.parent

    @property
    def folder(self) -> Path:
        return Path(self.root) / "datasets" / self.subject / ".parts" / f"{self.part}-{self.identity}"

    def content(self) -> str:
        return repr(world.SIZES[self.virtual])

    def random_seeds(self) -> dict[str, int]:
        return {"world.seed": world.SIZES[self.virtual].seed}

    def write(self, out: Path) -> None:
        self.status(f"making the {self.part} of the {self.virtual} virtual world")
        with storage.merged_into(self.world_folder) as scratch:
            world.write(world.SIZES[self.virtual], scratch, parts=(self.part,))
            files = storage.contents(scratch)
        into = os.path.relpath(self.world_folder, self.folder)
        storage.note(out, world=self.virtual, part=self.part, merged={"into": into, "contents": files})


class SurveysTask(DatasetTask):
    """A task below the survey tables, through which their settings count."""

    surveys = SectionParameter(
        config.Surveys, default=config.Surveys(), significant=False, description="the [surveys] section"
    )


class Surveys(SurveysTask):
    """Survey files to typed tables: occurrences, surveys with label lists, species with names, and the quarantine."""

    version = 3
    resources = {"spark": 1}

    def requires(self) -> list[VirtualPart]:
        return [self.clone(VirtualPart)] if self.virtual else []

    @property
    def source(self) -> str | Path:
        """The dataset's folder."""
        return self.clone(VirtualPart).world_folder if self.virtual else self.dataset

    def own_parameters(self) -> dict[str, JSON]:
        # squares change what models make of the places, not the tables
        read = {key: value for key, value in config.to_dict(self.surveys).items() if not key.startswith("squares_")}
        return super().own_parameters() | {"surveys": json.dumps(read, sort_keys=True, separators=(",", ":"))}

    def content(self) -> JSON:
        return None if self.virtual else editions.recognise(self.dataset).fingerprint()

    def raw_files(self) -> list[Facts]:
        if self.virtual:
            return []
        return [storage.raw_file(path) for path in editions.recognise(self.dataset).paths]

    def write(self, out: Path) -> None:
        from glc.etl import odd, surveys

        dataset = editions.recognise(self.source)
        editions.check(dataset)
        dataset = dataset.edition.prepare(dataset, self.surveys)
        self.status(f"reading {len(dataset.files)} tables of edition {dataset.edition.name}", 5)
        facts = surveys.write(
            spark(self.root, self.source), dataset, out, self.surveys.max_quarantine_fraction, self.surveys.incomplete
        )
        # there only if it is so: the manifests of all other datasets stay as they are
        alone = {"presence_only": True} if dataset.presence_only else {}
        edition = dataset.edition
        facts |= {"edition": edition.name, "train": dataset.train, "test": edition.test, **alone}
        self.status("looking for what is odd", 90)
        facts |= odd.find(out, dataset, facts, virtual=bool(self.virtual))
        storage.note(out, **facts)

    def results(self) -> list[str]:
        """The tables in a line, and what is odd about them."""
        return overview.lines(storage.manifest(self.folder))


class AtlasGrid(SurveysTask):
    """Where the squares of an atlas begin, from the dataset's presence-only records: ``grid.json``."""

    def requires(self) -> Surveys:
        return self.clone(Surveys)

    def own_parameters(self) -> dict[str, JSON]:
        return {name: getattr(self.surveys, name) for name in ("squares_m", "squares_crs")}

    def check(self) -> None:
        if self.presence_only:  # validation labels would have a say in it
            raise self._refused("presence-only records alone, of which some are held out")

    def _refused(self, what: str) -> ConfigError:
        return ConfigError(
            f"surveys.squares_m: found {self.surveys.squares_m:g}, expected 0 for {self.subject}: it has {what}; where "
            "squares begin follows from presence-only records next to surveys. Give the files the middles of squares"
        )

    def write(self, out: Path) -> None:
        from glc import atlas

        columns = ["lon", "lat", "species"]
        known = storage.read_table(
            self.input().path / "surveys", "surveys", columns=columns, filters=[("dataset", "=", "po")]
        )
        if not len(known):
            raise self._refused("no presence-only records")
        species = labels.vocabulary(known["species"])
        places = pd.DataFrame({name: np.asarray(known[name]) for name in ("lon", "lat")})
        records = labels.to_matrix(known["species"], species)
        grid = atlas.find(places, records, self.surveys.squares_m, self.surveys.squares_crs)
        atlas.write(grid, out)
        self.status(
            f"squares of EPSG:{grid.crs} begin at {grid.west:.0f}, {grid.south:.0f}; given the others of its square, a "
            f"record is {grid.gain:.2f} times likelier than with squares placed anyhow"
        )
        storage.note(out, **asdict(grid))


class FoldedTask(SurveysTask):
    """A task below the folds, through which the settings of the validation count."""

    validation = SectionParameter(
        config.Validation, default=config.Validation(), significant=False, description="the [validation] section"
    )


class Folds(FoldedTask):
    """Folds of the training surveys; if the dataset has no test, one more spatial fold is held out as the test.

    With them go the labels that no model sees because they repeat a survey, where there are any.
    """

    version = 2

    def requires(self) -> Surveys:
        return self.clone(Surveys)

    def own_parameters(self) -> dict[str, JSON]:
        # how many of the folds are run, and which one stops a training, does not change them
        return {key: value for key, value in config.to_dict(self.validation).items() if key not in ("run", "stop")}

    def read_surveys(self) -> SurveyData:
        """The dataset's surveys with these folds."""
        return read_survey_data(self.clone(Surveys).folder, self.folder)

    def write(self, out: Path) -> None:
        from glc.etl import folds

        known = storage.manifest(self.input().path)
        if "odd" in known:  # printed again with the results, but now the run can still be broken off
            self.notice("\n".join([f"{self.subject}:", *overview.lines(known)]))
        tests = [
            name
            for name, counts in known["datasets"].items()
            if schema.is_test(name, known["test"]) and counts["surveys"]
        ]
        facts = folds.write(
            self.input().path / "surveys",
            out,
            self.validation,
            dataset=known["train"],
            hold_out=not tests,
            tests=tests,
            area=self._area(known["train"]) if self.validation.match == "area" else None,
        )
        storage.note(out, **facts)
        if facts["held_out"]:
            self.status("the dataset has no test set: spatial blocks are held out instead", 100)

    def _area(self, train: str) -> tuple[np.ndarray, np.ndarray]:
        """Degrees of places all over the area that a map of the dataset covers by default."""
        from glc.maps import area

        columns = ["lon", "lat", "crs"]
        known = storage.read_table(
            self.input().path / "surveys", "surveys", columns=columns, filters=[("dataset", "=", train)]
        )
        lon, lat, crs = (np.asarray(known[name]) for name in columns)
        codes, counts = np.unique(crs, return_counts=True)
        return area.places(lon, lat, int(codes[counts.argmax()]))


if TYPE_CHECKING:  # what they are mixed into
    _Mixed = DatasetTask
else:
    _Mixed = object


class ReadsSurveys(_Mixed):
    """For tasks that read the surveys with their folds; they have `surveys` and `validation` sections."""

    def requires(self) -> dict[str, GlcTask]:
        needs: dict[str, GlcTask] = {"surveys": self.clone(Surveys), "folds": self.clone(Folds)}
        return needs | ({"squares": self.clone(AtlasGrid)} if self._in_squares else {})

    @property
    def _in_squares(self) -> bool:
        """Whether models take places for the middles of an atlas's squares."""
        return bool(self.clone(Surveys).surveys.squares_m)

    def read_surveys(self) -> SurveyData:
        """The dataset's surveys with their folds; too few of them to decide on are refused."""
        folds = self.clone(Folds)
        data = read_survey_data(self.clone(Surveys).folder, folds.folder)
        one_fold = not data.relative and folds.validation.run == 1
        if one_fold and data.places["block"].iloc[data.valid(0)].nunique() < 2:
            raise DataError(sets.SINGLE_BLOCK)
        if self._in_squares:
            from glc import atlas

            data = data.in_squares(atlas.read(self.clone(AtlasGrid).folder))
        return data

    def refuse_single_block(self) -> None:
        """Raise a DataError where one fold of one block is run, as far as finished folds say so."""
        tables = ReadsSurveys.requires(self).values()
        if self.clone(Folds).validation.run == 1 and all(task.complete() for task in tables):
            self.read_surveys()


class ReadsTruth(_Mixed):
    """For tasks that evaluate: the only ones that may read the labels of a dataset's test, where it has them."""

    def content(self) -> JSON:
        # labels of the test may be added to a dataset later; then it is evaluated again
        from glc.evaluation import evaluate

        return None if self.virtual else evaluate.truth_digest(editions.recognise(self.dataset))

    def raw_files(self) -> list[Facts]:
        files = [] if self.virtual else editions.recognise(self.dataset).truth_files()
        return [*super().raw_files(), *map(storage.raw_file, files)]

    def reads(self) -> list[GlcTask]:
        return [*super().reads(), *self.clone(Surveys).requires()]

    def read_truth(self) -> pd.DataFrame | None:
        """Labels of the test, a frame (dataset, surveyId, speciesId), or None."""
        from glc.evaluation import evaluate

        return evaluate.read_truth(editions.recognise(self.clone(Surveys).source), self.clone(Surveys).folder)
