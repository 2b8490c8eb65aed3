"""What an encoder knows of places when its imagery did not hold the answer: one for each target's bands left out.

PretrainLocation (one a variant and seed) --- LocationTasks, with their checkpoints --- EncoderVariants
"""

import logging
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import luigi

from glc.errors import ConfigError, DataError
from glc.location.downstream import problems
from glc.location.downstream.sources import ALL
from glc.location.pretraining.options import Pretraining
from glc.tasks.location.downstream import FileParameter
from glc.tasks.location.localisation import CHECKPOINTS
from glc.tasks.location.pretraining import ImageryParameter, PretrainLocation
from glc.tasks.location.tables import LocationTasks, WorldTask

log = logging.getLogger(__name__)

CLIMATE = ("altitude_m", "tmean_annual_c")
"""Targets that tell of each other: temperature falls with altitude."""
NO_RASTER = "none"
WITHOUT_OWN = "encoder, without the target's bands"
ALONE = "poster's loss alone"
"""A row whose encoders learn from contrast alone, where the others read off the bands too."""


class RasterParameter(FileParameter):
    """A file, ``none``, or nothing; checked when the command is read."""

    def normalize(self, x):
        return x if x == NO_RASTER else super().normalize(x)


class SeedsParameter(luigi.IntParameter):
    """A number of seeds, at least 1; checked when the command is read."""

    def normalize(self, x):
        if x < 1:
            raise ConfigError(f"found {x} seeds, expected at least 1: {self.description}")
        return x


def rows(bands):
    """Which bands each row's encoders do not see: label -> {target or *: how the names of these bands begin}.

    bands : names of the imagery's bands. A target of which there is none is told by all of them; a row that would say
        the same as that of all bands is left out.
    """
    found = {"encoder, all bands": {ALL: ()}}
    targets = problems.LOCATION_TARGETS
    own = {one.name: (one.own,) for one in targets if one.own and any(band.startswith(one.own) for band in bands)}
    if own:
        # no "*": the habitats, which have no bands of their own, are in the row above
        found[WITHOUT_OWN] = {one.name: own.get(one.name, ()) for one in targets}
    climate = sum((own.get(name, ()) for name in CLIMATE), ())
    if climate:
        found["encoder, without temperature and altitude"] = dict.fromkeys(CLIMATE, climate)
    return found


class EncoderVariants(WorldTask):
    """Encoders with all bands, without each target's own and without temperature and altitude, on downstream tasks.

    The encoders, made by the same `pretraining` but for its ``leave_out`` (and its seed), also stand at
    ``ROOT/location/<imagery>``: ``all-bands``, ``without-altitude`` and so on, with the identity behind it where the
    pretraining is not the default. Where it reads off the bands too (``regression``), one row's encoders are made again
    from the poster's loss alone. The tables, predictions and pictures are those of `LocationTasks`.
    """

    imagery = ImageryParameter(description="imagery of the pre-training: a GeoTIFF of many bands, or a folder of them")
    pretraining = PretrainLocation.pretraining
    pretraining_seeds = SeedsParameter(default=1, description="encoders of each variant; the first has the own seed")
    threads = PretrainLocation.threads
    raster = RasterParameter(
        default="", description="GeoTIFF for the raster-read rows, or none (default: the imagery if it is one file)"
    )
    tables = LocationTasks
    """The task that sets all rows side by side."""

    @cached_property
    def bands(self):
        """Names of the bands that the pretraining sees."""
        from glc.location.pretraining import scenes

        return scenes.Stack(self.imagery, self.pretraining.leave_out).bands

    @cached_property
    def variants(self):
        """label -> {target or *: `PretrainLocation`}."""
        seeds = range(self.pretraining.seed, self.pretraining.seed + self.pretraining_seeds)
        found = rows(self.bands)
        made = {
            label + (f" (seed {seed})" if seed != seeds[0] else ""): {
                target: self.pretrained(without, seed=seed) for target, without in targets.items()
            }
            for seed in seeds
            for label, targets in found.items()
        }
        if self.pretraining.regression:
            made |= {
                f"{label}, {ALONE}": {
                    target: self.pretrained(without, regression=0.0) for target, without in targets.items()
                }
                for label, targets in found.items()
                if label == WITHOUT_OWN or WITHOUT_OWN not in found
            }
        return made

    def pretrained(self, without, **changes):
        """The `PretrainLocation`, with `changes`, that does not see the bands that begin as `without` says."""
        leave_out = (*self.pretraining.leave_out, *(f"{own}*" for own in without))
        chosen = replace(self.pretraining, leave_out=leave_out, **changes)
        task = self.clone(PretrainLocation, pretraining=chosen)
        name = "-".join(["without", *without] if without else ["all", "bands"])
        name += f"-seed-{chosen.seed}" if chosen.seed != self.pretraining.seed else ""
        name += "-contrast-alone" if chosen.regression != self.pretraining.regression else ""
        name += f"-{task.identity}" if self.pretraining != Pretraining() else ""
        return task.clone(label=name)

    def pretraining_tasks(self):
        """One `PretrainLocation` for each set of bands and seed."""
        return list({task.task_id: task for targets in self.variants.values() for task in targets.values()}.values())

    def raster_read(self):
        """The raster of the raster-read rows; empty: none."""
        if self.raster == NO_RASTER:
            return ""
        return self.raster or (self.imagery if Path(self.imagery).is_file() else "")

    def requires(self):
        return self.checked

    @cached_property
    def checked(self):
        """The `pretraining_tasks`, once nothing is found that would only fail after their hours."""
        from glc.location.pretraining import scenes

        for label in self.variants:
            if label in self.encoders:
                raise ConfigError(f"encoder {label!r}: a variant has that label; give it a label of its own")
        for task in self.pretraining_tasks():
            scenes.Stack(self.imagery, task.pretraining.leave_out)  # refuses to leave no band
        chosen = [problems.location(self.places), *([problems.habitats(self.habitats)] if self.habitats else [])]
        for problem in chosen if self.raster_read() else []:
            try:
                problems.nearest_pixel(self.raster_read(), *problem.places[["lon", "lat"]].to_numpy().T)
            except DataError as error:
                raise DataError(f"{error}; or leave out the raster-read rows: --raster {NO_RASTER}") from None
        for target in problems.LOCATION_TARGETS:
            if target.own and not any(band.startswith(target.own) for band in self.bands):
                log.info("%s: no band begins with %s: no encoder without it", self.imagery, target.own)
        return self.pretraining_tasks()

    def downstream(self):
        """The task that sets all rows side by side; the encoders' files must be there."""
        made = {
            label: {target: str(task.folder / CHECKPOINTS[0]) for target, task in targets.items()}
            for label, targets in self.variants.items()
        }
        return self.clone(self.tables, raster=self.raster_read(), encoders=made | dict(self.encoders))

    def complete(self):
        return all(task.complete() for task in self.pretraining_tasks()) and self.downstream().complete()

    def run(self):
        """Ask for the tables, whose parameters are the encoders' files: they could not be asked for before."""
        yield self.downstream()

    def output(self):
        return []

    def published(self):
        return []

    def results(self):
        """Those of the tables."""
        return self.downstream().results()
