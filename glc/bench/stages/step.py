"""A training step of the geolocation net with the asymmetric loss, and with the loss as its formula says."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from glc import config
from glc.bench import examples, tensors
from glc.bench.examples import BATCH, CLASSES
from glc.bench.stage import Facts, Stage, Way
from glc.errors import DataError
from glc.nets.checkpoints import make
from glc.nets.inputs.batches import Batches
from glc.nets.inputs.summary import summarise
from glc.registry import losses
from glc.training.targets import multi_hot

STEPS, WARM = 40, 3
_OURS, _UNFUSED = "glc, in one pass over the logits", "the formula through autograd"
_HALVED = "glc, and products in bfloat16"
_TOLERANCES = {_OURS: 1e-4, _HALVED: 1e-2}
"""Way -> largest relative difference of a loss from the formula's."""
Cost = Callable[[torch.Tensor, dict[str, torch.Tensor]], torch.Tensor]


def prepare(folder: Path, scale: float) -> None:
    """Examples of all steps.

    folder : gets them
    scale : share of the steps
    """
    batches = WARM + max(2, round(STEPS * scale))
    examples.prepare(folder, min(1, batches * BATCH / examples.SURVEYS))


def train(folder: Path, out: Path, cost: Cost, *, bfloat16: bool = False) -> Facts:
    """Steps on the batches of a pass; the last one's memory is counted, and takes no part in the time.

    cost : (logits, batch) -> loss
    bfloat16 : products of the net in bfloat16, as with ``train.precision``
    returns : rows, seconds, peak_bytes of the tensors of a step
    """
    torch.manual_seed(0)
    summary = summarise(folder / examples.EXAMPLES, CLASSES)
    net = make(config.Choice("geolocation", {}), CLASSES, {})
    net.prepare(summary)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)
    values = []

    def step(batch: dict[str, torch.Tensor]) -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            logits = net(batch)
        loss = cost(logits.float(), batch)
        loss.backward()
        optimizer.step()
        values.append(loss.item())

    *first, last = Batches(summary, BATCH, shuffle=True)
    for batch in first[:WARM]:
        step(batch)
    began = time.perf_counter()
    for batch in first[WARM:]:
        step(batch)
    seconds = time.perf_counter() - began
    peak = tensors.peak_bytes(lambda: step(last))
    np.save(out / "losses.npy", values)
    return {"rows": BATCH * (len(first) - WARM), "seconds": seconds, "peak_bytes": peak}


def _asymmetric() -> Cost:
    """The loss as the trainer calls it."""
    member = losses.get("asl")
    loss = member(config.options(member, config.Choice("asl", {}), "loss"))
    return lambda logits, batch: loss.of_lists(logits, batch["species"], batch["weight"])


def ours(folder: Path, out: Path) -> Facts:
    """All in float32."""
    return train(folder, out, _asymmetric())


def halved(folder: Path, out: Path) -> Facts:
    """Products of the net in bfloat16; its weights and the loss in float32."""
    return train(folder, out, _asymmetric(), bfloat16=True)


def formula(logits: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """The asymmetric loss (Ridnik et al. 2021, equation 7) through autograd, gammas 1 and 4, clip 0.05."""
    targets = multi_hot(batch["species"], CLASSES)
    p = torch.sigmoid(logits)
    shifted = (p - 0.05).clamp(min=0)
    positive = targets * (1 - p) ** 1 * torch.log(p.clamp(min=1e-8))
    negative = (1 - targets) * shifted**4 * torch.log((1 - shifted).clamp(min=1e-8))
    return -((positive + negative) * batch["weight"][:, None]).sum()


def unfused(folder: Path, out: Path) -> Facts:
    """The loss as its formula says, in float32."""
    return train(folder, out, formula)


def check(folder: Path, results: dict[str, Path]) -> None:
    """A DataError where the losses of the steps differ by more than rounding does, to 24 bits or to 8."""
    plain = np.load(results[_UNFUSED] / "losses.npy")
    for name, tolerance in _TOLERANCES.items():
        mine = np.load(results[name] / "losses.npy")
        if not np.allclose(mine, plain, rtol=tolerance):
            raise DataError(f"{name}: losses of the steps are {mine}, expected {plain} to {tolerance:g}")


STAGE = Stage(
    title=f"{STEPS} steps of the geolocation net, {BATCH} × {CLASSES:,}, asymmetric loss; memory of a step's tensors",
    wanted="at least 2 × faster, at most half of the memory",
    prepare=prepare,
    ways=(Way(_OURS, ours), Way(_UNFUSED, unfused), Way(_HALVED, halved)),
    check=check,
    counts_memory=True,
)
