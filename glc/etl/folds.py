"""Folds: surveys dealt to validation folds at random or by whole spatial blocks, and a stand-in for a missing test.

A deal follows from the set of surveys and the seed alone, never from the order of the rows.
"""

import heapq
import logging
from pathlib import Path

import numpy as np
import pyarrow as pa

from glc import geo, schema, storage
from glc.config import Validation
from glc.errors import ConfigError, DataError
from glc.types import Facts

log = logging.getLogger(__name__)

HELD_OUT = -1
_HELD_OUT_SHARE = 10
_HELD_OUT_SEED = 2024  # not the validation's seed: another deal of the folds is still tested on the same surveys


def assign(surveys, validation, hold_out=False):
    """Deal surveys to folds 0 to ``validation.count`` - 1.

    surveys : pyarrow table or pandas frame of one dataset with surveyId, easting, northing (metres) and crs
    validation : `config.Validation`; ``block`` deals whole squares of ``size_m`` so that the folds are even in
        surveys (ours); ``random`` and ``quadrats`` deal each survey by itself (the 90-10 split of Miyaguchi et al.
        2024, the ten parts of Liu et al. 2024; Deneu et al. 2020, section 3.2, who train on 90 %, stop by 5 % and look
        at 5 %: 20 folds)
    hold_out : give whole blocks to fold -1, which stands in for the test of a dataset that has none: blocks with about
        a tenth of the surveys; under ``quadrats`` a share ``held_out`` of the blocks themselves, drawn at random
        however many surveys they hold (Deneu et al. 2020, section 2.1: 2.5 % of the squares of 5 km)
    returns : table of schema ``folds`` sorted by surveyId; ``block`` is `glc.geo.block_ids` of the survey's place
    Raises DataError on repeated ids, ConfigError when there are too few blocks or surveys for the folds.
    """
    ids, easting, northing, crs = (np.asarray(surveys[name]) for name in ("surveyId", "easting", "northing", "crs"))
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    if (ids[1:] == ids[:-1]).any():
        repeated = ids[1:][ids[1:] == ids[:-1]][0]
        raise DataError(
            f"surveyId {repeated} appears twice in the surveys, expected one row per survey; pass one dataset"
        )
    block = geo.block_ids(easting[order], northing[order], validation.size_m, crs[order])

    fold = np.full(len(ids), HELD_OUT, np.int32)
    rest = ~_held_out(block, validation) if hold_out else np.ones(len(ids), bool)
    rng = np.random.default_rng(validation.seed)
    if validation.scheme == "block":
        fold[rest] = _deal(block[rest], validation.count, rng)
    else:
        fold[rest] = rng.permutation(rest.sum()) % validation.count
    _refuse_empty(fold, block[rest], validation)
    return pa.table({"surveyId": ids, "fold": fold, "block": block}, schema=schema.TABLES["folds"])


def write(surveys: Path, out: Path, validation: Validation, dataset: str = "pa_train", hold_out: bool = False) -> Facts:
    """Write the folds of one dataset of the surveys table in the folder `surveys` under `out`; return the facts.

    returns : dict of ``surveys`` of each fold, ``blocks`` in all, and ``held_out``, the surveys of fold -1
    """
    columns = ["surveyId", "easting", "northing", "crs"]
    table = storage.read_table(surveys, "surveys", columns=columns, filters=[("dataset", "=", dataset)])
    table = assign(table, validation, hold_out)
    storage.write_table(table, "folds", out)
    folds, counts = np.unique(table["fold"], return_counts=True)
    facts = {
        "surveys": {int(fold): int(count) for fold, count in zip(folds, counts, strict=True)},
        "blocks": len(np.unique(table["block"])),
        "held_out": int((folds == HELD_OUT) @ counts),
    }
    if hold_out:
        log.warning(
            "the dataset has no test: %d of %d %s surveys, in whole blocks of %g m, are held out instead",
            facts["held_out"], table.num_rows, dataset, validation.size_m,
        )  # fmt: skip
    return facts


def _deal(block, count, rng):
    """Fold of each survey: blocks, largest first and in random order among equals, each to the emptiest fold."""
    _, inverse, sizes = np.unique(block, return_inverse=True, return_counts=True)
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    folds = [(0, fold) for fold in range(count)]
    of_block = np.empty(len(sizes), np.int32)
    for index in order:
        total, fold = heapq.heappop(folds)
        of_block[index] = fold
        heapq.heappush(folds, (total + int(sizes[index]), fold))
    return of_block[inverse]


def _held_out(block, validation):
    """Whether each survey's block is held out, (n,) bool."""
    if len(block) == 0:
        raise DataError("no surveys to hold out from; see the quarantine")
    rng = np.random.default_rng(_HELD_OUT_SEED)
    blocks, member = np.unique(block, return_inverse=True)
    if len(blocks) < 2:
        raise ConfigError(
            f"validation.size_m: all surveys are in one block of {validation.size_m:g} m, so none can be held out for "
            "the missing test; expected at least 2 blocks; make the blocks smaller"
        )
    if validation.scheme == "quadrats":
        wanted = min(max(round(validation.held_out * len(blocks)), 1), len(blocks) - 1)
        return (rng.permutation(len(blocks)) < wanted)[member]
    share = _deal(block, min(_HELD_OUT_SHARE, len(blocks)), rng)
    return share == rng.integers(share.max() + 1)


def _refuse_empty(fold, blocks, validation):
    filled = len(np.unique(fold[fold != HELD_OUT]))
    if filled < validation.count:
        grouping = f"{len(np.unique(blocks))} blocks of {validation.size_m:g} m" if validation.scheme == "block" else ""
        raise ConfigError(
            f"validation.count: found {validation.count} folds for {grouping or f'{len(blocks)} surveys'}, expected no "
            "empty fold; lower validation.count" + (" or validation.size_m" if grouping else "")
        )
