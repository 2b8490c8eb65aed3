"""What is odd about a dataset's tables: usable as they are, and yet probably not what their owner means.

Everything is read from the tables that `glc.etl.surveys` has written, by NumPy and Arrow; five million records take
seconds. Presence-only parts are counted in records, others in surveys.
"""

import datetime
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from glc import basemap, geo, storage
from glc.editions import Dataset, Oddity
from glc.errors import shortened
from glc.etl import overview, quarantine
from glc.types import Facts

FEW = 10
"""Rows of a part up to which a share says nothing: two of three surveys at one place are chance."""
SHARE = 0.05
"""A share that is too large for a few odd rows, as any collection has: one place, rough places, repetitions."""
CROWDED = 10
"""Times the usual number of rows at a place, from which a place is shared: plots that are visited each year are not."""
SEA = 0.01
"""A share of places at sea from which they are reported: a few are the slips of any collection."""
SEA_M = 10_000.0
"""Metres from land up to which a place is not at sea: atlases draw places within squares of this side."""
FAR_M = 500_000.0
"""A gap in the places, metres, that is wider than any strait or desert between regions that one collection covers."""
REGION = 2_500
"""Cells of a degree that a region has at most; Europe has 1,800. Larger data are of the globe, where gaps are usual."""
REASONS = 2
"""Reasons against rows of a file that are named; the report has all of them, each with its first row."""
ROUGH = 1
"""Decimals of degrees that place a plant to 5 km at best."""
_FLIPS = {
    "with lon and lat exchanged": lambda lon, lat: (lat, lon),
    "with the other sign of lon": lambda lon, lat: (-lon, lat),
    "with the other sign of lat": lambda lon, lat: (lon, -lat),
}
_RANKS = (
    "subsp.", "ssp.", "var.", "f.", "nothosubsp.", "sect.", "subg.", "ser.", "aggr.", "cf.", "aff.", "x", "×",
)  # fmt: skip
"""Words of a name that a further word follows; it is no author, even in a capital."""
_OPEN = ("sp.", "spec.", "spp.", "agg.", "aggr.", "coll.", "gr.", "s.l.", "s.str.")
"""Words of a name that may be its last."""


@dataclass
class Rows:
    """The rows of one part.

    noun : what they are
    survey : (row,) int64 ids
    lon, lat : (row,) degrees
    year : (row,) float, NaN where there is none
    species : (row,) lists of the species of surveys; of records, one species each
    names : file with the ids as the dataset's files write them; None where these are the numbers
    """

    noun: str
    survey: np.ndarray
    lon: np.ndarray
    lat: np.ndarray
    year: np.ndarray
    species: pa.Array
    names: Path | None

    def __len__(self) -> int:
        return len(self.survey)

    def odd(self, what: str, rows: np.ndarray, example: str = "") -> Oddity:
        """An oddity of some of the rows, (row,) bool; without an example, the first of them is it."""
        first = int(np.argmax(rows))
        if not example:
            example = f"{self._name(first)} at lon {_degrees(self.lon[first])}, lat {_degrees(self.lat[first])}"
        return Oddity(f"{self.noun} {what}", int(rows.sum()), len(self), example)

    def _name(self, row: int) -> str:
        survey = int(self.survey[row])
        kind = "record" if self.noun.endswith("records") else "survey"
        if self.names is None:
            return f"{kind} {survey}"
        return f"{kind} {pq.read_table(self.names, filters=[('surveyId', '=', survey)])['name'][0]}"


def find(out: Path, dataset: Dataset, facts: Facts, *, virtual: bool = False) -> Facts:
    """What the manifest of the tables says of them: ``overview``, and ``odd`` where anything is.

    out : folder of the tables
    dataset : that they were made of
    facts : the manifest so far, with ``train`` and ``test``
    virtual : whether the world is invented: its land is not that of the basemap
    returns : ``overview`` (bounds: west, south, east, north, east beyond 180 where they cross it; years: first and last
        or None; undated: share; areas: countries and sea with their shares), ``odd`` (list of `Oddity` as dicts)
    """
    odd: list[Oddity] = []
    facts_of_train = None
    for name in sorted(dataset.datasets, key=lambda name: name != dataset.train):
        rows = _rows(out, name, facts)
        if not len(rows):
            continue
        country, sea = (None, None) if virtual else _areas(rows)
        if facts_of_train is None:
            facts_of_train = _overview(rows, country, sea)
        # the surest first: the screen shows a few
        odd += [*_zero(rows), *_far(rows), *_to_come(rows)]
        if sea is not None and sea.mean() >= SEA:
            odd.append(rows.odd("lie in the sea", sea))
        of_kind = [_repeated_records] if name == "po" else [_single, _repeated_surveys]
        for check in (*of_kind, _shared, _rough):
            odd += check(rows)
    odd += _names(storage.read_table(out / "species", "species"))
    odd += dataset.edition.oddities(dataset)
    odd += _left_out(out, facts)
    made: Facts = {"overview": facts_of_train} if facts_of_train else {}
    return made | ({"odd": [asdict(row) for row in odd]} if odd else {})


