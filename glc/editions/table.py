"""Own records: any CSV or parquet file of surveys and species, which a ``dataset.toml`` describes.

Long tables (one row per survey and species), wide ones (a column per species) and a header table with a species table,
as sPlotOpen has them, all become the same rows. Keys: `glc.editions._own_description.Description`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from glc.editions import _own_checks, _own_columns, _own_description
from glc.editions._base import FAULT, Dataset, Edition, Table
from glc.editions._odd import Oddity
from glc.editions._own_lines import COLUMNS, Records
from glc.errors import DataError
from glc.registry import editions
from glc.types import Facts, StrPath

if TYPE_CHECKING:
    import pandas as pd

GLOBE = (-180.0, -90.0, 180.0, 90.0)
_PLACE = ("surveyId", "lon", "lat")


def faults(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Rules that pass on why a line cannot be used."""
    return frame[[*FAULT]]


class OwnTables(Edition):
    """What ``dataset.toml`` describes."""

    def find(self, folder: StrPath) -> tuple[tuple[Table, Path], ...]:
        described = _own_description.read(Path(folder)) if Path(folder).is_dir() else None
        if described is None:
            return ()
        _own_checks.check(described)
        files = []
        for name, dataset in _own_description.PARTS.items():
            if name in described.parts:
                records = Records(described, name)
                files.append((_table(records, dataset), records.path))
        return tuple(files)

    def looks_for(self) -> str:
        return _own_description.FILE

    def also_read(self, dataset: Dataset) -> Sequence[Path]:
        described = _described(dataset)
        names = described.description.names
        own = [described.file(part.file) for part in described.parts.values()]
        return [described.path, *own, *([described.file(names.file)] if names else [])]

    def species(self, dataset: Dataset) -> "pd.DataFrame | None":
        import pandas as pd

        described = _described(dataset)
        names = described.description.names
        if names is None:
            return None
        path = described.file(names.file)
        header = _own_columns.header(path, names.separator)
        at = [header.index(names.species), header.index(names.name)]
        key = header.index(names.key) if names.key else None
        rows = []
        for line, row in _own_columns.rows(path, names.separator):
            if len(row) != len(header):
                raise DataError(f"{path}: line {line} has {len(row)} fields, expected {len(header)} as in the first")
            rows.append([*(row[number] or None for number in at), row[key] or None if key is not None else None])
        return pd.DataFrame(rows, columns=["speciesId", "name", "key"], dtype=object)

    def label_files(self, dataset: Dataset) -> Sequence[Path]:
        described = _described(dataset)
        return [_labels(described).path] if _has_labels(described) else []

    def labels(self, dataset: Dataset) -> "pd.DataFrame | None":
        import pandas as pd

        described = _described(dataset)
        if not _has_labels(described):
            return None
        records, at = _labels(described), [COLUMNS.index(name) for name in ("surveyId", "speciesId", "status")]
        fault = COLUMNS.index(FAULT[-1])
        rows = []
        for _, line in records.lines(records.path):
            fields = line.split("\t")
            survey, species, status = (fields[number] for number in at)
            if survey and species and not status and not fields[fault]:
                rows.append((survey, species))
        return pd.DataFrame(rows, columns=["surveyId", "speciesId"], dtype=object)

    def citation(self, dataset: Dataset) -> Facts | None:
        description = _described(dataset).description
        if not (description.doi or description.rights):
            return None
        return {"doi": description.doi or None, "title": description.title, "rights": description.rights or None}

    def oddities(self, dataset: Dataset) -> Sequence[Oddity]:
        return list(_own_checks.oddities(_described(dataset)))


def _described(dataset: Dataset) -> _own_description.Described:
    described = _own_description.read(dataset.folder)
    if described is None:
        raise DataError(f"{dataset.folder / _own_description.FILE}: the file is gone; put it back")
    return described


def _has_labels(described: _own_description.Described) -> bool:
    """Whether the section [test] names the species of its surveys."""
    part = described.parts.get("test")
    return part is not None and bool(part.species or part.species_columns or part.species_file)


def _labels(described: _own_description.Described) -> Records:
    return Records(described, "test", labelled=True)


def _table(records: Records, dataset: str) -> Table:
    labelled = dataset != "pa_test"
    columns = {name: name for name in (*_PLACE, *(["speciesId"] if labelled else []))}
    optional = {name: name for name in COLUMNS if name not in (*columns, *FAULT)}
    if not labelled:
        optional = {name: column for name, column in optional.items() if name not in ("speciesId", "status")}
    return Table(
        dataset,
        (records.path.name,),
        columns,
        optional,
        separator="\t",
        crs=records.described.description.projection,
        by_place_and_date=not records.part.survey,
        bounds=GLOBE,
        source=records,
        quote="",
        names=COLUMNS,
        text_ids=("surveyId", "speciesId") if labelled else ("surveyId",),
        rules=faults,
        reads=FAULT,
    )


editions.register("table")(OwnTables("own tables", tables=(), or_train=("po",), named=True))
