"""Machine settings: the section ``[machine]`` of ``conf/luigi.cfg``. None of them changes the bytes of an output.

Importing this module makes Luigi read that file; a file named by ``LUIGI_CONFIG_PATH`` is read after it and wins.
Settings are checked whenever they are read: an unknown key and a value that cannot be used raise a ConfigError that
names the file (or the option), the key, what was found and what was expected.
"""

import configparser
import difflib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import luigi
from luigi.cmdline_parser import CmdlineParser
from luigi.configuration import add_config_path, get_config

from glc import memory, objectstore
from glc.config import paths
from glc.dashboards.run import Wandb, in_sweep
from glc.errors import ConfigError, did_you_mean
from glc.types import JSON, Keywords

if TYPE_CHECKING:
    from glc.training.machine import Machine

_SHARED = paths.CONF / "luigi.cfg"
_OWN = os.environ.get("LUIGI_CONFIG_PATH", "")
FILES = [_SHARED, *([Path(_OWN)] if _OWN else [])]
"""The files of settings, in the order in which they are read."""
for _path in FILES:
    if _path.is_file():  # `machine` refuses one that is not there
        add_config_path(str(_path))

SECTION = "machine"
T = TypeVar("T")


def _source(key: str) -> str:
    """The option or the file and key that a setting was read from, for errors."""
    parser = CmdlineParser.get_instance()
    if parser is not None and vars(parser.known_args).get(f"{SECTION}_{key}"):
        return f"--{SECTION}-{key.replace('_', '-')}"
    for path in reversed(FILES):
        content = configparser.RawConfigParser()
        content.read(path)
        if content.has_option(SECTION, key):
            return f"{path}: [{SECTION}] {key}"
    return f"[{SECTION}] {key}"


class Setting(luigi.Parameter[T], Generic[T]):
    """A setting that is checked when it is read.

    read : makes the value of its text, or raises a ValueError, whose text may add a remedy
    expected : what can be used, for the error
    """

    def __init__(self, read: Callable[[str], T], expected: str, **kwargs: Keywords) -> None:
        self.read, self.expected = read, expected
        super().__init__(**kwargs)

    def __set_name__(self, owner: type, name: str) -> None:
        super().__set_name__(owner, name)
        self.key = name

    def normalize(self, x: object) -> T:
        try:
            return self.read(str(x))
        except ValueError as error:
            remedy = f"; {error}" if str(error) else ""
            raise ConfigError(f"{_source(self.key)}: found {x!r}, expected {self.expected}{remedy}") from None


class Switch(luigi.BoolParameter):
    """A setting that is true or false; on the command line its option alone is true."""

    def __set_name__(self, owner: type, name: str) -> None:
        super().__set_name__(owner, name)
        self.key = name

    def parse(self, x: object) -> object:
        return x  # an error here would lose its type: Luigi makes another of it

    def normalize(self, x: object) -> bool:
        try:
            return super().parse(x)
        except ValueError:
            raise ConfigError(f"{_source(self.key)}: found {x!r}, expected true or false") from None


