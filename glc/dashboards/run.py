"""Runs of W&B: where their files are, what they are called, and how one is written."""

import contextlib
import hashlib
import logging
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict

from glc.errors import ConfigError
from glc.types import JSON

if TYPE_CHECKING:
    from wandb.sdk.wandb_run import Run

log = logging.getLogger(__name__)
HOST = "api.wandb.ai"
FOLDER = "wandb"
"""Folder below ROOT, where W&B puts its files."""
LONGEST_TAG = 64
"""Characters of a tag, which W&B allows."""
LONGEST_START = 60.0
"""Seconds that the start of a run waits for W&B's server."""
LONGEST_UPLOAD = 900.0
"""Seconds that the end of a run waits for W&B's server."""
_unreachable = False
"""Whether W&B could not be used online in this process: the next run need not wait for that again."""


class Wandb(TypedDict):
    """Settings of a W&B run; all except `mode` and `dir` are arguments of ``wandb.init``."""

    mode: str
    """offline, online or disabled."""
    project: NotRequired[str]
    group: NotRequired[str]
    name: NotRequired[str]
    job_type: NotRequired[str]
    """training, experiment or table."""
    tags: NotRequired[list[str]]
    id: NotRequired[str]
    """A run with the id of an earlier one takes its place."""
    config: NotRequired[dict[str, JSON]]
    """Settings of the run, by name."""
    dir: NotRequired[str]
    """ROOT: its files are in the folder `FOLDER` there."""


def has_key() -> bool:
    """Whether W&B has a key, in the environment or in ~/.netrc."""
    netrc = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    return bool(os.environ.get("WANDB_API_KEY")) or (netrc.is_file() and HOST in netrc.read_text())


def in_sweep() -> bool:
    """Whether an agent of a sweep started this program: it gives the run's id, which then is the experiment's."""
    return bool(os.environ.get("WANDB_SWEEP_ID"))


def run_id(*parts: str) -> str:
    """An id that the same `parts`, such as dataset and experiment, always give: a second run is no second entry."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def tag(text: str) -> str:
    """`text` as a tag."""
    return text[:LONGEST_TAG]


def artifact_name(*parts: str) -> str:
    """`parts` as the name of an artifact, which has letters, digits, ``-_.`` and at most 128 of them."""
    whole = "-".join(parts)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", whole)
    if name == whole and len(name) <= 100:
        return name
    return f"{name[:100]}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


@contextlib.contextmanager
def started(settings: Wandb) -> Iterator["Run"]:
    """A run of W&B that ends with the block; all that it writes, artifacts as well, is below ``dir``/wandb.

    settings : with another mode than disabled
    Where W&B cannot be reached, or does not take the key, the run is written offline, with a warning; so are the later
    ones of this process. A ConfigError says that W&B cannot start at all.
    """
    options = dict(settings)
    mode, folder = str(options.pop("mode")), Path(str(options.pop("dir", ".")))
    data = folder / FOLDER
    data.mkdir(parents=True, exist_ok=True)
    with _environment(WANDB_DATA_DIR=str(data), WANDB_CACHE_DIR=str(data / "cache")):
        run = _start(mode, folder, options)
        began = time.monotonic()
        try:
            with run:
                yield run
                began = time.monotonic()
        finally:
            if mode == "online" and time.monotonic() - began >= LONGEST_UPLOAD:
                log.warning("W&B did not take all of a run in time; upload the rest with: wandb sync %s", run.dir)


def _start(mode: str, folder: Path, options: dict[str, object]) -> "Run":
    """A new run, in mode online or offline."""
    global _unreachable
    import wandb

    limits = {"init_timeout": LONGEST_START, "finish_timeout": LONGEST_UPLOAD}
    quiet = wandb.Settings(silent=True, console="off", **limits)
    if mode == "online" and _unreachable:
        mode = "offline"
    try:
        return wandb.init(mode=mode, dir=folder, settings=quiet, **options)
    except (wandb.errors.Error, ValueError, OSError) as error:
        # W&B adds advice on its settings, and leaves some texts empty
        cause = str(error).strip().split("\n")[0].replace("<no message>", "") or type(error).__name__
        if mode != "online":
            raise ConfigError(f"W&B cannot start in mode {mode!r}: {cause}; try: wandb_mode = disabled") from error
        _unreachable = True
        log.warning(
            "W&B cannot be used online (%s); runs are kept in %s, upload them with: glc wandb sync",
            cause,
            folder / FOLDER,
        )
        wandb.teardown()  # W&B's own process still has the run's id in use
        return _start("offline", folder, options)


def offline_runs(root: Path) -> list[Path]:
    """The runs below ROOT that were written offline, the oldest first."""
    return sorted(folder for folder in (root / FOLDER).glob("offline-run-*") if any(folder.glob("run-*.wandb")))


def waiting(root: Path) -> list[Path]:
    """Those of `offline_runs` that were not uploaded yet."""
    return [folder for folder in offline_runs(root) if not any(folder.glob("run-*.wandb.synced"))]


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Variables of the environment for a block; those that a person has set stay."""
    own = {name: value for name, value in values.items() if not os.environ.get(name)}
    os.environ.update(own)
    try:
        yield
    finally:
        for name in own:
            os.environ.pop(name, None)
