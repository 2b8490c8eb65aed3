"""What one of several processes does of a training: its rows of each batch, and sums over all processes.

All processes go through the same seeded batches. Of a batch of n rows the process i of k takes the rows i, i + k, …;
where these are too few (of a short last batch) rows of others pad them, with weight 0: every process must take part
in every step, and nets treat a single survey apart from all others. The gradients of the processes are averaged (DDP),
so that a loss is scaled to make that average the gradient of the whole batch.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import torch
from torch import distributed

BATCH_ROWS = "batch_rows"
"""Of a batch that is shared: a tensor without axes, int64, the rows that all processes together have of it."""
_PATIENCE = datetime.timedelta(hours=24)
"""For the others: the first process may search for a learning rate; who dies is noticed by the program that waits."""
T = TypeVar("T")
Cost = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor]
"""Logits, labels and weights by row, and class weights, to a scalar."""


class _Sum(torch.autograd.Function):
    """The sum over all processes, whose gradient is the sum of their gradients."""

    @staticmethod
    def forward(ctx, values):
        values = values.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(values)
        return values

    @staticmethod
    def backward(ctx, gradient):
        return _Sum.apply(gradient)


def all_reduce(values: torch.Tensor) -> torch.Tensor:
    """The sum over all processes, through which gradients flow back to each of them."""
    return _Sum.apply(values)


@dataclass(frozen=True)
class Part:
    """A process among those of a training; the only one by default.

    index : from 0; the first one writes what the training leaves
    count : of processes
    meeting : a file that does not exist yet, through which the processes find each other
    """

    index: int = 0
    count: int = 1
    meeting: Path | None = None

    @property
    def first(self) -> bool:
        """Whether it writes what the training leaves."""
        return self.index == 0

    def rows(self, total: int, least: int = 1) -> slice | list[int]:
        """Its rows of a batch, and behind them those that pad it.

        total : rows of the batch
        least : how many it takes, unless the batch has fewer
        """
        own = range(self.index, total, self.count)
        lacking = min(least, total) - len(own)
        return [*own, *range(lacking)] if lacking > 0 else slice(self.index, total, self.count)

    def own(self, total: int) -> int:
        """How many rows of a batch of `total` are its own, without the padding."""
        return len(range(self.index, total, self.count))

    def take(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Its rows of a batch, at least two if the batch has them; the batch where there is one process alone.

        batch : tensors (n, ...); `weight` becomes 0 for rows that pad
        returns : tensors of its rows, and `BATCH_ROWS`
        """
        if self.count == 1:
            return batch
        total = len(next(iter(batch.values())))
        rows, own = self.rows(total, least=2), self.own(total)
        taken = {name: values[rows] for name, values in batch.items()}
        if "weight" in taken and own < len(taken["weight"]):
            taken["weight"] = torch.cat([taken["weight"][:own], torch.zeros_like(taken["weight"][own:])])
        return self.say(taken, total)

    def say(self, batch: dict[str, torch.Tensor], total: int) -> dict[str, torch.Tensor]:
        """`batch`, of its rows, with `BATCH_ROWS` where there are several processes.

        total : rows of the whole batch
        """
        return batch if self.count == 1 else batch | {BATCH_ROWS: torch.tensor(total)}

    def total_rows(self, batch: dict[str, torch.Tensor], name: str) -> int:
        """Rows of the whole batch, of which `batch` may be a part.

        name : of a tensor of it whose first axis are the rows
        """
        return len(batch[name]) if self.count == 1 else int(batch[BATCH_ROWS])

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, without a gradient."""
        if self.count > 1:
            values = values.detach().clone()
            distributed.all_reduce(values)
        return values

    def mean(self, values: torch.Tensor, total: int) -> torch.Tensor:
        """The mean over the rows of a batch, without a gradient where there are several processes.

        values : (row, ...) of its rows
        total : rows of the batch
        """
        if self.count == 1:
            return values.mean(dim=0)
        return self.total(values[: self.own(total)].sum(dim=0)) / total

    def whole(self, values: torch.Tensor, total: int) -> torch.Tensor:
        """The rows of all processes in the order of the batch, through which gradients flow back to them.

        A loss of them must be computed by every process alike and needs no scale: each then gets the gradient of its
        rows times the number of processes, which the average over the processes takes away.

        values : (row, ...) of its rows
        total : rows of the batch
        """
        if self.count == 1:
            return values
        rows, own = values.new_zeros((total, *values.shape[1:])), self.own(total)
        rows[self.index :: self.count] = values[:own]
        return all_reduce(rows)

    def loss(
        self,
        cost: Cost,
        of_rows: Literal["mean", "sum", "joint"],
        logits: torch.Tensor,
        labels: torch.Tensor,
        weights: torch.Tensor,
        class_weights: torch.Tensor | None,
        total: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss of a batch of which this process has some rows.

        cost : called with all that follows except `total`
        of_rows : how the costs of parts make up that of the batch, see `glc.training.losses.Loss`
        logits, labels, weights, class_weights : (row, ...) of its rows; the last one (class,)
        total : rows of the batch
        returns : (what is to be minimised here, the loss of the whole batch without a gradient)
        """
        if self.count == 1:
            value = cost(logits, labels, weights, class_weights)
            return value, value.detach()
        if of_rows == "joint":
            value = cost(*(self.whole(values, total) for values in (logits, labels, weights)), class_weights)
            return value, value.detach()
        value = cost(logits, labels, weights, class_weights)
        share = value * (len(logits) / total) if of_rows == "mean" else value
        return share * self.count, self.total(share)

    def from_first(self, value: T) -> T:
        """What the first process gives here, a plain value."""
        values = [value]
        if self.count > 1:
            distributed.broadcast_object_list(values)
        return values[0]

    def of_all(self, value: T) -> list[T]:
        """What every process gives here, plain values by `index`."""
        if self.count == 1:
            return [value]
        values: list[T] = [value] * self.count
        distributed.all_gather_object(values, value)
        return values

    def join(self, accelerator: str) -> None:
        """Meet the other processes; nothing where there are none.

        accelerator : Lightning's
        """
        if self.count == 1:
            return
        device = None
        if accelerator != "cpu" and torch.cuda.is_available():
            torch.cuda.set_device(self.index)
            device = torch.device("cuda", self.index)
        distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if device else "gloo",
            init_method=f"file://{self.meeting}",
            rank=self.index,
            world_size=self.count,
            timeout=_PATIENCE,
            device_id=device,
        )

    def draw_apart(self) -> None:
        """Draw other random numbers than the other processes from now on; the first goes on as it would alone."""
        if not self.first:
            torch.manual_seed(torch.initial_seed() + 1_000_003 * self.index)


WHOLE = Part()
"""The only process of a training."""
