"""Arguments of a function for processes that are started: large arrays are files, which all of them map and share.

Copies of a net's imagery in every process would take its memory as often as there are processes.
"""

import mmap
import pickle
from pathlib import Path

import numpy as np

from glc import storage
from glc.types import Keywords

LEAST_BYTES = 1 << 20
"""Smaller arrays are copied."""
_FILE = "arguments.pickle"


def write(folder: Path, arguments: Keywords) -> None:
    """Write arguments to an empty folder.

    arguments : what pickle can hold; an array that is a file already (`numpy.memmap`) remains that file
    """
    with open(folder / _FILE, "wb") as file:
        _Writer(file, folder).dump(arguments)


def read(folder: Path) -> Keywords:
    """The arguments that `write` wrote there; large arrays cannot be written to."""
    with open(folder / _FILE, "rb") as file:
        return _Reader(file).load()


class _Writer(pickle.Pickler):
    def __init__(self, file, folder):
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.folder, self.files = folder, {}

    def persistent_id(self, value):
        if not isinstance(value, np.ndarray) or value.nbytes < LEAST_BYTES or value.dtype.hasobject:
            return None
        if isinstance(value, np.memmap) and isinstance(value.base, mmap.mmap) and value.flags.c_contiguous:
            return str(value.filename), value.dtype, value.offset, value.shape
        if id(value) not in self.files:
            path = self.folder / f"{len(self.files)}.npy"
            storage.check_space(self.folder, value.nbytes, "an array that the processes share", "give ROOT more space")
            np.save(path, value)
            self.files[id(value)] = path, value  # kept, so that no other array gets its id
        return str(self.files[id(value)][0]), None, 0, None


class _Reader(pickle.Unpickler):
    def persistent_load(self, pid):
        path, dtype, offset, shape = pid
        if dtype is None:
            return np.load(path, mmap_mode="r").view(np.ndarray)
        return np.memmap(path, dtype, "r", offset, shape).view(np.ndarray)
