"""What is in an offline run of W&B: its binary log, read without a network."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

from wandb.proto.wandb_internal_pb2 import Record

BLOCK, HEADER = 32_768, 7
"""Bytes of a block of LevelDB's log format, and of the header of the file and of each chunk."""
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def records(folder: Path) -> Iterator[Record]:
    """The records of the run in a folder ``offline-run-…``."""
    (path,) = folder.glob("run-*.wandb")
    data, at, parts = path.read_bytes(), HEADER, b""
    assert data[:4] in (b"", b":W&B")
    while at + HEADER <= len(data):
        left = BLOCK - at % BLOCK
        if left < HEADER:
            at += left
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        if at + HEADER + length > len(data):
            return  # not all of it is written yet
        parts = (parts if kind in (MIDDLE, LAST) else b"") + data[at + HEADER : at + HEADER + length]
        at += HEADER + length
        if kind in (FULL, LAST):
            record = Record()
            record.ParseFromString(parts)
            yield record


def finished(folder: Path) -> list[Record]:
    """The records of a run up to its end: W&B's own process writes them, and may be a moment behind."""
    for _ in range(200):
        found = list(records(folder))
        if any(record.WhichOneof("record_type") == "exit" for record in found):
            return found
        time.sleep(0.1)
    raise AssertionError(f"{folder}: the run has no end")


def read(folder: Path) -> dict:
    """Run, configuration, rows of the history, final values and artifacts of a run."""
    found = {"config": {}, "history": [], "summary": {}, "artifacts": {}, "run": None}
    for record in finished(folder):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            found["run"] = record.run
            found["config"] |= _values(record.run.config.update)
        elif kind == "config":
            found["config"] |= _values(record.config.update)
        elif kind == "history":
            row = _values(record.history.item)
            found["history"].append(row)
            found["summary"] |= row
        elif kind == "summary":
            found["summary"] |= _values(record.summary.update)
        elif kind == "artifact":
            artifact = record.artifact
            found["artifacts"][artifact.type] = [entry.path for entry in artifact.manifest.contents]
    return found


def _values(items) -> dict:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}
