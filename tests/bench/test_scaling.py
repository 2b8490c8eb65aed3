"""Sizes of clusters follow from curves."""

import math

import pytest

from glc.bench import scaling
from glc.costs.curves import Costs, Curve, Measurement
from glc.costs.work import Job
from glc.errors import ConfigError

MACHINE = scaling.Machine(cores=10, memory_gb=64, hours=2, efficiency=0.5)
SURVEYS = Job("Surveys", {})


def costs(clock="processor", **curves):
    """Curves of the survey tables: 36 s for a million rows, 1 KB a row, and no memory that grows."""
    own = {
        "seconds": Curve(0.0, (36e-6,), 1.0),
        "memory_mb": Curve(1024.0, (0.0,), 1.0),
        "bytes": Curve(0.0, (1024.0,), 1.0),
    } | curves
    measured = (Measurement("virtual-glc24", "Surveys", (6_000_000.0,), 1, 1, 1),)
    machine = {"processor": "P", "cores": 2, "memory_gb": 8}
    return Costs(machine, 0.01, clock, "abc", "2026-01-01", {"Surveys": own}, measured)


def test_a_dataset_of_n_rows_has_the_proportions_of_2024():
    made = scaling.sizes(3e9)
    assert made.rows == pytest.approx(3e9, rel=1e-6)
    assert made.po_surveys / made.rows == pytest.approx(3_845_533 / (5_079_797 + 1_483_637 + 4_716), rel=1e-6)
    assert made.species == 11_255


def test_core_hours_machines_and_the_end_of_one_machine():
    need = scaling.need(SURVEYS, 1e9, MACHINE, costs())
    assert need.core_hours == pytest.approx(10)
    assert need.cores(MACHINE) == 10  # 10 hours in 2, at half of their time
    assert need.output_gb == pytest.approx(1e9 / 2**20)
    assert need.largest == pytest.approx(1e9, rel=0.01)  # as the machine has 10 cores
    assert (need.ends, round(need.measured)) == ("time", 6_000_000)


def test_what_grows_faster_ends_earlier_and_memory_may_end_first():
    square = scaling.need(SURVEYS, 1e9, MACHINE, costs(seconds=Curve(0.0, (36e-6,), 2.0)))
    assert square.largest == pytest.approx(math.sqrt(1e9), rel=0.01)
    memory = scaling.need(SURVEYS, 1e9, MACHINE, costs(memory_mb=Curve(1024.0, (63 * 1024 / 5e6,), 1.0)))
    assert (memory.ends, memory.largest) == ("memory", pytest.approx(5e6, rel=0.01))
    assert math.isinf(scaling.need(SURVEYS, 1e9, MACHINE, costs(seconds=Curve(1.0, (0.0,), 1.0))).largest)


def test_seconds_of_the_wall_count_for_all_cores_of_their_machine():
    assert scaling.need(SURVEYS, 1e9, MACHINE, costs("wall")).core_hours == pytest.approx(20)


def test_the_command_prints_a_line_per_stage_and_says_what_has_no_curve(capsys, monkeypatch):
    monkeypatch.setattr(scaling.curves, "read", costs)
    scaling.main(["--rows", "1e9", "--hours", "2", "--cores", "10", "--memory-gb", "64", "--efficiency", "0.5"])
    lines = capsys.readouterr().out.splitlines()
    (surveys,) = (line.split() for line in lines if line.strip().startswith("surveys"))
    assert surveys[1:] == ["10.0", "10", "1", "954", "1,000", "M", "time", "167", "×"]
    assert sum("no curve yet" in line for line in lines) == 2
    for option in ("--hours", "--efficiency"):
        with pytest.raises(ConfigError, match=option):
            scaling.main([option, "0"])
