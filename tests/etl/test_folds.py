"""Folds: whole blocks, even deals, the same deal for any order of the rows."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from pyproj import Transformer

from glc import geo, storage
from glc.config import Validation
from glc.errors import ConfigError, DataError
from glc.etl import folds


def assigned(*args, **kwargs):
    """The table of folds."""
    table, _ = folds.assign(*args, **kwargs)
    return table


@pytest.fixture(scope="module")
def surveys():
    rng = np.random.default_rng(3)
    n = 4_000
    centre = rng.uniform(0, 900_000, (60, 2))[rng.integers(0, 60, n)]
    place = centre + rng.normal(0, 20_000, (n, 2)) + [3_500_000, 2_500_000]
    ids = rng.permutation(10 * n)[:n]
    lon, lat = Transformer.from_crs(3035, 4326, always_xy=True).transform(*place.T)
    return pd.DataFrame(
        {"surveyId": ids, "easting": place[:, 0], "northing": place[:, 1], "crs": 3035, "lon": lon, "lat": lat}
    )


@pytest.mark.parametrize("size_m", [5_000, 30_000])
@pytest.mark.parametrize("hold_out", [False, True])
def test_no_block_is_in_two_folds_and_folds_are_even(surveys, size_m, hold_out):
    table = assigned(surveys, Validation(size_m=size_m), hold_out).to_pandas()
    assert sorted(table.surveyId) == sorted(surveys.surveyId)
    assert (table.groupby("block").fold.nunique() == 1).all()
    places = surveys.set_index("surveyId").loc[table.surveyId]
    assert (table.block == geo.block_ids(places.easting, places.northing, size_m)).all()
    sizes = table.fold.value_counts()
    assert set(sizes.index) == set(range(-1 if hold_out else 0, 10))
    largest_block = table.block.value_counts().max()
    validated = sizes.drop(-1, errors="ignore")
    assert validated.max() - validated.min() <= largest_block
    if hold_out:
        assert abs(sizes[-1] - len(surveys) / 10) <= largest_block


def test_random_folds_are_even_to_one_survey_and_split_blocks(surveys):
    table = assigned(surveys, Validation(scheme="random")).to_pandas()
    assert set(table.fold.value_counts()) == {400}
    assert (table.groupby("block").fold.nunique() > 1).any()


def test_random_folds_hold_out_whole_blocks(surveys):
    table = assigned(surveys, Validation(scheme="random"), hold_out=True).to_pandas()
    held = table.fold == -1
    assert held.any()
    assert not set(table.block[held]) & set(table.block[~held])


def test_quadrats_hold_out_their_share_of_squares_and_deal_the_rest_at_random(surveys):
    quadrats = Validation(scheme="quadrats", size_m=5_000, count=20)
    table = assigned(surveys, quadrats, hold_out=True).to_pandas()
    held = table.fold == -1
    assert not set(table.block[held]) & set(table.block[~held])
    assert table.block[held].nunique() == round(0.025 * table.block.nunique())
    # 90 % train, 5 % stop a net early and 5 % validate it
    assert table.fold[~held].value_counts(normalize=True).sub(0.05).abs().max() < 1 / (~held).sum()
    assert (table[~held].groupby("block").fold.nunique() > 1).any()
    more = assigned(surveys, dataclasses.replace(quadrats, held_out=0.2), hold_out=True).to_pandas()
    assert more.block[more.fold == -1].nunique() == round(0.2 * table.block.nunique())


def test_quadrats_are_drawn_alike_however_many_surveys_they_hold():
    # one square holds 900 of 1,000 surveys: it is held out as seldom as any other, or as often
    sizes = np.r_[900, np.full(100, 1)]
    square = np.repeat(np.arange(101), sizes) * 5_000.0 + 1
    frame = pd.DataFrame({"surveyId": np.arange(1_000), "easting": square, "northing": 1.0, "crs": 3035})
    seen = assigned(frame, Validation(scheme="quadrats", size_m=5_000, held_out=0.3), hold_out=True).to_pandas()
    assert seen.block[seen.fold == -1].nunique() == 30
    assert (assigned(frame, Validation(scheme="quadrats", size_m=5_000))["fold"].to_numpy() >= 0).all()


@pytest.mark.parametrize("share", [0.001, 0.999])
def test_a_held_out_share_rounds_to_one_quadrat_at_least_and_leaves_one(share):
    two = pd.DataFrame({"surveyId": range(4), "easting": [1.0, 1.0, 6e3, 6e3], "northing": 1.0, "crs": 3035})
    quadrats = Validation(scheme="quadrats", size_m=5_000, count=2, run=1, held_out=share)
    table = assigned(two, quadrats, hold_out=True).to_pandas()
    assert table.block[table.fold == -1].nunique() == 1
    assert sorted(table.fold) == [-1, -1, 0, 1]


@pytest.mark.parametrize("scheme", ["block", "knndm", "random", "quadrats"])
def test_the_deal_follows_from_surveys_and_seed_alone(surveys, scheme):
    deal = assigned(surveys, Validation(scheme=scheme), hold_out=True)
    assert deal.equals(assigned(surveys.sample(frac=1, random_state=1), Validation(scheme=scheme), hold_out=True))
    other = assigned(surveys, Validation(scheme=scheme, seed=1), hold_out=True)
    assert not deal.equals(other)
    held = np.asarray(deal["fold"]) == -1
    assert (held == (np.asarray(other["fold"]) == -1)).all(), "the stand-in for the test must not move with the seed"


def test_squares_of_different_projections_are_different_blocks():
    place = {"easting": [100.0, 100.0], "northing": [100.0, 100.0]}
    two = pd.DataFrame({"surveyId": [1, 2], **place, "crs": [3035, 5070]})
    assert set(assigned(two, Validation(count=2, run=1))["fold"].to_pylist()) == {0, 1}


def test_too_few_blocks_or_surveys_and_repeated_ids_are_refused(surveys):
    near = surveys.assign(easting=1.0, northing=1.0)
    with pytest.raises(ConfigError, match="10 folds for 1 blocks of 30000 m"):
        assigned(near, Validation())
    with pytest.raises(ConfigError, match="make the blocks smaller"):
        assigned(near, Validation(), hold_out=True)
    with pytest.raises(ConfigError, match="10 folds for 5 surveys"):
        assigned(surveys[:5], Validation(scheme="random"))
    with pytest.raises(DataError, match="appears twice"):
        assigned(pd.concat([surveys, surveys[:1]]), Validation())


def test_write_deals_one_dataset_only(surveys, tmp_path):
    rows = surveys.assign(
        dataset=np.where(np.arange(len(surveys)) % 4, "pa_train", "po"), year=2020,
        geoUncertaintyInM=1.0, country="", region="", areaInM2=1.0, species=[[1]] * len(surveys),
    )  # fmt: skip
    storage.write_table(rows, "surveys", tmp_path / "surveys")
    facts = folds.write(tmp_path / "surveys", tmp_path / "folds", Validation(), hold_out=True)
    table = storage.read_table(tmp_path / "folds", "folds").to_pandas()
    assert sorted(table.surveyId) == sorted(rows.surveyId[rows.dataset == "pa_train"])
    assert facts["surveys"] == table.fold.value_counts().to_dict()
    assert facts["held_out"] == (table.fold == -1).sum() > 0


def test_folds_of_very_unequal_size_are_said(tmp_path, caplog):
    # one square holds 900 of 1,000 surveys, and the other 100 squares one each
    square = np.repeat(np.arange(101), np.r_[900, np.full(100, 1)]) * 40_000.0 + 1
    rows = pd.DataFrame({"surveyId": np.arange(1_000), "easting": square, "northing": 1.0, "crs": 3035}).assign(
        dataset="pa_train", lon=3.0, lat=46.0, year=2020, geoUncertaintyInM=1.0, country="", region="", areaInM2=1.0,
        species=[[1]] * 1_000,
    )  # fmt: skip
    storage.write_table(rows, "surveys", tmp_path / "surveys")
    facts = folds.write(tmp_path / "surveys", tmp_path / "folds", Validation(count=5))
    (note,) = facts["notes"]
    assert "200 surveys on average: fold 0 has 900, fold 1 has 25, fold 2 has 25" in note
    assert note in caplog.text
    assert "notes" not in folds.write(tmp_path / "surveys", tmp_path / "even", Validation(scheme="random", count=5))
