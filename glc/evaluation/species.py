"""How well each species is predicted on validation, example surveys, and whether probabilities mean what they say.

Only validation surveys are read: each was scored by a model that has not seen its fold, and its probabilities come from
a calibration fitted to the other folds (or, of one fold, to the other half of its blocks), as its set does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import sparse

from glc import labels
from glc.evaluation import metrics
from glc.prediction import calibration, decode, sets
from glc.prediction.blocks import Block, Held, Table
from glc.surveys import SurveyData

CLASSES = ((0, 0), (1, 9), (10, 49), (50, 199), (200, 999), (1_000, None))
"""Frequency classes: training surveys with a species, from and to."""
LEAST = 10
"""A species is listed among the best and the worst if at least this many validation surveys have it."""
LIKELY = 0.05
"""The reliability of a frequency class counts species from this probability on: among them sets are decided."""
PROBABILITIES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Edges of the bins in which probabilities are compared with what is present."""
QUANTILES = {"predicted well": 0.9, "typical": 0.5, "predicted badly": 0.1}
"""Which example surveys are shown: the quantile of their F1."""


@dataclass(frozen=True)
class Example:
    """One validation survey.

    title : why it was chosen; survey : surveyId; f1 : of its set
    species : frame speciesId, probability (NaN where the species has no score), predicted, present (bool), the most
        probable first: all that are predicted or present
    """

    title: str
    survey: int
    f1: float
    species: pd.DataFrame


@dataclass(frozen=True)
class SpeciesResults:
    """What validation says of species.

    table : frame speciesId, name (or None), surveys (training surveys with it), present, predicted, correct (validation
        surveys), f1; of the species that any validation survey has or is predicted to have
    examples : see `Example`
    reliability : frame low, high (bin of probability), pairs, probability (mean), rate (share that is present)
    by_class : the same by frequency class, of pairs with a probability of `LIKELY` or more: frame surveys (the class in
        words), pairs, score (mean before calibration), probability (mean after it), rate
    """

    table: pd.DataFrame
    examples: tuple[Example, ...]
    reliability: pd.DataFrame
    by_class: pd.DataFrame

    def name(self, species: int) -> str:
        """A species' name, or ``species 763`` (with a space that does not break) where it has none."""
        known = self.table.loc[self.table["speciesId"] == species, "name"]
        return str(known.iloc[0]) if len(known) and pd.notna(known.iloc[0]) else f"species\u00a0{species}"


def read(scores_folder: Path, predictions_folder: Path, data: SurveyData, names: pd.DataFrame | None) -> SpeciesResults:
    """The results of an experiment.

    scores_folder, predictions_folder : of its scores and sets
    data : surveys with their folds
    names : frame speciesId, name, or None
    """
    valid = Table(scores_folder / "valid")
    rows = data.rows_of(valid.surveys, data.train_name)
    actual = labels.widen(data.labels_of(rows), data.species, valid.species)
    _, _, predicted = sets.read(predictions_folder / "valid", valid.species)
    train = np.asarray(data.labels_of(data.train()).sum(axis=0, dtype=np.int64)).ravel()
    counts = pd.Series(train, data.species).reindex(valid.species, fill_value=0).to_numpy()
    table = by_species(valid.species, predicted, actual, counts)
    known = None if names is None else names.set_index("speciesId")["name"].reindex(table["speciesId"]).to_numpy()
    table.insert(1, "name", known)
    chosen = example_rows(valid.surveys, predicted, actual)
    at = np.sort(np.array(list(chosen.values()), int))
    groups = sets.groups_of(valid.fold, data.places["block"].to_numpy()[rows])
    calibrated = Calibrated(calibration.read(predictions_folder / sets.CALIBRATION), groups, len(valid.species))
    chances = calibrated.probabilities(Table(valid.folder, at), at)
    return SpeciesResults(
        table,
        tuple(examples(chosen, valid.surveys, valid.species, predicted, actual, chances)),
        calibrated.reliability(),
        calibrated.by_class(valid, actual, counts),
    )


