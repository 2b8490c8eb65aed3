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

SECTION = "tables.md"
"""File of a benchmark's `section`, in the folder of its predictions."""
PAIRED = (
    "Paired differences of all held-out places together, with 95 % intervals: the same blocks are drawn for both rows."
)


def section(name: str, problem: Problem, scores: pd.DataFrame, differences: pd.DataFrame) -> str:
    """Markdown of a benchmark's tables: one per scheme of folds, and differences on the folds that choose.

    name : of the benchmark
    scores, differences : of `glc.location.downstream.blending.Blend`
    """
    parts = []
    for column in reversed(problem.folds):
        rows = tables.table(scores, problem, column)
        # fold_random, or folds that keep surroundings out
        caveats = [f"A {config.caveat('random')}."] if column == "fold_random" else []
        parts.append(markdown(f"{name}, {column}", rows, [*tables.remarks(scores, problem, column), *caveats]))
    for other in differences["compared with"].unique():
        rows = tables.differences(differences, problem, CHOOSING, other)
        parts.append(markdown(f"{name}, {CHOOSING}, compared with {other}", rows, [PAIRED]))
    return "\n".join(parts)


def page(
    title: str, benchmarks: dict[str, Path], errors: Path, remarks: Sequence[str], embeddings: bool
) -> tuple[str, pd.DataFrame]:
    """Markdown of the page, and a frame of all scores.

    benchmarks : name -> folder of its predictions
    errors : file of `glc.report.location_errors`
    remarks : sentences below the table of choices
    embeddings : whether any map of an embedding was drawn
    """
    parts, scores, chosen = [f"# {title}", ""], [], {}
    for name, folder in benchmarks.items():
        scores.append(read_scores(folder).assign(benchmark=name))
        chosen[name] = json.loads((folder / "chosen.json").read_text(encoding="utf-8"))
        parts.append((folder / SECTION).read_text(encoding="utf-8"))
    parts.append(markdown("What predicts the places without labels", tables.chosen(chosen), remarks))
    largest = json.loads(errors.read_text(encoding="utf-8"))
    parts.append(markdown(f"Errors of the blend, {CHOOSING}", pd.DataFrame(largest["values"])))
    parts.append(markdown(f"Wrong countries of the blend, {CHOOSING}", pd.DataFrame(largest["country"])))
    parts += [] if embeddings else ["No encoder with a checkpoint for all targets: no map of an embedding.", ""]
    return "\n".join(parts), pd.concat(scores, ignore_index=True)
