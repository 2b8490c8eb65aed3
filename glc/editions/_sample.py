"""A few coordinates of a dataset's surveys, from anywhere in its files, without reading these."""

import csv
import math
from pathlib import Path

from glc.editions._base import Dataset, Table
from glc.editions._check import coordinates_as_text, header
from glc.editions._source import PLAIN

_LINES = 200
_SKIPPED = 20
"""Rows from one that is taken to the next, in a file that is read from its start."""


def coordinates(dataset: Dataset, count: int = _LINES) -> tuple[list[float], list[float]]:
    """(lon, lat) in degrees of up to `count` surveys that are trained on; rows that cannot be read are passed over.

    A row is taken at each `count`-th part of a file; it is the first whole line from there. Of a file that has to be
    unpacked, they are from the first rows.
    """
    lon, lat = [], []
    for table, path in dataset.files:
        if table.dataset != dataset.train:
            continue
        names = header(path, table)
        if table.source is not PLAIN or table.rules is not None:
            lon_, lat_ = _first(path, table, names, count)
            lon += lon_
            lat += lat_
            continue
        at = [names.index(table.columns[name]) for name in ("lon", "lat")]
        size = path.stat().st_size
        with open(path, "rb") as file:
            for part in range(count):
                file.seek(size * part // count)
                file.readline()  # the rest of a line, or the header
                line = file.readline().decode("utf-8", errors="replace")
                try:
                    row = next(csv.reader([line], delimiter=table.separator))
                    place = [float(row[column]) for column in at]
                except (StopIteration, IndexError, ValueError, csv.Error):
                    continue
                if all(map(math.isfinite, place)):
                    lon.append(place[0])
                    lat.append(place[1])
    return lon, lat


def _first(path: Path, table: Table, names: list[str], count: int) -> tuple[list[float], list[float]]:
    lon, lat = [], []
    for _, place in coordinates_as_text(path, table, names, _SKIPPED * count)[::_SKIPPED]:
        try:
            degrees = [float(text) for text in place]
        except ValueError:
            continue
        if all(map(math.isfinite, degrees)):
            lon.append(degrees[0])
            lat.append(degrees[1])
    return lon, lat
