"""Values of `glc.covariates.Metadata` at the surveys, with the categories that the training surveys have."""

import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from glc.covariates import Metadata
from glc.covariates._base import column_name

MOST_CATEGORIES = 200
"""Categories of a column; the rarer ones count as null, for a column per survey tells nothing."""


class MetadataValues:
    """What the frame of surveys says of them, as `glc.etl.values.TableValues` gives values of CSVs.

    columns : names, values before categories
    classes : name of a categorical column -> codes, numbers of its categories in alphabetical order
    labels : the same -> names of the categories, as columns are called
    files : none: the surveys are read by their own task
    """

    files: Sequence[str] = ()

    def __init__(self, covariate: Metadata, known: dict[str, list[str]]) -> None:
        """Take the categories as they are.

        known : name of a categorical column -> its categories in alphabetical order, as of `categories`
        """
        self.covariate, self.known = covariate, known
        self.columns = [*covariate.values, *covariate.categories]
        self.classes = {name: tuple(range(len(known))) for name, known in self.known.items()}
        self.labels = {name: _labels(names) for name, names in self.known.items()}

    def read(self, places: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """As of `glc.rasters.values.RasterValues`, of the frame `places`; nothing is unreadable.

        returns : (n, columns) float64, categories as their codes, NaN where there is none or training has none such
        """
        values = [places[column].to_numpy(float) for column in self.covariate.values.values()]
        for name, column in self.covariate.categories.items():
            codes = pd.Index(self.known[name], dtype=object).get_indexer(places[column].astype(object))
            values.append(np.where(codes >= 0, codes, np.nan))
        return np.column_stack(values), np.zeros(len(places), bool)


def categories(covariate: Metadata, training: pd.DataFrame) -> dict[str, list[str]]:
    """Those of the surveys `training`, and no other's: name of a categorical column -> its most frequent ones."""
    return {name: _categories(training[column]) for name, column in covariate.categories.items()}


def _categories(column: pd.Series) -> list[str]:
    """The most frequent categories of `column`, in alphabetical order."""
    counts = column[column.notna() & (column != "")].value_counts()
    often = sorted(counts.index, key=lambda name: (-counts[name], name))[:MOST_CATEGORIES]
    return sorted(often)


def _labels(categories: Iterable[str]) -> list[str]:
    """Plain names of `categories`, each once, such as ``ile_de_france``."""
    labels: list[str] = []
    for number, category in enumerate(categories):
        letters = unicodedata.normalize("NFKD", category).encode("ascii", "ignore").decode()
        label = column_name(letters) or str(number)
        labels.append(f"{label}_{number}" if label in (*labels, "null") else label)
    return labels
