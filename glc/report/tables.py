"""Experiments as rows of a table: their metrics, the gain of a row over another, what each takes."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from glc import config, results, storage
from glc.evaluation import evaluate
from glc.evaluation.gains import effect
from glc.report.markdown import markdown
from glc.types import Facts

SEEDS = (
    "F1 ± standard deviation over the seeds; interval: of the mean over the seeds, by a bootstrap of spatial blocks. "
    "gain: mean ± standard deviation of the differences, seed by seed, to the row that it adds to, on the surveys that "
    "both evaluate; helps, harms: Student's 95 % interval of the mean leaves out 0.",
    "surveys: training surveys of a fold; evaluated: validation surveys; epochs and minutes: of training and scoring "
    "all folds, mean over the seeds, and counted again in rows that share their nets; seconds per epoch: of training "
    "with its validation, mean over all epochs.",
)


@dataclass(frozen=True)
class SeedRow:
    """A row that is trained from several seeds.

    label : of the row; over : label of the row that it adds to, or empty
    metrics : folders of `glc.evaluation.evaluate`, one per seed
    columns : takes the row's figures, and gives further columns, after the gains
    """

    label: str
    over: str
    metrics: Sequence[Path]
    columns: Callable[[Facts], Facts] = lambda figures: {}


def caveats(rows: Mapping[str, Path]) -> list[str]:
    """Sentences on rows whose validation scores are optimistic, for new places or at all.

    rows : label -> folder of `glc.evaluation.evaluate`
    """
    marked: dict[str, list[str]] = {}
    for label, folder in rows.items():
        metrics = results.read_metrics(folder)
        marked.setdefault(config.caveat(metrics["scheme"], metrics["stop"]), []).append(label)
    return [f"Validation{_of(labels, list(rows))} by a {text}." for text, labels in marked.items() if text]


def _of(labels: Sequence[str], rows: Sequence[str]) -> str:
    """Which of the rows: nothing where it is all of them; whichever is shorter, their labels or those of the others."""
    others = [label for label in rows if label not in labels]
    if not others:
        return ""
    named, start = (labels, " of ") if len(labels) <= len(others) else (others, " of all rows except ")
    return start + ", ".join(f"“{label}”" for label in named)


def write(
    out: Path, title: str, frame: pd.DataFrame, remarks: Sequence[str] = (), shown: pd.DataFrame | None = None
) -> None:
    """Write ``table.csv`` of a frame, and ``table.md`` of it, or of the frame `shown` in its place.

    Columns without any value are left out.
    """
    frame = _without_empty(frame)
    shown = frame if shown is None else _without_empty(shown)
    storage.write_csv(frame, out / "table.csv")
    (out / "table.md").write_text(markdown(title, shown, remarks), encoding="utf-8")


def seed_table(rows: Sequence[SeedRow]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All figures of `rows`, and the same as a reader wants them: means with their spread, gains with a verdict."""
    f1 = {row.label: [results.survey_f1(folder) for folder in row.metrics] for row in rows}
    lines, shown = [], []
    for row in rows:
        line = {"model": row.label, "adds to": row.over}
        text, known = dict(line), intervals(row.metrics)
        for split, name in (("valid", "validation"), ("test", "test")):
            gain = effect(f1[row.label], f1.get(row.over), split)
            line |= {f"{name} {key}": value for key, value in gain.items()}
            text[f"{name} F1"] = _with_spread(gain["F1"], gain["spread"])
            verdict = f" ({gain['verdict']})" if gain["verdict"] else ""
            text[f"{name} gain"] = _with_spread(gain["gain"], gain["gain spread"], "+") + verdict
            if split in known:
                numbers, words = interval(f"{name} F1", known[split]["f1"])
                line, text = line | numbers, text | words
        line["optimistic F1"] = text["optimistic F1"] = _optimistic(row.metrics)
        columns = row.columns(line)
        lines.append(line | columns)
        shown.append(text | columns)
    return _without_empty(pd.DataFrame(lines)), _without_empty(pd.DataFrame(shown))


