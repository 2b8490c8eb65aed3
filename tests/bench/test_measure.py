"""What the bench measures, on a stage of this file: one way holds 200 MB in a child, the other is slow."""

import json
import re
import subprocess
import sys
import time

import pytest

from glc.bench import __main__ as program
from glc.bench import measure, stage, table
from glc.bench.stage import Stage, Way
from glc.errors import ConfigError, DataError

HELD = 200 * 2**20


def prepare(folder, scale):
    (folder / "number").write_text(str(int(100 * scale)))


def holding(folder, out):
    number = int((folder / "number").read_text())
    hold = f"import time; b = bytearray({HELD}); b[::4096] = b'1' * len(b[::4096]); time.sleep(1)"
    subprocess.run([sys.executable, "-c", hold], check=True)
    (out / "sum").write_text(str(number))
    return {"rows": number, "start_s": 0.5}


def slow(folder, out):
    time.sleep(0.6)
    (out / "sum").write_text((folder / "number").read_text())
    return {"rows": 1, "share": 0.1}


def wrong(folder, out):
    (out / "sum").write_text("0")
    return {"rows": 1}


def empty(folder, out):
    return {}


def same(folder, results):
    sums = {name: (out / "sum").read_text() for name, out in results.items()}
    if len(set(sums.values())) > 1:
        raise DataError(f"{sums}: expected equal sums")


STAGE = Stage("a sum", "no more than the other", prepare, (Way("ours", holding), Way("slow", slow)), same)


def measured(tmp_path, ways, **options):
    lines = []
    kept = Stage("a sum", "", prepare, ways, same)
    return measure.measure(kept, tmp_path, 0.5, options.get("runs", 0), lines.append), lines


def test_time_memory_and_share_are_those_of_the_work(tmp_path):
    (ours, other), lines = measured(tmp_path, STAGE.ways)
    assert (ours.way, ours.rows, ours.share, ours.start_s, len(ours.runs)) == ("ours", 50, 1.0, 0.5, 1)
    assert ours.peak_bytes > HELD  # of the child
    assert other.peak_bytes < ours.peak_bytes
    assert ours.seconds >= 0.5  # 1 s and the start of a Python, less 0.5
    assert other.seconds == pytest.approx(10 * other.runs[0])  # a tenth of the work
    assert other.runs[0] >= 0.6
    assert not list(tmp_path.iterdir())
    assert lines[0] == "data"


def test_short_ways_are_run_again_after_a_warm_up(tmp_path):
    (line,), lines = measured(tmp_path, (Way("wrong", wrong),), runs=3)
    assert len(line.runs) == 3
    assert sum(text.startswith("wrong: ") for text in lines) == 4


def test_ways_that_disagree_are_an_error(tmp_path):
    with pytest.raises(measure.DisagreementError, match="expected equal sums") as caught:
        measured(tmp_path, (Way("slow", slow), Way("wrong", wrong)))
    assert [line.way for line in caught.value.lines] == ["slow", "wrong"], "what was measured is not lost"


def test_a_way_that_made_nothing_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"empty: the run returned \{\}; expected at least one row"):
        measured(tmp_path, (Way("empty", empty),))


def test_the_program_prints_a_table_and_goes_on_after_a_stage_that_failed(tmp_path, monkeypatch, capsys):
    broken = Stage("broken", "", prepare, (Way("slow", slow), Way("wrong", wrong)), same)
    stages = {"a": broken, "b": STAGE}
    monkeypatch.setattr(stage, "names", lambda: ["a", "b"])
    monkeypatch.setattr(stage, "get", stages.get)
    with pytest.raises(Exception, match="1 of 2 stages failed, see above: a"):
        program.main(["--root", str(tmp_path), "--runs", "0", "--scale", "0.5"])
    printed = capsys.readouterr()
    assert "a: failed: " in printed.err
    assert re.search(r"a: slow: [\d.]+ s, [\d.]+ GB, \d+ rows\na: wrong: ", printed.err)
    row = next(line for line in printed.out.splitlines() if line.strip().startswith("b × 0.5"))
    assert "slow (10.00% of the work, scaled)" in row
    facts = json.loads((tmp_path / "bench" / "bench.json").read_text())
    assert list(facts["stages"]) == ["b"]
    assert [way["way"] for way in facts["stages"]["b"]["ways"]] == ["ours", "slow"]
    assert (tmp_path / "bench" / "bench.png").read_bytes().startswith(b"\x89PNG")


def test_ratios():
    def line(seconds):
        return measure.Line("", seconds, 0, 1, 1, 1)

    assert table.ratio(line(3), line(2)) == "1.50 ×"
    assert table.ratio(line(1), line(35)) == "1/35"


def test_an_unknown_stage_is_refused_with_the_names():
    with pytest.raises(ConfigError, match="unknown stage 'no-such'; expected one of: "):
        stage.get("no-such")


def test_every_stage_has_ours_first_and_a_title():
    for name in stage.names():
        each = stage.get(name)
        assert each.ways[0].name.startswith("glc")
        assert each.title
        assert each.wanted
