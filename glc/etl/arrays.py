"""Arrays of ``.npy`` and ``.pt`` files, read without executing anything the files carry.

A ``.pt`` file is a pickle and raw numbers. Of the pickle only the opcodes and the few names that say "a tensor of
this type, size and stride" are admitted, and those names stand for functions of this module. torch is not imported: its
``torch.load(weights_only=True)`` reads the same files, at 200 MB of memory and two seconds for each of Spark's workers.
"""

import io
import itertools
import math
import os
import pickle
import pickletools
import struct
import zipfile
from typing import NamedTuple

import numpy as np

from glc.errors import DataError
from glc.rasters import archives
from glc.types import StrPath

MAX_BYTES = 1 << 28
"""Larger files (or members of a zipped one) are refused: a cube of a survey has some kilobytes."""
_MAX_PICKLE = 1 << 20
_LEGACY = 0x1950A86A20F9469CFC6C  # what torch before 1.6 writes first
_TYPES = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
}
# no BUILD, NEWOBJ, INST or OBJ (they set or make objects) and no BYTEARRAY8 (it allocates what it is told to)
_PLAIN = (
    "PROTO FRAME STOP MARK GLOBAL STACK_GLOBAL REDUCE BINPERSID NONE NEWTRUE NEWFALSE MEMOIZE BINPUT LONG_BINPUT "
    "BINGET LONG_BINGET BININT BININT1 BININT2 LONG1 UNICODE BINUNICODE SHORT_BINUNICODE EMPTY_TUPLE TUPLE TUPLE1 "
    "TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS EMPTY_DICT SETITEM SETITEMS"
)
_OPCODES = frozenset(_PLAIN.split())


class _Storage(NamedTuple):
    kind: str
    key: str
    count: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    size: tuple
    stride: tuple


def read(path: StrPath) -> np.ndarray:
    """Read the one array of a ``.npy`` or ``.pt`` file (zipped or legacy form of ``torch.save``), executing nothing.

    returns : ndarray of bool, integer or float type, native byte order, contiguous
    A DataError names the file and the cause: truncated, not an array, objects inside, or a pickle that asks for
    anything other than a plain tensor.
    """
    try:
        size = os.stat(path).st_size
        if size > MAX_BYTES:
            raise DataError(
                f"{path}: found {size:,} bytes, expected at most {MAX_BYTES:,}; is this the file of a single cube?"
            )
        if str(path).endswith(".npy"):
            array = _npy(path, size)
        elif str(path).endswith(".pt"):
            array = _pt(path)
        else:
            raise DataError(f"{path}: expected a file called .npy or .pt; convert it or leave it out")
    except DataError:
        raise
    except Exception as error:  # damaged bytes fail anywhere in the parsers below, in any way
        raise DataError(
            f"{path}: cannot be read as an array ({type(error).__name__}: {error}); fetch it again"
        ) from error
    if array.dtype.kind not in "biuf":
        raise DataError(f"{path}: found an array of {array.dtype}, expected numbers; convert it")
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))


def _npy(path, size):
    with open(path, "rb") as file:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(file)
        # the header's word is checked before NumPy allocates by it
        if not dtype.hasobject and math.prod(shape) * dtype.itemsize != size - file.tell():
            raise ValueError(f"header says {shape} of {dtype}, but {size - file.tell():,} bytes follow it")
        file.seek(0)
        return np.lib.format.read_array(file, allow_pickle=False)


def _pt(path):
    with open(path, "rb") as file:
        content = file.read()
    return _zipped(path, content) if content.startswith(b"PK") else _legacy(path, io.BytesIO(content))


