"""Machine settings: the section ``[machine]`` of ``conf/luigi.cfg``. None of them changes the bytes of an output.

Importing this module makes Luigi read that file; a file named by ``LUIGI_CONFIG_PATH`` is read after it and wins.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import luigi
from luigi.configuration import add_config_path

from glc.config import paths
from glc.errors import ConfigError
from glc.types import JSON

if TYPE_CHECKING:
    from glc.training.machine import Machine, Wandb

add_config_path(str(paths.CONF / "luigi.cfg"))
_own = os.environ.get("LUIGI_CONFIG_PATH")
if _own:
    if not Path(_own).is_file():
        raise ConfigError(f"LUIGI_CONFIG_PATH={_own}: no such file")
    add_config_path(_own)


class machine(luigi.Config):  # noqa: N801 - Luigi takes the section's name from the class
    """Cores, memory, places and loggers of the machine that runs the tasks."""

    root = luigi.Parameter(default="out", description="folder of all outputs; relative to the checkout")
    spark_master = luigi.Parameter(default="local[2]", description="Spark master URL")
    spark_memory = luigi.Parameter(default="3g", description="memory of the Spark driver")
    imagery_memory_gb = luigi.FloatParameter(
        default=4, description="of a net's imagery; what is larger is read from disk"
    )
    accelerator = luigi.Parameter(default="auto", description="Lightning's accelerator: auto, cpu, gpu")
    wandb_mode = luigi.Parameter(default="offline", description="offline, online or disabled")
    wandb_project = luigi.Parameter(default="glc", description="W&B project")
    verbose = luigi.BoolParameter(default=False, description="show the log on the screen as well")


def output_folder() -> Path:
    """The folder of all outputs where ``--root`` gives none: relative to the checkout, or to the working folder."""
    return (paths.home() / machine().root).resolve()


def training(
    root: str,
    group: str,
    name: str,
    settings: dict[str, JSON],
    *,
    resume: Path,
    threads: int | None = None,
    fast_dev_run: bool = False,
) -> "Machine":
    """How a training runs here.

    root : folder of all outputs, below which W&B writes
    group, name, settings : of the run at W&B
    resume : folder of the checkpoints to continue from
    threads : of torch; None: all; fast_dev_run : one batch of everything
    """
    from glc.training.machine import Machine  # torch takes seconds, which reading a command's options need not

    wandb: Wandb = {
        "mode": machine().wandb_mode,
        "project": machine().wandb_project,
        "group": group,
        "name": name,
        "config": settings,
        "dir": str(Path(root) / "wandb"),
    }
    return Machine(
        accelerator=machine().accelerator, threads=threads, fast_dev_run=fast_dev_run, wandb=wandb, resume=resume
    )
