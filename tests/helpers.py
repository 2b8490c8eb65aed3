"""Small datasets in memory for the tests."""

import dataclasses
from html import escape

import numpy as np
import pandas as pd
from scipy import sparse

from glc import geo
from glc.neighbours import exact
from glc.surveys import SurveyData


def survey_data(n_train=60, n_po=40, n_test=10, n_species=20, folds=3, seed=0, held_out=False):
    """Random surveys around the middle of France, every survey with at least one species; folds by turns."""
    rng = np.random.default_rng(seed)
    names = ["pa_test"] * n_test + ["pa_train"] * n_train + ["po"] * n_po
    n = len(names)
    places = pd.DataFrame(
        {
            "dataset": names,
            "surveyId": np.arange(n) + 100,
            "lon": rng.uniform(2.0, 3.5, n),
            "lat": rng.uniform(46.0, 47.0, n),
            "crs": 3035,
            "country": rng.choice(["France", "Andorra"], n),
            "region": rng.choice(["ALPINE", None], n),
        }
    )
    places["easting"], places["northing"] = geo.project(places["lon"], places["lat"])
    train = (places["dataset"] == "pa_train").to_numpy()
    places["fold"] = np.where(train, np.arange(n) % folds, -1)
    if held_out:
        places.loc[train & (np.arange(n) % 7 == 0), "fold"] = -1
    places["block"] = geo.block_ids(places["easting"], places["northing"], 20_000)
    labels = rng.random((n, n_species)) < rng.uniform(0.02, 0.6, n_species)
    labels[np.arange(n), rng.integers(0, n_species, n)] = True
    labels[places["dataset"] == "pa_test"] = False
    species = (np.arange(n_species) * 3 + 5).astype(np.int32)
    return SurveyData(places, species, sparse.csr_matrix(labels), "pa_train", "pa_test", held_out)


def records_alone(n=400, n_species=8, folds=3, seed=0, held_out=True):
    """Presence-only records alone: a species per record, each around its own centre; folds by turns of blocks."""
    rng = np.random.default_rng(seed)
    species = rng.integers(n_species, size=n)
    centres = rng.uniform([2.0, 46.0], [3.5, 47.0], (n_species, 2))
    lon, lat = (centres[species] + rng.normal(0, 0.25, (n, 2))).T
    places = pd.DataFrame(
        {"dataset": "po", "surveyId": np.arange(n) + 100, "lon": lon, "lat": lat, "crs": 3035, "region": None}
    )
    places["country"] = rng.choice(["France", "Andorra"], n)
    places["easting"], places["northing"] = geo.project(places["lon"], places["lat"])
    places["block"] = geo.block_ids(places["easting"], places["northing"], 20_000)
    number = np.unique(places["block"], return_inverse=True)[1]
    places["fold"] = (number % (folds + held_out) - held_out).astype(np.int32)
    labels = sparse.csr_matrix((np.ones(n, bool), (np.arange(n), species)), (n, n_species))
    ids = (np.arange(n_species) * 3 + 5).astype(np.int32)
    return SurveyData(places, ids, labels, "po", "pa_test", held_out, relative=True)


def with_other_labels(data, rows):
    """The same surveys, each of `rows` with the species that it had not."""
    labels = data.label_matrix.toarray()
    labels[rows] = ~labels[rows]
    return dataclasses.replace(data, label_matrix=sparse.csr_matrix(labels))


def neighbour_table(data, fold, queries, k, radius_m, sources=("train", "po")):
    """Neighbours of the rows `queries`, a frame of schema ``neighbours``."""
    places = data.places.rename(columns={"fold": "group"})
    rows = {"train": data.train(fold), "po": data.presence_only}
    pool = np.concatenate([rows[name] for name in sources])
    q, s, metres = exact.nearest(places.iloc[queries], places.iloc[pool], k=k, radius_m=radius_m)
    asked, near = places.iloc[queries[q]], places.iloc[pool[s]]
    return pd.DataFrame(
        {
            "survey_dataset": asked["dataset"].to_numpy(),
            "survey_id": asked["surveyId"].to_numpy(),
            "dataset": near["dataset"].to_numpy(),
            "neighbour_id": near["surveyId"].to_numpy(),
            "distance_m": metres,
        }
    )


def laid_out(figure, alt):
    """In place of `glc.report.figures._inline`: a figure that is not drawn, which takes most of a page's time."""
    return f'<svg role="img" aria-label="{escape(alt)}"></svg>'
