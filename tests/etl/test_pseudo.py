"""Pseudo-surveys against a brute-force reading of their definition."""

import numpy as np
import pandas as pd
import pytest

from glc import geo, storage
from glc.etl import pseudo


def occurrences(n, seed=0, places=None):
    rng = np.random.default_rng(seed)
    lon = 4 + rng.integers(0, places or n, n) * 0.4 / (places or n)
    lat = 44 + (rng.uniform(0, 0.3, n) if places is None else (np.round((lon - 4) * 40) % 7) * 0.04)
    easting, northing = geo.project(lon, lat)
    species = [np.sort(rng.choice(40, rng.integers(1, 4), replace=False)) for _ in range(n)]
    ids = rng.permutation(n) + 100
    return pd.DataFrame(
        {"surveyId": ids, "lon": lon, "lat": lat, "easting": easting, "northing": northing, "species": species}
    )


def brute_force(po, radius_m):
    """{cell: {species: (distance, surveyId)}} by looping over cells, surveys and species."""
    cell = geo.block_ids(po.easting, po.northing, radius_m)
    made = {}
    for key in np.unique(cell):
        xyz = geo.unit_sphere(po.lon[cell == key], po.lat[cell == key]).mean(axis=0)
        lon, lat = np.degrees(np.arctan2(xyz[1], xyz[0])), np.degrees(np.arctan2(xyz[2], np.hypot(xyz[0], xyz[1])))
        distance = geo.great_circle_m(lon, lat, po.lon, po.lat)
        labels = {}
        for i in np.flatnonzero(distance <= radius_m):
            for species in po.species[i]:
                candidate = (round(distance[i], 3), po.surveyId[i])
                labels[species] = min(labels.get(species, candidate), candidate)
        made[key] = labels
    return made


@pytest.mark.parametrize(("places", "least"), [(None, 6), (50, 25)])
@pytest.mark.parametrize("pairs_at_once", [2_000_000, 100])
def test_labels_and_their_sources_are_those_of_the_definition(monkeypatch, places, least, pairs_at_once):
    monkeypatch.setattr(pseudo, "PAIRS_AT_ONCE", pairs_at_once)
    po = occurrences(400, places=places)
    examples, provenance, facts = pseudo.aggregate(po, 3_000, min_species=least)
    wanted = brute_force(po, 3_000)
    kept = [labels for labels in wanted.values() if len(labels) >= least]
    assert 0 < len(kept) < len(wanted)
    assert examples.surveyId.tolist() == [-1 - i for i in range(len(kept))]
    for row, labels in zip(examples.itertuples(), kept, strict=True):
        assert row.species.tolist() == sorted(labels)
        mine = provenance[provenance.pseudo_id == row.surveyId]
        assert mine.speciesId.tolist() == sorted(labels)
        assert mine.surveyId.tolist() == [labels[species][1] for species in sorted(labels)]
        np.testing.assert_allclose(mine.distance_m, [labels[species][0] for species in sorted(labels)], atol=2e-3)
    assert facts["centres"] == len(wanted)
    assert facts["examples"] + facts["left_out"] == facts["centres"]
    assert facts["occurrences"] == po.species.str.len().sum()
    assert facts["labels"] == sum(map(len, kept))


def test_an_example_stands_at_the_mean_place_of_its_cell():
    po = occurrences(300)
    cell = geo.block_ids(po.easting, po.northing, 4_000)
    examples, _, _ = pseudo.aggregate(po, 4_000, min_species=1)
    means = po.groupby(cell)[["easting", "northing"]].mean()
    np.testing.assert_allclose(examples[["easting", "northing"]], means, atol=0.5)


def test_tables_fit_their_schemas_even_when_nothing_is_left(tmp_path):
    po = occurrences(30)
    for min_species in (1, 1_000):
        examples, provenance, facts = pseudo.aggregate(po, 2_000, min_species)
        assert storage.write_table(examples, "examples", tmp_path / f"e{min_species}") == facts["examples"]
        assert storage.write_table(provenance, "provenance", tmp_path / f"p{min_species}") == facts["labels"]
    assert facts == {
        "surveys": 30, "occurrences": facts["occurrences"], "centres": facts["left_out"], "examples": 0,
        "left_out": facts["left_out"], "out_of_reach": 0, "labels": 0,
    }  # fmt: skip
    empty, _, facts = pseudo.aggregate(po[:0], 2_000, 1)
    assert len(empty) == facts["centres"] == 0


def test_squares_of_two_projections_do_not_mix():
    po = pd.concat([occurrences(50).assign(crs=3035), occurrences(50, seed=1).assign(crs=5070, lon=-100.0, lat=40.0)])
    examples, provenance, _ = pseudo.aggregate(po, 50_000, 1)
    assert len(examples) > 1
    assert provenance.distance_m.max() <= 50_000
