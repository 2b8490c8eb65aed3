"""The table of an ensemble's members: what each scores alone, and what the whole loses without it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from glc import results
from glc.evaluation import evaluate
from glc.report import tables

WHOLE = "all members"
REMARKS = (
    "brings: validation F1 of the whole less that of the ensemble without this member, survey by survey, with the 95 % "
    "interval of a bootstrap over blocks. Members that know the same bring little each; leave out one at a time.",
    "seconds, peak memory MB: of fitting and scoring the member, all folds and the test.",
)


@dataclass(frozen=True)
class Row:
    """A member of an ensemble.

    alone, without : outputs of `Evaluate` of the member, and of the ensemble without it
    steps : outputs of the tasks that fit and score it
    """

    name: str
    alone: Path
    without: Path
    steps: Sequence[Path]


def table(whole: Path, rows: Sequence[Row]) -> pd.DataFrame:
    """A row per member, those that bring most first, below that of the whole.

    whole : output of `Evaluate` of the ensemble
    returns : frame of member, alone (F1), without (F1 of the others together), brings, low, high, seconds and memory
    """
    surveys = results.read_surveys(whole)
    lines = []
    for row in rows:
        gain = evaluate.compare(surveys, results.read_surveys(row.without), "valid")
        facts = {"member": row.name, "alone": results.read_metrics(row.alone)["valid"]["sample_f1"]}
        if gain is not None:
            facts |= {"without": gain["other"], "brings": gain["difference"], "low": gain["low"], "high": gain["high"]}
        lines.append(facts | tables.costs(row.steps))
    frame = pd.DataFrame(lines).sort_values("brings", ascending=False, ignore_index=True)
    first = pd.DataFrame([{"member": WHOLE, "alone": results.read_metrics(whole)["valid"]["sample_f1"]}])
    return pd.concat([first, frame], ignore_index=True)
