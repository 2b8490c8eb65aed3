"""How a training runs: what belongs to the machine, not to the experiment."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from glc.dashboards.run import Wandb
from glc.training.part import WHOLE, Part


@dataclass(frozen=True)
class Machine:
    """Settings of a training that no score depends on, except that other `threads` round otherwise.

    accelerator : Lightning's; auto takes a GPU where there is one
    threads : of torch on the CPU, of all processes together; None leaves them
    workers : processes that read batches, see `glc.nets.inputs.batches.Batches`
    loader : how they are read, see there; the batches are the same
    memory_bytes : of the examples that are kept in memory, see there; not divided from ``[machine] memory_gb``, as
        streamed examples come in another order, and machine settings change no score
    progress : whether a bar is shown
    fast_dev_run : one batch of training and validation, to see that everything runs
    logger : wandb, tensorboard or csv; the last two write to the folder of that name in `wandb`'s ``dir``
    wandb : settings of the run at W&B or another logger; None is disabled
    resume : folder of the checkpoints from which a training that was killed continues (`glc.training.resume`); it must
        belong to this training alone; None: there are none
    devices : processes that train together, each on a GPU or a share of the cores (`glc.training.processes`)
    part : this process among them
    compile : whether torch compiles the net
    """

    accelerator: str = "auto"
    threads: int | None = None
    workers: int = 1
    loader: Literal["petastorm", "memory"] = "petastorm"
    memory_bytes: int = 1 << 30
    progress: bool = True
    fast_dev_run: bool = False
    logger: str = "wandb"
    wandb: Wandb | None = None
    resume: Path | None = None
    devices: int = 1
    part: Part = WHOLE
    compile: bool = False


MACHINE = Machine()
"""This machine as it is: all threads, a GPU if there is one, no W&B."""
