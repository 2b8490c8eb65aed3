"""Scores to predictions: honest species sets for validation, final ones for the test."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy import sparse

from glc import config, labels, storage
from glc import scores as score_tables
from glc.errors import DataError
from glc.prediction import decode, ranking
from glc.prediction.correction import Correction, correct
from glc.surveys import SurveyData
from glc.types import Facts

OPTIMISTIC = "optimistic"
DECODER = "decoder.npz"
"""What the decoder of the test learned."""
SINGLE_BLOCK = (
    "one validation block cannot be cross-fitted; set validation.run to 2 or more, or validation.size_m smaller"
)


def write(
    scores_folder: Path, data: SurveyData, out: Path, choice: config.Choice, correction: Correction | None = None
) -> Facts:
    """Write ``valid`` and ``test`` predictions under `out` and return the facts of what was fitted.

    choice : the decoder
    correction : its species join the sets, those of a validation survey without the labels of its fold

    The sets of a validation fold are decided by a decoder fitted on the other folds (on the other spatial blocks where
    one fold was run), so that their F1 is honest; those of the test by one fitted on all of validation. Where there
    are ``optimistic`` scores of the validation surveys, by nets that saw their labels, their sets are decided by the
    same decoders, which saw none of these.
    """
    valid = score_tables.read(scores_folder / "valid")
    test = score_tables.read(scores_folder / "test")
    rows = data.rows_of(valid.surveys, data.train_name)
    actual = labels.widen(data.labels_of(rows), data.species, valid.species)
    groups = valid.fold if len(np.unique(valid.fold)) > 1 else halves(data.places["block"].to_numpy()[rows])
    ranked = ranking.rank(valid.matrix, actual)
    sets = {"valid": decode.cross_fitted(lambda: decode.make(choice), ranked, actual.shape, groups)}
    decoder = decode.make(choice).fit(ranked)
    sets["test"] = decode.decide(decoder, ranking.rank(test.matrix), test.matrix.shape)
    facts: Facts = {"decoder": choice.name, "fitted": decoder.facts}
    scores = {"valid": valid, "test": test}
    if (scores_folder / OPTIMISTIC).is_dir():
        scores[OPTIMISTIC] = score_tables.read(scores_folder / OPTIMISTIC)
        seen = ranking.rank(scores[OPTIMISTIC].matrix)
        sets[OPTIMISTIC] = decode.cross_fitted(lambda: decode.make(choice), ranked, actual.shape, groups, seen)
    if correction is not None:
        corrected = {}
        for fold in np.unique(valid.fold):
            at = np.flatnonzero(valid.fold == fold)
            # the optimistic sets are of the same surveys in the same order
            honest = [name for name in sets if name != "test"]
            fold_facts = _correct(sets, honest, at, data, int(fold), rows[at], valid.species, correction)
            corrected[f"fold {fold}"] = fold_facts
        everything = np.arange(len(test.surveys))
        fold_facts = _correct(sets, ["test"], everything, data, None, data.test, test.species, correction)
        facts["corrected"] = corrected | {"test": fold_facts}
    for name in sets:
        _write(scores[name], sets[name], out / name)
    decode.save(decoder, out / DECODER)
    return facts


def read(folder: Path, species: np.ndarray) -> tuple[np.ndarray, np.ndarray, sparse.csr_matrix]:
    """Survey ids (n,), folds (n,) and sets (boolean CSR over `species`) of a predictions table."""
    table = storage.read_table(folder, "predictions")
    return table["surveyId"].to_numpy(), table["fold"].to_numpy(), labels.to_matrix(table["species"], species)


def _correct(
    sets: dict[str, sparse.csr_matrix],
    names: list[str],
    at: np.ndarray,
    data: SurveyData,
    fold: int | None,
    rows: np.ndarray,
    species: np.ndarray,
    correction: Correction,
) -> Facts:
    """Join the sets called `names` with what `correction` adds to the surveys in their rows `at`, `rows` of `data`."""
    added, facts = correction.species(data, fold, rows)
    added = labels.widen(added, data.species, species)
    for name in names:
        place = sparse.csr_matrix((np.ones(len(at), bool), (at, np.arange(len(at)))), (sets[name].shape[0], len(at)))
        sets[name] = correct(sets[name], (place @ added).tocsr())
    return facts


def halves(blocks: np.ndarray) -> np.ndarray:
    """Two groups of whole blocks with about as many surveys each, (n,) of 0 and 1.

    blocks : (n,) spatial block of each survey; a DataError is raised where all are in one
    """
    block, index, count = np.unique(blocks, return_inverse=True, return_counts=True)
    if len(block) < 2:
        raise DataError(SINGLE_BLOCK)
    order = np.argsort(-count, kind="stable")
    side = np.zeros(len(block), int)
    load = [0, 0]
    for b in order:
        side[b] = int(load[1] < load[0])
        load[side[b]] += count[b]
    return side[index]


def _write(scores: score_tables.Scores, sets: sparse.csr_matrix, folder: Path) -> None:
    table = pa.table(
        {
            "surveyId": scores.surveys.astype(np.int64),
            "fold": scores.fold.astype(np.int32),
            "species": labels.to_lists(sets, scores.species),
        }
    )
    storage.write_table(table, "predictions", folder)