def costs(folders: Sequence[Path]) -> Facts:
    """Seconds and peak memory of the tasks with these outputs, each counted once."""
    total = results.costs(storage.manifest(folder) for folder in dict.fromkeys(folders))
    return {"seconds": total.seconds, "peak memory MB": total.peak_memory_mb}


def net_costs(fits: Sequence[Sequence[Path]], scores: Sequence[Path], evaluated: int) -> Facts:
    """Surveys, epochs, parameters, minutes, seconds per epoch and losses of the nets of one row.

    fits : outputs of the trainings, of each seed those of all folds
    scores : outputs of their predictions
    evaluated : validation surveys
    """
    from glc.nets import checkpoints
    from glc.training.history import HISTORY

    trained = [storage.manifest(folder) for folders in fits for folder in folders]
    scored = [storage.manifest(folder) for folder in scores]
    epochs = [pd.read_csv(folder / HISTORY)["seconds"] for folders in fits for folder in folders]
    net = checkpoints.load(fits[0][0] / checkpoints.CHECKPOINT)[0]
    return {
        "training loss": sum(facts["train_loss"] for facts in trained) / len(trained),
        "validation loss": sum(facts["valid_loss"] for facts in trained) / len(trained),
        "surveys": round(sum(facts["rows"] for facts in trained) / len(trained)),
        "evaluated": evaluated,
        "epochs": sum(facts["epochs"] for facts in trained) / len(fits),
        "parameters": f"{sum(weight.numel() for weight in net.parameters()):,}",
        "minutes": sum(facts["seconds"] for facts in trained + scored) / len(fits) / 60,
        "seconds per epoch": float(pd.concat(epochs).mean()),
    }


def _without_empty(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns that have a value in any row."""
    return frame.loc[:, [(frame[name].notna() & (frame[name] != "")).any() for name in frame]]


def intervals(folders: Sequence[Path]) -> dict[str, dict[str, tuple[float, float]]]:
    """95 % intervals of the measures that each survey has: split -> measure (f1, top_30, ...) -> (low, high).

    folders : of `glc.evaluation.evaluate`, one per seed; the mean of each survey is taken. Whole spatial blocks are
        drawn again; on a test, whose surveys were not dealt to blocks, squares of 0.3 degrees.
    """
    surveys = pd.concat(results.read_surveys(folder) for folder in folders)
    known = [name for name in ("f1", "top_30", "adaptive_top_30") if name in surveys]
    result: dict[str, dict[str, tuple[float, float]]] = {}
    for split, rows in surveys.groupby("split"):
        merged = dict.fromkeys(known, "mean") | dict.fromkeys(("block", "lon", "lat"), "first")
        part = rows.groupby("surveyId").agg(merged)
        block = part["block"].to_numpy()
        if len(np.unique(block)) == 1:
            block = pd.factorize(pd.MultiIndex.from_arrays([part["lon"] // 0.3, part["lat"] // 0.3]))[0]
        values = {name: part[name].to_numpy(np.float64) for name in known}
        bounds = {name: evaluate.bootstrap(each, block) for name, each in values.items() if not np.isnan(each).any()}
        if bounds:
            result[str(split)] = bounds
    return result


def interval(column: str, bounds: tuple[float, float]) -> tuple[Facts, Facts]:
    """The cells of a column's interval: as two numbers, and as text."""
    low, high = bounds
    return {f"{column} low": low, f"{column} high": high}, {f"{column} 95 %": f"[{low:.4f}, {high:.4f}]"}


def _optimistic(folders: Sequence[Path]) -> float:
    """Mean F1 of nets on validation surveys whose labels they saw (see `config.CrossFusion`)."""
    splits = [results.read_metrics(folder).get("optimistic") for folder in folders]
    return sum(split["sample_f1"] for split in splits) / len(splits) if all(splits) else math.nan


def _with_spread(mean: float, spread: float, sign: str = "") -> str:
    if mean != mean:
        return ""
    return f"{mean:{sign}.4f}" + ("" if spread != spread else f" ± {spread:.4f}")
