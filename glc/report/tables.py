"""Experiments as rows of a table: their metrics, the gain of a row over another, what each takes."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from glc import config, storage
from glc.evaluation.gains import effect
from glc.report.markdown import markdown
from glc.types import JSON, Facts

PAPER = "paper (not comparable)"
SEEDS = (
    "F1 ± standard deviation over the seeds. gain: mean ± standard deviation of the differences, seed by seed, to the "
    "row that it adds to, on the surveys that both evaluate; helps, harms: Student's 95 % interval of the mean leaves "
    "out 0.",
    "surveys: training surveys of a fold; evaluated: validation surveys; epochs and minutes: of training and scoring "
    "all folds, mean over the seeds, and counted again in rows that share their nets.",
)


@dataclass(frozen=True)
class SeedRow:
    """A row that is trained from several seeds.

    label : of the row; over : label of the row that it adds to, or empty
    metrics : folders of `glc.evaluation.evaluate`, one per seed
    columns : further columns, after the gains
    """

    label: str
    over: str
    metrics: Sequence[Path]
    columns: Mapping[str, JSON] = field(default_factory=dict)


def read_metrics(folder: Path) -> Facts:
    """What `glc.evaluation.evaluate` wrote to a folder: split -> measure -> value, and ``scheme``, ``stop``."""
    return json.loads((folder / "metrics.json").read_text())


def caveats(rows: Mapping[str, Path]) -> list[str]:
    """Sentences on rows whose validation scores are optimistic, for new places or at all.

    rows : label -> folder of `glc.evaluation.evaluate`
    """
    marked: dict[str, list[str]] = {}
    for label, folder in rows.items():
        metrics = read_metrics(folder)
        marked.setdefault(config.caveat(metrics["scheme"], metrics["stop"]), []).append(label)
    return [
        f"Validation{'' if len(labels) == len(rows) else ' of ' + ', '.join(labels)} by a {text}."
        for text, labels in marked.items()
        if text
    ]


def write(
    out: Path, title: str, frame: pd.DataFrame, remarks: Sequence[str] = (), shown: pd.DataFrame | None = None
) -> None:
    """Write ``table.csv`` of a frame, and ``table.md`` of it, or of the frame `shown` in its place."""
    frame.to_csv(out / "table.csv", index=False)
    (out / "table.md").write_text(markdown(title, frame if shown is None else shown, remarks), encoding="utf-8")


def seed_table(rows: Sequence[SeedRow]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All figures of `rows`, and the same as a reader wants them: means with their spread, gains with a verdict."""
    f1 = {row.label: [_survey_f1(folder) for folder in row.metrics] for row in rows}
    lines, shown = [], []
    for row in rows:
        line = {"model": row.label, "adds to": row.over}
        text = dict(line)
        for split, name in (("valid", "validation"), ("test", "test")):
            gain = effect(f1[row.label], f1.get(row.over), split)
            line |= {f"{name} {key}": value for key, value in gain.items()}
            text[f"{name} F1"] = _with_spread(gain["F1"], gain["spread"])
            verdict = f" ({gain['verdict']})" if gain["verdict"] else ""
            text[f"{name} gain"] = _with_spread(gain["gain"], gain["gain spread"], "+") + verdict
        columns = {"optimistic F1": _optimistic(row.metrics), **row.columns}
        lines.append(line | columns)
        shown.append(text | columns)
    readable = pd.DataFrame(shown).dropna(axis=1, how="all")
    return pd.DataFrame(lines).dropna(axis=1, how="all"), readable.loc[:, (readable != "").any()]


def costs(folders: Sequence[Path]) -> Facts:
    """Seconds and peak memory of the tasks with these outputs, each counted once."""
    manifests = [storage.manifest(folder) for folder in dict.fromkeys(folders)]
    return {
        "seconds": sum(facts["seconds"] for facts in manifests),
        "peak memory MB": max(facts["peak_memory_mb"] for facts in manifests),
    }


def net_costs(fits: Sequence[Sequence[Path]], scores: Sequence[Path], evaluated: int) -> Facts:
    """Surveys, epochs, parameters, minutes and losses of the nets of one row.

    fits : outputs of the trainings, of each seed those of all folds
    scores : outputs of their predictions
    evaluated : validation surveys
    """
    from glc.nets import checkpoints

    trained = [storage.manifest(folder) for folders in fits for folder in folders]
    scored = [storage.manifest(folder) for folder in scores]
    net = checkpoints.load(fits[0][0] / checkpoints.CHECKPOINT)[0]
    return {
        "training loss": sum(facts["train_loss"] for facts in trained) / len(trained),
        "validation loss": sum(facts["valid_loss"] for facts in trained) / len(trained),
        "surveys": round(sum(facts["rows"] for facts in trained) / len(trained)),
        "evaluated": evaluated,
        "epochs": sum(facts["epochs"] for facts in trained) / len(fits),
        "parameters": f"{sum(weight.numel() for weight in net.parameters()):,}",
        "minutes": sum(facts["seconds"] for facts in trained + scored) / len(fits) / 60,
    }


def _survey_f1(folder: Path) -> dict[str, pd.Series]:
    """F1 per survey of each split that could be evaluated: split -> Series by surveyId."""
    frame = pd.read_parquet(folder / "surveys.parquet", columns=["split", "surveyId", "f1"]).dropna(subset="f1")
    return {split: part.set_index("surveyId")["f1"] for split, part in frame.groupby("split")}


def _optimistic(folders: Sequence[Path]) -> float:
    """Mean F1 of nets on validation surveys whose labels they saw (see `config.CrossFusion`)."""
    splits = [read_metrics(folder).get("optimistic") for folder in folders]
    return sum(split["sample_f1"] for split in splits) / len(splits) if all(splits) else math.nan


def _with_spread(mean: float, spread: float, sign: str = "") -> str:
    if mean != mean:
        return ""
    return f"{mean:{sign}.4f}" + ("" if spread != spread else f" ± {spread:.4f}")
