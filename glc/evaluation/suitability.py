"""Measures of relative suitability: what can be said of scores where only presence-only records are known.

Nobody listed all species of a place, so that no set of species is right or wrong and there is no F1. Species by species
it can be asked whether the model ranks the sites where a species was recorded above the other sites of the target
group, those where any species was (Phillips et al. 2009): a site that nobody visited says nothing. Record by record it
can be asked whether the species is among the best of its place.

Scores of different folds come from different models, so that every measure is taken within a fold; what is reported is
the mean of the folds.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from glc import geo, labels
from glc import scores as score_tables
from glc.errors import DataError
from glc.evaluation import evaluate
from glc.progress import tqdm
from glc.sdm import measures
from glc.surveys import SurveyData
from glc.types import Facts, StrPath

SITE_M = 1_000
"""Side of the squares of the projection whose records are one site, metres: a score is not held right for 200 m."""
LEAST_SITES = 5
"""Sites of a fold that must have a species, and as many that must not, for the species to be measured there."""
TOPS = (10, 25, 100)
RESAMPLES = 500
MEASURES = ("auc", "boyce", *(f"recall_at_{k}" for k in TOPS))
"""Keys of the measures in metrics; those with an interval have ``<key>_low`` and ``<key>_high`` too."""
SPECIES, SURVEYS, METRICS = "species.parquet", "surveys.parquet", "metrics.json"
_SPECIES_AT_ONCE = 64
_SHOWN_TOP = 25


def write(
    scores_folder: Path,
    data: SurveyData,
    out: Path,
    truth: pd.DataFrame | None = None,
    resamples: int = RESAMPLES,
    scheme: str = "block",
    stop: str = "next",
    names: pd.DataFrame | None = None,
) -> Facts:
    """Write ``metrics.json``, ``surveys.parquet`` (a row per survey) and ``species.parquet`` into `out`.

    scores_folder : with the scores ``valid`` and ``test``
    data : presence-only records alone (`SurveyData.relative`)
    truth : frame (surveyId, speciesId) of records of the test, or None; a held-out test has its own
    resamples : of the bootstrap over spatial blocks
    scheme, stop : as in `glc.evaluation.evaluate.write`
    names : frame speciesId and name, as of `glc.surveys.read_species`; None: species have none
    returns : the metrics; ``relative`` is true, ``valid`` and ``test`` (where its records are known) hold what
        `measure` returns

    ``species.parquet`` has a row per split, fold and species that was measured there: name, sites, auc, boyce.
    """
    result: Facts = {"relative": True}
    frames, species_frames = [], []
    for split in ("valid", "test"):
        scores = score_tables.read(scores_folder / split)
        if split == "valid":
            rows = data.rows_of(scores.surveys, data.train_name)
            species, actual = data.species, data.labels_of(rows)
        else:
            rows = data.test
            species, actual = evaluate.test_labels(data, truth, "test")
        if not np.array_equal(data.places["surveyId"].to_numpy()[rows], scores.surveys):
            raise DataError(f"{scores_folder}/{split}: surveys differ from those of the dataset; score them again")
        frame = data.places.iloc[rows][["surveyId", "lon", "lat", "country", "region", "block"]].reset_index(drop=True)
        frame.insert(0, "split", split)
        frame["fold"] = scores.fold
        frame["nearest_train_m"] = evaluate.nearest_train(data, rows, scores.fold)
        frame["f1"] = np.nan  # of tables of surveys: there is none here
        frame["recall_at_25"] = np.nan
        if actual is not None:
            widened = labels.widen(scores.matrix, scores.species, species)
            facts, table = measure(widened, actual, data.places.iloc[rows], scores.fold, species, resamples)
            result[split] = facts
            species_frames.append(table.assign(split=split))
            hits, size = _hits(widened, actual, _SHOWN_TOP)
            frame["recall_at_25"] = hits / np.maximum(size, 1)
        frames.append(frame)
    result |= {"scheme": scheme, "stop": stop, "site_m": SITE_M, "least_sites": LEAST_SITES}
    table = pd.concat(species_frames, ignore_index=True)
    known = {} if names is None else names.dropna(subset="name").set_index("speciesId")["name"].to_dict()
    table.insert(1, "name", table["speciesId"].map(known).astype("string").fillna(""))
    table.to_parquet(Path(out) / SPECIES, index=False)
    pd.concat(frames, ignore_index=True).to_parquet(Path(out) / SURVEYS, index=False)
    (Path(out) / METRICS).write_text(json.dumps(result, indent=1) + "\n")
    return result


def by_species(folder: StrPath) -> pd.DataFrame:
    """The area of each species against target-group sites, of presence-only records alone.

    folder : of what `write` wrote
    returns : frame as of `glc.evaluation.per_species.of_folds`, of the species that were measured in a fold;
        presences are sites with a record
    """
    table = pd.read_parquet(Path(folder) / SPECIES)
    valid = table[table["split"] == "valid"]
    grouped = valid.groupby("speciesId")
    return pd.DataFrame(
        {"presences": grouped["sites"].sum(), "folds": grouped["fold"].nunique(), "auc": grouped["auc"].mean()}
    ).reset_index()


def measure(
    scores: sparse.csr_matrix,
    actual: sparse.csr_matrix,
    places: pd.DataFrame,
    fold: np.ndarray,
    species: np.ndarray,
    resamples: int = RESAMPLES,
) -> tuple[Facts, pd.DataFrame]:
    """All measures of scores at presence-only surveys, each the mean of the folds'.

    scores, actual : (survey, species) CSR over one vocabulary
    places : frame of the surveys: easting, northing (metres), crs, block
    fold : (survey,) whose model scored it
    species : (species,) ids
    resamples : of the bootstrap that draws the blocks of a fold again; the sites that presences are compared with stay.
        0: no intervals
    returns : (facts, table). Facts: `MEASURES`, a measure that no fold has is None; ``folds``, ``records``, ``sites``;
        ``species`` that were measured in any fold and ``species_left_out``, with records but with fewer than
        `LEAST_SITES` sites in each fold; and the same of each fold in ``by_fold``. Table: a row per fold and measured
        species
    """
    parts = [
        _Fold(number, scores[rows], actual[rows], places[rows], species, resamples)
        for number in np.unique(fold)
        for rows in [fold == number]
    ]
    table = pd.concat([part.table for part in parts], ignore_index=True)
    recorded = int((np.asarray(actual.sum(axis=0)).ravel() > 0).sum())
    facts: Facts = {
        "folds": len(parts),
        "records": int(actual.sum()),
        "sites": sum(part.sites for part in parts),
        "species": table["speciesId"].nunique(),
        "species_left_out": recorded - table["speciesId"].nunique(),
    }
    for name in MEASURES:
        values = [value for part in parts if (value := part.values[name]) is not None]
        facts[name] = float(np.mean(values)) if values else None
        if resamples:
            drawn = [(part.values[name], part.drawn[name]) for part in parts]
            low, high = _interval(drawn, facts[name] if name == "boyce" else None)
            facts |= {f"{name}_low": low, f"{name}_high": high}
    return facts | {"by_fold": [part.facts() for part in parts]}, table


class _Fold:
    """Measures of one fold, whose scores are one model's.

    ``values`` : measure -> its value, None where it has none; ``drawn`` : measure -> (resamples,) values of the
    bootstrap, NaN where one has none, empty for a fold of one block; ``table`` : a row per measured species
    """

    def __init__(
        self,
        number: int,
        scores: sparse.csr_matrix,
        actual: sparse.csr_matrix,
        places: pd.DataFrame,
        species: np.ndarray,
        resamples: int,
    ) -> None:
        self.number, self.records = int(number), int(actual.sum())
        blocks, block = np.unique(places["block"], return_inverse=True)
        draws = np.zeros((0, len(blocks)))
        if resamples and len(blocks) > 1:
            rng = np.random.default_rng(0)
            draws = rng.multinomial(len(blocks), np.full(len(blocks), 1 / len(blocks)), resamples).astype(float)
        self.values: dict[str, float | None] = {}
        self.drawn: dict[str, np.ndarray] = {}
        for k in TOPS:
            hits, size = _hits(scores, actual, k)
            self.values[f"recall_at_{k}"] = float(hits.sum() / size.sum()) if size.sum() else None
            by_block = [np.bincount(block, values, len(blocks)) for values in (hits, size)]
            self.drawn[f"recall_at_{k}"] = _ratio(*(draws @ values for values in by_block))
        first, at_site, present = at_sites(scores, actual, places)
        self.sites = len(first)
        count = np.asarray(present.sum(axis=0)).ravel()
        able = np.flatnonzero((count >= LEAST_SITES) & (self.sites - count >= LEAST_SITES))
        self.left_out = int((count > 0).sum()) - len(able)
        rows, sums = [], {"auc": _Mean(len(draws)), "boyce": _Mean(len(draws))}
        at_site, present = at_site.tocsc(), present.tocsc()
        bar = tqdm(total=len(able), desc=f"species of fold {number}", unit="species", disable=len(able) < 1_000)
        for start in range(0, len(able), _SPECIES_AT_ONCE):
            columns = able[start : start + _SPECIES_AT_ONCE]
            values, truth = at_site[:, columns].toarray().astype(float), present[:, columns].toarray().astype(bool)
            areas, indices = measures.auc(values, truth), measures.boyce(values, truth)
            for column, value, here, area, index in zip(columns, values.T, truth.T, areas, indices, strict=True):
                rows.append((self.number, species[column], int(here.sum()), area, index))
                if len(draws):
                    own = block[first[here]]
                    count_drawn = draws @ np.bincount(own, minlength=len(blocks))
                    won = np.bincount(own, measures.placements(value, here), len(blocks))
                    sums["auc"].add(_ratio(draws @ won, count_drawn))
                    inside, expected = measures.moving_windows(value, value[here])
                    of_block = sparse.csr_matrix(
                        (np.ones(len(own)), (own, np.arange(len(own)))), (len(blocks), len(own))
                    )
                    drawn = _ratio(draws @ (of_block @ inside.astype(float)), count_drawn[:, None])
                    sums["boyce"].add(measures.rank_correlation(drawn / expected))
            bar.update(len(columns))
        bar.close()
        types = {"fold": np.int32, "speciesId": np.int32, "sites": np.int64, "auc": float, "boyce": float}
        self.table = pd.DataFrame(rows, columns=list(types)).astype(types)
        for name, total in sums.items():
            known = self.table[name].dropna()
            self.values[name] = float(known.mean()) if len(known) else None
            self.drawn[name] = total.value()

    def facts(self) -> Facts:
        """Plain values for ``by_fold``."""
        counts: Facts = {"fold": self.number, "records": self.records, "sites": self.sites}
        counts |= {"species": len(self.table), "species_left_out": self.left_out}
        return counts | {name: self.values[name] for name in MEASURES}


class _Mean:
    """The mean of arrays that come one by one, without their NaN."""

    def __init__(self, size: int) -> None:
        self.total, self.count = np.zeros(size), np.zeros(size)

    def add(self, values: np.ndarray) -> None:
        known = ~np.isnan(values)
        self.total += np.where(known, values, 0)
        self.count += known

    def value(self) -> np.ndarray:
        """(size,), NaN where nothing came."""
        return _ratio(self.total, self.count)


def at_sites(
    scores: sparse.csr_matrix, actual: sparse.csr_matrix, places: pd.DataFrame
) -> tuple[np.ndarray, sparse.csr_matrix, sparse.csr_matrix]:
    """Surveys to target-group sites: all that lie in one square of `SITE_M`.

    returns : (first, scores, present): (site,) number of a survey of it; (site, species) CSR of the mean scores of its
        surveys, and whether any of them recorded the species
    """
    cells = geo.block_ids(places["easting"], places["northing"], SITE_M, places["crs"])
    _, first, site, size = np.unique(cells, return_index=True, return_inverse=True, return_counts=True)
    member = sparse.csr_matrix((np.ones(len(site)), (site, np.arange(len(site)))), (len(first), len(site)))
    # back to float32: equal scores have equal means, whose rounding would otherwise be ranked
    mean = (sparse.diags(1 / size) @ member @ scores.astype(np.float64)).tocsr().astype(np.float32)
    present = (member @ actual.astype(np.float64)) > 0
    return first, mean, present.tocsr()


def _hits(scores: sparse.csr_matrix, actual: sparse.csr_matrix, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Records of each survey whose species is among its `k` best positive scores, and all of them, (n,) each."""
    among = score_tables.top_k(scores, k).multiply(actual)
    hits, size = (np.asarray(matrix.sum(axis=1, dtype=np.int64)).ravel() for matrix in (among, actual))
    return hits, size


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    above, below = np.broadcast_arrays(np.asarray(above, float), np.asarray(below, float))
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


