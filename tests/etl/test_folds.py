"""Folds: whole blocks, even deals, the same deal for any order of the rows."""

import numpy as np
import pandas as pd
import pytest

from glc import geo, storage
from glc.config import Validation
from glc.errors import ConfigError, DataError
from glc.etl import folds


@pytest.fixture(scope="module")
def surveys():
    rng = np.random.default_rng(3)
    n = 4_000
    centre = rng.uniform(0, 900_000, (60, 2))[rng.integers(0, 60, n)]
    place = centre + rng.normal(0, 20_000, (n, 2)) + [3_500_000, 2_500_000]
    ids = rng.permutation(10 * n)[:n]
    return pd.DataFrame({"surveyId": ids, "easting": place[:, 0], "northing": place[:, 1], "crs": 3035})


@pytest.mark.parametrize("size_m", [5_000, 30_000])
@pytest.mark.parametrize("hold_out", [False, True])
def test_no_block_is_in_two_folds_and_folds_are_even(surveys, size_m, hold_out):
    table = folds.assign(surveys, Validation(size_m=size_m), hold_out).to_pandas()
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
    table = folds.assign(surveys, Validation(scheme="random")).to_pandas()
    assert set(table.fold.value_counts()) == {400}
    assert (table.groupby("block").fold.nunique() > 1).any()


def test_random_folds_hold_out_whole_blocks(surveys):
    table = folds.assign(surveys, Validation(scheme="random"), hold_out=True).to_pandas()
    held = table.fold == -1
    assert held.any()
    assert not set(table.block[held]) & set(table.block[~held])


@pytest.mark.parametrize("scheme", ["block", "random"])
def test_the_deal_follows_from_surveys_and_seed_alone(surveys, scheme):
    deal = folds.assign(surveys, Validation(scheme=scheme), hold_out=True)
    assert deal.equals(folds.assign(surveys.sample(frac=1, random_state=1), Validation(scheme=scheme), hold_out=True))
    other = folds.assign(surveys, Validation(scheme=scheme, seed=1), hold_out=True)
    assert not deal.equals(other)
    held = np.asarray(deal["fold"]) == -1
    assert (held == (np.asarray(other["fold"]) == -1)).all(), "the stand-in for the test must not move with the seed"


def test_squares_of_different_projections_are_different_blocks():
    place = {"easting": [100.0, 100.0], "northing": [100.0, 100.0]}
    two = pd.DataFrame({"surveyId": [1, 2], **place, "crs": [3035, 5070]})
    assert set(folds.assign(two, Validation(count=2, run=1))["fold"].to_pylist()) == {0, 1}


def test_too_few_blocks_or_surveys_and_repeated_ids_are_refused(surveys):
    near = surveys.assign(easting=1.0, northing=1.0)
    with pytest.raises(ConfigError, match="10 folds for 1 blocks of 30000 m"):
        folds.assign(near, Validation())
    with pytest.raises(ConfigError, match="make the blocks smaller"):
        folds.assign(near, Validation(), hold_out=True)
    with pytest.raises(ConfigError, match="10 folds for 5 surveys"):
        folds.assign(surveys[:5], Validation(scheme="random"))
    with pytest.raises(DataError, match="stands twice"):
        folds.assign(pd.concat([surveys, surveys[:1]]), Validation())


def test_write_deals_one_dataset_only(surveys, tmp_path):
    rows = surveys.assign(
        dataset=np.where(np.arange(len(surveys)) % 4, "pa_train", "po"), lon=0.0, lat=0.0, year=2020,
        geoUncertaintyInM=1.0, country="", region="", areaInM2=1.0, species=[[1]] * len(surveys),
    )  # fmt: skip
    storage.write_table(rows, "surveys", tmp_path / "surveys")
    facts = folds.write(tmp_path / "surveys", tmp_path / "folds", Validation(), hold_out=True)
    table = storage.read_table(tmp_path / "folds", "folds").to_pandas()
    assert sorted(table.surveyId) == sorted(rows.surveyId[rows.dataset == "pa_train"])
    assert facts["surveys"] == table.fold.value_counts().to_dict()
    assert facts["held_out"] == (table.fold == -1).sum() > 0
