"""Scores to predictions: honest species sets for validation, final ones for the test."""

import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy import sparse

from glc import config, labels, storage
from glc.errors import DataError
from glc.prediction import calibration, decode
from glc.prediction.blocks import Block, Held, Table
from glc.prediction.correction import Correction, correct
from glc.prediction.ranking import Ranked
from glc.surveys import TEST, SurveyData
from glc.types import Facts

log = logging.getLogger(__name__)

OPTIMISTIC = "optimistic"
DECODER = "decoder.npz"
"""What the decoder of the test learned."""
CALIBRATION = "calibration.npz"
"""What a calibration learns from, of each of the `groups` of validation surveys."""
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
    tables = {name: Table(scores_folder / name) for name in ("valid", "test")}
    if (scores_folder / OPTIMISTIC).is_dir():
        tables[OPTIMISTIC] = Table(scores_folder / OPTIMISTIC)
    valid, test = tables["valid"], tables["test"]
    rows = data.rows_of(valid.surveys, data.train_name)
    actual = labels.widen(data.labels_of(rows), data.species, valid.species)
    groups = groups_of(valid.fold, data.places["block"].to_numpy()[rows])

    def make() -> decode.Decoder:
        return decode.make(choice)

    learned = statistics(valid, actual, groups, make())
    decoder = make().learn(decode.together(learned.values()))
    by_group = decode.of_others(make, learned)
    without = int((actual.getnnz(axis=1) == 0).sum())
    if without and not decoder.may_be_empty:
        log.warning(
            "%d of %d validation surveys have no species, and every set has at least one; decode.empty = true of the "
            "decoder expected_f1 allows empty sets where they raise the F1 on validation",
            without, len(rows),
        )  # fmt: skip
    if decoder.may_be_empty:
        allow_empty(valid, actual, groups, {**by_group, TEST: decoder})
    sets = {"valid": decide(valid, by_group, groups), "test": decide(test, {TEST: decoder}, test.fold)}
    facts: Facts = {"decoder": choice.name, "fitted": decoder.facts}
    empty = int((sets["test"].getnnz(axis=1) == 0).sum())
    if empty:
        log.warning("%d of %d sets of the test are empty", empty, len(test))
    if OPTIMISTIC in tables:
        sets[OPTIMISTIC] = decide(tables[OPTIMISTIC], by_group, groups)
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
        _write(tables[name], sets[name], out / name)
    decode.save(decoder, out / DECODER)
    calibration.save(learned, out / CALIBRATION)
    return facts


def statistics(
    table: Table | Held, actual: sparse.csr_matrix, groups: np.ndarray, decoder: decode.Decoder
) -> dict[int, decode.Statistics]:
    """What `decoder` learns from, and a calibration, of each group of the surveys of a table of scores.

    actual : (n, m) boolean CSR over the table's species; groups : (n,)
    """

    def of_rows(ranked: Ranked) -> decode.Statistics:
        known = decoder.statistics(ranked)
        if known.keys() >= calibration.KEYS:
            return known
        hits, richness = ranked.labels()
        return known | calibration.statistics(ranked.values, hits, ranked.indptr, richness)

    def of_block(block: Block) -> dict[int, decode.Statistics]:
        own = groups[block.rows]
        parts = np.unique(own)
        if len(parts) == 1:
            return {int(parts[0]): of_rows(block.ranked)}
        return {int(part): of_rows(block.ranked.rows(np.flatnonzero(own == part))) for part in parts}

    total: dict[int, decode.Statistics] = {}
    for of_groups in table.each(of_block, actual=actual):
        for group, own in of_groups.items():
            total[group] = decode.together([total[group], own]) if group in total else own
    return total


def allow_empty(
    table: Table, actual: sparse.csr_matrix, groups: np.ndarray, decoders: dict[int, decode.Decoder]
) -> None:
    """Tell fitted decoders which sets should be empty, each by the validation surveys that are not of its group.

    table : scores of validation surveys; actual : (n, m) boolean CSR over its species; groups : (n,)
    decoders : group -> fitted decoder
    """

    def of_block(block: Block) -> dict[int, decode.Statistics]:
        others = {group: np.flatnonzero(groups[block.rows] != group) for group in decoders}
        return {
            group: decode.gains_of_empty(decoders[group], block.ranked.rows(rows))
            for group, rows in others.items()
            if len(rows)
        }

    parts: dict[int, list[decode.Statistics]] = {group: [] for group in decoders}
    for of_groups in table.each(of_block, actual=actual):
        for group, own in of_groups.items():
            parts[group].append(own)
    for group, decoder in decoders.items():
        decoder.allow_empty(decode.together(parts[group]))


def decide(table: Table, decoders: dict[int, decode.Decoder], groups: np.ndarray) -> sparse.csr_matrix:
    """The sets of the surveys of a table of scores, each by the decoder of its group: boolean CSR, best first.

    decoders : group -> fitted decoder; groups : (n,)
    """

    def of_block(block: Block) -> sparse.csr_matrix:
        own, shape = groups[block.rows], (len(block.surveys), len(table.species))
        parts = np.unique(own)
        if len(parts) == 1:
            return decode.decide(decoders[int(parts[0])], block.ranked, shape)
        sizes = np.zeros(len(own), np.int64)
        for part in parts:
            at = np.flatnonzero(own == part)
            sizes[at] = decode.sizes(decoders[int(part)], block.ranked.rows(at))
        return block.ranked.take(sizes, shape)

    blocks = list(table.each(of_block))
    return sparse.vstack(blocks, format="csr") if blocks else sparse.csr_matrix((0, len(table.species)), dtype=bool)


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


def groups_of(fold: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Which validation surveys are decided alike, from what the others say, (n,): folds, or halves of one's blocks.

    fold, blocks : (n,) of each survey; a DataError is raised where all are in one fold and one block
    """
    return fold if len(np.unique(fold)) > 1 else halves(blocks)


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


def _write(scores: Table, sets: sparse.csr_matrix, folder: Path) -> None:
    table = pa.table(
        {
            "surveyId": scores.surveys.astype(np.int64),
            "fold": scores.fold.astype(np.int32),
            "species": labels.to_lists(sets, scores.species),
        }
    )
    storage.write_table(table, "predictions", folder)
