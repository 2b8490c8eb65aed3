"""Folds: surveys dealt to validation folds at random or by squares, and a stand-in for a missing test.

A deal follows from the set of surveys and the seed alone, never from the order of the rows.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from glc import geo, schema, storage
from glc.config import Validation
from glc.errors import ConfigError, DataError
from glc.etl import knndm, repeats
from glc.etl.squares import Squares, deal
from glc.types import Facts

log = logging.getLogger(__name__)

HELD_OUT = -1
_HELD_OUT_SHARE = 10
_UNEVEN = 3
"""Times the mean size of the folds, or its inverse, from which a fold is said to be large or small."""
_HELD_OUT_SEED = 2024  # not the validation's seed: another deal of the folds is still tested on the same surveys


def assign(
    surveys: pa.Table, validation: Validation, hold_out: bool = False, tests: pa.Table | None = None
) -> tuple[pa.Table, Facts]:
    """Deal surveys to folds 0 to ``validation.count`` - 1.

    surveys : table (or pandas frame) of one dataset with surveyId, easting, northing (metres) and crs; for ``knndm``
        also lon and lat
    validation : `config.Validation`; ``block`` deals whole squares of ``size_m`` so that the folds are even in
        surveys (ours); ``knndm`` squares of the size that makes the distances between folds those of the test
        (`glc.etl.knndm`); ``random`` and ``quadrats`` deal each survey by itself (the 90-10 split of Miyaguchi et al.
        2024, the ten parts of Liu et al. 2024; Deneu et al. 2020, section 3.2, who train on 90 %, stop by 5 % and look
        at 5 %: 20 folds)
    hold_out : give whole blocks to fold -1, which stands in for the test of a dataset that has none: blocks with about
        a tenth of the surveys; under ``quadrats`` a share ``held_out`` of the blocks themselves, drawn at random
        however many surveys they hold (Deneu et al. 2020, section 2.1: 2.5 % of the squares of 5 km)
    tests : lon and lat of the surveys to predict, or of the places of a map with ``match = "area"``, for ``knndm``;
        with `hold_out` and ``match = "test"`` not read, as the surveys held out are those to predict
    returns : table of schema ``folds`` sorted by surveyId, whose ``block`` is `glc.geo.block_ids` of the survey's
        place, and facts about the deal
    Raises DataError on repeated ids, ConfigError when there are too few blocks or surveys for the folds.
    """
    ids, easting, northing, crs = (np.asarray(surveys[name]) for name in ("surveyId", "easting", "northing", "crs"))
    order = np.argsort(ids, kind="stable")
    ids, easting, northing, crs = ids[order], easting[order], northing[order], crs[order]
    if (ids[1:] == ids[:-1]).any():
        repeated = ids[1:][ids[1:] == ids[:-1]][0]
        raise DataError(
            f"surveyId {repeated} appears twice in the surveys, expected one row per survey; pass one dataset"
        )
    block = geo.block_ids(easting, northing, validation.size_m, crs)

    facts: Facts = {}
    fold = np.full(len(ids), HELD_OUT, np.int32)
    rest = ~_held_out(block, validation) if hold_out else np.ones(len(ids), bool)
    rng = np.random.default_rng(validation.seed)
    if validation.scheme == "knndm":
        lon, lat = (np.asarray(surveys[name])[order] for name in ("lon", "lat"))
        if hold_out and validation.match == "test":
            targets = (lon[~rest], lat[~rest])
        else:
            targets = tuple(np.asarray(tests[name]) if tests is not None else np.empty(0) for name in ("lon", "lat"))
        squares = Squares(easting[rest], northing[rest], crs[rest])
        matched = knndm.assign(lon[rest], lat[rest], squares, *targets, validation.count, validation.seed)
        fold[rest], facts = matched.fold, matched.facts
    elif validation.scheme == "block":
        fold[rest] = deal(block[rest], validation.count, rng)
    else:
        fold[rest] = rng.permutation(rest.sum()) % validation.count
    _refuse_empty(fold, block[rest], validation)
    return pa.table({"surveyId": ids, "fold": fold, "block": block}, schema=schema.TABLES["folds"]), facts


def write(
    surveys: Path,
    out: Path,
    validation: Validation,
    dataset: str = "pa_train",
    hold_out: bool = False,
    tests: Sequence[str] = (),
    area: tuple[np.ndarray, np.ndarray] | None = None,
) -> Facts:
    """Write the folds of one dataset of the surveys table in the folder `surveys` under `out`; return the facts.

    tests : datasets of the surveys to predict, whose distances ``knndm`` matches
    area : lon and lat of places of a map, whose distances it matches instead
    returns : dict of ``surveys`` of each fold, ``blocks`` in all, ``held_out``, the surveys of fold -1, ``knndm``, how
        well distances match, ``repeats``, what is left out because it repeats a survey (`glc.etl.repeats`), and
        ``notes``, sentences for the screen and the report; the last three only where there is something to say
    """
    places = ["lon", "lat"] if validation.scheme == "knndm" else []
    columns = ["surveyId", "easting", "northing", "crs", *places]
    table = storage.read_table(surveys, "surveys", columns=columns, filters=[("dataset", "=", dataset)])
    asked = None
    if area is not None:
        asked = pa.table(dict(zip(("lon", "lat"), area, strict=True)))
    elif places and tests:
        asked = storage.read_table(surveys, "surveys", columns=places, filters=[("dataset", "in", list(tests))])
    left_out, repeated = repeats.write(surveys, out / "repeats", dataset, tests)
    if len(left_out):
        table = table.filter(pc.invert(pc.is_in(table["surveyId"], pa.array(left_out))))
    table, matched = assign(table, validation, hold_out, asked)
    storage.write_table(table, "folds", out)
    folds, counts = np.unique(table["fold"], return_counts=True)
    facts = {
        "surveys": {int(fold): int(count) for fold, count in zip(folds, counts, strict=True)},
        "blocks": len(np.unique(table["block"])),
        "held_out": int((folds == HELD_OUT) @ counts),
        **matched,
        **({"repeats": repeated} if repeated else {}),
    }
    notes = [*repeats.sentences(repeated), *_uneven(facts["surveys"])]
    if notes:
        facts["notes"] = notes
    for note in notes:
        log.warning("%s", note)
    if hold_out:
        log.warning(
            "the dataset has no test: %d of %d %s surveys, in whole blocks of %g m, are held out instead",
            facts["held_out"], table.num_rows, dataset, validation.size_m,
        )  # fmt: skip
    if matched:
        log.info("knndm: %s", matched["knndm"])
    return facts


def _uneven(surveys: dict[int, int]) -> list[str]:
    """A sentence about validation folds of very unequal size; none where they are even.

    surveys : fold -> its surveys
    """
    sizes = {fold: count for fold, count in surveys.items() if fold != HELD_OUT}
    mean = sum(sizes.values()) / len(sizes)
    odd = [f"fold {fold} has {n:,}" for fold, n in sizes.items() if n > _UNEVEN * mean or n * _UNEVEN < mean]
    if not odd:
        return []
    return [
        f"folds are of very unequal size, {mean:,.0f} surveys on average: {', '.join(odd)}; small folds make scores "
        "uncertain and large ones leave little to learn from; smaller blocks (validation.size_m) or fewer folds "
        "(validation.count) are more even"
    ]


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
    share = deal(block, min(_HELD_OUT_SHARE, len(blocks)), rng)
    return share == rng.integers(share.max() + 1)


def _refuse_empty(fold, blocks, validation):
    filled = len(np.unique(fold[fold != HELD_OUT]))
    if filled < validation.count:
        grouping = f"{len(np.unique(blocks))} blocks of {validation.size_m:g} m" if validation.scheme == "block" else ""
        raise ConfigError(
            f"validation.count: found {validation.count} folds for {grouping or f'{len(blocks)} surveys'}, expected no "
            "empty fold; lower validation.count" + (" or validation.size_m" if grouping else "")
        )