def _zipped(path, content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        pickles = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise DataError(f"{path}: found {names[:5]} in the archive, expected a tensor of torch.save")
        root = pickles[0].removesuffix("/data.pkl")
        tensor = _unpickle(path, io.BytesIO(_member(archive, pickles[0], _MAX_PICKLE)))
        order = "<"
        if f"{root}/byteorder" in names:
            order = {b"little": "<", b"big": ">"}[_member(archive, f"{root}/byteorder", 16)]
        storage = _a_tensor(path, tensor).storage
        return _array(tensor, _member(archive, f"{root}/data/{storage.key}", MAX_BYTES), order)


def _member(archive, name, limit):
    try:
        return archives.member(archive, name, limit)
    except OSError as error:
        raise ValueError(f"{name}: {error}") from error


def _legacy(path, file):
    if _unpickle(path, file) != _LEGACY or _unpickle(path, file) != 1001:
        raise DataError(f"{path}: found a pickle, expected a tensor of torch.save; convert it to .npy")
    order = "<" if _unpickle(path, file)["little_endian"] else ">"
    tensor = _a_tensor(path, _unpickle(path, file))
    if _unpickle(path, file) != [tensor.storage.key]:
        raise ValueError("the list of storages is not that of one tensor")
    (count,) = struct.unpack(f"{order}q", file.read(8))
    if count != tensor.storage.count:
        raise ValueError(f"a storage of {count} numbers, expected {tensor.storage.count}")
    return _array(tensor, file.read(), order)


def _unpickle(path, file):
    start = file.tell()
    for opcode, argument, place in pickletools.genops(file):
        if opcode.name not in _OPCODES:
            raise DataError(
                f"{path}: its pickle has {opcode.name}, which no plain tensor needs; refused, nothing was run"
            )
        if opcode.name in ("LONG_BINPUT", "LONG_BINGET") and argument > _MAX_PICKLE:
            raise ValueError(f"memo index {argument}")  # the unpickler would allocate up to it
        if place - start > _MAX_PICKLE:
            raise ValueError("the pickle of a tensor is shorter")
    file.seek(start)
    return _Tensors(path, file).load()


class _Tensors(pickle.Unpickler):
    """Knows plain tensors and nothing else."""

    def __init__(self, path, file):
        super().__init__(file)
        self.path = path

    def find_class(self, module, name):
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if (module, name) == ("collections", "OrderedDict"):
            return _no_hooks
        if module == "torch" and name in _TYPES:
            return _TYPES[name]
        raise DataError(
            f"{self.path}: its pickle asks for {module}.{name}, expected one plain CPU tensor of numbers; refused, "
            "nothing was run; save the tensor alone (tensor.detach().float().contiguous()) or as .npy"
        )

    def persistent_load(self, pid):
        tag, kind, key, _, count = pid[:5]
        if tag != "storage" or kind not in _TYPES.values() or not isinstance(key, str) or not isinstance(count, int):
            raise ValueError(f"storage {pid!r}")
        if len(pid) > 5 and pid[5] is not None:
            raise ValueError(f"storage {key} is a view of another")
        return _Storage(kind, key, count)


def _rebuild(storage, offset, size, stride, *_):
    return _Tensor(storage, offset, size, stride)


def _no_hooks():
    return None


def _a_tensor(path, value):
    if not isinstance(value, _Tensor):
        raise DataError(f"{path}: found a {type(value).__name__}, expected one tensor; save the tensor alone")
    return value


def _array(tensor, content, order):
    """The tensor's array; no element outside `content` is ever looked at."""
    storage, offset, size, stride = tensor
    numbers = np.frombuffer(content, np.dtype(order + storage.kind))
    valid = all(isinstance(x, int) and x >= 0 for x in itertools.chain([offset], size, stride))
    if not valid or len(size) != len(stride) or len(numbers) != storage.count:
        raise ValueError(f"{len(numbers)} numbers for {tensor}")
    if math.prod(size) > len(numbers):
        raise ValueError(f"size {size} of {len(numbers)} numbers; save the tensor contiguous")
    if math.prod(size) == 0:
        return np.empty(size, numbers.dtype)
    if offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) >= len(numbers):
        raise ValueError(f"{tensor} reaches beyond its {len(numbers)} numbers")
    steps = [step * numbers.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(numbers[offset:], size, steps, writeable=False).copy()
