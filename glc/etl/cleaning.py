"""Environmental values cleaned by stated rules, before any imputing or scaling.

Rules (Liu et al. 2024, Tighnari, section 3.1), in this order:

1. +-inf, and what else is beyond +-1e30, is null, as is nodata, a place outside a raster, a survey without a row. Of
   rasters that declare no nodata, so are the numbers that usually mean it (`glc.rasters.reader.FILLS`).
2. Beyond the covariate's physical limits is null; of human footprint, above 255 is 255 and below 0 is 1.
3. Where no physical limit is known, as `RULE` says. The paper does not tell its own rule for outliers.
4. A class, or a category of the survey files (region, country), is a column of zeros and ones; where none is known all
   are zero and ``<band>_null`` is one. Categories are those of the training surveys; another one is not known.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from glc.covariates import Metadata, Raster
from glc.covariates._base import limits_of
from glc.errors import ConfigError
from glc.etl.metadata import MetadataValues
from glc.etl.values import TableValues
from glc.rasters.reader import LARGEST
from glc.rasters.values import RasterValues

COUNTS = ("nulls", "infinite", "outliers", "replaced")
"""What is counted a column."""
RULE = (
    "beyond the median +- 20 standard deviations is null, one deviation each for either side: 1.4826 times the median "
    "distance from the median of the values on that side; over the covariates of the training surveys, without labels, "
    "at most 100,000 of them, evenly spaced; no limit on a side half of whose values equal the median, nor for a "
    "column of fewer than 100 values"
)
_SIGMAS, _MAD = 20, 1.4826
_FIT_ROWS, _FIT_LEAST = 100_000, 100


@dataclasses.dataclass
class Part:
    """A covariate, where its values come from, and what its columns are called."""

    covariate: Raster | Metadata
    source: str
    values: RasterValues | TableValues | MetadataValues

    def __post_init__(self):
        prefix = self.covariate.name or "value"
        self.names = [f"{prefix}_{name}" for name in self.values.columns]
        self.classes = {f"{prefix}_{name}": codes for name, codes in self.values.classes.items()}
        self.labels = {
            f"{prefix}_{name}": self.values.labels.get(name, codes) for name, codes in self.values.classes.items()
        }

    def declared(self, name: str) -> tuple[float, float]:
        """Physical limits of a column."""
        if name in self.classes:
            return -np.inf, np.inf
        own = self.values.columns[self.names.index(name)]
        return limits_of(self.covariate.limits, own)


class Table:
    """All columns of the table: reads surveys' values and cleans them."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        self.names = [name for part in parts for name in part.names]
        if len(set(self.names)) < len(self.names):
            raise ConfigError(f"covariates: columns would share a name: {sorted(self.names)}; name each one once")
        self.classes = {name: codes for part in parts for name, codes in part.classes.items()}
        self.categories = {
            name: [*(f"{name}_{label}" for label in labels), f"{name}_null"]
            for part in parts
            for name, labels in part.labels.items()
        }
        self.columns = [column for name in self.names for column in self.categories.get(name, [name])]
        self.limits = {name: part.declared(name) for part in parts for name in part.names if name not in self.classes}
        self.beyond = {name: part.covariate.beyond for part in parts for name in part.names}
        self.fitted_on = 0

    def read(self, places: pd.DataFrame) -> tuple[np.ndarray, int]:
        """Values as they are, (n, names) float32, and the number of surveys on pixels that cannot be read."""
        blocks = [part.values.read(places) for part in self.parts]
        with np.errstate(over="ignore"):
            raw = np.concatenate([block for block, _ in blocks], axis=1).astype(np.float32)
        return raw, int(np.any([bad for _, bad in blocks], axis=0).sum())

    def fit(self, training: pd.DataFrame) -> None:
        """Rule 3, over the surveys `training`."""
        open_ = [name for name, pair in self.limits.items() if np.isinf(pair).any()]
        if not open_:
            return
        training = training.sort_values(["dataset", "surveyId"]).iloc[:: -(-len(training) // _FIT_ROWS)]
        raw, _ = self.read(training)
        self.fitted_on = len(training)
        for name in open_:
            lowest, highest = self.limits[name]
            known = raw[:, self.names.index(name)].astype(float)
            known = known[(np.abs(known) <= LARGEST) & (known >= lowest) & (known <= highest)]
            robust = outlier_limits(known)
            self.limits[name] = tuple(
                own if np.isfinite(own) else computed for own, computed in zip((lowest, highest), robust, strict=True)
            )

    def clean(self, raw: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
        """Columns of the table, (n, columns) float32, {count: (columns,) int}, and which surveys have any value."""
        n = len(raw)
        made = np.empty((n, len(self.columns)), np.float32)
        counts = {name: np.zeros(len(self.columns), np.int64) for name in COUNTS}
        known, at = np.zeros(n, bool), 0
        for number, name in enumerate(self.names):
            column = raw[:, number].copy()
            infinite = np.abs(column) > LARGEST
            column[infinite] = np.nan
            if name in self.classes:
                codes = self.classes[name]
                block = column[:, None] == np.array([*codes, np.nan], np.float32)
                block[:, -1] = ~block.any(axis=1)
                span = slice(at, at + len(codes) + 1)
                made[:, span] = block
                known |= ~block[:, -1]
                counts["infinite"][span], counts["nulls"][span] = infinite.sum(), block[:, -1].sum()
                at = span.stop
                continue
            lowest, highest = self.limits[name]
            low, high = column < lowest, column > highest
            below, above = self.beyond[name] or (np.nan, np.nan)
            column[low], column[high] = below, above
            made[:, at] = column
            known |= ~np.isnan(column)
            counts["infinite"][at], counts["nulls"][at] = infinite.sum(), np.isnan(column).sum()
            counts["replaced" if self.beyond[name] else "outliers"][at] = low.sum() + high.sum()
            at += 1
        return made, counts, known


def outlier_limits(known):
    """(lowest, highest) of rule 3 for finite values (n,); infinite where there is none."""
    if len(known) < _FIT_LEAST:
        return -np.inf, np.inf
    middle = np.median(known)
    limits = []
    for sign in (-1, 1):
        away = sign * (known - middle)
        spread = _MAD * np.median(away[away >= 0])
        limits.append(float(middle + sign * _SIGMAS * spread) if spread > 0 else sign * np.inf)
    return tuple(limits)
