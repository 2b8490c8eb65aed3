"""Cut tiles around surveys and write them in parts; finished parts are reused after an interruption.

Surveys are sorted so that near ones (or neighbouring files) are in one part; parts are made in parallel by Spark's
workers, each in bounded memory, written to a temporary file and renamed.
"""

import dataclasses
import hashlib
import json
import logging
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from glc import registry, schema, scratch, storage
from glc.covariates import Patches, Raster
from glc.errors import ConfigError, DataError
from glc.progress import tqdm
from glc.rasters import grids
from glc.rasters.cutter import FLAGS, RasterCutter
from glc.rasters.images import ImageCutter
from glc.types import Facts, StrPath

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


log = logging.getLogger(__name__)

QUARANTINE = "quarantine"
_PLACE = ("dataset", "surveyId", "lon", "lat")
_NO_IMAGE = -1  # no file is called so
_PART_BYTES, _PART_ROWS = 64 * 2**20, 4096
_IDENTITY = b"glc.tiles"
_VERSION = 3  # up when the same input gives other bytes


def write(
    spark: "SparkSession | None",
    places: pd.DataFrame | pa.Table,
    covariate: str | Raster | Patches,
    folders: StrPath | Sequence[StrPath],
    out: StrPath,
    *,
    size: int = 128,
    block: int | Literal["full"] = 8,
    memory_mb: float = 256,
    resume: StrPath | None = None,
) -> Facts:
    """Write tiles of one covariate around `places`: ``out/part-*.parquet``, and ``out/quarantine/part-*.parquet``.

    spark : a session, or None to work in this process
    places : pandas frame or pyarrow table with dataset, surveyId, lon, lat (degrees), and image_id where image files
        are not called by the survey's id (null: it has none); other columns are ignored
    covariate : name of a registered one, or a `glc.covariates.Raster` or `Patches`
    folders : a dataset's folder, or several, of which the first that has the covariate is read; Spark's workers must
        see it under the same path
    size : side of a tile in pixels; of an even one the survey's pixel is row and column size / 2
    block : DCT terms kept an axis, or ``full`` for the pixels
    memory_mb : of pixels that each worker holds, decoded blocks and boxes alike
    resume : folder on the same file system where parts are made, and found again after an interruption; they move to
        `out` at the end. By default it is `out` itself
    returns : facts, a dict of rows, parts, made (parts not found), flags {flag: surveys}, unreadable (rows of the
        quarantine), empty (bands of which no survey has a value), impossible (pixels that cannot be, and count as
        nodata, of those looked at: file, band, pixels, of, example), bands, size, block, files, seconds
    Schema: `glc.schema.tiles`. A DataError tells of files that are not there or cannot be opened at all, and of
    surveys that are not written; single tiles that cannot be read are flagged and quarantined, not raised.
    """
    began = time.monotonic()
    _check(size, block)
    out, stage = Path(out), Path(resume or out)
    folders = [folders] if isinstance(folders, str | os.PathLike) else list(folders)
    covariate = registry.covariates.get(covariate) if isinstance(covariate, str) else covariate
    frame = _frame(places)
    job = _job(covariate, folders, frame, stage, size, block, memory_mb)
    try:
        pending = [part for part in range(len(job.identities)) if not job.whole(part)]
        if block != "full" and not covariate.classes:  # pixels and maps of classes may be compressed to a fraction
            rows = len(frame) * len(pending) // len(job.identities)
            what = f"{rows:,} tiles of {covariate.name or covariate.title}"
            storage.check_space(stage, rows * _row_bytes(job.cutter), what, "keep a smaller block, or free some space")
        _run(spark, job, pending, len(frame), f"tiles of {covariate.name or covariate.title}")
    finally:
        job.places.unlink(missing_ok=True)
    facts = {
        **_account(job, frame, covariate),
        "impossible": _impossible(job.cutter, covariate),
        "made": len(pending),
        "bands": list(job.cutter.columns),
        "size": size,
        "block": block,
        "files": job.cutter.files,
        "seconds": round(time.monotonic() - began, 1),
    }
    job.tidy()
    if stage.resolve() != out.resolve():
        for part in range(len(job.identities)):
            for path in job.paths(part):
                (out / path.relative_to(stage)).parent.mkdir(parents=True, exist_ok=True)
                os.replace(path, out / path.relative_to(stage))
    return facts


