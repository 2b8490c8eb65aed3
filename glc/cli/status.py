"""``glc status``: what is finished under ROOT."""

from itertools import groupby

from rich.text import Text

from glc import results, schema
from glc.cli import output
from glc.tasks.machine import output_folder


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
    folder = output_folder(root)
    screen = output.screen()
    every = results.finished(folder)
    unknown = [row for row in every if row.problem]
    by_dataset = {
        name: list(rows) for name, rows in groupby([row for row in every if not row.problem], lambda row: row.dataset)
    }
    for dataset, rows in by_dataset.items():
        title = "AUC" if rows[0].relative else "F1"
        table = output.table("experiment", f"validation {title}", f"test {title}", "finished", padding=(0, 2, 0, 0))
        for row in rows:
            metrics, measure = row.metrics, results.measure(row.metrics)
            validation = score(metrics.get("valid"), measure)
            if row.optimism:
                validation += f" ({row.optimism})"
            if "optimistic" in metrics:  # of nets that have seen the labels (train.clone)
                validation += f" (optimistic: {score(metrics['optimistic'])})"
            tests = {split: score(metrics[split], measure) for split in metrics if schema.is_test(split, "test")}
            on_test = ", ".join(
                text if split == "test" else f"{split.removeprefix('test_')} {text}" for split, text in tests.items()
            )
            day = row.when.strftime("%Y-%m-%d %H:%M")
            table.add_row(Text(row.name), Text(validation), Text(on_test or score(None, measure)), day)
        screen.print(Text(dataset, style="bold underline"))
        screen.print(table)
        screen.print()
    for row in unknown:
        screen.print(Text(row.problem, style="yellow"))
    if by_dataset:
        screen.print(
            Text(
                "F1 per survey, or AUC of presence-only records alone, with 95 % intervals. Reports: "
                f"{folder}/reports/<dataset>/<experiment>/index.html; side by side: glc compare --dataset …"
            )
        )
    elif not unknown:
        screen.print(Text(f"nothing is finished under {folder}; try: glc run votes --dataset virtual:tiny"))
