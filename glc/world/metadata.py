"""Who was recorded where: the survey CSVs in the 2024 layout, with exact row counts, and the test's truth.

Presence-absence records are Bernoulli draws. A draw u below t p is a record; t (close to 1) is set so that the number
of rows is exact, after every survey has one species and every species one survey. Presence-only records are drawn by
importance resampling: what lives in a block proposes species, the very place of the survey chooses among them.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from glc import storage, threads
from glc.progress import tqdm
from glc.world import environment, places, species
from glc.world.fields import generator, plane

if TYPE_CHECKING:
    from glc.world import World

TRAIN = "PresenceAbsenceSurveys/GLC24-PA-metadata-train.csv"
TEST = "PresenceAbsenceSurveys/GLC24-PA-metadata-test.csv"
PO = "PresenceOnlyOccurrences/GLC24-PO-metadata-train.csv"
TRUTH = "truth/GLC24-PA-labels-test.csv"

_MARGIN = 1.6
_PO_BLOCK_M = 25_000
_REPRESENTATIVES = 6
_CANDIDATES = 12


def write(world, folder):
    """Write the presence-absence and presence-only CSVs and ``truth/GLC24-PA-labels-test.csv`` below `folder`."""
    train, test = places.pa(world)
    niches = species.niches(world)
    rows, species_ids, limit = presences(world, train, niches)
    order = generator(world.seed, "row order").permutation(len(rows))
    frame = train.iloc[rows[order]].assign(speciesId=species_ids[order])
    pa_columns = ["lon", "lat", "year", "geoUncertaintyInM", "areaInM2", "region", "country", "speciesId", "surveyId"]
    save(frame[pa_columns], folder / TRAIN)
    save(
        test[[c for c in pa_columns if c != "speciesId"]],
        folder / TEST,
    )
    rows, species_ids = test_presences(world, test, niches, limit)
    truth = pd.DataFrame({"surveyId": test.surveyId.to_numpy()[rows], "speciesId": species_ids})
    save(truth, folder / TRUTH, whole=("speciesId",))

    po = places.po(world)
    rows, species_ids = po_records(world, po, niches)
    order = generator(world.seed, "po order").permutation(len(rows))
    frame = po.iloc[rows[order]].assign(speciesId=species_ids[order])
    po_columns = ["publisher", "lon", "lat", "year", "geoUncertaintyInM", "country", "speciesId", "surveyId"]
    save(frame[po_columns], folder / PO)


def presences(world: "World", train: pd.DataFrame, niches: species.Niches) -> tuple[np.ndarray, np.ndarray, float]:
    """Draw the training records: row of `train`, speciesId and the factor t; ordered by survey, then species."""
    known = niches.subset(niches.in_pa)
    surveys, columns, ratios = [], [], []
    best, best_survey = np.full(len(known.ids), np.inf), np.zeros(len(known.ids), np.int64)
    for start, ratio in _draws(world, train, known, "train"):
        row, column = np.nonzero(ratio < _MARGIN)
        # a survey without any record takes the likeliest
        bare = np.flatnonzero(ratio.min(axis=1) >= _MARGIN)
        row, column = np.append(row, bare), np.append(column, ratio[bare].argmin(axis=1))
        surveys.append(row + start)
        columns.append(column)
        ratios.append(ratio[row, column])
        lowest = ratio.argmin(axis=0)
        value = ratio[lowest, np.arange(len(lowest))]
        best_survey = np.where(value < best, lowest + start, best_survey)
        best = np.minimum(value, best)
    draws = pd.DataFrame(
        {
            "survey": np.concatenate([*surveys, best_survey]),
            "column": np.concatenate([*columns, np.arange(len(best))]),
            "ratio": np.concatenate([*ratios, best]),
        }
    ).drop_duplicates(["survey", "column"])
    draws = draws.sort_values(["ratio", "survey", "column"], ignore_index=True)
    first = ~draws.survey.duplicated() | ~draws.column.duplicated()
    free = np.flatnonzero(~first)[: world.n_pa_rows - first.sum()]
    kept = draws[first | draws.index.isin(free)].sort_values(["survey", "column"])
    if len(kept) != world.n_pa_rows:
        raise ValueError(f"{world}: n_pa_rows does not suit the other sizes; {len(kept)} rows could be drawn")
    return kept.survey.to_numpy(), known.ids[kept.column.to_numpy()], float(draws.ratio[free].max())


def test_presences(world, test, niches, limit):
    """Draw the test records with the factor `limit`: row of `test`, speciesId."""
    known = niches.subset(niches.in_pa)
    rows, columns = [], []
    for start, ratio in _draws(world, test, known, "test"):
        ratio[np.arange(len(ratio)), ratio.argmin(axis=1)] = 0  # no survey is empty
        row, column = np.nonzero(ratio < limit)
        rows.append(row + start)
        columns.append(column)
    return np.concatenate(rows), known.ids[np.concatenate(columns)]


def _draws(world, surveys, known, part):
    """Yield (first row, uniform draw / probability) for chunks of surveys; (n, species) float32."""
    size = max(256, 8_000_000 // len(known.ids))
    e = environment.at(world.seed, surveys.lon, surveys.lat)
    effort = species.efforts(surveys.areaInM2)

    def draw(start: int) -> tuple[int, np.ndarray]:
        chunk = slice(start, start + size)
        p = known.probability(e[chunk], effort[chunk])
        ratio = generator(world.seed, "presences", part, start).random(p.shape, dtype=np.float32)
        return start, np.divide(ratio, np.maximum(p, 1e-12, out=p), out=ratio)

    with tqdm(total=-(-len(e) // size), desc=f"presence-absence surveys, {part}", unit="chunk") as bar:
        for drawn in threads.in_order(draw, ((start,) for start in range(0, len(e), size)), threads.cores()):
            yield drawn
            bar.update()


def po_records(world, po, niches):
    """Draw the `world.n_po_rows` presence-only records: row of `po`, speciesId; every species occurs.

    A survey's species are distinct. PO-only species are among them.
    """
    rng = generator(world.seed, "po counts")
    eager = rng.lognormal(0, 1.2, len(po)) * (rng.random(len(po)) < 0.3)
    extra = rng.choice(len(po), world.n_po_rows - len(po), p=eager / eager.sum())
    x, y = plane(po.lon, po.lat)
    _, block = np.unique(np.floor([x / _PO_BLOCK_M, y / _PO_BLOCK_M]).astype(np.int64), axis=1, return_inverse=True)
    rows = np.concatenate([np.arange(len(po)), extra])
    rows = rows[np.lexsort([rows, block.ravel()[rows]])]
    block = block.ravel()[rows]
    starts = np.append(np.flatnonzero(np.diff(block, prepend=-1)), len(rows))
    column = np.empty(len(rows), np.int64)
    lon, lat = po.lon.to_numpy(), po.lat.to_numpy()

    def draw(first: int, last: int) -> tuple[slice, np.ndarray]:
        chunk = slice(starts[first], starts[last])
        e = environment.at(world.seed, lon[rows[chunk]], lat[rows[chunk]])
        own = generator(world.seed, "po records", first)
        return chunk, _resample(own, niches, e, rows[chunk], starts[first : last + 1] - starts[first])

    with tqdm(total=len(rows), desc="presence-only records", unit="row", unit_scale=True) as bar:
        for chunk, drawn in threads.in_order(draw, _chunks(starts), threads.cores()):
            column[chunk] = drawn
            bar.update(len(drawn))
    _add_missing(generator(world.seed, "po missing"), world, niches, lon, lat, rows, column)
    return rows, niches.ids[column]


def _chunks(starts: np.ndarray) -> Iterator[tuple[int, int]]:
    """First block, and the one after the last, of chunks of whole blocks, as many as fill one; `starts` of blocks."""
    first = 0
    while first < len(starts) - 1:
        last = max(int(np.searchsorted(starts, starts[first] + 40_000)), first + 1)
        last = min(last, first + 400, len(starts) - 1)
        yield first, last
        first = last


def _resample(rng, niches, e, rows, starts):
    """Species (columns of `niches`) of the records at `e` (n, k), in blocks bounded by `starts`; `rows` are surveys."""
    sampled = np.concatenate([rng.integers(a, b, _REPRESENTATIVES) for a, b in pairwise(starts)])
    share = species.sigmoid(niches.log_odds(e[sampled])) * niches.popularity + np.float32(1e-9)
    share = share.reshape(-1, _REPRESENTATIVES, share.shape[1]).mean(axis=1)
    cumulative = share.cumsum(axis=1, dtype=float)
    block = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    drawn = np.full(len(e), -1)
    todo = np.arange(len(e))
    for _ in range(8):
        chosen = np.empty((len(todo), _CANDIDATES), np.int64)
        uniform = rng.random(chosen.shape)
        edges = np.searchsorted(block[todo], np.arange(len(starts)))
        for b, (a, z) in enumerate(pairwise(edges)):
            chosen[a:z] = np.searchsorted(cumulative[b], uniform[a:z] * cumulative[b, -1], side="right")
        weight = species.sigmoid(niches.log_odds_of(e[todo], chosen)) * niches.popularity[chosen]
        weight = weight.astype(float) / share[block[todo][:, None], chosen] + 1e-12
        weight = weight.cumsum(axis=1)
        pick = (weight < rng.random((len(todo), 1)) * weight[:, -1:]).sum(axis=1)
        drawn[todo] = chosen[np.arange(len(todo)), pick]
        todo = np.flatnonzero(pd.DataFrame({"row": rows, "species": drawn}).duplicated())
        if not len(todo):
            return drawn
    # a survey that wants more species than its place readily proposes takes the likeliest it lacks
    for i in todo:
        odds = niches.log_odds(e[i : i + 1])[0]
        odds[drawn[rows == rows[i]]] = -np.inf
        drawn[i] = odds.argmax()
    return drawn


def _add_missing(rng, world, niches, lon, lat, rows, drawn):
    """Give every species without a record the likeliest of some common species' records, in place."""
    count = np.bincount(drawn, minlength=len(niches.ids))
    missing = np.flatnonzero(count == 0)
    spare = np.flatnonzero(count[drawn] > 2)
    spare = rng.choice(spare, min(len(spare), 8_192), replace=False)
    odds = niches.subset(missing).log_odds(environment.at(world.seed, lon[rows[spare]], lat[rows[spare]]))
    for column, s in enumerate(missing):
        free = count[drawn[spare]] > 1
        i = np.where(free, odds[:, column], -np.inf).argmax()
        count[drawn[spare[i]]] -= 1
        drawn[spare[i]] = s
        count[s] = 1


def save(frame, path, whole=("surveyId", "year")):
    """Write a CSV as the contest does: no quotes, floats with a point (``763.0``), empty where not known."""
    table = pa.table({name: _column(frame[name], name not in ("surveyId", "year", *whole)) for name in frame})
    with storage.atomic_file(path) as scratch:
        scratch.write_bytes((",".join(frame.columns) + "\n").encode())
        with open(scratch, "ab") as file:
            csv.write_csv(table, file, csv.WriteOptions(include_header=False, quoting_style="none"))


def _column(values, decimal):
    array = pa.array(values, from_pandas=True)
    if decimal and array.type in (pa.int64(), pa.float64()) and values.name not in ("lon", "lat"):
        array = pc.binary_join_element_wise(array.cast(pa.int64()).cast(pa.string()), "0", ".")
    return array