def _rows(out: Path, name: str, facts: Facts) -> Rows:
    records = name == "po"
    columns = ["surveyId", "lon", "lat", "year", "speciesId" if records else "species"]
    table = pq.read_table(out / ("occurrences" if records else "surveys") / f"{name}.parquet", columns=columns)
    names = out / "survey_names" / f"{name}.parquet"
    return Rows(
        overview.noun(name, facts),
        table["surveyId"].to_numpy(),
        table["lon"].to_numpy(),
        table["lat"].to_numpy(),
        pc.cast(table["year"], pa.float64()).to_numpy(zero_copy_only=False),
        table[columns[-1]].combine_chunks(),
        names if names.is_file() else None,
    )


def _areas(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Number of each row's country, -1 where there is none, and whether it is at sea; to a twentieth of a degree."""
    # less than SEA_M: who shares a cell with a place at sea is not on land, and millions of records have few cells
    key = np.floor(rows.lat * 20).astype(np.int64) * 7_201 + np.floor(rows.lon * 20).astype(np.int64)
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    lon, lat = rows.lon[first], rows.lat[first]
    country = basemap.country_at(lon, lat)
    sea = np.zeros(len(lon), bool)
    off = np.flatnonzero(country < 0)
    sea[off] = basemap.at_sea(lon[off], lat[off], SEA_M)
    return country[inverse], sea[inverse]


def _overview(rows: Rows, country: np.ndarray | None, sea: np.ndarray | None) -> Facts:
    west, east = _turn(rows.lon)
    years = rows.year[np.isfinite(rows.year)].astype(int)
    areas: dict[str, float] = {}
    if country is not None and sea is not None:
        names = basemap.world().name
        counts = np.bincount(country[country >= 0], minlength=len(names))
        known = counts.sum() + sea.sum()
        if known:
            areas = overview.areas(names, counts / known)
            areas |= {"sea": float(sea.sum() / known)} if sea.any() else {}
    return {
        "bounds": [west, float(rows.lat.min()), east, float(rows.lat.max())],
        "years": [int(years.min()), int(years.max())] if len(years) else None,
        "undated": 1 - len(years) / len(rows),
        "areas": areas,
    }


def _turn(lon: np.ndarray) -> tuple[float, float]:
    """West and east end of longitudes, on either side of their widest gap; east is beyond 180 where they cross it."""
    cells = np.flatnonzero(np.bincount(np.clip(np.floor(lon).astype(int) + 180, 0, 359), minlength=360))
    gaps = np.diff(np.append(cells, cells[0] + 360))
    at = int(np.argmax(gaps))
    if at == len(cells) - 1:
        return float(lon.min()), float(lon.max())
    middle = cells[at] - 180 + 0.5 + gaps[at] / 2
    return float(lon[lon > middle].min()), float(lon[lon < middle].max()) + 360


def _single(rows: Rows) -> Iterator[Oddity]:
    single = pc.equal(pc.list_value_length(rows.species), 1).to_numpy(zero_copy_only=False)
    if len(rows) > FEW and single.mean() > 0.5:
        yield rows.odd("have one species (a file of occurrences, taken for surveys?)", single)


def _keys(*columns: np.ndarray) -> np.ndarray:
    """A number of 64 bits for the values of columns in each row; different values hardly ever have the same one."""
    key = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        bits = np.ascontiguousarray(column, np.float64).view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        key = _mixed(key * np.uint64(31) + _mixed(bits))
    return key


def _mixed(key: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele et al. 2014)."""
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))


def _again(key: np.ndarray) -> np.ndarray:
    """Which rows have a key that an earlier row has."""
    again = np.ones(len(key), bool)
    again[np.unique(key, return_index=True)[1]] = False
    return again


def _repeated_surveys(rows: Rows) -> Iterator[Oddity]:
    """Surveys of one place, year and set of species; the tables have no days."""
    length = pc.list_value_length(rows.species).to_numpy(zero_copy_only=False)
    if not length.any():
        return
    members = _mixed(rows.species.flatten().to_numpy().astype(np.uint64) + np.uint64(1))
    ends = np.cumsum(length)
    total = np.concatenate([[np.uint64(0)], np.cumsum(members, dtype=np.uint64)])
    of_set = total[ends] - total[ends - length]
    again = np.zeros(len(rows), bool)
    some = np.flatnonzero(length)  # where nothing grows, nothing grows a year later
    again[some] = _again(_keys(rows.lon, rows.lat, np.nan_to_num(rows.year), of_set.astype(np.float64))[some])
    if _many(again):
        yield rows.odd("repeat another (same place, year and species)", again)


def _repeated_records(rows: Rows) -> Iterator[Oddity]:
    """Records of one species in one survey, which is one place and date where records have no survey."""
    species = rows.species.fill_null(-1).to_numpy().astype(np.float64)
    again = _again(_keys(rows.survey.astype(np.float64), species)) & (species >= 0)
    if _many(again):
        yield rows.odd("repeat another (same species, place and date)", again)


def _many(rows: np.ndarray) -> bool:
    return bool(rows.sum() > FEW and rows.mean() >= SHARE)


def _shared(rows: Rows) -> Iterator[Oddity]:
    _, first, inverse, counts = np.unique(
        _keys(rows.lon, rows.lat), return_index=True, return_inverse=True, return_counts=True
    )
    least = max(FEW + 1, SHARE * len(rows), CROWDED * float(np.median(counts)))
    crowded = np.flatnonzero(counts >= least)
    if len(crowded) and len(counts) > 1:
        at = int(first[crowded[np.argmax(counts[crowded])]])
        what = "one place" if len(crowded) == 1 else f"{len(crowded)} places"
        yield rows.odd(
            f"share {what} (the centre of a country or of a grid cell?)",
            np.isin(inverse, crowded),
            f"lon {_degrees(rows.lon[at])}, lat {_degrees(rows.lat[at])}",
        )


def _rough(rows: Rows) -> Iterator[Oddity]:
    rough = np.ones(len(rows), bool)
    for degrees in (rows.lon, rows.lat):
        rough &= np.abs(degrees - np.round(degrees, ROUGH)) < 1e-9
    rough &= ~_at_zero(rows)
    if _many(rough):
        yield rows.odd("have coordinates of fewer than two decimals, known to 5 km at best", rough)


def _at_zero(rows: Rows) -> np.ndarray:
    return (np.abs(rows.lon) < 1e-6) & (np.abs(rows.lat) < 1e-6)


def _zero(rows: Rows) -> Iterator[Oddity]:
    zero = _at_zero(rows)
    if zero.any():
        yield rows.odd("have the coordinates 0, 0", zero)


def _to_come(rows: Rows) -> Iterator[Oddity]:
    this = datetime.date.today().year
    later = rows.year > this
    if later.any():
        latest = int(np.nanmax(rows.year))
        yield rows.odd(
            f"have a year after {this}; predictions are for the latest year, {latest}, unless a date is given", later
        )


def _far(rows: Rows) -> Iterator[Oddity]:
    """Rows beyond a gap of `FAR_M` from where most are, and whether a slip in their coordinates explains it."""
    zero = _at_zero(rows)
    cell = _cell(rows.lon, rows.lat)
    counts = np.bincount(cell[~zero], minlength=180 * 360)
    cells = np.flatnonzero(counts)
    if not len(cells):
        return
    groups = _groups(cells)
    of_group = np.bincount(groups, weights=counts[cells])
    home = int(np.argmax(of_group))
    if (groups == home).sum() > REGION or of_group[home] < counts.sum() / 2:
        return
    group_of_cell = np.full(180 * 360, home)
    group_of_cell[cells] = groups
    group = np.where(zero, home, group_of_cell[cell])
    near_home = _near(cells[groups == home])
    slipped: dict[str, np.ndarray] = {}
    small = of_group <= SHARE * len(rows)
    for other in np.flatnonzero(of_group):
        if other == home:
            continue
        mine = np.flatnonzero(group == other)
        for what, flip in _FLIPS.items():
            lon, lat = flip(rows.lon[mine], rows.lat[mine])
            fits = (np.abs(lat) <= 90) & near_home[_cell(lon, np.clip(lat, -90, 90))]
            # a large group may well be another region; that it is a mirror image by chance is unlikely for exchanges
            if fits.mean() > 0.9 and (small[other] or what == next(iter(_FLIPS))):
                slipped.setdefault(what, np.zeros(len(rows), bool))[mine] = True
                break
    for what, these in slipped.items():
        yield rows.odd(f"lie more than 500 km from the others, but among them {what}", these)
        group = np.where(these, home, group)
    away = (group != home) & small[group]
    if away.any() and away.mean() <= SHARE:
        yield rows.odd("lie more than 500 km from the others", away)


def _cell(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Number of the cell of a degree that places are in, row by row from the south."""
    col = np.floor(lon + 180).astype(np.int64) % 360
    return np.clip(np.floor(lat + 90).astype(np.int64), 0, 179) * 360 + col


def _groups(cells: np.ndarray) -> np.ndarray:
    """Number of the group of each cell; from middle to middle, no gap within a group is wider than `FAR_M`."""
    lon, lat = np.radians(cells % 360 - 179.5), np.radians(cells // 360 - 89.5)
    points = np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    pairs = KDTree(points).query_pairs(2 * np.sin(FAR_M / geo.EARTH_RADIUS_M / 2), output_type="ndarray")
    graph = coo_array((np.ones(len(pairs), bool), pairs.T), shape=(len(cells), len(cells)))
    return connected_components(graph, directed=False)[1]


def _near(cells: np.ndarray) -> np.ndarray:
    """(cell,) bool: the cells and those around them."""
    grid = np.zeros((180, 360), bool)
    grid[cells // 360, cells % 360] = True
    grid |= np.roll(grid, 1, axis=1) | np.roll(grid, -1, axis=1)
    grid[1:] |= grid[:-1].copy()
    grid[:-1] |= grid[1:].copy()
    return grid.ravel()


def _names(species: pa.Table) -> Iterator[Oddity]:
    """Species whose names differ in case, blanks or the author alone."""
    texts = pc.coalesce(species["name"], species["key"]).to_pylist()
    alike = defaultdict(set)
    for text in texts:
        if text and re.search(r"[^\W\d]", text):
            alike[plain_name(text)].add(text)
    pairs = [sorted(names) for names in alike.values() if len(names) > 1]
    if pairs:
        first = ", ".join(map(repr, pairs[0][:3]))
        what = "species have a name that differs from another's in case, blanks or author alone"
        yield Oddity(what, sum(map(len, pairs)), len(texts), first)


def plain_name(text: str) -> str:
    """A name of a species without case, blanks and authors: ``Quercus  ilex L.`` is ``quercus ilex``."""
    text = unicodedata.normalize("NFKC", text)
    words = (text.lower() if text.isupper() else text).split()
    small = words[0][0].islower()  # then so are authors, and only their full stop tells them
    kept, author = words[:1], False
    for number, word in enumerate(words[1:], 1):
        plain = word.casefold()
        of_name = plain in _OPEN or (plain in _RANKS and number + 1 < len(words))
        if of_name or (number > 1 and words[number - 1].casefold() in (*_RANKS, *_OPEN)):
            author = False
        else:
            author = author or word[0].isupper() or word[0] in "([&" or (small and word.endswith("."))
        if not author:
            kept.append(word)
    return " ".join(kept).casefold()


def _left_out(out: Path, facts: Facts) -> Iterator[Oddity]:
    """Rows in the quarantine, of each file; always, however few."""
    if not facts["quarantined"]:
        return
    bad = storage.read_table(out / "quarantine", "quarantine").to_pandas()
    for file in facts["files"]:
        mine = bad[(bad["file"] == file["file"]) & (bad["dataset"] == file["dataset"])]
        reasons = sorted(file["reasons"].items(), key=lambda item: -item[1])
        for reason, count in reasons:
            if reason == quarantine.DISAGREES:
                rows = mine[mine["reason"] == reason]
                surveys = rows["found"].str.extract(r"where line (\d+) has")[0].nunique()
                whose = "survey whose first line has" if surveys == 1 else "surveys whose first lines have"
                what = f"rows of {file['file']} are left out, of {surveys:,} {whose} another place or date"
                yield Oddity(what, int(count), int(file["rows"]), _example(rows))
        others = [(reason, count) for reason, count in reasons if reason != quarantine.DISAGREES]
        if others:
            words = [reason if len(others) == 1 else f"{count:,} {reason}" for reason, count in others]
            if len(words) > REASONS + 1:
                words[REASONS:] = [f"{sum(count for _, count in others[REASONS:]):,} for other reasons"]
            rows = mine[mine["reason"] == others[0][0]]
            what = f"rows of {file['file']} are left out: {'; '.join(words)}"
            yield Oddity(what, sum(count for _, count in others), int(file["rows"]), _example(rows))


def _example(rows: pd.DataFrame) -> str:
    """The first of some rows of a quarantine."""
    first = rows.sort_values("line").iloc[0]
    column = f", {first['column']}" if isinstance(first["column"], str) else ""
    text = first["found"]
    return f"line {first['line']}{column}: {shortened(text, 80) if isinstance(text, str) and text else 'empty'}"


def _degrees(value: float) -> str:
    return f"{value:.5f}".rstrip("0").rstrip(".")
