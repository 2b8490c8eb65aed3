"""Maps of a fitted experiment: ``ROOT/maps/<dataset>/<experiment>/``."""

import math
import os
import shutil
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import luigi

from glc import config, editions, registry, storage, world
from glc.errors import ConfigError
from glc.maps import grid as grids
from glc.maps.cover import NO_MASK, CoverOptions, check_land
from glc.maps.detail import data_resolution_m
from glc.maps.grid import Grid
from glc.maps.species import ALL, choose
from glc.tasks.base import GlcTask, Outputs
from glc.tasks.experiment import ExperimentProduct
from glc.tasks.model import Model
from glc.tasks.outputs import Output, PublishedFolder
from glc.tasks.parameters import CountParameter, NamedParameter, PathParameter
from glc.types import JSON, Facts

if TYPE_CHECKING:
    from glc.fitted import FittedExperiment
    from glc.maps.distribution import Origin

RESOLUTION_M = 1000.0
"""Side of a cell where none is asked for."""
MOST_FREQUENT = 50
"""Species that are mapped where none are named."""


class BoundsParameter(NamedParameter[str]):
    """``W,S,E,N`` in degrees, or nothing."""

    def normalize(self, x: str) -> str:
        return ",".join(f"{edge:.10g}" for edge in grids.parse_bounds(x)) if x else ""


class ResolutionParameter(NamedParameter[float], luigi.FloatParameter):
    """Side of a cell; 0: none is given."""

    def parse(self, x: str) -> float:
        try:
            return float(x)
        except ValueError:
            raise ConfigError(f"{self.option}: found {x!r}, expected a number ({self.description})") from None

    def normalize(self, x: float) -> float:
        if not (math.isfinite(x) and x >= 0):
            raise ConfigError(f"{self.option}: found {x:g}, expected a number above 0 ({self.description})")
        return x


class CrsParameter(NamedParameter[str]):
    """A CRS such as EPSG:3035, or nothing."""

    def normalize(self, x: str) -> str:
        if not x:
            return ""
        code = grids.parse_crs(x).to_authority()
        return ":".join(code) if code else x


class FolderNameParameter(NamedParameter[str]):
    """One part of a path, or nothing."""

    def normalize(self, x: str) -> str:
        if x and config.file_name(x) != x:
            raise ConfigError(
                f"{self.option}: found {x!r}, expected a folder's name of letters, digits and ._=+,- not "
                f"beginning with a dot; try: {config.file_name(x)}"
            )
        return x


class PublishedMap(PublishedFolder):
    """A map at its stable place; maps with a name are folders inside the one without, and stay."""

    def publish(self) -> None:
        """Copy the output to its stable place, whole or not at all; a damaged one is an error."""
        storage.check(self.source)
        with storage.replaced(self.path) as copy:
            shutil.copytree(self.source, copy, dirs_exist_ok=True)
            for folder in self.path.iterdir() if self.path.is_dir() else ():
                if folder.is_dir() and storage.exists(folder):
                    os.replace(folder, copy / folder.name)


