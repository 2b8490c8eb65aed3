"""Pairs of surveys against brute force."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import chisquare

from glc import geo, schema
from glc.errors import ConfigError, DataError
from glc.neighbours import triplets
from tests.helpers import survey_data


def options(**changes):
    wanted = {"pairs": 3000, "radius_m": 30_000.0, "sources": ("po",), "species": "none", "species_radius_m": 15_000.0}
    wanted["species_of"] = "anchor"
    return SimpleNamespace(**wanted | {"seed": 3} | changes)


def uneven(seed=0):
    """A dense clump, a thin scatter around it, a twin at one place and two surveys far from all."""
    rng = np.random.default_rng(seed)
    lon = np.concatenate([rng.normal(5, 0.1, 40), rng.uniform(3, 7, 18), [5.0, 5.0], [-120.0, 179.9]])
    lat = np.concatenate([rng.normal(45, 0.1, 40), rng.uniform(43, 47, 18), [45.0, 45.0], [40.0, 10.0]])
    return pd.DataFrame({"lon": lon, "lat": lat})


def distances(places):
    lon, lat = places.lon.to_numpy(), places.lat.to_numpy()
    return geo.great_circle_m(lon[:, None], lat[:, None], lon, lat)


@pytest.mark.parametrize(
    ("rounds", "at_once"), [(32, 4_000_000), (1, 4_000_000), pytest.param(0, 50, marks=pytest.mark.slow)]
)
def test_anchors_and_neighbours_are_uniform(monkeypatch, rounds, at_once):
    """Whether by proposals, by both or by search alone, in whatever chunks."""
    monkeypatch.setattr(triplets, "_ROUNDS", rounds)
    monkeypatch.setattr(triplets, "_AT_ONCE", at_once)
    places, radius = uneven(), 60_000
    anchor, neighbour, distance, facts = triplets.sample(places, 60_000, radius, seed=1)
    metres = distances(places)
    near = (metres <= radius) & ~np.eye(len(places), dtype=bool)
    assert len(anchor) == 60_000
    assert near[anchor, neighbour].all()
    assert_allclose(distance, metres[anchor, neighbour], atol=0.01)
    social = np.flatnonzero(near.any(axis=1))
    assert len(social) < len(places)
    assert facts["surveys_found_alone"] == len(places) - len(social)
    assert facts["anchors_redrawn"] > 0
    assert chisquare(np.bincount(anchor, minlength=len(places))[social]).pvalue > 1e-3
    for one in social:
        drawn = np.bincount(neighbour[anchor == one], minlength=len(places))[near[one]]
        assert drawn.all()
        assert len(drawn) == 1 or chisquare(drawn).pvalue > 1e-5, one
    expected = np.where(near, 1 / np.maximum(near.sum(axis=1), 1)[:, None], 0)[social] / len(social)
    counts = np.zeros(near.shape)
    np.add.at(counts, (anchor, neighbour), 1)
    assert chisquare(counts[near], 60_000 * expected[near[social]]).pvalue > 1e-3


def test_over_the_pole_and_the_date_line():
    rng = np.random.default_rng(4)
    places = pd.DataFrame(
        {
            "lon": np.append(rng.uniform(-180, 180, 50), [179.99, -179.99]),
            "lat": np.append(rng.uniform(88, 90, 50), [0, 0]),
        }
    )
    anchor, neighbour, _, _ = triplets.sample(places, 30_000, 100_000, seed=0)
    near = (distances(places) <= 100_000) & ~np.eye(52, dtype=bool)
    met = np.zeros_like(near)
    met[anchor, neighbour] = True
    assert_array_equal(met, near)
    assert met[50, 51]


def test_seeds():
    first, again, other = (triplets.sample(uneven(), 500, 60_000, seed) for seed in (7, 7, 8))
    assert_array_equal(first[1], again[1])
    assert (first[1] != other[1]).any()


def test_a_survey_just_within_and_just_beyond_the_radius():
    step = np.degrees(10_000 / geo.EARTH_RADIUS_M)
    places = pd.DataFrame({"lon": np.zeros(3), "lat": [0, step * 0.999999, -step * 1.000001]})
    anchor, neighbour, _, facts = triplets.sample(places, 100, 10_000, seed=0)
    assert set(zip(anchor, neighbour, strict=True)) == {(0, 1), (1, 0)}
    assert facts["surveys_found_alone"] == 1


def test_where_nobody_has_a_neighbour():
    apart = pd.DataFrame({"lon": np.arange(30.0), "lat": np.zeros(30)})
    with pytest.raises(DataError, match="none of 30 surveys has another within 100000 m"):
        triplets.sample(apart, 10, 100_000, seed=0)
    with pytest.raises(DataError, match="none of 0 surveys"):
        triplets.sample(uneven()[:0], 10, 1000, seed=0)
    with pytest.raises(ConfigError, match="pairs=0"):
        triplets.sample(uneven(), 0, 1000, seed=0)


@pytest.mark.parametrize("held_out", [False, True])
def test_surveys_of_validation_stopping_and_test_never_appear(tmp_path, held_out):
    data = survey_data(n_train=90, held_out=held_out)
    chosen = options(sources=("po", "train"), species="sum")
    facts = triplets.write(data, tmp_path, chosen, fold=1, stop=2, progress=False)
    table = pq.read_table(tmp_path / "pairs")
    assert table.schema.equals(schema.TABLES["pairs"])
    assert facts["pairs"] == table.num_rows == 3000
    seen = set(zip(table["dataset"].to_pylist(), table["surveyId"].to_pylist(), strict=True))
    seen |= set(zip(table["neighbour_dataset"].to_pylist(), table["neighbour_id"].to_pylist(), strict=True))
    places = data.places
    allowed = (places.dataset == "po") | ((places.dataset == "pa_train") & (places.fold == 0))
    numbers = schema.dataset_numbers(places.dataset)
    pairs = list(zip(numbers.tolist(), places.surveyId.tolist(), strict=True))
    assert seen <= {pair for pair, ok in zip(pairs, allowed, strict=True) if ok}
    assert {number for number, _ in seen} == {0, 1}
    # the place is the anchor's own, the distance that to the neighbour
    frame = places.assign(number=numbers).set_index(["number", "surveyId"])
    one = frame.loc[list(zip(*(table[c].to_pylist() for c in ("dataset", "surveyId")), strict=True))]
    other = frame.loc[list(zip(*(table[c].to_pylist() for c in ("neighbour_dataset", "neighbour_id")), strict=True))]
    for column in ("lon", "lat"):
        assert_array_equal(table[column], one[column])
    assert_allclose(table["easting"], one.easting, rtol=1e-6)
    metres = geo.great_circle_m(one.lon.to_numpy(), one.lat.to_numpy(), other.lon.to_numpy(), other.lat.to_numpy())
    assert_allclose(table["distance_m"], metres, atol=0.01)
    # nor do their labels
    classes = np.array(json.loads((tmp_path / "classes.json").read_text()))
    rows = np.flatnonzero(allowed)
    assert_array_equal(classes, data.species[np.asarray(data.label_matrix[rows].sum(axis=0)).ravel() > 0])
    truth = data.label_matrix.toarray()
    lookup = dict(zip(pairs, range(len(pairs)), strict=True))
    lon, lat = places.lon.to_numpy(), places.lat.to_numpy()
    for row in table.slice(0, 200).to_pylist():
        at = lookup[row["dataset"], row["surveyId"]]
        near = rows[geo.great_circle_m(lon[at], lat[at], lon[rows], lat[rows]) <= 15_000]
        assert_array_equal(classes[row["species"]], data.species[truth[near].any(axis=0)])


def test_labels_in_chunks_and_at_shared_places_are_the_union(monkeypatch):
    data = survey_data(n_po=120)
    rows = data.presence_only
    places = data.places.iloc[rows].copy()
    places.loc[places.index[10:20], ["lon", "lat"]] = places[["lon", "lat"]].to_numpy()[0]
    anchors = np.array([0, 15, 3, 119, 3])
    monkeypatch.setattr(triplets, "_AT_ONCE", 10)
    found = triplets.species_within(places, data.labels_of(rows), anchors, 12_000)
    near = distances(places)[anchors] <= 12_000
    truth = data.labels_of(rows).toarray()
    assert_array_equal(found.toarray(), np.array([truth[row].any(axis=0) for row in near]))


def test_without_labels_there_are_none_and_unusable_sources_are_told(tmp_path):
    facts = triplets.write(survey_data(), tmp_path, options(), fold=0, progress=False)
    table = pq.read_table(tmp_path / "pairs")
    assert table["species"].to_pylist() == [[]] * 3000
    assert set(table["dataset"].to_pylist()) == {0}
    assert not (tmp_path / "classes.json").exists()
    assert "classes" not in facts
    with pytest.raises(DataError, match="source 'po' has no survey"):
        triplets.write(survey_data(n_po=0), tmp_path, options(), fold=0)
    with pytest.raises(ConfigError, match=r"sources: found \('pa',\)"):
        triplets.write(survey_data(), tmp_path, options(sources=("pa",)), fold=0)
