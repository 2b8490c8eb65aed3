"""The page of the downstream tasks: one table per benchmark and scheme of folds, choices and errors."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from glc import config
from glc.location.downstream import tables
from glc.location.downstream.problems import CHOOSING, Problem
from glc.location.downstream.validation import read_scores
from glc.report.markdown import markdown

PAIRED = (
    "Paired differences of all held-out places together, with 95 % intervals: the same blocks are drawn for both rows."
)


def page(
    title: str,
    benchmarks: dict[str, tuple[Problem, Path]],
    errors: Path,
    remarks: Sequence[str],
    embeddings: bool,
) -> tuple[str, pd.DataFrame]:
    """Markdown of the page, and a frame of all scores.

    benchmarks : name -> (its problem, folder of its predictions)
    errors : file of `glc.report.location_errors`
    remarks : sentences below the table of choices
    embeddings : whether any map of an embedding was drawn
    """
    parts, scores, chosen = [f"# {title}", ""], [], {}
    for name, (problem, folder) in benchmarks.items():
        own = read_scores(folder)
        scores.append(own.assign(benchmark=name))
        chosen[name] = json.loads((folder / "chosen.json").read_text(encoding="utf-8"))
        for column in reversed(problem.folds):
            rows = tables.table(own, problem, column)
            # fold_random, or fold_block of some size
            caveats = [f"A {config.caveat('random')}."] if column == "fold_random" else []
            parts.append(markdown(f"{name}, {column}", rows, [*tables.remarks(own, problem, column), *caveats]))
        gains = pd.read_csv(folder / "differences.csv", keep_default_na=False, na_values={"low": [""], "high": [""]})
        for other in gains["compared with"].unique():
            rows = tables.differences(gains, problem, CHOOSING, other)
            parts.append(markdown(f"{name}, {CHOOSING}, compared with {other}", rows, [PAIRED]))
    parts.append(markdown("What predicts the places without labels", tables.chosen(chosen), remarks))
    largest = json.loads(errors.read_text(encoding="utf-8"))
    parts.append(markdown(f"Errors of the blend, {CHOOSING}", pd.DataFrame(largest["values"])))
    parts.append(markdown(f"Wrong countries of the blend, {CHOOSING}", pd.DataFrame(largest["country"])))
    parts += [] if embeddings else ["No encoder with a checkpoint for all targets: no map of an embedding.", ""]
    return "\n".join(parts), pd.concat(scores, ignore_index=True)
