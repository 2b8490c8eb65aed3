"""A pass over imagery four times the memory that it may take, in shuffled batches."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from glc import schema, storage
from glc.bench.stage import Facts, Stage, Way
from glc.config import Input
from glc.errors import DataError
from glc.nets.inputs import batches, tables
from glc.nets.inputs._petastorm import BatchedDataLoader, make_batch_reader
from glc.nets.inputs.summary import summarise

SURVEYS, GROUP, SIDE, BATCH = 16_384, 512, 128, 64
BANDS = ("red", "green", "blue", "nir")
SHARE = 4
_TILES, _EXAMPLES, _SUMS = "tiles", "examples", "sums.npy"


def prepare(folder: Path, scale: float) -> None:
    """Patches of four bands as pixels of 8 bits, 1 GB, in parts of 32 MB, and examples."""
    rng = np.random.default_rng(0)
    count = round(SURVEYS * scale)
    group = min(GROUP, max(1, count // (8 * SHARE)))  # some of them fit in memory at any scale
    ids = rng.permutation(count)
    wanted = schema.tiles(dict.fromkeys(BANDS, np.uint8))
    with storage.atomic_directory(folder / _TILES) as out:
        for part, start in enumerate(range(0, count, group)):
            mine = ids[start : start + group]
            columns = {"dataset": ["pa_train"] * len(mine), "surveyId": mine, "flag": ["ok"] * len(mine)}
            for band in BANDS:
                pixels = pa.array(rng.integers(0, 256, len(mine) * SIDE**2, np.uint8))
                offsets = pa.array(np.arange(len(mine) + 1, dtype=np.int32) * SIDE**2)
                columns[band] = pa.ListArray.from_arrays(offsets, pixels)
                columns[f"{band}_valid"] = np.ones(len(mine), np.float32)
            table = pa.table(columns, schema=wanted)
            pq.write_table(table, out / f"part-{part:05d}.parquet", compression="zstd", compression_level=1)
        storage.note(out, bands=BANDS, size=SIDE, block="full")
    frame = pd.DataFrame({"dataset": np.ones(count, np.int8), "surveyId": rng.permutation(count), "weight": 1.0})
    frame = frame.assign(easting=0.0, northing=0.0, species=[[0]] * count)
    frame = frame.astype({name: np.float32 for name in ("easting", "northing", "weight")})
    storage.write_table(frame, "examples", folder / _EXAMPLES, row_group_rows=8_192)


def ours(folder: Path, out: Path) -> Facts:
    """`Batches` of imagery that is streamed."""
    return _pass(folder, out, _rows(folder) * len(BANDS) * SIDE**2 // SHARE)


def from_memory(folder: Path, out: Path) -> Facts:
    """`Batches` of imagery that is read first, and in memory."""
    return _pass(folder, out, 1 << 40)


def petastorm(folder: Path, out: Path) -> Facts:
    """Petastorm's reader of row groups in random order, and its shuffling buffer of as many rows."""
    sums = np.zeros(_rows(folder), np.int64)
    reader = make_batch_reader(
        [f"file://{path.absolute()}" for path in _parts(folder)],
        schema_fields=["surveyId", *BANDS],
        reader_pool_type="thread",
        workers_count=1,
        results_queue_size=1,
        shuffle_row_groups=True,
        seed=0,
    )
    capacity = len(sums) // SHARE
    with BatchedDataLoader(
        reader, BATCH, shuffling_queue_capacity=capacity, transform_fn=lambda array: torch.as_tensor(array.copy())
    ) as loader:
        rows = 0
        for batch in loader:
            imagery = torch.stack([batch[band] for band in BANDS], dim=1).float()
            sums[batch["surveyId"].numpy()] += imagery.sum(dim=(1, 2), dtype=torch.float64).long().numpy()
            rows += len(imagery)
    np.save(out / _SUMS, sums)
    return {"rows": rows}


def check(folder: Path, results: Mapping[str, Path]) -> None:
    """A DataError where a way has not given each survey's pixels once."""
    sums = {name: np.load(out / _SUMS) for name, out in results.items()}
    wanted = next(iter(sums.values()))
    for name, values in sums.items():
        if not np.array_equal(values, wanted):
            raise DataError(f"{folder}: {name} gave other pixels of {np.count_nonzero(values != wanted):,} surveys")


def _pass(folder, out, memory_bytes):
    wanted = Input("sentinel2", block=0, size=SIDE)
    features = tables.read([wanted], [[folder / _TILES]], memory_bytes=memory_bytes, scratch=out)
    summary = summarise(folder / _EXAMPLES, 1)
    rows, sums = _sums(batches.Batches(summary, BATCH, shuffle=True, features=features), wanted.name, _rows(folder))
    np.save(out / _SUMS, sums)
    return {"rows": rows}


def _sums(loader: Iterable[dict[str, torch.Tensor]], name: str, count: int) -> tuple[int, np.ndarray]:
    rows, sums = 0, np.zeros(count, np.int64)
    for batch in loader:
        rows += len(batch[name])
        sums[batch["surveyId"].numpy()] += batch[name].sum(dim=(1, 2, 3), dtype=torch.float64).long().numpy()
    return rows, sums


def _parts(folder):
    return sorted((folder / _TILES).glob("part-*.parquet"))


def _rows(folder):
    return sum(pq.read_metadata(path).num_rows for path in _parts(folder))


STAGE = Stage(
    title="a pass over patches of 16,384 surveys, 4 × 128 × 128, 1 GB with 256 MB of them in memory",
    wanted="report",
    prepare=prepare,
    ways=(
        Way("glc, streamed", ours),
        Way("Petastorm's reader and buffer", petastorm),
        Way("glc, all in memory", from_memory),
    ),
    check=check,
)
