"""What an input takes of its source: which bands, years and columns, in which order and shape a net reads them.

The same for tables that a task wrote (`glc.nets.inputs.tables`) and for values that are read at any place
(`glc.fitted.inputs`).
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import DTypeLike

from glc.config import Input
from glc.errors import ConfigError, DataError, did_you_mean
from glc.location import LocationEncoder, features
from glc.nets.inputs.features import Layout
from glc.types import Facts


class TileSelection:
    """The bands of tiles that an input reads, as one array.

    columns : names of the bands; layout : `Layout`
    """

    def __init__(self, wanted: Input, bands: Sequence[str], size: int, types: Mapping[str, DTypeLike]) -> None:
        """Choose the columns.

        wanted : the input, of the kind tiles
        bands : those of the table of tiles
        size : side of a tile, pixels
        types : type of the values of each band
        """
        self.columns = chosen(wanted.bands, bands, f"tiles {wanted.tiles!r}")
        self.dtype = np.result_type(*(np.dtype(types[name]) for name in self.columns))
        side = wanted.block or wanted.size
        levels = 255 if self.dtype == np.uint8 else 0
        self.layout = Layout("coeffs" if wanted.block else "pixels", self.columns, side, side, size, levels)

    def stack(
        self, tiles: Mapping[str, np.ndarray], valid: Mapping[str, np.ndarray], where: object
    ) -> tuple[np.ndarray, np.ndarray]:
        """The tiles of n surveys as one array.

        tiles : band -> (n, length); valid : band -> (n,) share of valid pixels
        where : the source, for errors
        returns : (n, band, row, col), and whether a survey has the band, (n, band) bool
        """
        side = self.layout.rows
        stacked = np.stack([tiles[name] for name in self.columns], axis=1)
        if stacked.shape[-1] != side * side:
            raise DataError(
                f"{where}: bands of {stacked.shape[-1]} values, expected {side} x {side}; a covariate whose "
                "classes are written as shares or centres is no map"
            )
        known = np.stack([valid[name] > 0 for name in self.columns], axis=1)
        return stacked.reshape(*stacked.shape[:2], side, side), known


class CubeSelection:
    """The variables and years of cubes that an input reads, or their coefficients.

    column : of the table, ``cube`` or ``coeffs``; shape : of its values; layout : `Layout`
    """

    dtype = np.dtype(np.float32)

    def __init__(self, wanted: Input, facts: Facts, where: object) -> None:
        """Choose variables and years.

        wanted : the input, of the kind cube
        facts : names, shape, axes and years of the cubes and, for coefficients, terms, as `glc.etl.cubes` gives them
        where : the source, for errors
        """
        names, self.shape = facts["names"], tuple(facts["shape"])
        cube = f"cube {wanted.cube!r}"
        bands = chosen(wanted.bands, names, cube)
        self.take = [names.index(name) for name in bands]
        self.column, self.years, self.by_year = "cube", None, False
        if wanted.coeffs:
            side = int(np.sqrt(facts["terms"]))
            if side * side != facts["terms"]:
                raise DataError(f"{where}: {facts['terms']} coefficients of a series, expected a square number")
            self.column, self.shape = "coeffs", (len(names), side, side)
            self.layout = Layout("series", bands, side, side)
            return
        rows, cols = self.shape[1:]
        if wanted.years:
            axis = list(facts["axes"]).index("year")
            self.years = (axis, _years(wanted.years, self.shape[axis], facts, cube))
            rows, cols = (len(wanted.years) if at == axis else n for at, n in ((1, rows), (2, cols)))
        self.layout = Layout("cube", bands, rows, cols)
        self.by_year = wanted.by_year
        if self.by_year:
            axis = list(facts["axes"]).index("year")
            years = wanted.years or range(facts["years"][0], facts["years"][1] + 1)
            self.months = 5 - (axis + 1)  # where the months of a batch are: after surveys, variables and years
            self.layout = Layout("cube", tuple(f"{name}_{year}" for name in bands for year in years), 1, 1)

    def take_from(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What is read of n surveys.

        values : of `column`, (n, ...)
        returns : (n, band, row, col), and whether a survey has the band, (n, band) bool
        """
        values = values.reshape(-1, *self.shape)[:, self.take]
        if self.years:
            axis, numbers = self.years
            values = np.take(values, numbers, axis=axis + 1)
        if self.by_year:
            values = values.mean(axis=self.months).reshape(-1, *self.layout.shape)
        return values, np.isfinite(values).any(axis=(2, 3))


class PlaceFeatures:
    """Features of places themselves: of a feature map of their coordinates, or of a pre-trained encoder.

    layout : `Layout`
    """

    def __init__(self, wanted: Input) -> None:
        """Load the encoder.

        wanted : the input, of the kind location; an encoder names its file
        """
        choice = wanted.location
        if choice.name == "encoder":
            encoder = LocationEncoder.load(choice.options["path"])
            self.of, width = encoder.embed, encoder.dim
        else:
            self.of = partial(features.features, choice.name, **choice.options)
            width = features.make(choice).width
        self.layout = Layout("table", tuple(f"{choice.name}_{number}" for number in range(width)), 1, 1)


def chosen(
    wanted: Sequence[str],
    names: Iterable[str],
    where: str,
    categories: Mapping[str, Sequence[str]] | None = None,
) -> tuple[str, ...]:
    """The bands of `names` that `wanted` names: itself, or all classes ``<band>_<class>`` of a categorical band.

    categories : of a table, columns of each categorical band, whose classes may be called by words
    """
    names = tuple(names)
    if not wanted:
        return names
    columns = []
    for band in wanted:
        own = [
            name for name in names if name == band or (name.startswith(f"{band}_") and name[len(band) + 1 :].isdigit())
        ] or (categories or {}).get(band, [])
        if not own:
            raise ConfigError(
                f"inputs, {where}: unknown band {band!r}; expected some of: {', '.join(names)}"
                f"{did_you_mean(band, names)}"
            )
        columns += own
    return tuple(dict.fromkeys(columns))


def _years(wanted, count, facts, where):
    first = facts["years"][0]
    outside = [year for year in wanted if not first <= year < first + count]
    if outside:
        raise ConfigError(
            f"inputs, {where}: found year {outside[0]}, expected years of {first} to {first + count - 1}, which it has"
        )
    return [year - first for year in wanted]
