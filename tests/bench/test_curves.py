"""Cost curves: the powers, what is run, and the table and picture of what was measured."""

import json

import pytest

from glc.bench import curves
from glc.costs.curves import Measurement
from glc.errors import ConfigError

ROWS = {size: curves.rows_of(Measurement(f"virtual-{size}", "", (), 0, 0, 0)) for size in curves.SIZES}


def measured(power):
    """Measurements of all stages at the three sizes that grow with a power of the rows."""
    return [
        Measurement(f"virtual-{size}", stage.kind, (), 1e-4 * rows**power, 500 + rows / 1e4, 0)
        for size, rows in ROWS.items()
        for stage in curves.STAGES.values()
    ]


@pytest.fixture
def started(monkeypatch):
    """The commands that would run; what they measure grows as ``started.power`` says."""

    class Started(list):
        power = 1.0

    commands = Started()
    monkeypatch.setattr(curves, "run", lambda stage, size, root: commands.append((stage.task[0], size)))
    monkeypatch.setattr(curves.runs.Outputs, "measurements", lambda self: iter(measured(commands.power)))
    return commands


def test_the_power_of_a_power_is_found():
    grown = curves.growth([1e4, 1e5, 1e6], [2 * rows**1.3 for rows in (1e4, 1e5, 1e6)])
    assert (grown.power, grown.last) == (pytest.approx(1.3), pytest.approx(1.3))


def test_what_is_constant_hides_in_the_power_but_not_from_the_last_size():
    rows = [1e4, 1e5, 1e6]
    grown = curves.growth(rows, [30 + 1e-3 * each for each in rows])
    assert grown.power < grown.last < 1


def test_all_stages_run_on_all_sizes_from_small_to_large(started, tmp_path, capsys):
    curves.main(["--root", str(tmp_path)])
    assert [size for _, size in started] == [size for size in curves.SIZES for _ in curves.STAGES]
    facts = json.loads((tmp_path / "bench" / "curves.json").read_text())["stages"]
    assert list(facts) == list(curves.STAGES)
    assert [point["rows"] for point in facts["votes"]] == sorted(ROWS.values())
    assert (tmp_path / "bench" / "curves.png").stat().st_size > 10_000
    assert "> 1.15" not in capsys.readouterr().out


def test_a_stage_that_grows_too_fast_is_marked(started, tmp_path, capsys):
    started.power = 1.4
    curves.main(["--root", str(tmp_path), "--stages", "votes"])
    line = next(line for line in capsys.readouterr().out.splitlines() if "> 1.15" in line)
    assert line.split()[-5:] == ["1.40", "1.40", ">", "1.15", line.split()[-1]]
    assert {name for name, _ in started} == {"ClassicalScores"}


def test_an_unknown_stage_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="found 'maps', expected some of: surveys"):
        curves.main(["--root", str(tmp_path), "--stages", "maps"])
