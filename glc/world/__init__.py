"""The embedded virtual worlds: datasets in the layout of GeoLifeCLEF 2024, 2020 or GeoPlant, exact from a seed.

Virtual species with niches live on smooth, spatially correlated fields (`environment`), are visited by surveys
(`places`), and are seen or missed there (`species`, `metadata`); `rasters`, `images` and `series` show the same fields
as a satellite or a climate model would. The world of 2020 has single-label occurrences in France and the USA
(`occurrences`), aerial `patches` and rasters of both (`area_rasters`). GeoPlant's has three tests (`geoplant`) and
values at the surveys instead of rasters (`geoplant_values`). A download of GBIF has records of Europe with all their
dirt (`records`). Every part is written on its own and depends on
the seed alone. `check` proves that the signal is real. The same bytes come from the same seed on one machine;
processors that round differently may disagree on a presence in many millions.
"""

import dataclasses
import importlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from glc import storage
from glc.errors import DataError
from glc.types import Keywords

PARTS = ("metadata", "rasters", "images", "series", "cubes")
"""What a world is made of."""
PO_IMAGES = "po_images"
"""A part that is made only where it is read: tiles of the presence-only surveys, of which there are many."""


def _cells(step):
    """Cells of a climate raster per square of 60 degrees, about the area of a world; `step` in degrees."""
    return round((60 / step) ** 2)


@dataclass(frozen=True)
class World:
    """Size and seed of a virtual world in the layout of 2024."""

    edition: ClassVar[str] = "glc2024"
    presence_only: ClassVar[bool] = False
    """Whether it has presence-only records alone, and is no contest of single labels."""
    modules: ClassVar[dict[str, str]] = {part: part for part in (*PARTS, PO_IMAGES)}
    """Part -> module of this package that writes it."""
    shows: ClassVar[tuple[str, ...]] = (
        *("bioclim", "climate_years", "elevation", "landcover", "landcover_modis", "soil", "sentinel2"),
        *("series_cube", "bioclim_cube"),
    )
    """Covariates and cubes that the parts show."""
    name: str
    n_pa: int
    """Presence-absence training surveys."""
    n_pa_rows: int
    """Rows (survey, species) of theirs."""
    n_test: int
    """Presence-absence test surveys, in whole blocks of `block_m` that hold no training survey."""
    n_po_rows: int
    n_po_surveys: int
    n_species: int
    """All species, presence-only ones included."""
    n_pa_species: int
    """Species that occur in the presence-absence surveys."""
    raster_step: float
    """Cell size of the climate rasters, degrees; soil, land cover and elevation are twice as fine."""
    block_m: float = 50_000
    seed: int = 2024

    @property
    def surveys(self) -> int:
        """Surveys that images and series are made of."""
        return self.n_pa + self.n_test

    @property
    def counts(self) -> dict[str, int]:
        """Counts that costs depend on, by their names in `glc.costs.sizes.Sizes`."""
        return {
            "training_rows": self.n_pa_rows,
            "training_surveys": self.n_pa,
            "test_surveys": self.n_test,
            "po_rows": self.n_po_rows,
            "po_surveys": self.n_po_surveys,
            "species": self.n_species,
            "raster_cells": _cells(self.raster_step),
        }

    def part(self, name: str, share: float) -> "World":
        """The world with a share (0 to 1) of the surveys and rows, and as many species: for curves of costs."""
        return dataclasses.replace(
            self,
            name=name,
            n_pa=round(self.n_pa * share),
            n_pa_rows=round(self.n_pa_rows * share),
            n_test=round(self.n_test * share),
            n_po_rows=round(self.n_po_rows * share),
            n_po_surveys=round(self.n_po_surveys * share),
        )


@dataclass(frozen=True)
class OccurrenceWorld:
    """Size and seed of a virtual world in the layout of 2020: every occurrence has one species."""

    edition: ClassVar[str] = "glc2020"
    presence_only: ClassVar[bool] = False
    modules: ClassVar[dict[str, str]] = {"metadata": "occurrences", "rasters": "area_rasters", "images": "patches"}
    shows: ClassVar[tuple[str, ...]] = (
        *("bioclim", "soil", "aerial", "altitude_patches", "landcover_patches", "landcover_onehot"),
    )
    name: str
    n: int
    """Occurrences, French and American."""
    n_species: int
    raster_step: float
    """Cell size of the bioclimatic raster, degrees; soil is twice as fine."""
    seed: int = 2020

    @property
    def surveys(self) -> int:
        """Surveys that images are made of."""
        return self.n

    @property
    def counts(self) -> dict[str, int]:
        """Counts that costs depend on, by their names in `glc.costs.sizes.Sizes`."""
        return {
            "training_rows": self.n,
            "training_surveys": self.n,
            "species": self.n_species,
            "raster_cells": _cells(self.raster_step),
        }


