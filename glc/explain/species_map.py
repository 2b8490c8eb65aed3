"""One species over an area: its score on a coarse grid of land, and its records over it.

Full maps of any resolution are the task ``DistributionMap``; this is a picture to judge a model by. The grid is scored
by the model of one fold, so that the records of that fold's blocks are ones that it has not seen.
"""

from dataclasses import dataclass

import numpy as np

from glc import basemap
from glc.errors import ConfigError
from glc.explain.variables import Fitted

CELLS = 4_000
"""Cells of a grid, at most; those at sea are not scored."""
_MARGIN = 0.03
_LEAST_SPAN = 0.2  # degrees
_AT_ONCE = 10_000


@dataclass(frozen=True)
class SpeciesMap:
    """The score of a species on a grid, with its records.

    species : id; name : or '' if it is not known
    west, south, east, north : of the grid, degrees
    scores : (rows from north, columns) float32, NaN at sea
    training, held_out : (n, 2) lon, lat of the surveys that have the species: those that the model has seen, and those
        of the validation fold that it has not; presence_only : the same of presence-only records
    fold : whose model scored the grid; relative : whether the scores are relative suitability, not probabilities
    """

    species: int
    name: str
    west: float
    south: float
    east: float
    north: float
    scores: np.ndarray
    training: np.ndarray
    held_out: np.ndarray
    presence_only: np.ndarray
    fold: int
    relative: bool


def species_map(fitted: Fitted, species: int, *, fold: int = 0, cells: int = CELLS) -> SpeciesMap:
    """The map of one species over the area of the training surveys.

    fitted : the experiment
    species : id, of `fitted.species`
    fold : whose model scores the grid, of those that were run
    cells : most cells of the grid
    raises : ConfigError for an unknown species or a fold that was not run
    """
    known = fitted.species["speciesId"].to_numpy()
    column = int(np.searchsorted(known, species))
    if column >= len(known) or known[column] != species:
        raise ConfigError(f"species {species}: not one of the {len(known):,} species of the experiment")
    run = fitted.settings.validation.run
    if not 0 <= fold < run:
        raise ConfigError(f"--fold {fold}: expected 0 to {run - 1}, the folds that the experiment ran")
    data = fitted.data
    lon, lat = (data.places[name].to_numpy(float) for name in ("lon", "lat"))
    west, south, east, north = _bounds(lon[data.train()], lat[data.train()])
    grid_lon, grid_lat = _grid(west, south, east, north, cells)
    land = basemap.is_land(grid_lon.ravel(), grid_lat.ravel())
    scores = np.full(grid_lon.size, np.nan, np.float32)
    rows = np.flatnonzero(land)
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        places = fitted.places(grid_lon.ravel()[part], grid_lat.ravel()[part])
        values = fitted.inputs(places, allow_missing=True)
        scores[part] = fitted.scores(places, values, fold=fold)[:, column].toarray().ravel()
    name = fitted.species["name"].iloc[column]

    def records(own: np.ndarray) -> np.ndarray:
        present = own[data.label_matrix[own][:, column].toarray().ravel().astype(bool)]
        return np.column_stack([lon[present], lat[present]])

    return SpeciesMap(
        species,
        name if isinstance(name, str) else "",
        west,
        south,
        east,
        north,
        scores.reshape(grid_lon.shape),
        records(data.train(fold)),
        records(data.valid(fold)),
        records(data.presence_only),
        fold,
        fitted.relative,
    )


def _bounds(lon: np.ndarray, lat: np.ndarray) -> tuple[float, float, float, float]:
    """(west, south, east, north) around places, with a margin."""
    ends = []
    for values, lowest, highest in ((lon, -180.0, 180.0), (lat, -90.0, 90.0)):
        middle, span = (values.min() + values.max()) / 2, max((1 + 2 * _MARGIN) * np.ptp(values), _LEAST_SPAN)
        ends.append((max(middle - span / 2, lowest), min(middle + span / 2, highest)))
    (west, east), (south, north) = ends
    return float(west), float(south), float(east), float(north)


def _grid(west: float, south: float, east: float, north: float, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """lon, lat of cell centres, (rows from north, columns) each, about as long east as north on the ground."""
    width = (east - west) * max(np.cos(np.radians((south + north) / 2)), 0.05)
    side = np.sqrt(width * (north - south) / cells)
    columns, rows = (max(1, int(length / side)) for length in (width, north - south))
    lon = west + (np.arange(columns) + 0.5) * (east - west) / columns
    lat = north - (np.arange(rows) + 0.5) * (north - south) / rows
    grid_lon, grid_lat = np.meshgrid(lon, lat)
    return grid_lon, grid_lat
