"""Models of one species at a time, run over all species of all groups."""

import numpy as np

from glc.progress import tqdm
from glc.sdm.sites import Encoder


def each_species(name, groups, place, score):
    """Scores of each group's sites, a list of (site, species) float64.

    groups : list of (`glc.sdm.sites.Examples`, frame of sites)
    place : whether the place joins the covariates
    score : (presences (p, features), absences (a, features), sites (n, features)) -> (n,)
    """
    results = []
    with tqdm(total=sum(len(examples.species) for examples, _ in groups), desc=name, leave=False) as bar:
        for examples, sites in groups:
            encoder = Encoder(examples.table, examples.categorical, place)
            train, query = encoder(examples.table), encoder(sites)
            scores = np.empty((len(sites), len(examples.species)))
            for species in range(len(examples.species)):
                presences, absences = examples.rows(species)
                scores[:, species] = score(train[presences], train[absences], query)
                bar.update()
            results.append(scores)
    return results
