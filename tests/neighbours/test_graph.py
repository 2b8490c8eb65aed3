import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from glc import geo
from glc.errors import ConfigError
from glc.neighbours import graph


def world(n=25, m=9, seed=0):
    """Places on half a degree, their labels (n, m) and the k = 3 nearest within 20 km."""
    rng = np.random.default_rng(seed)
    places = pd.DataFrame(
        {
            "dataset": "pa_train",
            "surveyId": np.arange(n) + 50,
            "lon": rng.uniform(3, 3.5, n),
            "lat": rng.uniform(44, 44.5, n),
            "group": np.arange(n) % 4,
        }
    )
    labels = rng.random((n, m)) < 0.3
    labels[:, -1] = False
    return places, labels


def counts(labels, near):
    """Pairs of species over surveys and over ordered pairs of neighbours, one by one."""
    n, m = labels.shape
    wanted = np.zeros((m, m))
    for s in range(n):
        for t in range(n):
            if s == t or near[s, t] or near[t, s]:
                for a in np.flatnonzero(labels[s]):
                    for b in np.flatnonzero(labels[t]):
                        wanted[a, b] += a != b
    return wanted


def test_near_is_the_k_nearest_within_the_radius_and_never_the_survey_itself():
    places, _ = world()
    got = graph.near(places, places, 3, 9_000).toarray()
    lon, lat = places["lon"].to_numpy(), places["lat"].to_numpy()
    metres = geo.great_circle_m(lon[:, None], lat[:, None], lon, lat)
    np.fill_diagonal(metres, np.inf)
    rank = metres.argsort(axis=1).argsort(axis=1)
    assert_array_equal(got, (rank < 3) & (metres <= 9_000))
    assert 0 < (got.sum(axis=1) < 3).sum() < len(places)


def test_near_of_other_groups_and_never_alone():
    places, _ = world()
    got = graph.near(places, places, 2, 4_000, other_group=True, never_alone=True).toarray()
    lon, lat = places["lon"].to_numpy(), places["lat"].to_numpy()
    metres = geo.great_circle_m(lon[:, None], lat[:, None], lon, lat)
    metres[places["group"].to_numpy()[:, None] == places["group"].to_numpy()] = np.inf
    rank = metres.argsort(axis=1).argsort(axis=1)
    alone = metres.min(axis=1) > 4_000
    assert 0 < alone.sum() < len(places)
    assert_array_equal(got, ((rank < 2) & (metres <= 4_000)) | (alone[:, None] & (rank == 0)))


@pytest.mark.parametrize("block", [2, 512])
def test_co_occurrence_counts_pairs_in_a_survey_and_in_neighbouring_ones(block):
    places, labels = world()
    near = graph.near(places, places, 3, 20_000)
    wanted = counts(labels, near.toarray())
    for damping, of in (("none", lambda c: c), ("sqrt", np.sqrt)):
        got = graph.co_occurrence(sparse.csr_matrix(labels), near, damping=damping, block=block)
        assert_allclose(got.toarray(), of(wanted))
    sums = wanted.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        pmi = np.log(wanted * sums.sum() / np.outer(sums, sums))
    got = graph.co_occurrence(sparse.csr_matrix(labels), near, damping="ppmi", block=block)
    assert_allclose(got.toarray(), np.maximum(np.nan_to_num(pmi, nan=0, neginf=0), 0), atol=1e-12)
    assert (got.toarray() > 0).sum() < (wanted > 0).sum()
    assert graph.isolated(got) == 1  # the last species is in no survey


def test_only_the_strongest_edges_of_either_species_stay():
    places, labels = world(n=60, m=30, seed=1)
    near = graph.near(places, places, 3, 20_000)
    wanted = counts(labels, near.toarray())
    strongest = np.lexsort((np.broadcast_to(np.arange(30), wanted.shape), -wanted), axis=1).argsort(axis=1) < 4
    got = graph.co_occurrence(sparse.csr_matrix(labels), near, damping="none", edges=4, block=7)
    assert_allclose(got.toarray(), np.where(strongest | strongest.T, wanted, 0))
    assert 0 < got.nnz <= 2 * 4 * 30


def test_surveys_hang_on_their_species_and_on_their_neighbours():
    labels = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]], bool)
    near = np.array([[0, 1, 0], [0, 0, 0], [0, 1, 0]], bool)  # one direction each
    made = graph.survey_species(
        sparse.csr_matrix(labels), sparse.csr_matrix(near), damping="none", neighbour_weight=0.5
    ).toarray()
    assert_array_equal(made, made.T)
    assert_array_equal(made[:3, 3:], labels)
    assert_array_equal(made[:3, :3], 0.5 * (near | near.T))
    assert not made[3:, 3:].any()
    ppmi = graph.survey_species(sparse.csr_matrix(labels), sparse.csr_matrix(near), damping="ppmi").toarray()
    # 3 records: ln(3 / (2 * 1)), ln(3 / (2 * 2)) below 0, ln(3 / (1 * 2))
    assert_allclose(ppmi[:2, 3:5], np.log(1.5) * np.eye(2), atol=1e-12)


def test_options_say_what_they_expect():
    with pytest.raises(ConfigError, match="damping: found 'log', expected one of 'ppmi', 'sqrt', 'none'"):
        graph.Edges(damping="log")
    with pytest.raises(ConfigError, match="sources"):
        graph.Edges(sources=("test",))
