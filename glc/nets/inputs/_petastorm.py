"""Petastorm 0.12.1, unmodified, on today's pyarrow and NumPy: the one file that imports it.

Petastorm reads through names that pyarrow gave up with 15 and NumPy with 2.0. For local parquet files that are given
one by one, which is all that we read, they are supplied here, to Petastorm's own modules alone: pyarrow and NumPy stay
as they are for everybody else. Not supported, and refused: folders, partitions, filters, other file systems than the
local one, `make_reader` and what Petastorm writes.
"""

import sys
from types import ModuleType

import numpy as np
import pyarrow as pa
from pyarrow import parquet as pq

from glc.errors import DataError

__all__ = ["BatchedDataLoader", "BatchedRandomShufflingBuffer", "TransformSpec", "make_batch_reader"]


class LocalFileSystem:
    """`pyarrow.filesystem.LocalFileSystem`: Petastorm opens each file through it."""

    @staticmethod
    def open(path):
        return pa.OSFile(path)


class HadoopFileSystem:
    """`pyarrow.hdfs.HadoopFileSystem`: the base of a class that Petastorm defines when it is imported."""


class ParquetDatasetPiece:
    """`pyarrow.parquet.ParquetDatasetPiece`: a file, or one of its row groups."""

    def __init__(self, path, open_file_func=LocalFileSystem.open, row_group=None, partition_keys=()):
        self.path, self.row_group, self.partition_keys = path, row_group, partition_keys

    def get_metadata(self):
        return pq.read_metadata(self.path)

    def read(self, columns, partitions=None):
        with pq.ParquetFile(self.path) as file:
            return file.read_row_group(self.row_group, columns=list(columns))


class ParquetDataset:
    """`pyarrow.parquet.ParquetDataset` as it was before pyarrow 15: files in the order in which they are given."""

    # those of a folder that Petastorm has written; without them it takes types and row groups from the files
    metadata = common_metadata = partitions = None

    def __init__(self, paths, filesystem, validate_schema=False, metadata_nthreads=1, filters=None):
        if isinstance(paths, str) or not isinstance(filesystem, LocalFileSystem) or filters is not None:
            raise DataError(f"{paths}: expected a list of local parquet files, without filters")
        self.paths, self.fs = paths, filesystem
        self.pieces = [ParquetDatasetPiece(path) for path in paths]


def _with(module, **names):
    """`module` with more `names`, for a module of Petastorm's that looks them up in it."""
    more = ModuleType(module.__name__)
    vars(more).update(names, __getattr__=lambda name: getattr(module, name))
    return more


if int(pa.__version__.split(".")[0]) < 15:
    from petastorm import TransformSpec, make_batch_reader
    from petastorm.pytorch import BatchedDataLoader
    from petastorm.reader_impl.pytorch_shuffling_buffer import BatchedRandomShufflingBuffer
else:
    # modules that are gone, and are there only while Petastorm is imported
    gone = {
        "pyarrow.filesystem": _with(pa, LocalFileSystem=LocalFileSystem),
        "pyarrow.hdfs": _with(pa, HadoopFileSystem=HadoopFileSystem),
    }
    sys.modules.update(gone)
    try:
        from petastorm import TransformSpec, arrow_reader_worker, fs_utils, make_batch_reader, reader, unischema
        from petastorm.etl import dataset_metadata
        from petastorm.pytorch import BatchedDataLoader
        from petastorm.reader_impl.pytorch_shuffling_buffer import BatchedRandomShufflingBuffer
    finally:
        for name in gone:
            del sys.modules[name]
    # pyarrow.localfs: the file system of addresses that start with file://
    fs_utils.pyarrow = _with(pa, localfs=LocalFileSystem())
    legacy = _with(pq, ParquetDataset=ParquetDataset, ParquetDatasetPiece=ParquetDatasetPiece)
    arrow_reader_worker.pq = dataset_metadata.pq = reader.pq = legacy
    # np.unicode_ and np.string_: the types of columns of text and of bytes
    arrow_reader_worker.np = unischema.np = _with(np, unicode_=np.str_, string_=np.bytes_)
