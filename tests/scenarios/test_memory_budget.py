"""A run on the small virtual world stays within the memory that its settings give it, Java included."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

GB = 2**30
FOLDS = "+validation.run=2+validation.count=4"
NET = f"tile-cnn{FOLDS}+train.max_epochs=1+train.find_learning_rate=false+compare_with=[]"


def tree(process):
    """Ids of a process and of all below it."""
    children = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(folder.name))
    family = [process]
    for one in family:
        family.extend(children.get(one, ()))
    return family


def pss(process):
    """Proportional set size of a process tree, bytes: shared pages count once."""
    total = 0
    for one in tree(process):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += 1024 * int(line.split()[1])
    return total


@pytest.mark.slow
@pytest.mark.parametrize("experiment", [f"votes{FOLDS}", NET])
def test_the_peak_of_a_run_is_within_its_budget(empty_root, experiment):
    if not Path(f"/proc/{os.getpid()}/smaps_rollup").exists():
        pytest.skip("no smaps_rollup in /proc here")
    command = [sys.executable, "-m", "glc", "run", experiment, "--dataset", "virtual:small", "--root", empty_root]
    run = subprocess.Popen([*command, "--", "--machine-memory-gb", "4", "--machine-wandb-mode", "disabled"])
    peak = 0
    while run.poll() is None:
        peak = max(peak, pss(run.pid))
        time.sleep(0.3)
    assert run.returncode == 0
    print(f"{experiment}: {peak / GB:.2f} GB")
    assert 0.5 * GB < peak < 4 * GB
