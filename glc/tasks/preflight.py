"""What can be refused before anything runs: settings, scheduler, ROOT, and what each task of the run checks itself.

Luigi makes the task of a command line once it has read it. `before` is called then: an error it raises ends the command
with its text and exit code 40, before scheduling and before Spark.
"""

import logging
import socket
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol
from urllib.parse import urlparse

import luigi
from luigi.cmdline_parser import CmdlineParser
from luigi.task import flatten

from glc import memory, objectstore
from glc.dashboards.run import has_key
from glc.errors import ConfigError, GlcError
from glc.etl.cluster import driver_address
from glc.tasks.machine import machine

log = logging.getLogger(__name__)
PATIENCE = 1.5
"""Seconds to wait for the central scheduler."""

_checked: CmdlineParser | None = None
"""The command line that has been checked."""


class Checked(Protocol):
    """What is asked of a task here."""

    @property
    def root(self) -> str:
        """The folder of all outputs."""

    @property
    def task_family(self) -> str:
        """Its name on a command line."""

    @property
    def resources(self) -> Mapping[str, int]:
        """What Luigi gives to a limited number of tasks at a time, such as ``spark``."""

    @property
    def only_looked_at(self) -> bool:
        """Whether it is a page for people."""

    def complete(self) -> bool:
        """Whether it need not run."""

    def requires(self) -> object:
        """The tasks that run before it."""

    def check(self) -> None:
        """Raise a GlcError for what is known to make it fail."""

    def check_name(self) -> None:
        """Raise a GlcError where its name in paths belongs to another dataset."""

    def followers(self) -> "Sequence[Checked]":
        """The tasks that run once it is finished."""


def before(task: Checked) -> None:
    """Check the command line's own task, once; every other task is none of this function's business."""
    global _checked
    command = CmdlineParser.get_instance()
    if command is not _checked and is_commands_own(task):
        _checked = command
        check(task)


def is_commands_own(task: Checked) -> bool:
    """Whether the command line asks for this task by its name."""
    command = CmdlineParser.get_instance()
    return command is not None and command.known_args.root_task == task.task_family


def check(task: Checked) -> None:
    """Raise the first GlcError that settings, files and headers give away about a run of `task`."""
    machine()
    _check_scheduler()
    pending = _pending(task)
    for unfinished in pending:
        unfinished.check_name()
        unfinished.check()
        for follower in unfinished.followers():
            follower.check()
    if any(unfinished.resources.get("spark") for unfinished in pending):
        driver_address(machine().spark_master)
    if pending:
        check_root(Path(task.root))
        check_store(Path(task.root), pending)


def _pending(top: Checked) -> list[Checked]:
    """The tasks that would run, what they require first."""
    states: dict[Checked, bool] = {}
    order: list[Checked] = []

    def walk(task: Checked) -> None:
        if task in states:
            return
        states[task] = task.complete()
        if not states[task]:
            for requirement in flatten(task.requires()):
                walk(requirement)
            order.append(task)

    try:
        walk(top)
    except GlcError:
        raise
    except Exception:
        return []
    return order


def _check_scheduler() -> None:
    """Refuse a number of workers that does nothing, and a central scheduler that does not answer."""
    try:
        core = luigi.interface.core()
    except ValueError as error:
        raise ConfigError(f"--workers, or [core] of luigi.cfg: {error}; expected whole numbers") from None
    if core.workers < 1:
        raise ConfigError(f"--workers ([core] workers of luigi.cfg): found {core.workers}, expected at least 1")
    if core.local_scheduler:
        return
    url = urlparse(core.scheduler_url or f"http://{core.scheduler_host}:{core.scheduler_port}/")
    try:
        socket.create_connection((url.hostname or "", url.port or 80), timeout=PATIENCE).close()
    except OSError as error:
        raise ConfigError(
            f"no central scheduler at {url.geturl()} ({error.strerror or error}); start one in another terminal: "
            "make scheduler; or leave out SCHEDULER=central ([core] local_scheduler = true)"
        ) from None


def check_root(root: Path) -> None:
    """Refuse a folder of outputs that is a file, is below one, or cannot be written."""
    there = next(path for path in (root, *root.parents) if path.exists())
    if not there.is_dir():
        raise ConfigError(f"--root {root} (make: ROOT=): {there} is a file, expected a folder; choose another")
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        raise ConfigError(
            f"--root {root} (make: ROOT=): cannot be written ({error.strerror}); choose another folder"
        ) from None


def check_store(root: Path, pending: Sequence[Checked]) -> None:
    """Refuse a root in an object store that takes no files, unless all that is missing is pages for people.

    pending : tasks that would run
    """
    mirror = objectstore.opened(root)
    if mirror is None:
        return
    try:
        mirror.check_writable()
    except objectstore.DeniedError as error:
        if not all(task.only_looked_at for task in pending):
            raise
        mirror.read_only = True
        log.warning("what is made is kept on this machine alone: %s", error)


def check_training() -> None:
    """Refuse to train where the settings want a GPU, a logger or a key of W&B that is not there."""
    check_device()
    _check_devices()
    if machine().compile:
        _check_compiler()
    if machine().logger == "tensorboard" and find_spec("tensorboard") is None:
        raise ConfigError(
            "[machine] logger: found tensorboard, which is not installed; try: pip install -e '.[tensorboard]', or "
            "logger = csv (--machine-logger csv)"
        )
    check_wandb()


def check_wandb() -> None:
    """Refuse W&B online without a key."""
    if machine().logger == "wandb" and machine().wandb_mode == "online" and not has_key():
        raise ConfigError(
            "[machine] wandb_mode: found online, but neither WANDB_API_KEY nor a key in ~/.netrc; try: wandb login, or "
            "wandb_mode = offline (--machine-wandb-mode offline)"
        )


def check_device() -> None:
    """Refuse a GPU that is not there."""
    if machine().accelerator == "gpu" and not has_gpu():
        raise ConfigError(
            "[machine] accelerator: found gpu, but torch sees none; try: accelerator = auto (--machine-accelerator "
            "auto), or install the driver and a torch with CUDA; glc doctor checks this"
        )


def _check_devices() -> None:
    """Refuse more processes of a training than there are GPUs, or than the memory is for."""
    count = machine().devices
    if count == 1:
        return
    import torch  # takes seconds

    gpus = torch.cuda.device_count() if machine().accelerator != "cpu" else 0
    if 0 < gpus < count:
        raise ConfigError(
            f"[machine] devices: found {count}, expected at most {gpus}, the GPUs of this machine; or train on its CPU "
            "(--machine-accelerator cpu)"
        )
    if not gpus and machine().accelerator != "cpu" and torch.backends.mps.is_available():
        raise ConfigError(f"[machine] devices: found {count}, expected 1 on a GPU of Apple; or accelerator = cpu")
    most = memory.most_processes(machine().memory_gb)
    if count > most:
        raise ConfigError(
            f"[machine] devices: found {count}, expected at most {most}: each process takes {memory.PYTHON_GB} GB "
            f"before it has read anything, and half of memory_gb = {machine().memory_gb:g} is theirs; raise memory_gb"
        )


def _check_compiler() -> None:
    """Refuse to compile nets where there is nothing to compile them with."""
    from glc.training.compilers import missing

    lacking = missing(machine().accelerator)
    if lacking:
        raise ConfigError(f"[machine] compile: found true, but {lacking}; or leave compile = false")


def has_gpu() -> bool:
    """Whether torch sees a GPU."""
    import torch  # takes seconds

    return torch.cuda.is_available() or torch.backends.mps.is_available()