@dataclasses.dataclass(frozen=True)
class Job:
    """All that a worker needs to make any part."""

    cutter: RasterCutter | ImageCutter
    places: Path
    stage: Path
    identities: tuple[str, ...]

    def paths(self, part):
        """Files of a part: the tiles, and the quarantine."""
        name = f"part-{part:05d}.parquet"
        return self.stage / name, self.stage / QUARANTINE / name

    def whole(self, part):
        """Whether the part is finished, as it would be made now."""
        tiles, quarantine = self.paths(part)
        try:
            metadata = pq.read_metadata(tiles).metadata
        except (OSError, pa.ArrowInvalid):
            return False
        return quarantine.is_file() and (metadata or {}).get(_IDENTITY) == self.identities[part].encode()

    def tidy(self):
        """Remove parts of an earlier run that had more of them, and unfinished ones of workers that were killed."""
        for folder in (self.stage, self.stage / QUARANTINE):
            scratch.remove_abandoned(folder, "part-")
        known = {path for part in range(len(self.identities)) for path in self.paths(part)}
        for path in [*self.stage.glob("part-*.parquet"), *(self.stage / QUARANTINE).glob("part-*.parquet")]:
            if path not in known:
                path.unlink()

    def make(self, part):
        """Cut and write a part; returns its number of surveys."""
        places = pq.ParquetFile(self.places).read_row_group(part).to_pandas()
        values, valid, rank, problems = self.cutter.cut(places)
        rows = np.array([row for row, _, _ in problems], int)
        refused = {
            "dataset": places["dataset"].to_numpy()[rows],
            "surveyId": places["surveyId"].to_numpy()[rows],
            "file": [file for _, file, _ in problems],
            "cause": [cause for _, _, cause in problems],
        }
        columns = {"dataset": places["dataset"], "surveyId": places["surveyId"], "flag": FLAGS[rank]}
        columns = {name: pa.array(column) for name, column in columns.items()}
        for name, tile in values.items():
            offsets = np.arange(len(tile) + 1, dtype=np.int32) * tile.shape[1]
            columns[name] = pa.ListArray.from_arrays(pa.array(offsets), pa.array(tile.reshape(-1)))
            columns[f"{name}_valid"] = pa.array(valid[name])
        wanted = schema.tiles({name: dtype for name, (_, dtype) in self.cutter.columns.items()})
        wanted = wanted.with_metadata({_IDENTITY: self.identities[part].encode()})
        tiles, quarantine = self.paths(part)
        _save(pa.table(refused, schema=schema.TABLES["tiles_quarantine"]), quarantine)
        _save(pa.table(columns, schema=wanted), tiles)
        return len(places)


def _save(table, path):
    with storage.atomic_file(path) as partial:
        # coefficients hardly repeat: dictionaries of them would cost time and save nothing
        texts = [field.name for field in table.schema if field.type == pa.string()]
        pq.write_table(table, partial, compression="zstd", compression_level=1, use_dictionary=texts)


