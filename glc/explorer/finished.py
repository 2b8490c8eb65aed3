"""A finished map and the fitted experiment that it was made from, as the explorer reads them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from rasterio.windows import Window

from glc import storage
from glc.errors import ConfigError, DataError
from glc.fitted import layout, surveys
from glc.maps import grid as grids
from glc.maps.geotiff import NODATA
from glc.maps.grid import Block, Grid
from glc.maps.species import choose
from glc.rasters.files import opened
from glc.types import Facts


@dataclass(frozen=True)
class Species:
    """One species of a map.

    speciesId, name : the name is empty where it is not known
    path, band : file and number of its band
    """

    speciesId: int
    name: str
    path: Path
    band: int


class FinishedMap:
    """The files of a map.

    folder : that `glc.maps.distribution` wrote
    model : folder of the fitted experiment that it was made from
    """

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder, self.model = folder, model
        self.files = sorted(path for path in folder.glob("probability*.tif"))
        if not self.files:
            raise DataError(f"{folder}: no probability.tif, expected a finished map; make one with: glc map EXPERIMENT")
        if not (model / layout.SURVEYS).is_file():
            raise DataError(
                f"{model}: no {layout.SURVEYS}, expected the fitted experiment that the map {folder} was made from; "
                "make model and map again: glc map EXPERIMENT"
            )
        self.item: Facts = storage.read_json(folder / "item.json")
        self.facts: Facts = storage.read_json(model / layout.FACTS)

    @property
    def relative(self) -> bool:
        """Whether its values are a relative suitability."""
        return bool(self.item["properties"]["glc:relative"])

    @cached_property
    def grid(self) -> Grid:
        """Its cells."""
        return grids.like(self.files[0])

    @cached_property
    def scale(self) -> float:
        """Value of one step of the integers that probabilities are stored as."""
        with opened(self.files[0]) as raster:
            return float(raster.scales[0])

    @cached_property
    def species(self) -> list[Species]:
        """The species of the map, in its order."""
        every = []
        for path in self.files:
            with opened(path) as raster:
                for band in range(1, raster.count + 1):
                    tags = raster.tags(band)
                    every.append(Species(int(tags["speciesId"]), tags.get("name", ""), path, band))
        return every

    def chosen(self, text: str) -> list[Species]:
        """The species that a person asks for.

        text : ids or names with commas between; empty: all of the map
        raises : ConfigError for one that is not on the map
        """
        if not text.strip():
            return self.species
        frame = pd.DataFrame({"speciesId": [entry.speciesId for entry in self.species]})
        frame["name"] = [entry.name or None for entry in self.species]
        frame["records"] = 0
        try:
            return [self.species[row] for row in choose(frame, text, 0)]
        except ConfigError as error:
            raise ConfigError(f"map {self.folder}: {str(error).replace('of the model', 'of the map')}") from None

    def band(self, species: Species) -> np.ndarray:
        """(rows, cols) uint16 of a species, as stored."""
        return self._open[species.path].read(species.band)

    def window(self, species: Sequence[Species], block: Block) -> np.ndarray:
        """(species, rows, cols) uint16 of a part of the map, as stored."""
        values = np.empty((len(species), block.rows, block.cols), np.uint16)
        for path, raster in self._open.items():
            rows = [row for row, entry in enumerate(species) if entry.path == path]
            if rows:
                window = Window(block.col, block.row, block.cols, block.rows)
                values[rows] = raster.read([species[row].band for row in rows], window=window)
        return values

    @cached_property
    def _open(self):
        """The files of probabilities; they stay open, because GDAL then keeps the tiles that it has unpacked."""
        return {path: opened(path) for path in self.files}

    @cached_property
    def predicted(self) -> np.ndarray:
        """(rows, cols) bool: the cells that have a prediction."""
        return self.band(self.species[0]) != NODATA

    def layers(self, name: str) -> Iterator[tuple[str, str, np.ndarray]]:
        """Bands of ``richness.tif`` or ``applicability.tif``: description, unit, (rows, cols) float32, NaN without."""
        with opened(self.folder / f"{name}.tif") as raster:
            for band, (text, unit) in enumerate(zip(raster.descriptions, raster.units, strict=True), 1):
                yield text, unit or "", raster.read(band)

    @cached_property
    def training(self) -> pd.DataFrame:
        """Training surveys: surveyId, lon, lat, year (0: not known) and how many species each has."""
        ids = pq.read_table(self.model / layout.SPECIES, columns=["speciesId"])["speciesId"].to_numpy()
        data = surveys.read(self.model / layout.SURVEYS, ids.astype(np.int32))
        rows = data.train()
        places = data.places.iloc[rows]
        frame = places[["surveyId", "lon", "lat"]].reset_index(drop=True)
        frame["year"] = places["year"].fillna(0).to_numpy().astype(np.int32)
        frame["species"] = np.diff(data.labels_of(rows).indptr)
        return frame
