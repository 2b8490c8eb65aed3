"""How well each species is predicted on validation, example surveys, and whether probabilities mean what they say.

Only validation surveys are read: each was scored by a model that has not seen its fold, and its probabilities come from
a calibration fitted to the other folds (or, of one fold, to the other half of its blocks).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from glc import labels
from glc import scores as score_tables
from glc.errors import DataError
from glc.prediction import decode, ranking, sets
from glc.surveys import SurveyData

CLASSES = ((0, 0), (1, 9), (10, 49), (50, 199), (200, 999), (1_000, None))
"""Frequency classes: training surveys with a species, from and to."""
LEAST = 10
"""A species is listed among the best and the worst if at least this many validation surveys have it."""
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
    """

    table: pd.DataFrame
    examples: tuple[Example, ...]
    reliability: pd.DataFrame

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
    valid = score_tables.read(scores_folder / "valid")
    rows = data.rows_of(valid.surveys, data.train_name)
    actual = labels.widen(data.labels_of(rows), data.species, valid.species)
    _, _, predicted = sets.read(predictions_folder / "valid", valid.species)
    train = np.asarray(data.labels_of(data.train()).sum(axis=0, dtype=np.int64)).ravel()
    counts = pd.Series(train, data.species).reindex(valid.species, fill_value=0).to_numpy()
    table = by_species(valid.species, predicted, actual, counts)
    known = None if names is None else names.set_index("speciesId")["name"].reindex(table["speciesId"]).to_numpy()
    table.insert(1, "name", known)
    try:
        chances = probabilities(valid.matrix, actual, groups(valid.fold, data.places["block"].to_numpy()[rows]))
    except DataError:  # too few blocks to learn from others
        chances = None
    empty = pd.DataFrame({name: [] for name in ("low", "high", "pairs", "probability", "rate")})
    return SpeciesResults(
        table,
        tuple(examples(valid.surveys, valid.species, predicted, actual, chances)),
        empty if chances is None else reliability(chances, actual),
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
    for low, high in CLASSES:
        inside = table[(table["surveys"] >= low) & (table["surveys"] <= (high if high is not None else np.inf))]
        if len(inside):
            title = "none" if high == 0 else f"{low:,} or more" if high is None else f"{low} to {high}"
            counts = inside[["present", "predicted", "correct"]].sum()
            rows.append({"surveys": title, "species": len(inside), **counts, "f1": inside["f1"].mean()})
    return pd.DataFrame(rows, columns=["surveys", "species", "present", "predicted", "correct", "f1"])


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


def groups(fold: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Which validation surveys are calibrated together, (n,): three groups of folds, or the halves of one's blocks."""
    return fold % 3 if len(np.unique(fold % 3)) > 1 else sets.halves(block)


def probabilities(matrix: sparse.csr_matrix, actual: sparse.csr_matrix, group: np.ndarray) -> sparse.csr_matrix:
    """Probabilities of presence, from a calibration that has not seen the group of the survey.

    matrix : (n, m) scores; actual : (n, m) boolean; group : (n,)
    returns : (n, m) CSR with the entries of `matrix`
    """
    matrix = matrix.tocsr()
    chances = matrix.astype(np.float64)
    ranked = ranking.rank(matrix, actual)
    row_of = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    for number in np.unique(group):
        others = np.flatnonzero(group != number)
        learned = decode.ExpectedF1(decode.ExpectedF1.Options()).fit(ranked.rows(others))
        entry = group[row_of] == number
        chances.data[entry] = learned.probabilities(matrix.data[entry])
    return chances


def reliability(chances: sparse.csr_matrix, actual: sparse.csr_matrix) -> pd.DataFrame:
    """Mean probability and share present in bins of probability, over all pairs of survey and species with a score."""
    chances = chances.tocoo()
    present = np.asarray(actual.tocsr()[chances.row, chances.col]).ravel().astype(bool)
    place = np.clip(np.searchsorted(PROBABILITIES, chances.data, side="right") - 1, 0, len(PROBABILITIES) - 2)
    frame = pd.DataFrame({"place": place, "probability": chances.data, "rate": present})
    grouped = frame.groupby("place").agg(
        pairs=("rate", "size"), probability=("probability", "mean"), rate=("rate", "mean")
    )
    grouped.insert(0, "low", [PROBABILITIES[at] for at in grouped.index])
    grouped.insert(1, "high", [PROBABILITIES[at + 1] for at in grouped.index])
    return grouped.reset_index(drop=True)


def examples(
    surveys: np.ndarray,
    species: np.ndarray,
    predicted: sparse.csr_matrix,
    actual: sparse.csr_matrix,
    chances: sparse.csr_matrix | None,
) -> Sequence[Example]:
    """A survey near each of `QUANTILES` of F1, with as many species as a survey has on average, if there are any.

    surveys : (n,) ids; species : (m,) ids; predicted, actual : (n, m) boolean; chances : (n, m) probabilities
    """
    sizes, guessed, correct = (
        np.asarray(matrix.sum(axis=1, dtype=np.int64)).ravel()
        for matrix in (actual, predicted, predicted.multiply(actual))
    )
    f1 = 2 * correct / np.maximum(sizes + guessed, 1)
    unusual = np.abs(np.log((sizes + 1) / (sizes.mean() + 1)))
    chosen: list[Example] = []
    for title, quantile in QUANTILES.items():
        taken = np.isin(surveys, [example.survey for example in chosen])
        left = np.flatnonzero(~taken & (sizes > 0))
        if not len(left):
            break
        away = np.abs(f1[left] - np.quantile(f1[sizes > 0], quantile))
        near = left[away <= max(np.sort(away)[min(19, len(left) - 1)], 1e-12)]
        row = near[np.lexsort((surveys[near], unusual[near]))[0]]
        chosen.append(
            Example(title, int(surveys[row]), float(f1[row]), _species_of(row, species, predicted, actual, chances))
        )
    return chosen


def _species_of(
    row: int,
    species: np.ndarray,
    predicted: sparse.csr_matrix,
    actual: sparse.csr_matrix,
    chances: sparse.csr_matrix | None,
) -> pd.DataFrame:
    in_set, present = (np.asarray(matrix[row].todense(), bool).ravel() for matrix in (predicted, actual))
    shown = np.flatnonzero(in_set | present)
    chance = np.full(len(shown), np.nan)
    if chances is not None:
        chance = np.asarray(chances[row].todense()).ravel()[shown]
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