def _job(covariate, folders, frame, stage, size, block, memory_mb):
    if covariate.kind == "rasters":
        grids.check_cover(covariate, grids.find(covariate, folders), frame["lon"], frame["lat"])
        cutter = RasterCutter(covariate, folders, size, block, memory_mb)
    else:
        cutter = ImageCutter(covariate, folders, size, block, frame)
    frame = frame.iloc[cutter.order(frame)]
    rows = int(np.clip(_PART_BYTES // _row_bytes(cutter), 16, _PART_ROWS))
    stage.mkdir(parents=True, exist_ok=True)
    (stage / QUARANTINE).mkdir(exist_ok=True)
    path = stage / f".places-{os.getpid()}.parquet"
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, row_group_size=rows)

    shared = {
        "version": _VERSION,
        "covariate": [type(covariate).__name__, dataclasses.asdict(covariate)],
        "files": [(str(file), *_stamp(file)) for file in cutter.files],
        "size": size,
        "block": block,
    }
    shared = json.dumps(shared, sort_keys=True, default=str).encode()
    identities = tuple(
        hashlib.sha256(
            shared + pd.util.hash_pandas_object(frame.iloc[start : start + rows], index=False).to_numpy().tobytes()
        ).hexdigest()
        for start in range(0, len(frame), rows)
    )
    return Job(cutter, path, stage, identities)


def _stamp(path):
    if os.path.isdir(path):
        return storage.stamp(path)
    facts = os.stat(path)
    return facts.st_size, facts.st_mtime_ns


def _row_bytes(cutter):
    return sum(length * np.dtype(dtype).itemsize for length, dtype in cutter.columns.values())


def _run(spark, job, pending, surveys, what):
    """Make the `pending` parts, on Spark or here, with a bar of surveys."""
    rows = [pq.read_metadata(job.places).row_group(part).num_rows for part in range(len(job.identities))]
    with tqdm(total=surveys, initial=surveys - sum(rows[part] for part in pending), desc=what, unit="survey") as bar:
        if spark is None:
            for part in pending:
                bar.update(job.make(part))
        elif pending:

            def make(frames):
                for frame in frames:
                    yield pd.DataFrame({"rows": [job.make(pending[i]) for i in frame["id"]]})

            # one partition a part: Spark hands them out in order, so workers stay near each other on the raster
            parts = spark.range(0, len(pending), 1, len(pending)).mapInPandas(make, "rows long")
            with ThreadPoolExecutor(1) as pool:
                made = pool.submit(parts.collect)
                while not wait([made], timeout=0.5).done:
                    bar.update(_newly_finished(job, pending, rows, bar, surveys))
                made.result()
            bar.update(surveys - bar.n)


def _newly_finished(job, pending, rows, bar, surveys):
    """Surveys of parts that have come to stand since the bar last moved."""
    missing = sum(rows[part] for part in pending if not job.paths(part)[0].is_file())
    return max(0, surveys - missing - bar.n)


def _account(job, frame, covariate):
    """Count what is on disk; a DataError when a survey is missing, a warning when tiles could not be read."""
    flags, unreadable, rows = dict.fromkeys(FLAGS, 0), 0, 0
    empty = list(job.cutter.columns)
    for part in range(len(job.identities)):
        tiles, quarantine = job.paths(part)
        table = pq.read_table(tiles, columns=["flag", *(f"{name}_valid" for name in empty)])
        rows += len(table)
        empty = [name for name in empty if not pc.max(table[f"{name}_valid"]).as_py() > 0]
        for count in pc.value_counts(table["flag"]).to_pylist():
            flags[count["values"]] += count["counts"]
        unreadable += pq.read_metadata(quarantine).num_rows
    if rows != len(frame):
        raise DataError(f"{job.stage}: {rows:,} surveys written, expected {len(frame):,}; run again")
    if unreadable:
        log.warning("%s: %d files or layers could not be read; see the quarantine", covariate.name, unreadable)
    if len(empty) == len(job.cutter.columns):
        raise DataError(
            f"{job.cutter.files[0]}: covariate {covariate.name!r} has no value around any of {rows:,} surveys "
            f"({', '.join(empty[:5])}); is it of another area, and its nodata as it should be?"
        )
    if empty:
        log.warning(
            "%s: no survey has a value of %s (%d of %d bands)",
            covariate.name, ", ".join(empty[:5]), len(empty), len(job.cutter.columns),
        )  # fmt: skip
    return {"rows": rows, "parts": len(job.identities), "flags": flags, "unreadable": unreadable, "empty": empty}


def _impossible(cutter, covariate):
    """What cannot be of the pixels looked at, with a warning for each band."""
    bands = []
    for grid, name, what in cutter.impossible if isinstance(cutter, RasterCutter) else ():
        bands.append({"file": grid.files[0], "band": name, **what._asdict()})
        log.warning(
            "%s: %s of %s: %d of %d pixels looked at cannot be, such as %g; they count as nodata",
            grid.files[0], name, covariate.name, *what,
        )  # fmt: skip
    return bands


def _frame(places):
    frame = places.to_pandas() if isinstance(places, pa.Table) else places
    missing = [name for name in _PLACE if name not in frame.columns]
    if missing:
        raise DataError(f"places: column {missing[0]!r} is missing; found {list(frame.columns)}, expected {_PLACE}")
    own = ["image_id"] if "image_id" in frame.columns else []
    frame = frame[[*_PLACE, *own]].reset_index(drop=True)
    if own:
        frame["image_id"] = frame["image_id"].fillna(_NO_IMAGE).astype(np.int64)
    if frame["surveyId"].isna().any():
        raise DataError("places: found a null surveyId; expected one for each survey")
    frame = frame.astype({"dataset": object, "surveyId": np.int64, "lon": float, "lat": float})
    twice = frame.duplicated(["dataset", "surveyId"])
    if twice.any():
        first = frame[twice].iloc[0]
        raise DataError(
            f"places: survey {first['surveyId']} of dataset {first['dataset']!r} is there more than once; "
            "expected one row per survey; try: drop_duplicates(['dataset', 'surveyId'])"
        )
    if frame.empty:
        raise DataError("places: found no survey; expected at least one")
    return frame


def _check(size, block):
    if not isinstance(size, int) or size < 1:
        raise ConfigError(f"size: found {size!r}, expected pixels, 1 or more")
    if block != "full" and not (isinstance(block, int) and 1 <= block <= size):
        raise ConfigError(f"block: found {block!r}, expected 1 to size={size}, or 'full'")
