import json
import subprocess
import sys
import time

import pytest

from glc import memory

MB = 2**20
needs_proc = pytest.mark.skipif(
    not (memory.family() and memory._reset(memory.family()[0])), reason="no high-water mark in /proc here"
)

CHILD = """
import sys
held = bytearray({mb} * 2**20)
held = None
print("held", flush=True)
sys.stdin.read()
"""


def started(mb):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD.format(mb=mb)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "held\n"
    return child


def alone(code):
    """What `code` prints in a process of its own: this one's memory moves with what other tests have left behind."""
    start = "import numpy as np\nfrom glc import memory\ndef touch(mb): np.ones(mb * 2**20, np.uint8)\n"
    done = subprocess.run([sys.executable, "-c", start + code], capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


@needs_proc
def test_it_measures_the_block_and_not_what_was_before():
    little, much, method, processes = alone(
        """
touch(300)
with memory.peak() as little:
    pass
with memory.peak() as much:
    touch(200)
import json
print(json.dumps([little.bytes, much.bytes, much.method, much.processes]))
"""
    )
    assert 195 * MB < much - little < 215 * MB
    assert (method, processes) == ("VmHWM", 1)


@needs_proc
def test_a_block_within_does_not_lose_the_peak_of_the_outer_one():
    nothing, outer, inner = alone(
        """
with memory.peak() as nothing:
    pass
with memory.peak() as outer:
    touch(200)
    with memory.peak() as inner:
        touch(50)
print([nothing.bytes, outer.bytes, inner.bytes])
"""
    )
    assert outer - nothing > 195 * MB
    assert 45 * MB < inner - nothing < 65 * MB


@needs_proc
def test_children_count_for_what_they_hold_during_the_block(monkeypatch):
    # only this test's own: what other tests have started grows and shrinks
    others = set(memory.family())
    known = memory.family
    monkeypatch.setattr(memory, "family", lambda: [process for process in known() if process not in others])
    before = started(150)
    try:
        with memory.peak() as idle:
            pass
        with memory.peak() as used:
            child = started(100)
            child.communicate("")  # gone before the end: not seen
            child = started(120)
        assert used.processes == idle.processes + 1
        assert 115 * MB < used.bytes - idle.bytes < 160 * MB  # the child's interpreter comes on top
    finally:
        for process in (before, child):
            process.communicate("")


@needs_proc
def test_an_error_passes_and_is_measured():
    block = memory.peak()
    used = block.__enter__()
    error = ValueError("mine")
    assert not block.__exit__(ValueError, error, None)  # false: not swallowed
    assert used.bytes > MB
    assert not memory._open


def test_without_proc_it_says_what_it_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_PROC", tmp_path)
    with memory.peak() as used:
        bytearray(10 * MB)
    assert used.method == "getrusage"
    assert used.bytes > 10 * MB


def test_a_block_costs_little():
    began = time.monotonic()
    with memory.peak():
        pass
    assert time.monotonic() - began < 1


@needs_proc
def test_freed_memory_is_given_back_to_the_system():
    before, freed, given = alone(
        """
import json, os
def resident(): return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
blocks = [bytes(60_000) + bytes([n % 256]) for n in range(4_000)]
kept, full = blocks[::50], resident()
del blocks
freed = resident()
memory.give_back()
print(json.dumps([full, freed, resident()]))
"""
    )
    assert before - freed < 60 < 150 < before - given
