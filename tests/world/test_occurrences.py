import numpy as np
import pandas as pd
import pytest

from glc import editions, geo, world
from glc.errors import DataError
from glc.world import SIZES, environment, occurrences
from glc.world.areas import AREAS

TINY, WHOLE = SIZES["glc20-tiny"], SIZES["glc20"]


def test_the_csvs_are_those_of_2020_and_every_species_occurs(tmp_path):
    world.write_metadata(TINY, tmp_path)
    dataset = editions.recognise(tmp_path)
    editions.check(dataset)
    assert (dataset.edition.name, TINY.edition, dataset.has_test) == ("glc2020", "glc2020", False)
    frames = [pd.read_csv(path, sep=";") for _, path in dataset.files]
    assert [list(frame) for frame in frames] == [["id", "lat", "lon", "species_id"]] * 2
    both = pd.concat(frames)
    assert len(both) == TINY.n
    assert both["id"].is_unique
    assert set(both["species_id"]) == set(range(TINY.n_species))
    for frame, (west, south, east, north) in zip(frames, (area.bounds for area in AREAS), strict=True):
        # towns at the edge spread beyond it
        inside = frame["lon"].between(west, east) & frame["lat"].between(south, north)
        assert inside.mean() > 0.93
        assert frame["lon"].between(west - 3, east + 3).all()


@pytest.mark.parametrize(("number", "crs"), [(0, 3035), (1, 5070)])
def test_occurrences_are_on_the_land_of_their_fields_and_on_the_map(number, crs):
    found = occurrences.sites(WHOLE)
    here = found[found["area"] == number]
    area = AREAS[number]
    assert (environment.land(area.seed(WHOLE), *area.frame(here["lon"], here["lat"])) > 0).all()
    easting, northing = geo.project(here["lon"], here["lat"], crs)
    assert np.isfinite(easting).all()
    assert np.isfinite(northing).all()
    # clustered, so that quadrats hold several, and yet many of them
    squares = len(np.unique(geo.block_ids(easting, northing, 5_000, crs)))
    assert len(here) / 5 < squares < len(here) / 1.5


def test_species_follow_place_and_environment_and_are_mostly_of_one_country():
    found, p = occurrences.occurrences(WHOLE), occurrences.probability(WHOLE, occurrences.sites(WHOLE))
    known, native = occurrences.niches(WHOLE)
    column = np.argsort(known.ids)[found["species_id"]]
    areas = found.groupby("species_id")["area"].nunique()
    assert 0.05 < (areas == 2).mean() < 0.35
    own = p[np.arange(len(p)), column]
    at_random = p[np.arange(len(p)), np.random.default_rng(0).permutation(column)]
    assert own.mean() > 3 * at_random.mean()
    top = (p > own[:, None]).sum(axis=1) < 30
    count = np.bincount(column, minlength=WHOLE.n_species)
    common = np.isin(column, np.argsort(-count)[:30])
    assert top.mean() > common.mean() + 0.2  # there is much to learn beyond the commonest species
    # drawn as told: the probabilities of the species sum to about their records
    agree = np.corrcoef(p.sum(axis=0), count)[0, 1]
    assert agree > 0.98
    assert (native.sum(axis=1) >= 1).all()


def test_the_same_bytes_from_the_same_seed(tmp_path):
    world.write_metadata(TINY, tmp_path / "one")
    for cached in (occurrences.occurrences, occurrences.sites, occurrences.niches):
        cached.cache_clear()
    world.write_metadata(TINY, tmp_path / "two")
    for path in sorted((tmp_path / "one" / "occurrences").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / "occurrences" / path.name).read_bytes()


def test_parts_that_this_world_lacks_are_refused(tmp_path):
    with pytest.raises(DataError, match="unknown part 'series' of a virtual world; expected: metadata, rasters, image"):
        world.write(TINY, tmp_path, ("metadata", "series"))
    assert list(tmp_path.iterdir()) == []
