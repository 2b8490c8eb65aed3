"""``glc status``: what is finished under ROOT."""

import json
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote

from rich.text import Text

from glc import config, schema
from glc.cli import output
from glc.tasks.machine import output_folder


def finished(root: Path) -> dict[str, list[tuple[str, dict, Path]]]:
    """By dataset: (experiment, metrics by split, file of the metrics), best validation first."""
    by_dataset = {}
    for path in sorted((root / "metrics").glob("*/*.json")):
        metrics = json.loads(path.read_text())
        by_dataset.setdefault(path.parent.name, []).append((unquote(path.stem), metrics, path))
    for rows in by_dataset.values():
        rows.sort(key=lambda row: -(row[1].get("valid", {}).get(_measure(row[1])) or 0))
    return by_dataset


def _measure(metrics: dict) -> str:
    """Key of the measure that is shown: F1, or the AUC of presence-only records alone, which have no F1."""
    return "auc" if "relative" in metrics else "sample_f1"


def score(values: dict | None, measure: str = "sample_f1") -> str:
    """A measure with its 95 % interval."""
    if values is None or values[measure] is None:
        return ""
    text = f"{values[measure]:.4f}"
    if values.get(f"{measure}_low") is not None:
        text += f" [{values[f'{measure}_low']:.4f}, {values[f'{measure}_high']:.4f}]"
    return text


def show(root: str = "") -> None:
    """Print the finished experiments of each dataset."""
    folder = Path(root).resolve() if root else output_folder()
    screen = output.screen()
    by_dataset = finished(folder)
    for dataset, rows in by_dataset.items():
        title = "AUC" if "relative" in rows[0][1] else "F1"
        table = output.table("experiment", f"validation {title}", f"test {title}", "finished", padding=(0, 2, 0, 0))
        for name, metrics, path in rows:
            measure = _measure(metrics)
            day = datetime.fromtimestamp(path.stat().st_mtime).strftime("%Y-%m-%d %H:%M")
            validation = score(metrics.get("valid"), measure)
            if caveat := config.caveat(metrics["scheme"], metrics["stop"]):
                validation += f" ({caveat})"
            if "optimistic" in metrics:  # of nets that have seen the labels (train.clone)
                validation += f" (optimistic: {score(metrics['optimistic'])})"
            tests = {split: score(metrics[split], measure) for split in metrics if schema.is_test(split, "test")}
            on_test = ", ".join(
                text if split == "test" else f"{split.removeprefix('test_')} {text}" for split, text in tests.items()
            )
            table.add_row(Text(name), Text(validation), Text(on_test or score(None, measure)), day)
        screen.print(Text(dataset, style="bold underline"))
        screen.print(table)
        screen.print()
    if by_dataset:
        screen.print(
            Text(
                "F1 per survey, or AUC of presence-only records alone, with 95 % intervals. Reports: "
                f"{folder}/reports/<dataset>/<experiment>/index.html"
            )
        )
    else:
        screen.print(Text(f"nothing is finished under {folder}; try: glc run votes --dataset virtual:tiny"))
