"""Records in Darwin Core: a download of GBIF (Darwin Core archive or SIMPLE_CSV, zipped or unpacked), or a publisher's.

A core of occurrences is presence-only; records with occurrenceStatus absent become absences. A core of events with an
extension of occurrences is presence-absence surveys. Species are known by GBIF's key, or else by name.

https://dwc.tdwg.org/text for ``meta.xml``, https://techdocs.gbif.org/en/data-use/download-formats for downloads.
"""

import dataclasses
import re
from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd

from glc.config import Surveys
from glc.editions import _descriptor, _records, _text, _xml
from glc.editions._archive import META, Archive, Member, is_zip
from glc.editions._base import EMPTY, Dataset, Edition, Table
from glc.editions._check import header
from glc.editions._descriptor import DataFile
from glc.editions._events import Core, Events
from glc.editions._odd import Oddity
from glc.errors import DataError, did_you_mean
from glc.registry import editions
from glc.types import Facts, StrPath

PLACE = ("decimalLongitude", "decimalLatitude")
GLOBE = (-180.0, -90.0, 180.0, 90.0)
_SIMPLE = {"gbifID", "occurrenceID", *PLACE}
_OF_EVENTS = (
    *PLACE, "geodeticDatum", "coordinateUncertaintyInMeters", "eventDate", "year", "month", "day", "countryCode",
    "stateProvince", "sampleSizeValue", "sampleSizeUnit",
)  # fmt: skip
_OCCURRENCES = ("Occurrence", "SimpleDarwinRecord")
"""Kinds of rows that are records of species; the guide's own example calls them by the second."""
_DOI = re.compile(r"10\.\d{4,9}/[-._;()/:A-Za-z0-9]*[A-Za-z0-9]")
_CITED_IN = ("citations.txt", "rights.txt")
_MOST_LOOKED_AT, _CHUNK = 1_000_000, 50_000
"""Records that are looked at for what is odd; and at once."""


class DarwinCore(Edition):
    """``meta.xml`` says the layout, or the columns of the only CSV in a zip."""

    def find(self, folder: StrPath) -> tuple[tuple[Table, Path], ...]:
        """As of `Edition`; a DataError for what claims to be an archive and cannot be used."""
        path = Path(folder)
        if path.is_file():
            return _tables(path, _stamp(path)) if path.suffix.lower() == ".zip" else ()
        if (path / META).is_file():
            return _tables(path, _stamp(path / META))
        zips = [file for file in sorted(path.glob("*.zip")) if is_zip(file) and _is_archive(file)]
        if len(zips) > 1:
            names = ", ".join(file.name for file in zips)
            raise DataError(f"{path}: found the archives {names}, expected one; name one of them as the dataset")
        return _tables(zips[0], _stamp(zips[0])) if zips else ()

    def looks_for(self) -> str:
        """As of `Edition`."""
        return f"{META}, or a zip with {META} or with the CSV of a GBIF download"

    def prepare(self, dataset: Dataset, settings: Surveys) -> Dataset:
        """The dataset with the rules as the section [surveys] has them."""
        limits = {
            "bases": settings.basis_of_record,
            "max_uncertainty_m": settings.max_uncertainty_m,
            "check_countries": settings.check_countries,
        }
        files = [
            (dataclasses.replace(table, rules=partial(table.rules, **limits)), path)
            for table, path in dataset.files
            if table.rules is not None
        ]
        return dataclasses.replace(dataset, files=tuple(files))

    def also_read(self, dataset: Dataset) -> tuple[Path, ...]:
        """``meta.xml`` of an unpacked archive, which says what the columns are."""
        path = dataset.folder / META
        return (path,) if path.is_file() else ()

    def citation(self, dataset: Dataset) -> Facts:
        """DOI, title and rights as the metadata of the archive have them."""
        path = dataset.files[0][1]
        archive = Archive(path if path.suffix.lower() == ".zip" else dataset.folder)
        names = archive.names()
        metadata = _metadata(archive)
        texts = {name: archive.read_text(name) for name in (metadata, *_CITED_IN) if name in names}
        doi = next((match for text in texts.values() if (match := _DOI.search(text))), None)
        eml = _eml(archive, metadata)
        rights = eml.get("rights") or texts.get("rights.txt", "").strip() or None
        title = eml.get("title") or (Path(names[0]).stem if META not in names else None)
        return {"doi": doi.group() if doi else None, "title": title, "rights": rights}

    def oddities(self, dataset: Dataset) -> Sequence[Oddity]:
        """Dates and countries that cost something, events without their parent, and texts that are not in UTF-8."""
        made: list[Oddity] = []
        dates, countries, rows = _Count(), _Count(), 0
        for table, path in dataset.files:
            if table.rules is None:
                continue
            file = dataset.file_name(table, path)
            made += table.source.oddities()
            lines = islice(table.source.lines(path, table.header_lines), max(_MOST_LOOKED_AT - rows, 0))
            names = header(path, table)
            while chunk := list(islice(lines, _CHUNK)):
                rows += len(chunk)
                split = [(line, _text.split(text, table.separator, table.quote)) for line, text in chunk]
                whole = [(line, row) for line, row in split if len(row) == len(names)]
                frame = pd.DataFrame([row for _, row in whole], columns=names, dtype=object)
                frame = frame.reindex(columns=table.reads)
                ruled = table.rules(frame.where(frame.notna() & (frame != ""), None))
                where = [f"{file} line {line}" for line, _ in whole]
                dates.add(where, ruled["lost_date"])
                countries.add(where, ruled["fault_found"].where(ruled["fault_reason"] == _records.COUNTRY, None))
        looked_at = f" (of the first {rows:,})" if rows >= _MOST_LOOKED_AT else ""
        made += dates.oddity(f"records have a date that is not understood; they are kept without it{looked_at}", rows)
        made += countries.oddity(
            f"records have a countryCode that disagrees with their place; they are not used{looked_at} "
            "(surveys.check_countries = false uses them)",
            rows,
        )
        return made


