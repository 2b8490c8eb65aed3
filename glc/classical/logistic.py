"""Multinomial logistic regression of the most frequent species on the place, by Spark, cross-validated."""

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from annotated_types import Ge
from scipy import sparse, special

from glc.classical._base import Scorer
from glc.classical._places import PlaceOptions, place_features
from glc.classical._sources import ChoosesSources, TrainingSources, training_rows
from glc.config import SOME, Count, NotNegative, Seed, section
from glc.errors import DataError
from glc.progress import tqdm
from glc.registry import models
from glc.surveys import TEST, SurveyData

_VALUES_PER_PARTITION = 1_000_000


@models.register("logistic")
class Logistic(ChoosesSources):
    """The first of the alternatives of Miyaguchi et al. 2024, section 7.1.1.

    Every occurrence of one of the most frequent species in a training survey is one case, its class the species, its
    features the place of the survey. A score is the probability that an occurrence there, of one of those species, is
    of this one, so that they sum to one over the species; all others score 0.

    The penalty is chosen by the macro-F1 over the species of the likeliest class, pooled over random folds of the
    surveys, not of the occurrences. Occurrences of one species in one square of `cell_m` are one weighted case at the
    mean of their places: the regression is linear in what varies little there, and has far fewer rows.
    """

    spark = True

    trial = {"species": 4, "grid": [1e-5], "folds": 2, "iterations": 5}

    @section
    class Options(PlaceOptions, TrainingSources):
        species: Annotated[int, Ge(2)] = 10
        """How many of the most frequent species are predicted."""
        folds: Annotated[int, Ge(2)] = 3
        """Folds of the cross-validation of Spark's ``regParam``."""
        grid: Annotated[tuple[NotNegative, ...], SOME] = (1e-5, 1e-3, 1e-1)
        """Values of ``regParam`` that are tried."""
        cell_m: NotNegative = 1_000
        """Side of the squares that are pooled, metres; 0 pools only surveys with equal coordinates."""
        iterations: Count = 100
        """Maximum steps of L-BFGS."""
        seed: Seed = 0
        """Seed of the random folds."""

    def fit(self, data: SurveyData, fold: int | None, table: np.ndarray | None = None) -> Scorer:
        """Use the process's Spark session.

        `facts` then holds the species, the macro-F1 of each penalty, that of always choosing the most frequent species,
        and the rows.
        """
        o = self.options
        train = training_rows(data, fold, o.sources)
        records = data.labels_of(train).astype(np.int64)
        count = np.asarray(records.sum(axis=0)).ravel()
        chosen = np.argsort(-count, kind="stable")[: o.species]
        chosen = chosen[count[chosen] > 0]
        if len(chosen) < 2:
            raise DataError(
                f"the {len(train):,} training surveys have {len(chosen)} species; expected two or more to tell apart; "
                f"use another dataset, or the model 'frequency'"
            )
        place = data.places.iloc[train]
        cases = self._cases(place_features(place, place, o), place, records[:, chosen].tocoo())
        weights, bias, f1_of_penalty = self._fit(cases)
        share = count[chosen[0]] / count[chosen].sum()
        self.facts = {
            "species": [int(each) for each in data.species[chosen]],
            "macro_f1": f1_of_penalty,
            "macro_f1_of_most_frequent": float(2 * share / (1 + share) / len(chosen)),
            "occurrences": int(count[chosen].sum()),
            "cases": len(cases["label"]),
        }
        self._fold, self._fitted = fold, {"weights": weights, "bias": bias, "chosen": chosen}
        return self._scorer(place, len(data.species), **self._fitted)

    def _scorer(self, train, species, weights, bias, chosen):
        def score(places: pd.DataFrame, _: np.ndarray | None) -> sparse.csr_matrix:
            logits = place_features(places, train, self.options) @ weights.T + bias
            probability = special.softmax(logits, axis=1).astype(np.float32)
            columns = np.tile(chosen, len(places))
            rows = np.repeat(np.arange(len(places)), len(chosen))
            return sparse.csr_matrix((probability.ravel(), (rows, columns)), shape=(len(places), species))

        return score

    def save(self, folder: Path) -> None:
        """Write the coefficients as ``logistic.npz``: a prediction then needs no Spark."""
        np.savez(folder / "logistic.npz", fold=TEST if self._fold is None else self._fold, **self._fitted)

    def restore(self, folder: Path, data: SurveyData) -> Scorer:
        with np.load(folder / "logistic.npz", allow_pickle=False) as arrays:
            fitted = dict(arrays)
        fold = int(fitted.pop("fold"))
        train = training_rows(data, None if fold == TEST else fold, self.options.sources)
        return self._scorer(data.places.iloc[train], len(data.species), **fitted)

    def _cases(self, features, place, occurrences):
        """Dict of features (c, d), label, weight and fold (c,): occurrences of a class in a square and a fold.

        occurrences : COO (training survey, class)
        """
        o = self.options
        fold = np.random.default_rng(o.seed).integers(o.folds, size=len(place))
        metres = place[["easting", "northing"]].to_numpy()
        square = np.floor(metres / o.cell_m) if o.cell_m else metres
        square = np.unique(square, axis=0, return_inverse=True)[1].ravel()
        keys = np.stack([square[occurrences.row], occurrences.col, fold[occurrences.row]])
        (_, label, case_fold), case, weight = np.unique(keys, axis=1, return_inverse=True, return_counts=True)
        shape = (len(weight), len(place))
        member = sparse.csr_matrix((np.ones(case.size), (case.ravel(), occurrences.row)), shape=shape)
        mean = member @ features / weight[:, None]
        return {"features": mean, "label": label, "weight": weight, "fold": case_fold}

    def _fit(self, cases):
        """Weights (class, d) and bias (class,) of the best penalty on all cases, and the macro-F1 of each penalty."""
        from glc.etl import spark

        o = self.options
        classes = len(np.unique(cases["label"]))
        table = _table(spark.session(), cases).cache()
        confusion = np.zeros((len(o.grid), classes, classes))
        with tqdm(total=o.folds * len(o.grid) + 1, desc="logistic regression", unit="fit") as bar:
            for fold in range(o.folds):
                held = cases["fold"] == fold
                if held.all() or not held.any():
                    raise DataError(
                        f"fold {fold} of {o.folds} holds {held.sum()} of {len(held)} cases; expected some and not all; "
                        f"lower model.folds"
                    )
                for place, penalty in enumerate(o.grid):
                    weights, bias = self._regress(table.where(table["fold"] != fold), penalty)
                    likeliest = (cases["features"][held] @ weights.T + bias).argmax(axis=1)
                    np.add.at(confusion[place], (cases["label"][held], likeliest), cases["weight"][held])
                    bar.update()
            f1 = [macro_f1(each) for each in confusion]
            weights, bias = self._regress(table, o.grid[int(np.argmax(f1))])
            bar.update()
        table.unpersist()
        return weights, bias, dict(zip(map(str, o.grid), f1, strict=True))

    def _regress(self, table, penalty):
        from pyspark.ml.classification import LogisticRegression

        regression = LogisticRegression(
            family="multinomial", weightCol="weight", maxIter=self.options.iterations, regParam=penalty
        )
        fitted = regression.fit(table)
        return fitted.coefficientMatrix.toArray(), fitted.interceptVector.toArray()


def _table(session, cases):
    """Spark frame of the cases, in partitions of some size: each step of the regression is a job, and short."""
    import pandas as pd
    from pyspark.ml.functions import array_to_vector

    frame = pd.DataFrame(
        {
            "features": list(cases["features"]),
            "label": cases["label"].astype(float),
            "weight": cases["weight"].astype(float),
            "fold": cases["fold"].astype("int32"),
        }
    )
    partitions = min(session.sparkContext.defaultParallelism, 1 + cases["features"].size // _VALUES_PER_PARTITION)
    return session.createDataFrame(frame).withColumn("features", array_to_vector("features")).coalesce(partitions)


def macro_f1(confusion):
    """Mean over classes of F1 of a confusion matrix (actual, predicted); a class that is in neither counts as 0."""
    total = confusion.sum(axis=0) + confusion.sum(axis=1)
    return float((2 * np.diag(confusion) / np.where(total > 0, total, 1)).mean())