@dataclass(frozen=True)
class GeoPlantWorld(World):
    """Size and seed of a virtual world in GeoPlant's layout, with three tests; `n_test` are those of ood and glc25."""

    edition: ClassVar[str] = "geoplant"
    modules: ClassVar[dict[str, str]] = {"metadata": "geoplant", "rasters": "geoplant_values"}
    shows: ClassVar[tuple[str, ...]] = ("bioclim", "alphaearth")
    n_iid: int = 40
    """Of the `n_pa` surveys, those that are a test."""


@dataclass(frozen=True)
class RecordWorld:
    """Size and seed of a virtual download of GBIF: presence-only records as a Darwin Core archive."""

    edition: ClassVar[str] = "darwincore"
    presence_only: ClassVar[bool] = True
    modules: ClassVar[dict[str, str]] = {"metadata": "records", "rasters": "record_rasters"}
    shows: ClassVar[tuple[str, ...]] = World.shows[:6]
    name: str
    n: int
    """Records."""
    n_species: int
    raster_step: float
    """Cell size of the climate rasters, degrees; soil, land cover and elevation are twice as fine."""
    seed: int = 2026

    @property
    def surveys(self) -> int:
        """Surveys that images are made of."""
        return 0

    @property
    def counts(self) -> dict[str, int]:
        """Counts that costs depend on, by their names in `glc.costs.sizes.Sizes`."""
        return {
            "training_rows": self.n,
            "training_surveys": self.n * 2 // 3,
            "species": self.n_species,
            "raster_cells": _cells(self.raster_step),
        }

    @property
    def as_world(self) -> World:
        """The world in the layout of 2024 whose presence-only records these are."""
        n_pa, known = 400, max(self.n_species * 4 // 5, 1)
        return World(
            self.name, n_pa, n_pa * known // 5, 60, self.n, self.n * 2 // 3, self.n_species, known, self.raster_step,
            seed=self.seed,
        )  # fmt: skip


Size = World | OccurrenceWorld | RecordWorld

_GLC24 = World("glc24", 88_987, 1_483_637, 4_716, 5_079_797, 3_845_533, 11_255, 5_016, 0.05)

SIZES: dict[str, Size] = {
    "tiny": World("tiny", 400, 4_800, 60, 3_000, 2_300, 60, 48, 0.4),
    "small": World("small", 6_400, 108_000, 900, 60_000, 45_500, 800, 560, 0.1),
    "glc24": _GLC24,
    "glc24-quarter": _GLC24.part("glc24-quarter", 1 / 4),
    "glc24-16th": _GLC24.part("glc24-16th", 1 / 16),
    "geoplant-tiny": GeoPlantWorld("geoplant-tiny", 400, 4_800, 60, 3_000, 2_300, 60, 48, 0.4, seed=2026),
    "glc20-tiny": OccurrenceWorld("glc20-tiny", 300, 40, 0.25),
    "glc20": OccurrenceWorld("glc20", 6_000, 150, 0.05),
    "gbif": RecordWorld("gbif", 12_000, 60, 0.25),
}


def write_metadata(world, folder):
    """Write the survey CSVs, and the labels of a test to ``truth/`` where only an evaluation looks."""
    _write(world, folder, "metadata")


def write_rasters(world: Size, folder: Path, *options: Keywords, **named: Keywords) -> None:
    """Write the GeoTIFFs (EPSG:4326); `larger_than` is the least size in bytes of the elevation raster's pixels."""
    _write(world, folder, "rasters", *options, **named)


def write_images(world, folder, *options, **named):
    """Write image files: RGB and near-infrared tiles of the surveys of `datasets` (2024), or patches (2020)."""
    _write(world, folder, "images", *options, **named)


def write_series(world, folder, *options, **named):
    """Write the quarterly satellite series of the surveys of `datasets`, one CSV per band."""
    _write(world, folder, "series", *options, **named)


def write_cubes(world, folder, *options, **named):
    """Write the monthly climate cubes (4 variables, 19 years, 12 months) of the surveys of `datasets`."""
    _write(world, folder, "cubes", *options, **named)


def write(world: Size, folder: Path, parts: Sequence[str] = ("metadata",)) -> None:
    """Write the named `parts` (of `PARTS`, as far as the `world` has them) into `folder`."""
    for part in parts:
        _check_part(world, folder, part)
    for part in parts:
        _write(world, folder, part)


def _write(world, folder, part, *options, **named):
    _check_part(world, folder, part)
    _describe(world, folder)
    importlib.import_module(f"glc.world.{world.modules[part]}").write(world, Path(folder), *options, **named)


def _check_part(world, folder, part):
    if part not in world.modules:
        raise DataError(f"{folder}: unknown part {part!r} of a virtual world; expected: {', '.join(world.modules)}")


def _describe(world, folder):
    """Write ``world.json``; refuse a folder that holds another world."""
    path = Path(folder) / "world.json"
    text = json.dumps(dataclasses.asdict(world), indent=1) + "\n"
    if path.exists() and path.read_text() != text:
        raise DataError(f"{path}: holds another virtual world than {world}; choose or make an empty folder")
    with storage.atomic_file(path) as scratch:
        scratch.write_text(text)