class _Count:
    """How many records something is said of, and the first of them."""

    def __init__(self) -> None:
        self.rows, self.example = 0, ""

    def add(self, where: Sequence[str], values: "pd.Series") -> None:
        """Count records, of which `where` says the line, that have a value."""
        odd = values.notna().to_numpy()
        if odd.any() and not self.rows:
            self.example = f"{where[odd.argmax()]}: {values.iloc[odd.argmax()]!r}"
        self.rows += int(odd.sum())

    def oddity(self, what: str, of: int) -> list[Oddity]:
        """The line of the table; none where nothing was counted."""
        return [Oddity(what, self.rows, of, self.example)] if self.rows else []


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _is_archive(path: Path) -> bool:
    """Whether a zip in a folder, which may hold anything, is of Darwin Core."""
    names = Archive(path).names()
    if META in names:
        return True
    tables = _texts(names)
    return len(tables) == 1 and set(Member(tables[0]).first_line(path).split("\t")) >= _SIMPLE


def _texts(names: Sequence[str]) -> list[str]:
    return [name for name in names if name.lower().endswith((".csv", ".txt", ".tsv"))]


@lru_cache(maxsize=8)
def _tables(path: Path, stamp: tuple[int, int]) -> tuple[tuple[Table, Path], ...]:
    archive = Archive(path)
    names = archive.names()
    if META not in names:
        return ((_simple(path, names), path),)
    descriptor = _descriptor.read(archive)
    _eml(archive, _metadata(archive))  # refused before anything slow starts
    kind = descriptor.core.kind
    if kind in _OCCURRENCES:
        return _occurrences(archive, _descriptor.data_files(archive, descriptor.core))
    if kind != "Event":
        raise DataError(
            f"{path}: {META}: found a core of the type {kind or 'none'}, expected Occurrence, or Event with an "
            "extension of occurrences; fetch the download of occurrences"
        )
    extensions = [extension for extension in descriptor.extensions if extension.kind in _OCCURRENCES]
    if len(extensions) != 1:
        raise DataError(
            f"{path}: {META}: found {len(extensions)} extensions of occurrences of the core of events, expected one; "
            "events alone say nothing of species"
        )
    for entity, tag in ((descriptor.core, "id"), (extensions[0], "coreid")):
        if entity.id_column is None:
            raise DataError(
                f"{path}: {META}: {entity.locations[0]}: found no <{tag}>, expected the number of the column that says "
                "which event an occurrence belongs to; add it, or fetch the archive again"
            )
    files = (_descriptor.data_files(archive, entity) for entity in (descriptor.core, extensions[0]))
    return _surveys(archive, *files)


def _table(dataset: str, archive: Path, columns: tuple[str, ...], id_column: str, **options) -> Table:
    """A table of records with these columns, read by the default settings."""
    missing = [name for name in PLACE if name not in columns]
    if missing:
        raise DataError(
            f"{archive}: column {missing[0]!r} is missing; found {', '.join(columns[:12])} and "
            f"{max(len(columns) - 12, 0)} more{did_you_mean(missing[0], columns)}; records without coordinates cannot "
            "be used: fetch a download with coordinates"
        )
    by = [name for name in (*_records.KEYS, *_records.NAMES) if name in columns]
    if not by:
        raise DataError(
            f"{archive}: no column says which species a record is of; expected one of "
            f"{', '.join((*_records.KEYS, *_records.NAMES))}"
        )
    usual = Surveys()
    rules = partial(
        _records.apply,
        id_column=id_column,
        by=tuple(by),
        check_countries=usual.check_countries,
        bases=usual.basis_of_record,
        max_uncertainty_m=usual.max_uncertainty_m,
        status=options.pop("status", None),
    )
    return Table(
        dataset,
        (),
        columns={"surveyId": id_column, "lon": PLACE[0], "lat": PLACE[1], "speciesId": by[0]},
        optional={"year": "eventDate", "date": "eventDate"},
        names=columns,
        crs=0,
        bounds=GLOBE,
        text_ids=("surveyId", "speciesId"),
        rules=rules,
        reads=tuple(dict.fromkeys((*_records.READS, id_column))),
        made=_records.MADE,
        **options,
    )


