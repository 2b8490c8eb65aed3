import os
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from glc import world
from glc.world import SIZES, metadata, places, species

TINY = SIZES["tiny"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    world.write_metadata(TINY, folder)
    return folder


def read(folder, name):
    return pd.read_csv(folder / name, keep_default_na=False)


def test_counts_are_exact(folder):
    train, test, po, truth = (read(folder, n) for n in (metadata.TRAIN, metadata.TEST, metadata.PO, metadata.TRUTH))
    assert (len(train), train.surveyId.nunique()) == (TINY.n_pa_rows, TINY.n_pa)
    assert (len(po), po.surveyId.nunique()) == (TINY.n_po_rows, TINY.n_po_surveys)
    assert train.speciesId.nunique() == TINY.n_pa_species
    assert pd.concat([train, po]).speciesId.nunique() == TINY.n_species
    assert len(test) == TINY.n_test
    assert set(truth.surveyId) == set(test.surveyId)
    assert set(truth.speciesId) <= set(train.speciesId)
    for frame in (train, po, truth):
        assert not frame.duplicated(["surveyId", "speciesId"]).any()


def test_a_survey_has_one_place_and_date(folder):
    for name in (metadata.TRAIN, metadata.PO):
        frame = read(folder, name)
        fields = [c for c in frame if c != "speciesId"]
        assert len(frame[fields].drop_duplicates()) == frame.surveyId.nunique()


def test_format_of_the_lines(folder):
    lines = (folder / metadata.TRAIN).read_text().splitlines()
    assert lines[0] == "lon,lat,year,geoUncertaintyInM,areaInM2,region,country,speciesId,surveyId"
    wanted = re.compile(r"-?\d+\.\d+,\d+(\.\d+)?,20\d\d,(\d+\.0)?,(\d+\.0)?,[A-Z]+,[^,\"]*,\d+\.0,\d+")
    assert [line for line in lines[1:] if not wanted.fullmatch(line)] == []
    wanted = re.compile(r"[A-Z]+,-?\d+\.\d+,\d+(\.\d+)?,20\d\d,(\d+\.0)?,[^,\"]*,\d+\.0,\d+")
    assert [x for x in (folder / metadata.PO).read_text().splitlines()[1:] if not wanted.fullmatch(x)] == []


def test_columns_are_those_of_the_real_files(folder):
    if "GLC_SHARED_DATA" not in os.environ:
        pytest.skip("GLC_SHARED_DATA is not set: no real files to compare with")
    real = Path(os.environ["GLC_SHARED_DATA"]) / "medflora"
    for name in (metadata.TRAIN, metadata.TEST, metadata.PO):
        with open(real / name) as theirs, open(folder / name) as ours:
            assert ours.readline() == theirs.readline()


def test_draws_are_records_with_the_true_probabilities():
    small = SIZES["small"]
    train, _ = places.pa(small)
    niches = species.niches(small)
    rows, found, limit = metadata.presences(small, train, niches)
    assert len(rows) == small.n_pa_rows
    assert 0.8 < limit < 1.25
    known = niches.subset(niches.in_pa)
    e = metadata.environment.at(small.seed, train.lon, train.lat)
    p = np.minimum(limit * known.probability(e, species.efforts(train.areaInM2)), 1)
    column = pd.Index(known.ids).get_indexer(found)
    seen = np.zeros(p.shape, bool)
    seen[rows, column] = True
    for low, high in ((0.01, 0.05), (0.2, 0.3), (0.6, 0.7)):
        bin_ = (p > low) & (p <= high)
        assert seen[bin_].mean() == pytest.approx(p[bin_].mean(), rel=0.05)


def test_presence_only_records_follow_occupancy_times_popularity():
    niches = species.niches(TINY)
    e = np.repeat(metadata.environment.at(TINY.seed, [10.0], [50.0]), 40_000, axis=0)
    rows = np.arange(len(e))
    found = metadata._resample(np.random.default_rng(0), niches, e, rows, np.array([0, len(e)]))
    wanted = species.sigmoid(niches.log_odds(e[:1]))[0] * niches.popularity
    assert np.abs(np.bincount(found, minlength=60) / len(e) - wanted / wanted.sum()).max() < 0.01


def test_chunks_of_presence_only_records_do_not_repeat_each_others_numbers(monkeypatch):
    drawn = []

    def resample(rng, niches, e, rows, starts):
        drawn.append(rng.random())
        return resampled(rng, niches, e, rows, starts)

    resampled = metadata._resample
    monkeypatch.setattr(metadata, "_resample", resample)
    monkeypatch.setattr(metadata, "_chunks", lambda starts: pairwise([0, 2, 4, len(starts) - 1]))
    metadata.po_records(TINY, places.po(TINY), species.niches(TINY))
    assert len(set(drawn)) == 3


def test_the_place_decides_among_what_its_block_proposes():
    niches = species.niches(TINY)
    e = metadata.environment.at(TINY.seed, np.array([10.0, 10.1]), np.array([50.0, 50.1])).repeat(20_000, axis=0)
    found = metadata._resample(np.random.default_rng(0), niches, e, np.arange(len(e)), np.array([0, len(e)]))
    for half in (slice(0, 20_000), slice(20_000, None)):
        wanted = species.sigmoid(niches.log_odds(e[half][:1]))[0] * niches.popularity
        assert np.abs(np.bincount(found[half], minlength=60) / 20_000 - wanted / wanted.sum()).max() < 0.03


@pytest.mark.slow
def test_glc24_has_the_contests_counts(tmp_path):
    world.write_metadata(SIZES["glc24"], tmp_path)
    train, po = (pd.read_csv(tmp_path / n, usecols=["surveyId", "speciesId"]) for n in (metadata.TRAIN, metadata.PO))
    assert (len(train), train.surveyId.nunique(), train.speciesId.nunique()) == (1_483_637, 88_987, 5_016)
    assert (len(po), po.surveyId.nunique()) == (5_079_797, 3_845_533)
    assert pd.concat([train, po]).speciesId.nunique() == 11_255
    assert len(pd.read_csv(tmp_path / metadata.TEST)) == 4_716
