import numpy as np

from glc import geo
from glc.world import SIZES, environment, places

TINY = SIZES["tiny"]


def blocks(frame):
    return set(geo.block_ids(*geo.project(frame.lon, frame.lat), TINY.block_m))


def test_counts_ids_and_blocks_of_the_surveys():
    train, test = places.pa(TINY)
    po = places.po(TINY)
    assert (len(train), len(test), len(po)) == (TINY.n_pa, TINY.n_test, TINY.n_po_surveys)
    assert not set(train.surveyId) & set(test.surveyId)
    assert train.surveyId.is_unique
    assert test.surveyId.is_unique
    assert po.surveyId.is_unique
    assert set(po.surveyId) & set(train.surveyId)  # one range of numbers, as in the contest
    assert not blocks(train) & blocks(test)
    assert len(blocks(test)) > 3
    assert blocks(test) & blocks(po)


def test_all_surveys_are_on_land_and_rounded_as_in_the_files():
    for frame in (*places.pa(TINY), places.po(TINY)):
        assert (environment.land(TINY.seed, frame.lon, frame.lat) > 0).all()
        assert (frame.lon == frame.lon.round(6)).all()


def test_presence_only_surveys_crowd_together():
    po = places.po(TINY)
    even = places._on_land(TINY.seed, np.random.default_rng(0), len(po))
    assert len(blocks(po)) < 0.6 * len(set(geo.block_ids(*geo.project(*even), TINY.block_m)))


def test_optional_columns_have_holes_and_known_values():
    train, _ = places.pa(SIZES["small"])
    for column, most in (("areaInM2", 0.12), ("geoUncertaintyInM", 0.06), ("country", 0.03)):
        assert 0 < train[column].isna().mean() < most
    assert set(train.country.dropna()) <= {c[0] for c in places.COUNTRIES}
    assert {"ATLANTIC", "CONTINENTAL", "MEDITERRANEAN", "ALPINE"} <= set(train.region)


def test_country_is_the_nearest_seed():
    assert list(places.country([9.4, 12.1], [56.1, 42.4])) == ["Jutmark", "Etruria"]