def _occurrences(archive: Archive, files: tuple[DataFile, ...]) -> tuple[tuple[Table, Path], ...]:
    columns = files[0].columns
    id_column = next((name for name in ("gbifID", "occurrenceID") if name in columns), "id")
    if id_column != "gbifID" and files[0].entity.id_column is not None:
        id_column = files[0].id_name
    terms = tuple(dict.fromkeys((id_column, *(name for name in _records.READS if name in columns))))
    made = []
    for file in files:
        table = _table(
            "po", archive.path, terms, id_column, separator="\t", quote="", source=Core(archive.path, file, terms),
            by_place_and_date=True, same_survey=("geoUncertaintyInM",),
        )  # fmt: skip
        made.append((table, archive.path if archive.zipped else archive.path / file.name))
    return tuple(made)


def _surveys(
    archive: Archive, events: tuple[DataFile, ...], occurrences: tuple[DataFile, ...]
) -> tuple[tuple[Table, Path], ...]:
    wanted = (*_records.READS, "eventID")
    in_events, in_occurrences = events[0].columns, occurrences[0].columns
    own = tuple(name for name in _OF_EVENTS if name in in_events)
    others = tuple(name for name in wanted if name in in_occurrences and name not in (*own, "eventID"))
    own += tuple(name for name in wanted if name in in_events and name not in (*own, *others, "eventID"))
    files = []
    for file in (*occurrences, *events):
        empty = file in events
        source = Events(archive.path, file, events, occurrences, own, others, empty)
        if empty and not any(True for _ in source.lines(archive.path)):
            continue
        table = _table(
            "pa_train", archive.path, source.columns, "eventID", status=EMPTY if empty else None, separator="\t",
            quote="", source=source,
        )  # fmt: skip
        files.append((table, archive.path if archive.zipped else archive.path / file.name))
    return tuple(files)


def _simple(path: Path, names: list[str]) -> Table:
    """The table of a SIMPLE_CSV download: one text with tabs and a header."""
    tables = _texts(names)
    if len(tables) != 1:
        shown = ", ".join(names[:8]) or "nothing"
        raise DataError(
            f"{path}: found {shown}, expected {META} and the files it describes (a Darwin Core archive), or one CSV (a "
            "SIMPLE_CSV download); fetch the download again"
        )
    source = Member(tables[0])
    columns = tuple(source.first_line(path).split("\t"))
    id_column = next((name for name in ("gbifID", "occurrenceID") if name in columns), None)
    if id_column is None:
        raise DataError(
            f"{path}: {tables[0]}: column 'gbifID' is missing; found {', '.join(columns[:12])[:300]}; expected the "
            "columns of a SIMPLE_CSV download, separated by tabs"
        )
    return _table(
        "po", path, columns, id_column, separator="\t", quote="", source=source, by_place_and_date=True,
        same_survey=("geoUncertaintyInM",),
    )  # fmt: skip


def _metadata(archive: Archive) -> str:
    """The file with the archive's metadata; empty if it has none."""
    names = archive.names()
    said = _descriptor.read(archive).metadata if META in names else ()
    return next((name for name in said if name in names), "")


def _eml(archive: Archive, name: str) -> dict[str, str]:
    """Title and rights of a dataset's metadata (EML); empty where they cannot be read. A DOCTYPE is a DataError."""
    if not name:
        return {}
    try:
        root = _xml.root(archive.read(name), f"{archive.path}: {name}")
    except (ElementTree.ParseError, ValueError):
        return {}
    parts = {"title": root.find(".//dataset/title"), "rights": root.find(".//dataset/intellectualRights")}
    words = {key: " ".join(" ".join(part.itertext()).split()) for key, part in parts.items() if part is not None}
    return {key: value for key, value in words.items() if value}


editions.register("darwincore")(
    DarwinCore(
        "Darwin Core",
        tables=(),
        or_train=("po",),
        widens=True,
        tolerated=(_records.BASIS, _records.NOT_A_SPECIES, _records.FAR, _records.NO_PLACE, _records.ZERO),
    )
)
