"""What was measured as a table, as JSON and as a picture."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeAlias

import numpy as np
from rich import box
from rich.table import Table

from glc import memory, threads
from glc.bench.measure import Line
from glc.bench.stage import Stage
from glc.costs.machine import processor

Measured: TypeAlias = Mapping[str, tuple[Stage, float, Sequence[Line]]]
"""Name of a stage -> the stage, its scale, and a line per way, ours first."""


def machine() -> str:
    """Processor, cores and memory of this machine."""
    return f"{processor()}, {threads.cores()} cores, {memory.of_machine():.0f} GB"


def ratio(ours: Line, other: Line) -> str:
    """Our time as a multiple of another's: ``1.42 ×``, and ``1/35`` where ours is far shorter."""
    times = ours.seconds / other.seconds
    return f"{times:.2f} ×" if times > 0.1 else f"1/{1 / times:,.0f}"


def table(measured: Measured) -> Table:
    """A row for each comparison of ours with another way."""
    table = Table(box=box.SIMPLE_HEAD, title_justify="left", caption=machine(), caption_justify="left")
    table.add_column("stage", no_wrap=True)
    for name in ("the other way", "wanted"):
        table.add_column(name, overflow="fold")
    for name in ("ours, s", "other, s", "ours / other", "peak GB", "other GB", "rows", "runs"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, (stage, scale, (ours, *others)) in measured.items():
        at = name if scale == 1 else f"{name} × {scale:g}"
        own = (f"{ours.seconds:,.2f}", f"{ours.peak_bytes / 2**30:.2f}", f"{ours.rows:,}", str(len(ours.runs)))
        if not others:
            table.add_row(at, "–", stage.wanted, own[0], "–", "–", own[1], "–", *own[2:])
        for other in others:
            scaled = f" ({other.share:.2%} of the work, scaled)" if other.share < 1 else ""
            table.add_row(
                at,
                other.way + scaled,
                stage.wanted,
                own[0],
                f"{other.seconds:,.2f}",
                ratio(ours, other),
                own[1],
                f"{other.peak_bytes / 2**30:.2f}",
                own[2] if other.rows == ours.rows else f"{own[2]}, {other.rows:,}",
                f"{own[3]}, {len(other.runs)}",
            )
    return table


def as_json(measured: Measured, commit: str) -> str:
    """The same, with every run."""
    return json.dumps(
        {
            "machine": machine(),
            "commit": commit,
            "stages": {
                name: {"title": stage.title, "wanted": stage.wanted, "scale": scale, "ways": [asdict(x) for x in lines]}
                for name, (stage, scale, lines) in measured.items()
            },
        },
        indent=1,
    )


def picture(measured: Measured, path: Path) -> None:
    """Write a figure: time and memory of the other ways as multiples of ours, on log axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [
        (f"{name}: {other.way}", other.seconds / ours.seconds, other.peak_bytes / max(1, ours.peak_bytes))
        for name, (_, _, (ours, *others)) in measured.items()
        for other in others
    ]
    if not rows:
        return
    figure = Figure(figsize=(11, 1.2 + 0.32 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2, sharey=True)
    places = np.arange(len(rows))[::-1]
    for axis, column, label in zip(axes, (1, 2), ("time", "memory"), strict=True):
        axis.barh(places, [row[column] - 1 for row in rows], left=1, color="#2b6a99", height=0.6)
        axis.axvline(1, color="#444444", linewidth=1)
        axis.set_xscale("log")
        axis.set_xlabel(f"{label}, the other way / ours")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_yticks(places, [row[0] for row in rows])
    figure.savefig(path, dpi=120)