class DistributionMap(ExperimentProduct):
    """Maps of species, of their number, and of where to trust them: ``ROOT/maps/<dataset>/<experiment>/``.

    Cloud-Optimised GeoTIFFs, a preview, styles for QGIS and a STAC item; of the area given by `bounds`, `like` or
    `aoi`, or by default of the training surveys'.
    """

    version = 2
    bounds = BoundsParameter(default="", description="west, south, east, north in degrees: --bounds=-5,42,8,51")
    like = PathParameter(
        "file",
        "give a GeoTIFF whose cells the map is to have",
        optional=True,
        significant=False,
        description="raster whose cells the map has",
    )
    aoi = PathParameter(
        "file",
        "give a GeoJSON with polygons in degrees",
        optional=True,
        significant=False,
        description="GeoJSON of the areas that are mapped",
    )
    resolution = ResolutionParameter(
        default=0.0,
        description=f"side of a cell in metres, by default {RESOLUTION_M:g}; in degrees where --crs is geographic",
    )
    crs = CrsParameter(default="", description="CRS of the map, such as EPSG:3035; by default the dataset's projection")
    species = luigi.Parameter(
        default="",
        description=f"ids or names with commas between, or all; by default the {MOST_FREQUENT} most frequent species",
    )
    most_frequent = CountParameter(
        default=MOST_FREQUENT, description="number of species that are mapped if none is named"
    )
    mask = PathParameter(
        "file",
        f"give a raster that is not zero where the map is wanted, or {NO_MASK}",
        optional=True,
        significant=False,
        among=(NO_MASK,),
        description=f"raster, zero or nodata where nothing is predicted; {NO_MASK}: the sea too; by default land",
    )
    name = FolderNameParameter(default="", description="folder of the map inside the experiment's")
    allow_missing = luigi.BoolParameter(
        description="predict with training means although the model's inputs have no value in the area"
    )

    def requires(self) -> dict[str, GlcTask]:
        return {"model": self.clone(Model)}

    def content(self) -> JSON:
        files = {"like": self.like, "aoi": self.aoi, "mask": self.mask}
        return {
            option: path if path == NO_MASK else storage.file_digest(path) for option, path in files.items() if path
        }

    def raw_files(self) -> list[Facts]:
        return [storage.raw_file(path) for path in (self.like, self.aoi, self.mask) if path not in ("", NO_MASK)]

    @property
    def map_folder(self) -> Path:
        """The stable place of the map."""
        return self.stable("maps") / self.name if self.name else self.stable("maps")

    def output(self) -> Outputs:
        return [Output(self.folder), *self.published()]

    def published(self) -> list[PublishedFolder]:  # type: ignore[override]  # a folder is as good as a file
        return [PublishedMap(self.map_folder, self.folder)]

    @property
    def cover(self) -> CoverOptions:
        """What of the grid is predicted."""
        return CoverOptions(self.aoi, self.mask)

    def grid(self, crs: int, bounds: tuple[float, float, float, float]) -> Grid:
        """The cells of the map.

        crs : EPSG code of the dataset's projection
        bounds : degrees, of the training surveys
        """
        if self.like:
            return grids.like(self.like)
        code = self.crs or f"EPSG:{crs}"
        if grids.parse_crs(code).is_geographic and not self.resolution:
            raise ConfigError(f"--resolution: found none, expected degrees with --crs {code}; try: --resolution 0.01")
        resolution = self.resolution or RESOLUTION_M
        if self.aoi:
            return grids.of_bounds(grids.bounds_of(grids.read_areas(self.aoi)), code, resolution, f"--aoi {self.aoi}")
        if self.bounds:
            return grids.of_bounds(grids.parse_bounds(self.bounds), code, resolution)
        return grids.of_bounds(bounds, code, resolution, "area of the training surveys")

    def check(self) -> None:
        given = [option for option in ("bounds", "like", "aoi") if getattr(self, option)]
        if len(given) > 1:
            raise ConfigError(
                f"found {' and '.join(f'--{option}' for option in given)}, expected one of --bounds, --like and --aoi"
            )
        for option in ("crs", "resolution"):
            if self.like and getattr(self, option):
                raise ConfigError(f"found --like and --{option}, expected one: the raster's cells are the map's")
        model = self.clone(Model)
        if storage.exists(model.folder):
            choose(self._fitted.species, self.species, self.most_frequent)
        if given:
            check_land(self.grid(self._crs, (0, 0, 0, 0)), self.cover)

    @property
    def _crs(self) -> int:
        """EPSG code of the dataset's projection, by its edition."""
        if self.virtual:
            edition = registry.editions.get(world.SIZES[self.virtual].edition)
        else:
            edition = editions.recognise(self.dataset).edition
        return next((table.crs for table in edition.tables if table.dataset == edition.train), edition.tables[0].crs)

    @cached_property
    def _fitted(self) -> "FittedExperiment":
        from glc import fitted

        return fitted.load(self.clone(Model).folder, self.imagery_folder)

    def write(self, out: Path) -> None:
        from glc.maps import distribution

        fitted = self._fitted
        rows = choose(fitted.species, self.species, self.most_frequent)
        if not self.species and len(rows) < len(fitted.species):
            self.notice(
                f"mapping the {len(rows):,} most frequent of {len(fitted.species):,} species; others: --species "
                f"ID,NAME,… or {ALL}"
            )
        west, south, east, north = fitted.facts["bounds"]
        grid = self.grid(fitted.facts["crs"], (west, south, east, north))
        folders = fitted.imagery_folders
        facts = distribution.write(
            fitted,
            grid,
            self.cover,
            rows,
            self._origin(fitted),
            out,
            self.parts_folder(),
            self.status,
            self.notice,
            allow_missing=self.allow_missing,
            data_resolution_m=data_resolution_m(fitted, folders),
            where=self.map_folder,
        )
        storage.note(out, **facts)

    def _origin(self, fitted: "FittedExperiment") -> "Origin":
        from glc.maps.distribution import Origin

        citation = fitted.facts["citation"] or {}
        licences = citation.get("licences") or ([citation["rights"]] if citation.get("rights") else [])
        doi = str(citation.get("doi") or "").removeprefix("https://doi.org/").removeprefix("doi:")
        years = fitted.data.places["year"].iloc[fitted.data.train()].dropna()
        checkout = storage.checkout() or {}
        return Origin(
            title=f"{self.settings.name} on {self.subject}",
            dataset=self.subject,
            experiment=self.settings.name,
            provenance={
                "model": self.clone(Model).identity,
                "map": self.identity,
                "edition": str(fitted.facts["edition"]),
                **({"commit": str(checkout["commit"])} if checkout else {}),
            },
            licence=", ".join(map(str, licences)),
            citation=" ".join(str(citation[key]) for key in ("title", "doi") if citation.get(key)),
            doi=doi,
            years=(int(years.min()), int(years.max())) if len(years) else None,
        )

    def results(self) -> list[str]:
        """Where the map is, and what is in it."""
        facts = storage.manifest(self.folder)
        rows, cols = facts["shape"]
        return [
            f"{self.settings.name} on {self.subject}: {facts['species']:,} species on {rows:,} x {cols:,} cells, "
            f"{facts['predicted_cells']:,} predicted ({facts['crs'][:40]})",
            *(f"  note: {message}" for message in facts["messages"]),
            f"  maps {self.map_folder}",
            f"  preview {self.map_folder / 'preview.png'}",
        ]
