import subprocess
import sys

from glc import cpu

BURN = "import time\nend = time.process_time() + 0.6\nwhile time.process_time() < end: pass\n"


def test_children_count_while_they_run_and_after_they_end():
    before = cpu.seconds()
    child = subprocess.Popen(
        [sys.executable, "-c", BURN + "print('burnt', flush=True)\ninput()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout.readline() == "burnt\n"
    running = cpu.seconds() - before
    child.communicate("\n")
    ended = cpu.seconds() - before
    assert running >= 0.55
    assert ended >= running - 0.02