def _choice(*words: str, description: str) -> Setting[str]:
    """A setting that is one of some words, of which the first is the default."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(did_you_mean(text, words).removeprefix("; "))
        return text

    return Setting(read, f"one of: {', '.join(words)}", default=words[0], description=description)


_MASTER = re.compile(
    r"local(\[(\*|[1-9]\d*)(,\s*[1-9]\d*)?\])?|local-cluster\[\d+,\s*\d+,\s*\d+\]|spark://\S+:\d+(,\S+:\d+)*|yarn|k8s://\S+"
)


def _master(text: str) -> str:
    if not _MASTER.fullmatch(text):
        raise ValueError
    return text


def _budget(text: str) -> float:
    gigabytes = float(text)
    if not gigabytes >= memory.LEAST_GB:
        heap = memory.divide(memory.LEAST_GB).java_heap / 2**30
        raise ValueError(
            f"Java takes {heap + memory.JAVA_GB:.1f} (a heap of {heap:.1f}), Python {memory.PYTHON_GB:.1f} before it "
            f"has read anything, Spark's workers the rest"
        )
    there = memory.of_machine()
    if gigabytes > there:
        raise ValueError(f"this machine (or its container) has {there:.1f}; leave some of it to other programs")
    return gigabytes


def _devices(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError
    return count


def _gigabytes(text: str) -> float:
    gigabytes = float(text)
    if not 0 < gigabytes < float("inf"):
        raise ValueError
    return gigabytes


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError
    return text


class machine(luigi.Config):  # noqa: N801 - Luigi takes the section's name from the class
    """Cores, memory, places and loggers of the machine that runs the tasks."""

    root = Setting(
        _text,
        "a folder",
        default="out",
        description="folder of all outputs, relative to the checkout; or s3://BUCKET/FOLDER, gs://BUCKET/FOLDER",
    )
    cache = Setting(
        _text,
        "a folder",
        default="~/.cache/glc",
        description="folder in which tasks read and write where root is in an object store",
    )
    cache_gb = Setting(
        _gigabytes,
        "GB above 0",
        default=50.0,
        description="size of the cache of each root, in GB; what was not used for longest is removed at the next start",
    )
    spark_master = Setting(
        _master,
        "local[CORES], local[*] or spark://HOST:PORT",
        default="local[2]",
        description="Spark master URL",
    )
    memory_gb = Setting(
        _budget,
        f"GB for all processes together, from {memory.LEAST_GB:g} to what the machine has",
        default=4.0,
        description="memory of all processes of a run together, in GB: Java, Python, imagery",
    )
    accelerator = _choice("auto", "cpu", "gpu", description="what nets train on: auto, cpu, gpu")
    loader = _choice(
        "petastorm", "memory", description="how nets read their examples: petastorm, or once into memory; same batches"
    )
    devices = Setting(
        _devices,
        "how many, from 1",
        default=1,
        description="GPUs, or processes on a CPU, that train a net together",
    )
    compile = Switch(default=False, description="have torch compile nets before they are trained")
    logger = _choice("wandb", "tensorboard", "csv", description="where runs are logged: wandb, tensorboard or csv")
    wandb_mode = _choice("offline", "online", "disabled", description="offline, online or disabled")
    wandb_project = Setting(_text, "a name", default="glc", description="W&B project")
    repair = Switch(default=False, description="remove damaged outputs and make them again")
    verbose = Switch(default=False, description="show the log on the screen as well")

    @classmethod
    def get_param_values(
        cls, params: list[tuple[str, luigi.Parameter]], args: tuple[object, ...], kwargs: dict[str, object]
    ) -> list[tuple[str, object]]:
        """As Luigi calls it to read the settings; here what it would ignore is refused first."""
        _refuse_unknown([name for name, _ in params])
        return super().get_param_values(params, args, kwargs)


def _refuse_unknown(known: list[str]) -> None:
    """Refuse a file that is not there, a misspelt section ``[machine]``, and keys that it does not have."""
    if _OWN and not Path(_OWN).is_file():
        raise ConfigError(
            f"LUIGI_CONFIG_PATH={_OWN}: no such file; expected settings such as those of {paths.CONF / 'luigi-vm.cfg'}"
        )
    settings = get_config()
    for section in settings.sections():
        if section != SECTION and difflib.get_close_matches(section, [SECTION], cutoff=0.8):
            place = next((f"{path}: " for path in FILES if f"[{section}]" in path.read_text()), "")
            raise ConfigError(f"{place}unknown section [{section}]; did you mean [{SECTION}]?")
    for key in dict(settings.items(SECTION)) if settings.has_section(SECTION) else ():
        if key.replace("-", "_") not in known and key not in settings.defaults():
            raise ConfigError(
                f"{_source(key)}: unknown key; expected some of: {', '.join(known)}{did_you_mean(key, known)}"
            )


def output_folder(root: str = "") -> Path:
    """The folder of all outputs on this disk; of a root in an object store its cache, once the store was reached.

    root : as ``--root`` gives it, relative to the working folder; empty for that of ``[machine]``, which is relative to
        the checkout, or to the working folder where there is none
    """
    if root:
        source, folder = "--root (make: ROOT=)", Path(root)
    else:
        root = machine().root
        source, folder = _source("root"), paths.home() / root
    cache = Path(machine().cache).expanduser()
    if "://" in root:
        return objectstore.local_root(root, paths.home() / cache, machine().cache_gb, source)
    if url := objectstore.url_of(folder.resolve(), paths.home() / cache):  # as a process of this run says it
        return objectstore.local_root(url, paths.home() / cache, machine().cache_gb, source)
    return folder.resolve()


def budget() -> memory.Budget:
    """The parts of this machine's memory."""
    return memory.divide(machine().memory_gb)


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

    # in a sweep the one run is the experiment's, which has the curves of all its folds
    mode = "disabled" if in_sweep() else machine().wandb_mode
    return Machine(
        accelerator=machine().accelerator,
        devices=machine().devices,
        compile=machine().compile,
        threads=threads,
        fast_dev_run=fast_dev_run,
        loader="memory" if machine().loader == "memory" else "petastorm",
        logger=machine().logger,
        wandb=wandb(root, group, name, "training", settings) | {"mode": mode},
        resume=resume,
    )


def wandb(root: str, group: str, name: str, job_type: str, settings: dict[str, JSON]) -> Wandb:
    """Settings of a run at W&B or another logger.

    root : folder of all outputs, below which it writes
    group, name, job_type, settings : of the run at W&B
    """
    return {
        "mode": machine().wandb_mode,
        "project": machine().wandb_project,
        "group": group,
        "name": name,
        "job_type": job_type,
        "config": settings,
        "dir": root,
    }


def logs_to_wandb() -> bool:
    """Whether finished experiments and tables are logged at W&B."""
    return machine().logger == "wandb" and machine().wandb_mode != "disabled"
