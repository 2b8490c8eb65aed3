"""Functions in several processes: what they return, what stops them, and that none is left."""

import contextlib
import itertools
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from glc import memory, progress
from glc.errors import DataError, GlcError
from glc.training import arguments, processes
from glc.training.losses import Asymmetric, BinaryCrossEntropy, CrossEntropy, Loss, SigmoidF1
from glc.training.machine import Machine
from glc.training.part import WHOLE, Part
from glc.types import Facts

TWO = Machine("cpu", 2, devices=2)


def everything(machine: Machine, values: np.ndarray, folder: Path) -> Facts:
    """All that is not a training: sums, reports, the log, threads, what the others see of an array."""
    part = machine.part
    part.join("cpu")
    for bar in progress.tqdm(range(2), desc=f"bar {part.index}", mininterval=0):
        logging.getLogger("glc.test").warning("%s in process %s", bar, part.index)
    whole = part.whole(torch.tensor([[part.index, 1.0]], requires_grad=True), 2)
    return {
        "sum": part.total(torch.tensor(part.index + 1.0)).item(),
        "whole": whole.tolist(),
        "of_all": part.of_all(part.index),
        "from_first": part.from_first(part.index),
        "writable": values.flags.writeable,
        "values": float(values.sum()),
        "threads": machine.threads,
        "shown": part.of_all(machine.progress),
    }


def refuses(machine: Machine, folder: Path) -> None:
    """The second process finds a fault, the first waits for it."""
    machine.part.join("cpu")
    if machine.part.first:
        machine.part.total(torch.zeros(1))
    raise DataError("table: found nothing, expected rows")


def is_killed(machine: Machine, folder: Path) -> None:
    """The second process dies as one does that takes too much memory."""
    machine.part.join("cpu")
    if not machine.part.first:
        os.kill(os.getpid(), signal.SIGKILL)
    machine.part.total(torch.zeros(1))


def waits(machine: Machine, folder: Path) -> None:
    """Leaves its id and does not end."""
    (folder / str(machine.part.index)).write_text(str(os.getpid()))
    time.sleep(600)


def test_one_process_is_this_one(tmp_path):
    facts = processes.run(lambda machine: os.getpid(), Machine("cpu"), tmp_path)
    assert facts == os.getpid()


@pytest.mark.slow
def test_two_processes_share_sums_arrays_progress_and_the_log(tmp_path, reports, caplog):
    before, values = len(memory.family()), np.ones(arguments.LEAST_BYTES)
    facts = processes.run(everything, TWO, tmp_path, values=values, folder=tmp_path)
    assert facts == {
        "sum": 3.0,
        "whole": [[0.0, 1.0], [1.0, 1.0]],
        "of_all": [0, 1],
        "from_first": 0,
        "writable": False,
        "values": float(arguments.LEAST_BYTES),
        "threads": 1,
        "shown": [True, False],
    }
    assert {what for what, _, _ in reports} == {"bar 0"}
    assert [record.getMessage() for record in caplog.records if record.name == "glc.test"] == [
        "0 in process 0",
        "1 in process 0",
    ]
    assert list(tmp_path.iterdir()) == []
    assert len(memory.family()) <= before + 1  # Python's own watch over resources


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "message"),
    [(refuses, "table: found nothing, expected rows"), (is_killed, "process 2 of 2 was ended by SIGKILL")],
    ids=["refuses", "is killed"],
)
def test_a_process_that_fails_stops_the_others(tmp_path, function, message):
    before = len(memory.family())
    with pytest.raises(GlcError, match=message):
        processes.run(function, TWO, tmp_path, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert len(memory.family()) <= before + 1


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_program(tmp_path, number):
    program = (
        "import signal, sys; from pathlib import Path; from glc.tasks.console import signals; signals.catch()\n"
        "from tests.training.test_processes import TWO, waits; from glc.training import processes\n"
        "processes.run(waits, TWO, Path(sys.argv[1]), folder=Path(sys.argv[1]))"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], cwd=Path(__file__).parents[2])
    files = [tmp_path / "0", tmp_path / "1"]
    _until(lambda: all(file.is_file() and file.read_text() for file in files), 120)
    children = [int(file.read_text()) for file in files]
    parent.send_signal(number)
    parent.wait(30)
    _until(lambda: not any(_runs(child) for child in children), 30)


