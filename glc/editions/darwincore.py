"""Records in Darwin Core: a download of GBIF (Darwin Core archive or SIMPLE_CSV, zipped or unpacked), or a publisher's.

A core of occurrences is presence-only; records with occurrenceStatus absent become absences. A core of events with an
extension of occurrences is presence-absence surveys. Species are known by GBIF's key, or else by name.

https://dwc.tdwg.org/text for ``meta.xml``, https://techdocs.gbif.org/en/data-use/download-formats for downloads.
"""

import dataclasses
import re
from functools import lru_cache, partial
from pathlib import Path
from xml.etree import ElementTree

from glc.config import Surveys
from glc.editions import _descriptor, _records
from glc.editions._archive import Archive, Member, is_zip
from glc.editions._base import EMPTY, Dataset, Edition, Table
from glc.editions._descriptor import META, DataFile
from glc.editions._events import Events
from glc.editions._source import PLAIN
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
_DOI = re.compile(r"10\.\d{4,9}/[-._;()/:A-Za-z0-9]*[A-Za-z0-9]")
_CITED_IN = ("citations.txt", "rights.txt")


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
        limits = {"bases": settings.basis_of_record, "max_uncertainty_m": settings.max_uncertainty_m}
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
        metadata = _descriptor.read(archive).metadata_filename if META in names else None
        texts = {name: archive.read_text(name) for name in (metadata, *_CITED_IN) if name in names}
        doi = next((match for text in texts.values() if (match := _DOI.search(text))), None)
        eml = _eml(texts.get(metadata or "", ""))
        rights = eml.get("rights") or texts.get("rights.txt", "").strip() or None
        title = eml.get("title") or (Path(names[0]).stem if META not in names else None)
        return {"doi": doi.group() if doi else None, "title": title, "rights": rights}


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _is_archive(path: Path) -> bool:
    """Whether a zip in a folder, which may hold anything, is of Darwin Core."""
    names = Archive(path).names()
    if META in names:
        return True
    tables = [name for name in names if name.lower().endswith((".csv", ".txt", ".tsv"))]
    if len(tables) != 1:
        return False
    return set(Member(tables[0]).first_line(path).split("\t")) >= _SIMPLE


@lru_cache(maxsize=8)
def _tables(path: Path, stamp: tuple[int, int]) -> tuple[tuple[Table, Path], ...]:
    archive = Archive(path)
    names = archive.names()
    if META not in names:
        return ((_simple(path, names), path),)
    descriptor = _descriptor.read(archive)
    core = _descriptor.data_file(archive, descriptor.core)
    kind = (descriptor.core.type or "").rsplit("/")[-1]
    if kind == "Occurrence":
        return (_occurrences(archive, core),)
    if kind != "Event":
        raise DataError(
            f"{path}: {META}: found a core of the type {kind or 'none'}, expected Occurrence, or Event with an "
            "extension of occurrences; fetch the download of occurrences"
        )
    extensions = [each for each in descriptor.extensions if (each.type or "").rsplit("/")[-1] == "Occurrence"]
    if len(extensions) != 1:
        raise DataError(
            f"{path}: {META}: found {len(extensions)} extensions of occurrences of the core of events, expected one; "
            "events alone say nothing of species"
        )
    return _surveys(archive, core, _descriptor.data_file(archive, extensions[0]))


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
        defaults=options.pop("defaults", {}),
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


def _occurrences(archive: Archive, core: DataFile) -> tuple[Table, Path]:
    columns = core.columns
    id_column = "gbifID" if "gbifID" in columns else columns[core.id_column]
    table = _table(
        "po",
        archive.path,
        columns,
        id_column,
        defaults=_descriptor.defaults(archive),
        separator=core.separator,
        quote=core.quote,
        header_lines=core.header_lines,
        source=Member(core.name, core.encoding) if archive.zipped else PLAIN,
        by_place_and_date=True,
        same_survey=("geoUncertaintyInM",),
    )
    return table, archive.path if archive.zipped else archive.path / core.name


def _surveys(archive: Archive, events: DataFile, occurrences: DataFile) -> tuple[tuple[Table, Path], ...]:
    wanted = (*_records.READS, "eventID")
    own = tuple(name for name in _OF_EVENTS if name in events.columns)
    others = tuple(name for name in wanted if name in occurrences.columns and name not in (*own, "eventID"))
    own += tuple(name for name in wanted if name in events.columns and name not in (*own, *others, "eventID"))
    files = []
    for empty in (False, True):
        source = Events(archive.path, events, occurrences, own, others, empty)
        if empty and not any(True for _ in source.lines(archive.path)):
            continue
        table = _table(
            "pa_train",
            archive.path,
            source.columns,
            "eventID",
            defaults=_descriptor.defaults(archive),
            status=EMPTY if empty else None,
            separator="\t",
            quote="",
            source=source,
        )
        file = events if empty else occurrences
        files.append((table, archive.path if archive.zipped else archive.path / file.name))
    return tuple(files)


def _simple(path: Path, names: list[str]) -> Table:
    """The table of a SIMPLE_CSV download: one text with tabs and a header."""
    tables = [name for name in names if name.lower().endswith((".csv", ".txt", ".tsv"))]
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


def _eml(text: str) -> dict[str, str]:
    """Title and rights of a dataset's metadata (EML); empty where they cannot be read."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
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
