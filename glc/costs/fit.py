"""Fit the curves of `glc estimate` to finished runs, and judge them on datasets that are left out in turn.

python -m glc.costs.fit ROOT [ROOT ...] [--clock processor] [--out FILE] [--keep]
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from glc import storage
from glc.costs import curves, fitting, machine, runs
from glc.costs.curves import Costs, Measurement
from glc.costs.runs import Judgement, Outputs
from glc.errors import ConfigError, DataError, run_command


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the file of curves, and print how far estimates of runs are from what they took."""
    parser = argparse.ArgumentParser(prog="python -m glc.costs.fit", description=__doc__.splitlines()[0])
    parser.add_argument(
        "roots", nargs="+", type=Path, metavar="ROOT", help="folders of all outputs, with finished runs"
    )
    parser.add_argument(
        "--clock",
        choices=runs.CLOCKS,
        default="wall",
        help="processor: of a machine that was busy with other things too (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, default=curves.FILE, help="file that is written (default: the package's)")
    parser.add_argument(
        "--keep",
        action="store_true",
        help="keep what the file says of tasks that no ROOT has finished, scaled to the speed of this machine",
    )
    chosen = parser.parse_args(arguments)
    outputs = [Outputs(root.resolve(), chosen.clock) for root in chosen.roots]
    measured = runs.mean(each for root in outputs for each in root.measurements())
    if not measured:
        roots = ", ".join(map(str, chosen.roots))
        raise DataError(f"{roots}: no finished outputs that say what they took; run some first: glc run votes --root …")
    calibration = round(machine.calibration(), 5)
    if chosen.keep:
        measured += others(curves.read(chosen.out), measured, calibration, chosen.clock)
    checkout = storage.checkout()
    costs = Costs(
        machine=machine.describe(),
        calibration=calibration,
        clock=chosen.clock,
        commit="" if checkout is None else str(checkout["commit"])[:7],
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        curves=fitting.fit_all(measured),
        measurements=tuple(measured),
    )
    curves.write(costs, chosen.out)
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(_kinds(costs))
    judged = [judged for root in outputs for run in root.runs() if (judged := runs.judge(run, measured)) is not None]
    if judged:
        console.print(_judged(judged))
    skipped = sum(len(root.skipped) for root in outputs)
    if skipped:
        print(f"left out, as manifests do not say what they took: {skipped} outputs", file=sys.stderr)
    print(f"{len(costs.curves)} curves from {len(measured)} measurements: {chosen.out}")


def others(known: Costs, measured: Sequence[Measurement], calibration: float, clock: str) -> list[Measurement]:
    """The measurements of tasks that were not measured again, their seconds as on a machine of this speed.

    known : of an earlier fit; calibration, clock : of this one
    Raises ConfigError where they are seconds of another clock.
    """
    if known.clock != clock:
        raise ConfigError(f"--keep: found seconds of the clock {known.clock!r}, expected {clock!r}; leave out --keep")
    again, speed = {each.kind for each in measured}, calibration / known.calibration
    return [
        replace(each, seconds=round(each.seconds * speed, 1)) for each in known.measurements if each.kind not in again
    ]


def _kinds(costs: Costs) -> Table:
    table = Table("task", "datasets", "start s", "power", "power of memory", box=None, header_style="bold")
    for kind, own in costs.curves.items():
        datasets = {each.dataset for each in costs.measurements if each.kind == kind}
        powers = (f"{own[name].power:.2f}" for name in ("seconds", "memory_mb"))
        table.add_row(kind, str(len(datasets)), f"{own['seconds'].start:.1f}", *powers)
    return table


def _judged(judged: Sequence[Judgement]) -> Table:
    table = Table(
        "run, by curves of other datasets", "measured s", "estimated s", "ratio", "measured MB", "estimated MB",
        "not estimated", box=None, header_style="bold",
    )  # fmt: skip
    for each in judged:
        table.add_row(
            f"{each.run.experiment} on {each.run.dataset}",
            f"{each.measured_s:.0f}",
            f"{each.estimated_s:.0f}",
            f"{each.estimated_s / each.measured_s:.2f}",
            f"{each.measured_mb:.0f}",
            f"{each.estimated_mb:.0f}",
            ", ".join(each.left_out),
        )
    return table


if __name__ == "__main__":
    run_command(main)
