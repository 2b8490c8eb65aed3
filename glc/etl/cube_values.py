"""Cubes of surveys as they are read: from six CSVs of quarterly series, or from files that hold one cube each.

Nothing is written here but scratch; `glc.etl.cubes` writes the tables, and a fitted experiment reads the cubes of the
surveys that it is asked for (`glc.fitted.inputs`).
"""

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from glc.errors import DataError, MissingError
from glc.etl import arrays, series
from glc.etl.cube_table import KINDS, ROWS, Scratch, check_terms, sorted_places
from glc.progress import tqdm
from glc.types import Facts, StrPath


@dataclass
class Source:
    """Cubes of surveys, of which any slice of rows is asked for.

    chunk : slice of rows -> (rows, *shape) float32, NaN where missing; it may add to `corrupt` and `faults`
    shape : of a cube
    corrupt : (n,) bool, surveys whose values cannot be used
    faults : records of schema ``quarantine``
    facts : plain values
    """

    chunk: Callable[[slice], np.ndarray]
    shape: tuple[int, ...]
    corrupt: np.ndarray
    faults: list[Facts]
    facts: Facts

    def read(self, count: int) -> np.ndarray:
        """The cubes of the first `count` surveys at once, NaN where missing or corrupt."""
        cubes = np.ascontiguousarray(self.chunk(slice(0, count)), np.float32)
        cubes[self.corrupt[:count]] = np.nan
        return cubes


@contextlib.contextmanager
def of_series(places: pd.DataFrame, folder: StrPath, scratch: StrPath, terms: int = 1) -> Iterator[Source]:
    """The cubes (6, 4, years) of the six CSVs found below `folder`.

    places : frame in the order of `sorted_places`, with dataset, surveyId and, where the tables are of
        ``timeSerieID``, series_id
    scratch : folder where values are gathered, for there may be millions
    terms : coefficients of a series that will be asked for; a ConfigError tells of more than it has values
    A survey that lacks the row of some bands has NaN there and counts in `partial`. A DataError tells of tables that do
    not fit together.
    """
    by_dataset = series.find(folder)
    headers = {path: series.header(path) for tables in by_dataset.values() for path in tables.values()}
    first = next(iter(headers))
    quarters = sorted(headers[first][2])
    for path, (_, _, other) in headers.items():
        if sorted(other) != quarters:
            raise DataError(f"{path}: {len(other)} quarters, expected the {len(quarters)} of {first}; use one release")
    years = (quarters[0][0], quarters[-1][0])
    shape = (6, 4, years[1] - years[0] + 1)
    check_terms(terms, len(quarters))
    corrupt, faults, facts, partial = np.zeros(len(places), bool), [], [], 0
    with Scratch(scratch, (6, len(places), len(quarters))) as values:
        for dataset, tables in by_dataset.items():
            mine = np.flatnonzero(np.ones(len(places), bool) if dataset is None else places["dataset"] == dataset)
            if dataset is None:
                mine = mine[~places["dataset"].iloc[mine].isin([name for name in by_dataset if name])]
            mine, own = _series_of(places, mine, {headers[path][1] for path in tables.values()}, tables)
            ids, inverse = np.unique(own, return_inverse=True)
            with Scratch(scratch, (6, len(ids), len(quarters))) as distinct:
                seen, bad, records, used = series.read(tables, ids, distinct)
                for band in range(6):
                    for start in range(0, len(mine), ROWS):
                        chunk = slice(start, start + ROWS)
                        values[band, mine[chunk]] = distinct[band, inverse[chunk]]
            corrupt[mine] = bad[inverse]
            partial += int((seen.any(axis=0) & ~seen.all(axis=0))[inverse].sum())
            faults += [{"dataset": dataset} | record for record in records]
            facts += used

        def chunk(rows):
            block = values[:, rows].transpose(1, 0, 2)  # (survey, band, time)
            return block.reshape(len(block), 6, shape[2], 4).swapaxes(2, 3)

        yield Source(chunk, shape, corrupt, faults, {"files": facts, "partial": partial, "years": years})