def by_species(
    species: np.ndarray, predicted: sparse.csr_matrix, actual: sparse.csr_matrix, surveys: np.ndarray
) -> pd.DataFrame:
    """Counts and F1 per species; see `SpeciesResults`.

    species : (m,) ids; predicted, actual : (n, m) boolean; surveys : (m,) training surveys with the species
    """
    both = predicted.multiply(actual)
    present, guessed, correct = (
        np.asarray(matrix.sum(axis=0, dtype=np.int64)).ravel() for matrix in (actual, predicted, both)
    )
    seen = (present + guessed) > 0
    frame = pd.DataFrame(
        {"speciesId": species, "surveys": surveys, "present": present, "predicted": guessed, "correct": correct}
    )
    return frame.assign(f1=2 * correct / np.maximum(present + guessed, 1))[seen].reset_index(drop=True)


def by_class(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `by_species` by frequency class: species, present, predicted, correct, f1 (mean over species).

    Species that no validation survey has count only where they are predicted, with an F1 of 0.
    """
    rows = []
    of_class = class_of(table["surveys"])
    for number, title in enumerate(class_titles()):
        inside = table[of_class == number]
        if len(inside):
            counts = inside[["present", "predicted", "correct"]].sum()
            rows.append({"surveys": title, "species": len(inside), **counts, "f1": inside["f1"].mean()})
    return pd.DataFrame(rows, columns=["surveys", "species", "present", "predicted", "correct", "f1"])


def class_of(surveys: ArrayLike) -> np.ndarray:
    """Number of the frequency class, of `CLASSES`, that each count of training surveys is in."""
    return np.searchsorted([low for low, _ in CLASSES], np.asarray(surveys), side="right") - 1


def class_titles() -> list[str]:
    """The frequency classes in words."""
    return [
        "none" if high == 0 else f"{low:,} or more" if high is None else f"{low} to {high}" for low, high in CLASSES
    ]


def extremes(table: pd.DataFrame, count: int = 12, least: int = LEAST) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The best and the worst predicted species: two frames without a species in common, the best and worst first.

    least : validation surveys that have each of them
    """
    known = table[table["present"] >= least].sort_values(
        ["f1", "present", "speciesId"], ascending=[False, False, True], kind="stable"
    )
    best = known.head(min(count, -(-len(known) // 2)))
    worst = known.iloc[len(best) :].sort_values(
        ["f1", "present", "speciesId"], ascending=[True, False, True], kind="stable"
    )
    return best, worst.head(count)


class Calibrated:
    """Probabilities of presence, from a calibration that has not seen the group of the survey."""

    def __init__(self, statistics: Mapping[int, decode.Statistics], group: np.ndarray, species: int) -> None:
        """Learn from the surveys of all groups but one, for each of them.

        statistics : of `glc.prediction.calibration`, of each group; group : (n,) of each survey; species : how many
        """
        self.group, self.species = group, species
        self._statistics = statistics
        self._decoders = decode.of_others(lambda: decode.ExpectedF1(decode.ExpectedF1.Options()), statistics)

    def probabilities(self, table: Table | Held, rows: np.ndarray) -> sparse.csr_matrix:
        """Probabilities (k, m) of the scores of some surveys.

        table : the scores of the surveys `rows` (k,) of the table that was learned from
        """
        group = self.group[rows]

        def work(block: Block) -> sparse.csr_matrix:
            ranked = block.ranked
            return sparse.csr_matrix(
                (self._chances(block, group), ranked.columns, ranked.indptr), shape=(len(ranked.lengths), self.species)
            )

        return sparse.vstack(list(table.each(work)), format="csr")

    def _chances(self, block: Block, group: np.ndarray) -> np.ndarray:
        """Probabilities of the ranked scores of a block, whose surveys are in groups of `group`."""
        ranked, own = block.ranked, np.repeat(group[block.rows], block.ranked.lengths)
        chances = np.zeros(len(own))
        for number in np.unique(own).tolist():
            chances[own == number] = self._decoders[number].probabilities(ranked.values[own == number])
        return chances

    def reliability(self) -> pd.DataFrame:
        """Mean probability and share present in bins of probability, over all pairs of survey and species with a score.

        returns : frame as of `SpeciesResults`
        """
        parts = []
        for number, statistics in self._statistics.items():
            scores, pairs, hits = calibration.bins(statistics)
            chances = self._decoders[number].probabilities(scores)
            place = np.clip(np.searchsorted(PROBABILITIES, chances, side="right") - 1, 0, len(PROBABILITIES) - 2)
            parts.append(pd.DataFrame({"place": place, "pairs": pairs, "sum": chances * pairs, "hits": hits}))
        total = pd.concat(parts).groupby("place").sum()
        return pd.DataFrame(
            {
                "low": [PROBABILITIES[at] for at in total.index],
                "high": [PROBABILITIES[at + 1] for at in total.index],
                "pairs": total["pairs"].to_numpy(),
                "probability": (total["sum"] / total["pairs"]).to_numpy(),
                "rate": (total["hits"] / total["pairs"]).to_numpy(),
            }
        )

    def by_class(self, table: Table | Held, actual: sparse.csr_matrix, surveys: np.ndarray) -> pd.DataFrame:
        """Mean score, mean probability and share present by frequency class, of pairs that are `LIKELY`.

        table : the scores that were learned from; actual : (n, m) boolean
        surveys : (m,) training surveys with each species
        returns : frame as of `SpeciesResults`
        """
        of_class, count = class_of(surveys), len(CLASSES)

        def work(block: Block) -> np.ndarray:
            chances, columns = self._chances(block, self.group), block.ranked.columns
            likely = chances >= LIKELY
            number = of_class[columns[likely]]
            values = (None, block.ranked.values[likely], chances[likely], block.ranked.labels()[0][likely])
            return np.stack([np.bincount(number, each, count) for each in values])

        pairs, *sums = np.sum(list(table.each(work, actual=actual)), axis=0)
        means = (each / np.maximum(pairs, 1) for each in sums)
        frame = pd.DataFrame(dict(zip(("score", "probability", "rate"), means, strict=True)))
        frame.insert(0, "pairs", pairs.astype(int))
        frame.insert(0, "surveys", class_titles())
        return frame[frame["pairs"] > 0].reset_index(drop=True)


def example_rows(surveys: np.ndarray, predicted: sparse.csr_matrix, actual: sparse.csr_matrix) -> dict[str, int]:
    """A survey near each of `QUANTILES` of F1, with as many species as a survey has on average: title -> row.

    surveys : (n,) ids; predicted, actual : (n, m) boolean
    """
    sizes, f1 = np.asarray(actual.sum(axis=1, dtype=np.int64)).ravel(), metrics.survey_f1(predicted, actual)
    unusual = np.abs(np.log((sizes + 1) / (sizes.mean() + 1)))
    chosen: dict[str, int] = {}
    for title, quantile in QUANTILES.items():
        left = np.flatnonzero(~np.isin(np.arange(len(sizes)), list(chosen.values())) & (sizes > 0))
        if not len(left):
            break
        away = np.abs(f1[left] - np.quantile(f1[sizes > 0], quantile))
        near = left[away <= max(np.sort(away)[min(19, len(left) - 1)], 1e-12)]
        chosen[title] = int(near[np.lexsort((surveys[near], unusual[near]))[0]])
    return chosen


def examples(
    rows: dict[str, int],
    surveys: np.ndarray,
    species: np.ndarray,
    predicted: sparse.csr_matrix,
    actual: sparse.csr_matrix,
    chances: sparse.csr_matrix | None,
) -> Sequence[Example]:
    """The surveys of `example_rows`.

    surveys : (n,) ids; species : (m,) ids; predicted, actual : (n, m) boolean
    chances : (k, m) probabilities of the k `rows`, ascending
    """
    f1 = metrics.survey_f1(predicted, actual)
    place = {row: number for number, row in enumerate(sorted(rows.values()))}
    return [
        Example(
            title,
            int(surveys[row]),
            float(f1[row]),
            _species_of(species, predicted[row], actual[row], None if chances is None else chances[place[row]]),
        )
        for title, row in rows.items()
    ]


def _species_of(
    species: np.ndarray,
    predicted: sparse.csr_matrix,
    actual: sparse.csr_matrix,
    chances: sparse.csr_matrix | None,
) -> pd.DataFrame:
    """Those of `Example.species`; predicted, actual, chances : (1, m)."""
    in_set, present = (np.asarray(matrix.todense(), bool).ravel() for matrix in (predicted, actual))
    shown = np.flatnonzero(in_set | present)
    chance = np.full(len(shown), np.nan)
    if chances is not None:
        chance = np.asarray(chances.todense()).ravel()[shown]
        chance[chance == 0] = np.nan
    frame = pd.DataFrame(
        {
            "speciesId": species[shown],
            "probability": chance,
            "predicted": in_set[shown],
            "present": present[shown],
        }
    )
    order = np.lexsort((frame["speciesId"], -frame["probability"].fillna(-1), ~frame["predicted"]))
    return frame.iloc[order].reset_index(drop=True)
