"""A fitted experiment of known scores, with the methods that a map asks for."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
from scipy import sparse

from glc import geo
from glc.prediction import ranking
from glc.prediction.decided import Decided


class SyntheticScorer:
    """Scores that are a smooth function of the coordinates, and known.

    species : how many
    relative : of presence-only records alone
    centre : lon, lat around which they live
    covered : west, south, east, north in which the input "soil" has values; None: there are no inputs
    keep : species per place
    """

    def __init__(self, species=5, *, relative=False, centre=(4.0, 43.8), covered=None, keep=None):
        rng = np.random.default_rng(7)
        self.relative, self.covered, self.keep = relative, covered, keep
        self.centre = np.array(centre) + rng.normal(0, 1.5, (species, 2))
        self.width_deg = rng.uniform(0.3, 1.5, species)
        ids = np.arange(100, 100 + species, dtype=np.int32)
        names = [f"Planta {number}-folia L." if number else None for number in range(species)]
        keys = [str(number) if number % 2 else None for number in range(species)]
        records = rng.permutation(species) + 1
        self.species = pd.DataFrame({"speciesId": ids, "name": names, "key": keys, "records": records})
        self.scored = 0

    def places(self, lon, lat):
        return pd.DataFrame({"lon": np.asarray(lon, float), "lat": np.asarray(lat, float)})

    def inputs(self, places, allow_missing=False):
        if self.covered is None:
            return {}
        west, south, east, north = self.covered
        inside = places["lon"].between(west, east) & places["lat"].between(south, north)
        return {"synthetic": SimpleNamespace(missing=pd.DataFrame({"soil": ~inside}), notes=["soil is in EPSG:4326"])}

    def scores(self, places, values=None):
        self.scored += len(places)
        offset = places[["lon", "lat"]].to_numpy()[:, None] - self.centre
        dense = np.exp(-(offset**2).sum(axis=2) / (2 * self.width_deg**2)).astype(np.float32)
        if self.keep:
            floor = np.partition(dense, -self.keep, axis=1)[:, -self.keep, None]
            dense = np.where(dense >= floor, dense, 0)
        return sparse.csr_matrix(np.where(dense > 1e-6, dense, 0))

    def sets(self, scores, places):
        return scores > 0.5

    def decide(self, scores, places):
        return Decided(ranking.rank(scores), self.sets(scores, places), self.expected_species(scores))

    def expected_species(self, scores):
        return np.asarray(scores.sum(axis=1)).ravel()

    def applicability(self, places, values=None):
        distance_m = geo.great_circle_m(places["lon"], places["lat"], 4.0, 43.8)
        return pd.DataFrame(
            {
                "dissimilarity": distance_m / 200_000,
                "inside": pd.Series(distance_m < 150_000, dtype="boolean").where(distance_m < 250_000),
                "distance_to_training_m": distance_m,
                "expected_f1": np.full(len(places), np.nan),
            }
        )