@contextlib.contextmanager
def of_files(places: pd.DataFrame, folder: StrPath, kind: str, shape: Sequence[int] | None = None) -> Iterator[Source]:
    """The cubes of the files ``…_SURVEYID_cube.npy`` or ``.pt`` of `kind` found below `folder`.

    places : frame in the order of `sorted_places`, with dataset and surveyId
    kind : of `KINDS`
    shape : where it is not the kind's own
    A file that cannot be read, or of another shape, is a fault; files are read without executing anything they carry.
    """
    shape = tuple(shape or KINDS[kind].shape)
    which, names, unused = _find_files(places, folder, KINDS[kind].pattern)
    corrupt, faults = np.zeros(len(places), bool), []
    surveys, datasets = places["surveyId"].to_numpy(), places["dataset"].to_numpy()

    with tqdm(total=len(places), desc=f"{kind} cubes", unit="survey") as bar:

        def chunk(rows):
            block = np.full((rows.stop - rows.start, *shape), np.nan, np.float32)
            for i in np.flatnonzero(which[rows] >= 0):
                row = rows.start + i
                before, after = names[which[row]]
                path = f"{before}{surveys[row]}{after}"
                try:
                    array = arrays.read(path)
                    if array.shape != shape:
                        raise DataError(f"{path}: shape is {array.shape}, expected {shape}")
                    with np.errstate(over="ignore"):
                        block[i] = array
                except DataError as error:
                    corrupt[row] = True
                    reason = str(error).removeprefix(f"{path}: ")
                    faults.append({"dataset": datasets[row], "file": path, "line": None, "column": None, "found": None,
                                   "reason": reason})  # fmt: skip
            block[np.isinf(block)] = np.nan
            bar.update(len(block))
            return block

        yield Source(chunk, shape, corrupt, faults, {"unused": unused})


def _series_of(places, mine, id_columns, tables):
    """Rows of `places` with a series among `mine`, and its id."""
    if len(id_columns) > 1:
        raise DataError(
            f"{tables['red'].parent}: found both {' and '.join(sorted(id_columns))}, expected one id column"
        )
    if id_columns == {"surveyId"}:
        return mine, places["surveyId"].to_numpy(np.int64)[mine]
    if "series_id" not in places:
        raise DataError(
            f"{tables['red']}: is of timeSerieID, and places has no column 'series_id', found {list(places.columns)}; "
            "join what glc.etl.series.series_ids reads from the occurrence table"
        )
    own = places["series_id"].iloc[mine]
    has = own.notna().to_numpy()
    return mine[has], own[has].to_numpy(np.int64)


def folders(folder: StrPath, kind: str) -> list[Path]:
    """Folders below `folder` that hold cube files of `kind`; a MissingError tells that there are none."""
    name_of = _file_name(KINDS[kind].pattern)
    paths = [Path(base) for base, _, files in os.walk(folder) if any(map(name_of.fullmatch, files))]
    if not paths:
        raise MissingError(_no_file(folder, KINDS[kind].pattern))
    return paths


def locate(places: pd.DataFrame, folder: StrPath, kind: str) -> list[Path | None]:
    """The cube file below `folder` of each survey, or None.

    places : frame with dataset, surveyId
    kind : of `KINDS`
    """
    keyed = sorted_places(places[["dataset", "surveyId"]].assign(row=np.arange(len(places))))
    which, names, _ = _find_files(keyed, folder, KINDS[kind].pattern)
    paths: list[Path | None] = [None] * len(places)
    for row, survey, number in zip(keyed["row"], keyed["surveyId"], which, strict=True):
        if number >= 0:
            before, after = names[number]
            paths[row] = Path(f"{before}{survey}{after}")
    return paths


def _file_name(pattern):
    return re.compile(rf"(?i)(.*{pattern}_0*)(\d+)(_cube\.(?:npy|pt))")


def _no_file(folder, pattern):
    return (
        f"{folder}: found no file such as {pattern.replace('[-_]', '_')}_123_cube.npy; give the folder of them "
        "(IMAGERY=, --imagery-folder)"
    )


def _find_files(places, folder, pattern):
    """Per place the index of its file's (before, after the id) or -1; these pairs; and how many files are of none."""
    name_of = _file_name(pattern)
    rows = {name: group for name, group in places.groupby("dataset").groups.items()}
    ids = {name: places["surveyId"].to_numpy()[group] for name, group in rows.items()}
    which, names, total, unused = np.full(len(places), -1, np.int32), {}, 0, 0
    for base, folders, files in tqdm(os.walk(folder), desc="looking for cubes", unit="folder"):
        folders.sort()
        matches = [match for match in map(name_of.fullmatch, sorted(files)) if match]
        total += len(matches)
        for match in matches:
            survey, known = int(match[2]), False
            named = series.dataset_of_file(base, match[0])
            for dataset in [named] if named else ids:
                place = np.searchsorted(ids.get(dataset, []), survey)
                if place < len(ids.get(dataset, [])) and ids[dataset][place] == survey:
                    known, row = True, rows[dataset][place]
                    pair = names.setdefault((os.path.join(base, match[1]), match[3]), len(names))
                    if which[row] >= 0:
                        before, after = list(names)[which[row]]
                        raise DataError(
                            f"{folder}: survey {survey} of {dataset} has {before}{survey}{after} and "
                            f"{os.path.join(base, match[0])}, expected one file; remove the other"
                        )
                    which[row] = pair
            unused += not known
    if not total:
        raise DataError(_no_file(folder, pattern))
    return which, list(names), unused
