"""Cost curves: stages on a sixteenth, a quarter and the whole of GeoLifeCLEF 2024's size, and the power they grow with.

python -m glc.bench.curves [--root ROOT] [--sizes SIZE ...] [--stages STAGE ...] [--picture FILE]

Each stage is the task of a run, in its own process; what it took is in its manifest. Finished ones are not
repeated: remove ROOT/bench/curves to measure them again. `python -m glc.costs.fit` reads the same folder.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from glc import world
from glc.costs import machine, runs
from glc.costs.curves import Measurement
from glc.errors import ConfigError, DataError, run_command

SIZES = ("glc24-16th", "glc24-quarter", "glc24")
WORST = 1.15
"""Power above which a stage does not grow well enough."""
_GREY = "#808080"  # can be read on white and on black


@dataclass(frozen=True)
class Stage:
    """A task that is measured.

    task : its name and options; kind : as `glc.costs.work.Work` has it
    """

    task: tuple[str, ...]
    kind: str


_STACK = 'best-cpu+model.members=["votes", "frequency"]'
STAGES = {
    "surveys": Stage(("Surveys",), "Surveys"),
    "neighbours": Stage(("Neighbours", "--neighbours", '{"k": 10, "radius_m": 50000}'), "Neighbours"),
    "tiles": Stage(("Tiles", "--covariate", "bioclim"), "Tiles bioclim 8"),
    "votes": Stage(("ClassicalScores", "--experiment", "votes"), "ClassicalScores votes"),
    "stack": Stage(("EnsembleScores", "--experiment", _STACK), "EnsembleScores stack"),
}


@dataclass(frozen=True)
class Growth:
    """How a quantity grows with the rows of the dataset.

    power : of the straight line through the logarithms of all sizes
    last : power from the size before to the largest, where what is constant matters least
    """

    power: float
    last: float


def growth(rows: Sequence[float], values: Sequence[float]) -> Growth:
    """The powers of values at datasets of these rows, in rising order; a DataError refuses fewer than two sizes."""
    if len(rows) < 2:
        raise DataError(f"found {len(rows)} size, expected at least two, for a power")
    x, y = np.log(rows), np.log(np.maximum(values, 1e-3))
    return Growth(float(np.polyfit(x, y, 1)[0]), float((y[-1] - y[-2]) / (x[-1] - x[-2])))


def run(stage: Stage, size: str, root: Path) -> None:
    """Run a stage, and before it what it needs; a DataError where it fails."""
    common = ["--dataset", f"virtual:{size}", "--root", str(root), "--machine-wandb-mode", "disabled"]
    command = [sys.executable, "-m", "luigi", "--module", "glc.tasks", *stage.task, *common]
    done = subprocess.run(command, stdout=sys.stderr, check=False)
    if done.returncode:
        raise DataError(f"{stage.task[0]} on virtual:{size} ended with {done.returncode}; its log is in {root}/logs")


def measurements(root: Path, clock: str, sizes: Sequence[str]) -> dict[str, list[Measurement]]:
    """Name of a stage -> what it took, by rising size; stages and sizes that were not run are left out."""
    order = [f"virtual-{size}" for size in sizes]
    known = [each for each in runs.mean(runs.Outputs(root, clock).measurements()) if each.dataset in order]
    of_stage = {
        name: sorted((each for each in known if each.kind == stage.kind), key=lambda each: order.index(each.dataset))
        for name, stage in STAGES.items()
    }
    return {name: own for name, own in of_stage.items() if own}


def rows_of(measurement: Measurement) -> int:
    """Rows of the survey tables of the world that was measured."""
    counts = world.SIZES[measurement.dataset.removeprefix("virtual-")].counts
    return sum(counts.get(name, 0) for name in ("training_rows", "po_rows", "test_surveys"))


def table(measured: Mapping[str, Sequence[Measurement]], clock: str) -> Table:
    """A row per stage and size, with the powers at the largest."""
    seconds = "seconds" if clock == "wall" else "processor seconds"
    caption = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine.describe().items())
    made = Table(box=box.SIMPLE_HEAD, caption=caption, caption_justify="left")
    made.add_column("stage")
    for header in ("rows", seconds, "MB", "power of time", "from the last size", "power of memory"):
        made.add_column(header, justify="right")
    for name, own in measured.items():
        rows = [rows_of(each) for each in own]
        for number, each in enumerate(own, 1):
            powers = ("", "", "")
            if number == len(own) > 1:
                time, space = growth(rows, [e.seconds for e in own]), growth(rows, [e.memory_mb for e in own])
                mark = f" > {WORST}" if max(time.power, time.last) > WORST else ""
                powers = (f"{time.power:.2f}", f"{time.last:.2f}{mark}", f"{space.power:.2f}")
            made.add_row(name, f"{rows[number - 1]:,}", f"{each.seconds:,.1f}", f"{each.memory_mb:,.0f}", *powers)
    return made


def picture(measured: Mapping[str, Sequence[Measurement]], clock: str, path: Path) -> None:
    """Write a figure of time and memory by rows, on logarithmic axes, for light and dark pages."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    figure = Figure(figsize=(9, 4), layout="constrained", facecolor="none")
    FigureCanvasAgg(figure)
    colours = ("#1b9e77", "#d95f02", "#7a76c9", "#e7298a", "#a6861d")  # of mid lightness, apart for the colour-blind
    rows = sorted({rows_of(each) for own in measured.values() for each in own})
    labels = ("seconds" if clock == "wall" else "processor seconds", "peak memory, GB")
    for axis, label in zip(figure.subplots(1, 2), labels, strict=True):
        for (name, own), colour, marker in zip(measured.items(), colours, "osD^v", strict=False):
            values = [each.memory_mb / 1024 if "memory" in label else each.seconds for each in own]
            axis.plot([rows_of(each) for each in own], values, marker=marker, color=colour, label=name)
        axis.set(
            xscale="log", yscale="log", xlabel="rows of the survey tables, millions", ylabel=label, facecolor="none"
        )
        axis.tick_params(which="both", colors=_GREY)
        axis.set_xticks(rows, [f"{count / 1e6:.2g}" for count in rows])
        axis.set_xticks([], minor=True)
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=20))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.xaxis.label.set_color(_GREY)
        axis.yaxis.label.set_color(_GREY)
        axis.grid(color=_GREY, alpha=0.25, linewidth=0.6)
        for spine in axis.spines.values():
            spine.set_color(_GREY)
    figure.axes[0].legend(frameon=False, labelcolor=_GREY)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=144, transparent=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what was not measured yet, print the table, write ``curves.json`` and the picture."""
    parser = argparse.ArgumentParser(prog="python -m glc.bench.curves", description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path("out"), help="outputs go to ROOT/bench/curves")
    parser.add_argument("--sizes", nargs="+", default=SIZES, help="of the virtual world, rising (default: %(default)s)")
    parser.add_argument("--stages", nargs="+", default=list(STAGES), help="some of: %(default)s")
    parser.add_argument("--clock", choices=runs.CLOCKS, default="wall", help="processor: of a machine that is busy")
    parser.add_argument("--picture", type=Path, help="default: ROOT/bench/curves.png")
    chosen = parser.parse_args(arguments)
    for option, values, known in (("sizes", chosen.sizes, world.SIZES), ("stages", chosen.stages, STAGES)):
        if unknown := [value for value in values if value not in known]:
            raise ConfigError(f"--{option}: found {unknown[0]!r}, expected some of: {', '.join(known)}")
    root = chosen.root.resolve() / "bench" / "curves"
    root.mkdir(parents=True, exist_ok=True)
    for size in chosen.sizes:
        for name in chosen.stages:
            print(f"{name} on virtual:{size}", file=sys.stderr, flush=True)
            run(STAGES[name], size, root)
    measured = {
        name: own for name, own in measurements(root, chosen.clock, chosen.sizes).items() if name in chosen.stages
    }
    facts = {
        name: [{"rows": rows_of(each), "seconds": each.seconds, "memory_mb": each.memory_mb} for each in own]
        for name, own in measured.items()
    }
    results = {"machine": machine.describe(), "clock": chosen.clock, "stages": facts}
    (root.parent / "curves.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    path = chosen.picture or root.parent / "curves.png"
    picture(measured, chosen.clock, path)
    Console(width=None if sys.stdout.isatty() else 160).print(table(measured, chosen.clock))
    print(f"results: {root.parent}/curves.json, {path}")


if __name__ == "__main__":
    run_command(main)