def test_a_large_array_is_one_file_and_a_file_stays_where_it_is(tmp_path):
    mapped = np.memmap(tmp_path / "imagery", np.int16, "w+", shape=(1 << 20, 2))
    mapped[5] = 7
    large, small = np.arange(1 << 18), np.arange(3)
    (tmp_path / "job").mkdir()
    arguments.write(
        tmp_path / "job", {"a": large, "again": [large], "small": small, "mapped": mapped, "view": mapped[4:]}
    )
    back = arguments.read(tmp_path / "job")
    assert len(list((tmp_path / "job").glob("*.npy"))) == 2  # the large one, and what is only a part of a file
    for name, value in {"a": large, "small": small, "mapped": mapped, "view": mapped[4:]}.items():
        np.testing.assert_array_equal(back[name], value)
    np.testing.assert_array_equal(back["again"][0], large)
    mapped[6] = 9
    assert back["mapped"][6, 0] == 9


@pytest.mark.parametrize("rows", [1, 2, 7, 8])
@pytest.mark.parametrize(
    "loss",
    [
        BinaryCrossEntropy(BinaryCrossEntropy.Options()),
        CrossEntropy(CrossEntropy.Options()),
        CrossEntropy(CrossEntropy.Options(reduction="sum")),
        Asymmetric(Asymmetric.Options()),
        SigmoidF1(SigmoidF1.Options()),
    ],
    ids=lambda loss: f"{loss.name} {loss.of_rows}",
)
def test_the_average_gradient_of_the_parts_is_that_of_the_batch(monkeypatch, loss: Loss, rows):
    """Three processes one after the other, whose sums are known."""
    rng = torch.Generator().manual_seed(rows)
    x, net = torch.randn(rows, 4, generator=rng), torch.randn(4, 5, generator=rng)
    targets = (torch.rand(rows, 5, generator=rng) < 0.4).float()
    weights, class_weights = torch.rand(rows, generator=rng), torch.rand(5, generator=rng)

    def gradient(part):
        parameters = net.clone().requires_grad_()
        batch = part.take({"x": x, "y": targets, "weight": weights})
        value, of_batch = part.loss(
            loss, loss.of_rows, batch["x"] @ parameters, batch["y"], batch["weight"], class_weights, rows
        )
        value.backward()
        return parameters.grad, of_batch

    expected, value = gradient(WHOLE)
    parts = [Part(index, 3) for index in range(3)]
    if loss.of_rows == "joint":
        of_all = itertools.cycle([x @ net, targets, weights])  # in the order in which they are asked for

        class Joined(torch.autograd.Function):
            """The rows of all; their gradient is the same in each process, so that its sum is three times it."""

            @staticmethod
            def forward(ctx, own):
                return next(of_all).clone()

            @staticmethod
            def backward(ctx, grad):
                return 3 * grad

        monkeypatch.setattr("glc.training.part.all_reduce", Joined.apply)
        gradients, values = zip(*(gradient(part) for part in parts), strict=True)
    else:
        shares = []
        monkeypatch.setattr(Part, "total", lambda part, values: shares.append(values.detach()) or values)
        gradients, _ = zip(*(gradient(part) for part in parts), strict=True)
        values = [sum(shares)]
    torch.testing.assert_close(sum(gradients) / 3, expected)
    for found in values:
        torch.testing.assert_close(found.detach(), value)


def _until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def _runs(process):
    with contextlib.suppress(OSError):
        return (Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
