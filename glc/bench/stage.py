"""What a stage of the bench consists of: data, our way, the other ways, and a comparison of their results.

A stage is a module of `glc.bench.stages` with one ``STAGE``; the name of the module is the name of the stage.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from glc.errors import ConfigError, did_you_mean


class Facts(TypedDict, total=False):
    """What a way returns of its run.

    rows : count of what it made: rows, pairs, tiles, surveys; required
    start_s : seconds of the run that are the start of Spark, which is not counted
    share : part of the work that was done, for a way that is too slow for all of it; its time is divided by it
    seconds : what counts, where the run itself measures it, as a rate of steps after those that warm up
    peak_bytes : memory that counts, where the run itself measures it, as that of tensors; otherwise PSS
    """

    rows: int
    start_s: float
    share: float
    seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class Way:
    """One way to do a stage.

    name : for the table
    run : (folder of the data, empty folder for results) -> `Facts`; a function of a module, since it runs in its
        own process, which is timed from the call on
    """

    name: str
    run: Callable[[Path, Path], Facts]


def _nothing(folder: Path, results: Mapping[str, Path]) -> None:
    """A comparison where there is nothing to compare."""


@dataclass(frozen=True)
class Stage:
    """A stage.

    title : what is done, to how much, at scale 1
    wanted : the aim, in words
    prepare : (folder, scale) writes the data that all ways read; not timed
    ways : ours first
    check : (folder of the data, name of a way -> folder of its results); a DataError where ways disagree
    counts_memory : whether the ways count their memory themselves. Then nobody looks at it from outside, which halts a
        process that allocates much
    always : part of ``make bench``; others run where they are named
    """

    title: str
    wanted: str
    prepare: Callable[[Path, float], None]
    ways: tuple[Way, ...]
    check: Callable[[Path, Mapping[str, Path]], None] = _nothing
    counts_memory: bool = False
    always: bool = True


def names() -> list[str]:
    """Sorted names of all stages; none of them is imported."""
    return sorted(info.name.replace("_", "-") for info in pkgutil.iter_modules([str(Path(__file__).parent / "stages")]))


def get(name: str) -> Stage:
    """The stage of a name, such as ``tiles-large``; a ConfigError lists the names."""
    if name not in names():
        raise ConfigError(f"unknown stage {name!r}; expected one of: {', '.join(names())}{did_you_mean(name, names())}")
    return importlib.import_module(f"{__package__}.stages.{name.replace('-', '_')}").STAGE
