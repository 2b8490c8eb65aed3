"""How a training runs: what belongs to the machine, not to the experiment."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """Settings of a training that no score depends on, except that other `threads` round otherwise.

    accelerator : Lightning's; auto takes a GPU where there is one
    threads : of torch on the CPU; None leaves them
    workers : processes that read batches, see `glc.nets.inputs.batches.Batches`
    memory_bytes : of the examples that are kept in memory, see there
    progress : whether a bar is shown
    fast_dev_run : one batch of training and validation, to see that everything runs
    wandb : mode (offline, online, disabled) and project, group, name, config, dir of a W&B run; None is disabled
    """

    accelerator: str = "auto"
    threads: int | None = None
    workers: int = 1
    memory_bytes: int = 1 << 30
    progress: bool = True
    fast_dev_run: bool = False
    wandb: Mapping[str, object] | None = None


MACHINE = Machine()
"""This machine as it is: all threads, a GPU if there is one, no W&B."""
