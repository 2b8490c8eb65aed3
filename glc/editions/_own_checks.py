"""What the first rows of own tables tell: metres for degrees, files cut off, signs of absence, odd columns."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path

from glc.editions import _own_cells, _own_columns
from glc.editions._odd import Oddity, without_end
from glc.editions._own_description import Described
from glc.editions._own_lines import Labels
from glc.editions._text import plain_id
from glc.errors import DataError

_PLACES = 200  # whose coordinates are looked at
_CELLS = 1 << 19  # that are looked at, in at least so many rows:
_LEAST_ROWS = 100
_MATCHED = 0.5  # of the species, by a file of names


def check(described: Described) -> None:
    """Raise a DataError about the files of a description from their ends and first rows; labels of a test are looked at
    too."""
    for name in described.parts:
        labels = described.labels(name)
        _refuse_metres(described, name)
        if labels.species or labels.species_columns:
            _first_rows(described, name)
    for path, separator in _csvs(described).items():
        _own_columns.refuse_cut(path, separator)


def _csvs(described: Described) -> dict[Path, str]:
    """Files of a description that are text, and their separators."""
    names = described.description.names
    owners = [owner for name, part in described.parts.items() for owner in (part, described.labels(name))]
    files = {described.file(owner.file): owner.separator for owner in [*owners, *([names] if names else [])]}
    return {path: separator for path, separator in files.items() if path.suffix != ".parquet"}


def oddities(described: Described) -> Iterator[Oddity]:
    """What is odd about the columns of species, their cells, and the names of the species."""
    yield from without_end(_csvs(described))
    for name in described.parts:
        labels = described.labels(name)
        if name == "test" or not (labels.species or labels.species_columns):
            continue
        first, rows = _first_rows(described, name)
        file, columns = first.path.name, first.wide
        yield from _of_columns(file, rows, first)
        unknown, present = sum(first.count.unknown), sum(first.count.present)
        if unknown:
            what = f"filled cells of the first rows of {file} hold a sign or a word that is no number; words are taken "
            yield Oddity(f"{what}for presences: name those that mean absent in the key absent", unknown, present,
                         first.count.commonest)  # fmt: skip
        species = {name for _, name in columns}
        if first.species is not None:
            species = {row[first.species] for row in rows if len(row) == first.width} - {""}
        yield from _unnamed(described, file, species)


def _of_columns(file: str, rows: list[list[str]], first: Labels) -> Iterator[Oddity]:
    columns = first.wide
    whole = [row for row in rows if len(row) == first.width]
    covariates = _own_cells.covariates(whole, columns, first.meanings)
    if covariates:
        what = f"columns that are taken for species in {file} look like a covariate or an id: leave them out of "
        example = "; ".join(f"{name}: {values}" for name, values in covariates[:3])
        yield Oddity(f"{what}species_columns", len(covariates), len(columns), example)
    names = [name for _, name in columns]
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1] if len(set(names)) < len(names) else []
    if repeated:
        what = f"species have several columns in {file} (layers?), and are present where any of them says so"
        yield Oddity(what, len(repeated), len(set(names)), ", ".join(repeated[:3]))
    copies = [name for name in names if (cut := name.rpartition("."))[2].isdigit() and cut[0] in names]
    if copies:
        what = f"columns of species in {file} are named as pandas and R name a column that is there twice, and are"
        yield Oddity(f"{what} species by themselves: give both the same name", len(copies), len(names), copies[0])


def _unnamed(described: Described, file: str, species: set[str]) -> Iterator[Oddity]:
    names = described.description.names
    if names is None or not species:
        return
    path = described.file(names.file)
    at = _own_columns.header(path, names.separator).index(names.species)
    listed = {plain_id(row[at]) for _, row in _own_columns.rows(path, names.separator) if len(row) > at}
    unnamed = sorted(name for name in species if plain_id(name) not in listed)
    if len(unnamed) > _MATCHED * len(species):
        what = f"species of the first rows of {file} are not in {names.file}: does names.species name the right column?"
        yield Oddity(what, len(unnamed), len(species), unnamed[0])


@lru_cache(maxsize=8)
def _first_rows(described: Described, name: str) -> tuple[Labels, list[list[str]]]:
    """How the labels of the first rows of a part are read, with counts of their cells, and these rows."""
    first = Labels(described, name)
    rows = []
    for line, row in islice(_own_columns.rows(first.path, first.separator), max(_CELLS // first.width, _LEAST_ROWS)):
        rows.append(row)
        for _ in first.of(line, row, ""):
            pass
    first.refuse_unknown()
    return first, rows


def _refuse_metres(described: Described, name: str) -> None:
    """Refuse coordinates in metres that are said to be degrees."""
    part = described.parts[name]
    if described.description.crs.upper() != "EPSG:4326":
        return
    file = described.file(part.file)
    names = _own_columns.header(file, part.separator)
    at = [names.index(part.lon), names.index(part.lat)]
    large = []
    for _, row in islice(_own_columns.rows(file, part.separator), _PLACES):
        try:
            large.append(max(abs(float(row[column])) for column in at) > 360)
        except (ValueError, IndexError):
            continue
    if large and sum(large) > 0.9 * len(large):
        raise DataError(
            f"{described.path}: crs: {part.file} has coordinates in metres (columns {part.lon}, {part.lat}); found "
            'EPSG:4326, which is degrees; name the CRS of the coordinates, such as crs = "EPSG:25832"'
        )