def _interval(
    parts: Sequence[tuple[float | None, np.ndarray]], centre: float | None
) -> tuple[float | None, float | None]:
    """95 % interval of the mean of the folds, from each one's (value, draws); a fold of one block keeps its value.

    centre : what the mean of the draws is moved to, if they are biased: presences that are drawn twice leave fewer
        windows with any, and the Boyce index of a draw is lower for it. An end that this moves beyond 1 or -1, where
        no correlation can be, is 1 or -1
    """
    total = _Mean(max(len(drawn) for _, drawn in parts))
    for value, drawn in parts:
        total.add(drawn if len(drawn) else np.full(len(total.count), np.nan if value is None else value))
    means = total.value()
    means = means[~np.isnan(means)]
    if not len(means):
        return None, None
    low, high = np.quantile(means, [0.025, 0.975])
    if centre is not None:
        low, high = np.clip([low + centre - means.mean(), high + centre - means.mean()], -1, 1)
    return float(low), float(high)


def compare(own: pd.DataFrame, other: pd.DataFrame, split: str = "valid") -> Facts | None:
    """AUC of two experiments on the species that both have a figure of in a fold, and the gain.

    own, other : tables ``species.parquet``
    returns : species, own, other, and difference with low and high, its 95 % interval over species
        (`glc.sdm.measures.paired_interval`); None where they share none. A species' value is the mean of its folds'
    """
    keys = ["fold", "speciesId"]
    tables = [table[table["split"] == split] for table in (own, other)]
    both = tables[0].merge(tables[1][[*keys, "auc"]], on=keys, suffixes=("", "_other"))
    if not len(both):
        return None
    means = both.groupby("speciesId")[["auc", "auc_other"]].mean()
    mean, low, high = measures.paired_interval((means["auc"] - means["auc_other"]).to_numpy())
    facts = {"species": len(means), "own": means["auc"].mean(), "other": means["auc_other"].mean()}
    return facts | {"difference": mean, "low": low, "high": high}


def in_words(metrics: Facts) -> str:
    """One line of the measures of validation and test, for the last lines of a run."""
    texts = []
    for split, name in (("valid", "validation"), ("test", "test")):
        if split in metrics:
            values = metrics[split]
            shown = [
                f"{title} {_number(values[key])}{_bounds(values, key)}"
                for key, title in (("auc", "AUC"), ("boyce", "Boyce index"), ("recall_at_25", "top-25 recall"))
            ]
            texts.append(f"{name} {', '.join(shown)}")
    return "; ".join(texts)


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def _bounds(values: Facts, key: str) -> str:
    low, high = values.get(f"{key}_low"), values.get(f"{key}_high")
    return "" if low is None or high is None else f" [{low:.4f}, {high:.4f}]"
