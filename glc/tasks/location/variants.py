"""What an encoder knows of coordinates without having seen the answer: each target's bands are left out in turn.

PretrainLocation (one per variant and seed) --- LocationTasks, with their checkpoints --- EncoderVariants
"""

import logging
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import luigi

from glc.config import EncoderPretraining, Variant
from glc.errors import ConfigError, DataError
from glc.location.downstream import problems
from glc.location.downstream.sources import ALL
from glc.tasks.base import Outputs
from glc.tasks.location.downstream import raster_file
from glc.tasks.location.globe import NAMES, GlobeTask
from glc.tasks.location.pretraining import CHECKPOINTS, PretrainLocation
from glc.tasks.location.tables import BenchmarksTask, LocationTasks
from glc.tasks.parameters import NONE, VIRTUAL, CountParameter
from glc.types import JSON, Keywords
from glc.world import globe

log = logging.getLogger(__name__)

CLIMATE = ("altitude_m", "tmean_annual_c")
"""Targets that say something of each other: temperature falls with altitude."""
WITHOUT_OWN = "encoder, without the target's bands"
ALONE = "poster's loss alone"
"""A row whose encoders learn from contrast alone, where the others read off the bands too."""


def rows(bands: Sequence[str]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Which bands each row's encoders do not see: label -> {target or *: how the names of these bands begin}.

    bands : names of the imagery's bands. A target without any is predicted by the encoder of all bands; a row that
        would be the same as that of all bands is left out.
    """
    variants: dict[str, dict[str, tuple[str, ...]]] = {"encoder, all bands": {ALL: ()}}
    targets = problems.LOCATION_TARGETS
    own = {
        target.name: (target.own,)
        for target in targets
        if target.own and any(band.startswith(target.own) for band in bands)
    }
    if own:
        # no "*": the habitats, which have no bands of their own, are in the row above
        variants[WITHOUT_OWN] = {target.name: own.get(target.name, ()) for target in targets}
    climate = sum((own.get(name, ()) for name in CLIMATE), ())
    if climate:
        variants["encoder, without temperature and altitude"] = dict.fromkeys(CLIMATE, climate)
    return variants


class EncoderVariants(BenchmarksTask, GlobeTask):
    """Encoders with all bands, without each target's own and without temperature and altitude, on downstream tasks.

    The encoders, made by the same experiment except for its ``leave_out`` (and its seed), are also published at
    ``ROOT/location/<imagery>``: ``<experiment>-all-bands``, ``<experiment>-without-altitude`` and so on. Where it reads
    off the bands too (``regression``), one row's encoders are trained again with the poster's loss alone. The tables,
    predictions and pictures are those of `LocationTasks`.
    """

    pretraining_seeds = CountParameter(
        default=1, significant=False, description="encoders per variant; the first uses the configured seed"
    )
    threads = PretrainLocation.threads
    raster = raster_file(NONE, default=", or none (default: the imagery if it is one file)")
    tables = LocationTasks
    """The task that compares all rows."""

    @property
    def pretraining(self) -> EncoderPretraining:
        """The [location] section."""
        return self.settings.location

    @cached_property
    def bands(self) -> Sequence[str]:
        """Names of the bands that the pretraining sees."""
        return self.bands_of(self.pretraining)

    def bands_of(self, options: EncoderPretraining) -> Sequence[str]:
        """Names of the bands that a pre-training sees; a ConfigError where it leaves none."""
        from glc.location.pretraining import patches, scenes

        if not self.patches:
            return scenes.Stack(self.imagery, options.leave_out).bands
        every = globe.BANDS if self.imagery in NAMES else patches.Folder(self.imagery).layout(options.size).bands
        return scenes.kept_bands(every, options.leave_out, self.imagery)

    @cached_property
    def variants(self) -> dict[str, dict[str, PretrainLocation]]:
        """Label -> {target or *: `PretrainLocation`}."""
        seeds = range(self.pretraining.seed, self.pretraining.seed + self.pretraining_seeds)
        left_out = rows(self.bands)
        variants = {
            label + (f" (seed {seed})" if seed != seeds[0] else ""): {
                target: self.pretrained(without, seed=seed) for target, without in targets.items()
            }
            for seed in seeds
            for label, targets in left_out.items()
        }
        if self.pretraining.regression:
            variants |= {
                f"{label}, {ALONE}": {
                    target: self.pretrained(without, regression=0.0) for target, without in targets.items()
                }
                for label, targets in left_out.items()
                if label == WITHOUT_OWN or WITHOUT_OWN not in left_out
            }
        return variants

    def pretrained(self, without: tuple[str, ...], **changes: Keywords) -> PretrainLocation:
        """The `PretrainLocation`, with `changes`, that does not see the bands that begin as `without` says."""
        chosen: Variant = self.experiment.changed(location=changes)
        if without:
            leave_out = [*self.pretraining.leave_out, *(f"{own}*" for own in without)]
            chosen = chosen.changed(location={"leave_out": leave_out})
        name = "-".join([self.settings.name, *(["without", *without] if without else ["all", "bands"])])
        if changes.get("seed", self.pretraining.seed) != self.pretraining.seed:
            name += f"-seed-{changes['seed']}"
        if changes.get("regression", self.pretraining.regression) != self.pretraining.regression:
            name += "-contrast-alone"
        return self.clone(PretrainLocation, experiment=chosen, label=name)

    def pretraining_tasks(self) -> list[PretrainLocation]:
        """One `PretrainLocation` for each set of bands and seed."""
        return list({task.identity: task for targets in self.variants.values() for task in targets.values()}.values())

    def raster_read(self) -> str:
        """The raster of the raster-read rows; empty: none."""
        if self.raster == NONE:
            return ""
        return self.raster or ("" if self.patches or not Path(self.imagery).is_file() else self.imagery)

    def requires(self) -> list[PretrainLocation]:
        return self.checked

    @cached_property
    def checked(self) -> list[PretrainLocation]:
        """The `pretraining_tasks`, once nothing is found that would only fail after their hours."""
        if self.places.startswith(VIRTUAL) != self.imagery.startswith(VIRTUAL):
            raise ConfigError(
                f"--places (make: LOCATION=) {self.places} and --imagery (make: GLOBE=) {self.imagery}: one is a "
                "virtual globe and one is not: they show different planets; give both, or neither"
            )
        for label in self.variants:
            if label in self.encoders:
                raise ConfigError(f"encoder {label!r}: a variant has that label; choose a different one")
        for task in self.pretraining_tasks():
            self.bands_of(task.settings.location)  # refuses to leave no band
        known = [] if self.places in NAMES else [problems.location(self.places)]
        known += [problems.habitats(self.habitats)] if self.habitats else []
        for problem in known if self.raster_read() else []:
            try:
                problems.nearest_pixel(self.raster_read(), *problem.places[["lon", "lat"]].to_numpy().T)
            except DataError as error:
                raise DataError(f"{error}; or leave out the raster-read rows: --raster {NONE}") from None
        for target in problems.LOCATION_TARGETS:
            if target.own and not any(band.startswith(target.own) for band in self.bands):
                log.info("%s: no band begins with %s: no encoder without it", self.imagery, target.own)
        return self.pretraining_tasks()

    def downstream(self) -> LocationTasks:
        """The task that compares all rows; the encoders' files must be there."""
        encoders = {
            label: {target: str(task.folder / CHECKPOINTS[0]) for target, task in targets.items()}
            for label, targets in self.variants.items()
        }
        return self.clone(self.tables, raster=self.raster_read(), encoders=encoders | dict(self.encoders))

    def content(self) -> JSON:
        return self.to_str_params()  # it writes nothing: what it asks for has identities of its own

    def complete(self) -> bool:
        return all(task.complete() for task in self.pretraining_tasks()) and self.downstream().complete()

    def run(self) -> Iterator[luigi.Task]:  # type: ignore[override]  # Luigi takes a generator, too
        """Ask for the tables, whose parameters are the encoders' files: they could not be asked for before."""
        yield self.downstream()

    def output(self) -> Outputs:
        return []

    def results(self) -> list[str]:
        """Those of the tables."""
        return self.downstream().results()
