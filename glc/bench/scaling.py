"""Where one machine ends, and the cluster that a larger dataset needs, from the cost curves.

python -m glc.bench.scaling [--rows N] [--hours H] [--cores C] [--memory-gb G] [--efficiency E]

A dataset of N rows is taken to have its rows, surveys and tests in the proportions of GeoLifeCLEF 2024. The processor
seconds of a stage, from `glc.costs`, are spread over the cores of a cluster, of whose time a share is waiting or
Spark's own work. Beyond the largest dataset that was measured this is an extrapolation; the table says by how much.
"""

import argparse
import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from glc import memory, world
from glc.costs import curves, work
from glc.costs.curves import Costs
from glc.costs.sizes import Sizes
from glc.costs.work import Job
from glc.errors import ConfigError, run_command

GBIF = 3_000_000_000
"""Rows, about, of GBIF's occurrences."""
STAGES = {
    "surveys": Job("Surveys", {}),
    "neighbours": Job("Neighbours", {"run": 1}),
    "tiles, 19 bands": Job("Tiles", {"covariate": "bioclim", "block": 8, "size": 128}),
}
"""What Spark does, one stage a task."""
_GB = 2**30
_FURTHEST = 1e13


@dataclass(frozen=True)
class Machine:
    """What one machine has, and how long it may take: cores, memory in GB, hours; efficiency : share of busy cores."""

    cores: int
    memory_gb: float
    hours: float
    efficiency: float


@dataclass(frozen=True)
class Need:
    """What a stage needs for a dataset.

    core_hours : of processors; output_gb : of its output; largest : rows that one machine can do, and what ends there
    measured : rows of the largest dataset with a measurement
    """

    core_hours: float
    output_gb: float
    largest: float
    ends: str
    measured: float

    def cores(self, machine: Machine) -> int:
        """Cores that do it in the machine's hours."""
        return max(1, math.ceil(self.core_hours / machine.hours / machine.efficiency))


def sizes(rows: float) -> Sizes:
    """Counts of a dataset of `rows` rows in the proportions of GeoLifeCLEF 2024; species stay."""
    known = Sizes(**world.SIZES["glc24"].counts)
    kept = ("species", "raster_cells")
    share = rows / known.rows
    scaled = {name: round(value * share) for name, value in dataclasses.asdict(known).items() if name not in kept}
    return dataclasses.replace(known, **scaled)


def need(job: Job, rows: float, machine: Machine, costs: Costs) -> Need | None:
    """What a stage needs; None where it has no curve.

    rows : of the dataset; machine : one, of which `Need.largest` speaks
    """
    described = work.of(job, sizes(rows))
    if described is None or described.kind not in costs.curves:
        return None
    of_kind = costs.curves[described.kind]
    busy = costs.machine["cores"] if costs.clock == "wall" else 1  # at most: not all of them all the time

    def at(name: str, rows: float) -> float:
        known = work.of(job, sizes(rows))
        value = of_kind[name].at(known.terms) if known else 0.0
        return value * busy if name == "seconds" else value

    by_time = _largest(lambda n: at("seconds", n) / 3600 / machine.cores / machine.efficiency, machine.hours)
    by_memory = _largest(lambda n: at("memory_mb", n) / 1024, machine.memory_gb)
    measured = [each.terms[0] for each in costs.measurements if each.kind == described.kind]
    return Need(
        core_hours=at("seconds", rows) / 3600,
        output_gb=at("bytes", rows) / _GB,
        largest=min(by_time, by_memory),
        ends="time" if by_time <= by_memory else "memory",
        measured=max(measured, default=0.0) * rows / described.terms[0],
    )


def _largest(cost: Callable[[float], float], limit: float) -> float:
    """The most rows, to a thousandth, whose cost stays within a limit; inf where it does at any size."""
    low, high = 1.0, _FURTHEST
    if cost(high) <= limit:
        return math.inf
    while high / low > 1.001:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if cost(middle) <= limit else (low, middle)
    return low


def table(rows: float, machine: Machine, costs: Costs) -> Table:
    """One line per stage."""
    where = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in costs.machine.items())
    caption = (
        f"{rows:,.0f} rows, in proportions of GeoLifeCLEF 2024; {machine.efficiency:.0%} of a core's time is work; one "
        f"machine: {machine.cores} cores, {machine.memory_gb:g} GB. Curves of {costs.date}, commit {costs.commit}, "
        f"{costs.clock} clock, measured on: {where}."
    )
    made = Table(box=box.SIMPLE_HEAD, caption=caption, caption_justify="left")
    made.add_column("stage")
    hours = f"{machine.hours:g} h"
    for header in (
        "core hours", f"cores for {hours}", f"machines for {hours}", "output, GB", f"rows of one machine in {hours}",
        "ended by", "beyond the measured",
    ):  # fmt: skip
        made.add_column(header, justify="right")
    for name, job in STAGES.items():
        known = need(job, rows, machine, costs)
        if known is None:
            made.add_row(name, "no curve yet")
            continue
        cores = known.cores(machine)
        ended = ("-", "-") if math.isinf(known.largest) else (f"{known.largest / 1e6:,.0f} M", known.ends)
        beyond = f"{rows / known.measured:,.0f} ×" if known.measured else "-"
        machines = math.ceil(cores / machine.cores)
        made.add_row(
            name, f"{known.core_hours:,.1f}", f"{cores:,}", f"{machines:,}", f"{known.output_gb:,.0f}", *ended, beyond
        )
    return made


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m glc.bench.scaling", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=float, default=GBIF, help="of the dataset (default: %(default)s, GBIF's)")
    parser.add_argument("--hours", type=float, default=4.0, help="that a stage may take (default: %(default)s)")
    parser.add_argument("--cores", type=int, default=16, help="of one machine (default: %(default)s)")
    parser.add_argument("--memory-gb", type=float, default=0.0, help="of one machine (default: that of this one)")
    parser.add_argument("--efficiency", type=float, default=0.7, help="busy share of the cores (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    for name, value in (("rows", chosen.rows), ("hours", chosen.hours), ("cores", chosen.cores)):
        if not value > 0:
            raise ConfigError(f"--{name} {value:g}: expected more than 0")
    if not 0 < chosen.efficiency <= 1:
        raise ConfigError(f"--efficiency {chosen.efficiency:g}: expected more than 0 and at most 1")
    machine = Machine(chosen.cores, chosen.memory_gb or memory.of_machine(), chosen.hours, chosen.efficiency)
    Console(width=160).print(table(chosen.rows, machine, curves.read()))


if __name__ == "__main__":
    run_command(main)
