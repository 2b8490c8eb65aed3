"""A random forest on the environment at the survey, its leaves sparse: Run 1 of the 2020 system (Deneu et al.).

The paper's forest, scikit-learn's with its 100 trees of depth 10, took 41 GB on disk and 50 GB of memory: a number for
each of 30,000 classes at each node. The same probabilities follow from the classes that a leaf has seen.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from scipy import sparse

from glc.classical import _trees
from glc.classical._base import Classical, Scorer
from glc.config import Count, Natural, Seed, section
from glc.errors import DataError
from glc.progress import tqdm
from glc.registry import models
from glc.surveys import SurveyData

GROWERS = ("gini", "scikit-learn")
_BLOCK = 16 << 20  # float32 probabilities that are dense at a time


@models.register("random_forest")
class RandomForest(Classical):
    """Class probabilities from the environmental values at a survey (section 3.1 of the paper).

    Every record of a training survey is an example of its species. Training surveys off the rasters, without any
    value, are put aside and counted; a query off the rasters gets the class frequencies. For a single missing value
    stands its mean over the training examples.
    """

    reads = ("table",)

    trial = {"trees": 4, "depth": 3}

    @section
    class Options:
        trees: Count = 100
        """Trees (100 in the paper)."""
        depth: Count = 10
        """Maximum depth of the trees (10 in the paper)."""
        features: Natural = 0
        """Features tried at a split; 0 for the root of their number."""
        grower: Literal[GROWERS] = "gini"
        """gini, ours, whose time does not grow with the number of classes; or scikit-learn, the very forest of its
        RandomForestClassifier, fitted tree by tree. Both split alike (except where gains are equal) and draw
        differently."""
        keep: Count = 512
        """Highest probabilities kept per survey."""
        leaf_keep: Natural = 0
        """Most frequent classes kept per leaf; 0 all (exact)."""
        seed: Seed = 0
        """Seed of the draws."""

    def __init__(self, options: "RandomForest.Options") -> None:
        super().__init__(options)
        self.forest = None

    def fit(self, data: SurveyData, fold: int | None, table: np.ndarray | None = None) -> Scorer:
        """`forest` is then the fitted `Forest`, and `facts` counts what was put aside and imputed."""
        self.forest = None  # the last fold's need not be held beside this one's
        train = data.train(fold)
        survey, species = data.labels_of(train).nonzero()
        if len(species) == 0:
            raise DataError(
                f"model 'random_forest': the {len(train)} training surveys of {data.train_name} have no species; "
                "expected at least one; look at the surveys table's column 'species'"
            )
        there = on_rasters(table[train])
        self.forest = fit(table[train[survey]], data.species[species], self.options)
        self.facts = {
            "training_surveys": len(train),
            "training_surveys_off_rasters": int((~there).sum()),
            "examples": int(there[survey].sum()),
            "values_imputed": int(np.isnan(table[train[there]]).sum()),
            "classes": len(self.forest.species),
            "leaf_entries": sum(len(tree.counts) for tree in self.forest.trees),
            "forest_bytes": self.forest.bytes,
        }
        return self._scorer(self.forest, data.species)

    def _scorer(self, forest, species):
        def score(places: pd.DataFrame, table: np.ndarray | None) -> sparse.csr_matrix:
            best = forest.best(table, self.options.keep)
            self.facts["query_surveys_off_rasters"] = int((~on_rasters(table)).sum())
            columns = np.searchsorted(species, forest.species)
            return sparse.csr_matrix((best.data, columns[best.indices], best.indptr), (len(places), len(species)))

        return score

    def save(self, folder: Path) -> None:
        """Write the last fitted forest as ``forest.npz``."""
        self.forest.save(folder / "forest.npz")

    def restore(self, folder: Path, data: SurveyData) -> Scorer:
        return self._scorer(Forest.load(folder / "forest.npz"), data.species)


@dataclass(frozen=True)
class Forest:
    """Trees and what they need to predict anywhere.

    species : (c,) ids of the classes, ascending; share : (c,) float32, their frequencies in training, for places off
    the rasters; means : (f,) float32, of the features, for single missing values
    """

    trees: tuple[_trees.Tree, ...]
    species: np.ndarray
    share: np.ndarray
    means: np.ndarray

    @property
    def bytes(self) -> int:
        """Size of its arrays."""
        return sum(tree.bytes for tree in self.trees) + self.species.nbytes + self.share.nbytes + self.means.nbytes

    def probabilities(self, X: np.ndarray) -> np.ndarray:
        """(n, c) float32, rows summing to 1 (less with ``leaf_keep``), of X (n, f) float32, NaN where missing."""
        out = np.zeros((len(X), len(self.species)), np.float32)
        filled = impute(X.copy(), self.means)
        for tree in self.trees:
            tree.add(tree.leaves(filled), out)
        out /= len(self.trees)
        out[~on_rasters(X)] = self.share
        return out

    def best(self, X: np.ndarray, keep: int) -> sparse.csr_matrix:
        """The `keep` highest positive `probabilities` of each row, CSR (n, c) float32; never dense as a whole."""
        keep = min(keep, len(self.species))
        rows = max(1, _BLOCK // len(self.species))
        parts = [sparse.csr_matrix((0, len(self.species)), dtype=np.float32)]
        with tqdm(total=len(X), desc="forest predicts", unit="survey", leave=False) as bar:
            for start in range(0, len(X), rows):
                block = self.probabilities(X[start : start + rows])
                column = np.sort(np.argpartition(block, -keep, axis=1)[:, -keep:], axis=1)
                ends = np.arange(len(block) + 1) * keep
                values = np.take_along_axis(block, column, axis=1)
                part = sparse.csr_matrix((values.ravel(), column.ravel(), ends), shape=block.shape)
                part.eliminate_zeros()
                parts.append(part)
                bar.update(len(block))
        return sparse.vstack(parts, format="csr")

    def save(self, path: Path) -> None:
        """Write it as a compressed ``.npz``: each array of the trees after one another, with their lengths."""
        arrays = {"species": self.species, "share": self.share, "means": self.means}
        for name in (field.name for field in fields(_trees.Tree)):
            each = [getattr(tree, name) for tree in self.trees]
            arrays |= {name: np.concatenate(each), f"{name}_lengths": np.array([len(values) for values in each])}
        np.savez_compressed(path, **arrays)

    @classmethod
    def load(cls, path: Path) -> "Forest":
        """Read what `save` wrote."""
        with np.load(path) as file:
            names = [field.name for field in fields(_trees.Tree)]
            each = [np.split(file[name], np.cumsum(file[f"{name}_lengths"])[:-1]) for name in names]
            trees = tuple(_trees.Tree(*arrays) for arrays in zip(*each, strict=True))
            return cls(trees, file["species"], file["share"], file["means"])


def fit(X: np.ndarray, species: np.ndarray, options: RandomForest.Options) -> "Forest":
    """Fit a `Forest` to examples: X (n, f) float32, NaN where missing, and their species (n,).

    options : `RandomForest.Options`. Examples without any value count in the class frequencies alone. X is imputed in
    place. Raises DataError where no example has a value.
    """
    classes, labels = np.unique(species, return_inverse=True)
    share = (np.bincount(labels) / len(labels)).astype(np.float32)
    there = on_rasters(X)
    if not there.any():
        raise DataError(
            f"model 'random_forest': none of {len(X):,} training examples has any environmental value; expected "
            "values at most of them; check whether the rasters of [[inputs]] cover the surveys"
        )
    if not there.all():
        X, labels = X[there], labels[there]
    means = _means(X)
    X = impute(X, means)
    features = min(options.features or max(1, int(np.sqrt(X.shape[1]))), X.shape[1])
    grow = {"gini": _gini, "scikit-learn": _sklearn}[options.grower]
    trees = tuple(tqdm(grow(X, labels, len(classes), features, options), "forest trees", options.trees, leave=False))
    return Forest(trees, classes.astype(np.int32), share, means)


def _gini(X, labels, classes, features, options):
    values = _trees.Values(X)
    rng = np.random.default_rng(options.seed)
    for _ in range(options.trees):
        weight = np.bincount(rng.integers(0, len(labels), len(labels)), minlength=len(labels))
        settings = {"depth": options.depth, "features": features, "keep": options.leaf_keep}
        yield _trees.grow(values, labels, weight, classes, rng=rng, **settings)


def _sklearn(X, labels, classes, features, options):
    from sklearn.ensemble import RandomForestClassifier

    present, labels = np.unique(labels, return_inverse=True)  # a class may be off the rasters altogether
    forest = RandomForestClassifier(
        max_depth=options.depth, max_features=features, random_state=options.seed, warm_start=True
    )
    for count in range(1, options.trees + 1):
        fitted = forest.set_params(n_estimators=count).fit(X, labels).estimators_
        yield _trees.of_sklearn(fitted[-1], present, classes, options.leaf_keep)
        fitted[-1] = None  # its values of all classes at all nodes are the largest thing ever held


def on_rasters(X):
    """Whether the places of X (n, f) have any value, (n,) bool."""
    known = np.zeros(len(X), bool)
    for column in X.T:
        known |= ~np.isnan(column)
    return known


def impute(X, means):
    """X (n, f) with `means` (f,) in place of NaN; X itself is changed."""
    for column, mean in zip(X.T, means, strict=True):
        column[np.isnan(column)] = mean
    return X


def _means(X):
    means = np.zeros(X.shape[1], np.float32)  # a feature that no example has tells nothing, whatever stands for it
    for feature, column in enumerate(X.T):
        known = column[~np.isnan(column)]
        if len(known):
            means[feature] = known.mean(dtype=float)
    return means
