"""One run of W&B per experiment, from its finished outputs: scores, set sizes, learning curves, tables, files."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from glc import products, storage
from glc.dashboards.run import artifact_name
from glc.errors import DataError
from glc.results import Result
from glc.types import JSON, Facts

if TYPE_CHECKING:
    from wandb.sdk.wandb_run import Run

MEAN = "mean_of_folds"
"""What the learning curves of all folds together are called, next to ``fold_0`` and so on."""
EPOCH = "epoch"


def log(run: "Run", result: Result, baselines: Sequence[Facts], model: Path | None = None) -> None:
    """Log all that is known of a finished experiment.

    run : of `glc.dashboards.run.started`
    baselines : as `glc.results.read_baselines` returns them
    model : folder of the fitted model, or None
    """
    import wandb

    histories = result.histories
    for name in histories:
        run.define_metric(f"{name}/*", step_metric=EPOCH)
    if histories:
        run.define_metric(f"{MEAN}/*", step_metric=EPOCH)
    for row in curves(histories):
        run.log(row)
    shown = {f"tables/{name}": wandb.Table(dataframe=frame) for name, frame in tables(result, baselines).items()}
    for name, sizes in set_sizes(result).items():
        shown[name] = wandb.Histogram(np_histogram=np.histogram(sizes, bins=_bins(sizes)))
    run.log(shown)
    run.summary.update(measures(result))
    for kind, paths in files(result, model).items():
        artifact = wandb.Artifact(artifact_name(result.dataset, result.name, kind), type=kind)
        for path in paths:
            if path.is_dir():
                artifact.add_dir(str(path), policy="immutable")
            else:
                artifact.add_file(str(path), name=path.name, policy="immutable")
        run.log_artifact(artifact)


def measures(result: Result) -> dict[str, float]:
    """Every finite measure of each split, ``valid/sample_f1`` and its bounds ``…_low``, ``…_high``, and the costs."""
    values = {
        f"{split}/{name}": value
        for split, measured in result.metrics.items()
        if isinstance(measured, Mapping)
        for name, value in measured.items()
    }
    costs = result.costs(preparation=False)
    values |= {"cost/seconds": costs.seconds, "cost/cpu_seconds": costs.cpu_seconds}
    values["cost/peak_memory_mb"] = costs.peak_memory_mb
    return {name: value for name, value in values.items() if _is_finite(value)}


def curves(histories: Mapping[str, pd.DataFrame]) -> list[dict[str, float]]:
    """A row per epoch: the measures of each fold, ``fold_0/valid_loss``, and their means, ``mean_of_folds/valid_loss``.

    histories : as `Result.histories` has them
    """
    rows: dict[int, dict[str, float]] = {}
    for name, frame in histories.items():
        for record in frame.to_dict("records"):
            row = rows.setdefault(int(record.pop(EPOCH)), {})
            row |= {f"{name}/{key}": float(value) for key, value in record.items() if _is_finite(value)}
    for row in rows.values():
        by_measure: dict[str, list[float]] = {}
        for key, value in row.items():
            by_measure.setdefault(key.rpartition("/")[2], []).append(value)
        row |= {f"{MEAN}/{name}": sum(values) / len(values) for name, values in by_measure.items()}
    return [{EPOCH: epoch} | rows[epoch] for epoch in sorted(rows)]


def set_sizes(result: Result) -> dict[str, np.ndarray]:
    """``valid/set_size`` and so on -> species in the predicted set of each survey; empty where no sets are decided."""
    if result.relative:
        return {}
    parts = result.surveys.groupby("split")["predicted"]
    return {f"{split}/set_size": part.to_numpy() for split, part in parts}


def tables(result: Result, baselines: Sequence[Facts]) -> dict[str, pd.DataFrame]:
    """Name -> table: all measures, those of each fold, the frequency baselines, the species."""
    rows = [
        {"split": name.partition("/")[0], "measure": name.partition("/")[2], "value": value}
        for name, value in measures(result).items()
    ]
    by_fold = [
        {"split": split} | row
        for split, measured in result.metrics.items()
        if isinstance(measured, Mapping)
        for row in measured.get("by_fold", [])
    ]
    frames = {
        "measures": pd.DataFrame(rows),
        "folds": pd.DataFrame([_plain(row) for row in by_fold]),
        "baselines": pd.DataFrame([_plain(row) for row in baselines]),
        "species": result.species_areas,
    }
    return {name: frame for name, frame in frames.items() if len(frame)}


def files(result: Result, model: Path | None) -> dict[str, list[Path]]:
    """Kind of an artifact -> its files: report, submission, model; of those that were made from it."""
    kinds = {
        "report": [result.report] if result.report else [],
        "submission": result.submissions,
        "model": [model] if model and model.is_dir() else [],
    }
    own = {kind: [path for path in paths if _is_of(result, path)] for kind, paths in kinds.items()}
    return {kind: paths for kind, paths in own.items() if paths}


def _is_of(result: Result, path: Path) -> bool:
    """Whether a product was made from this evaluation: at its stable place may be one of earlier data."""
    try:
        _, folder, differs = products.product_of(path)
    except DataError:
        return False
    inputs = storage.manifest(folder)["inputs"]
    return not differs and result.identity in [entry["identity"] for entry in inputs]


def _bins(sizes: np.ndarray) -> np.ndarray:
    """Edges of at most 65 bins, each of the same number of whole sizes."""
    low, high = int(sizes.min()), int(sizes.max()) + 1
    width = math.ceil((high - low) / 64)
    return np.arange(low, high + width, width)


def _is_finite(value: JSON) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _plain(row: Facts) -> Facts:
    """The numbers and texts of a row: a cell of a table holds no list."""
    return {name: value for name, value in row.items() if not isinstance(value, (Mapping, list))}
