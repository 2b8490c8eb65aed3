"""A few coordinates of a dataset's surveys, from anywhere in its files, without reading these."""

import csv
import math

from glc.editions._base import Dataset
from glc.editions._check import header

_LINES = 200


def coordinates(dataset: Dataset, count: int = _LINES) -> tuple[list[float], list[float]]:
    """(lon, lat) in degrees of up to `count` surveys that are trained on; rows that cannot be read are passed over.

    A row is taken at each `count`-th part of a file; it is the first whole line from there.
    """
    lon, lat = [], []
    for table, path in dataset.files:
        if table.dataset != dataset.edition.train:
            continue
        names = header(path, table)
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
