import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from glc.classical import run
from glc.classical.frequency import Frequency
from glc.classical.votes import Votes
from glc.errors import DataError
from glc.evaluation import baselines, suitability
from glc.sdm import measures
from tests.helpers import records_alone

KM = 1_000.0


def line_of_sites(records, block=5):
    """Places on a line of squares of 1 km, a row per (site, species); spatial blocks of some sites."""
    sites = np.array([site for site, _ in records], float)
    places = pd.DataFrame({"easting": 4_000_000 + sites * KM + 300, "northing": 3_000_000.0, "crs": 3035})
    places["block"] = (sites // block).astype(np.int64)
    labels = np.zeros((len(records), 1 + max(species for _, species in records)), bool)
    labels[np.arange(len(records)), [species for _, species in records]] = True
    return places, sparse.csr_matrix(labels)


def measured(records, scores, fold=None, **options):
    places, actual = line_of_sites(records)
    fold = np.zeros(len(records), int) if fold is None else np.asarray(fold)
    matrix = sparse.csr_matrix(np.asarray(scores, np.float32))
    return suitability.measure(matrix, actual, places, fold, np.arange(actual.shape[1]) + 7, **options)


def test_auc_is_against_the_sites_of_the_target_group():
    # species 0 at sites 0 to 4, species 1 at 5 to 9: what lies between or beyond, where nobody recorded, is no site
    records = [(site, int(site >= 5)) for site in range(10)]
    scores = np.zeros((10, 2))
    scores[:, 0] = [9, 8, 7, 6, 1, 5, 4, 3, 2, 0.5]  # site 4 is outscored by four of the five others
    scores[:, 1] = 1
    facts, table = measured(records, scores)
    assert_allclose(table.set_index("speciesId")["auc"], [21 / 25, 0.5])
    assert table["sites"].tolist() == [5, 5]
    assert facts["auc"] == pytest.approx((21 / 25 + 0.5) / 2)
    assert facts["sites"] == facts["records"] == 10


def test_records_in_one_square_are_one_site_with_the_mean_of_their_scores():
    records = [(0, 0)] * 30 + [(site, 0) for site in range(1, 5)] + [(site, 1) for site in (0, *range(5, 10))]
    scores = np.arange(len(records))[:, None] * np.ones((1, 2))
    places, actual = line_of_sites(records)
    first, at_site, present = suitability.at_sites(sparse.csr_matrix(scores), actual, places)
    assert at_site.shape == present.shape == (10, 2)
    assert at_site[0, 0] == pytest.approx((sum(range(30)) + 34) / 31)
    assert present.toarray()[:, 0].tolist() == [True] * 5 + [False] * 5
    assert present.toarray()[:, 1].tolist() == [True] + [False] * 4 + [True] * 5
    assert len(first) == 10


def test_a_species_with_too_few_sites_is_left_out_and_counted():
    records = (
        [(site, 0) for site in range(6)] + [(site, 1) for site in range(6, 10)] + [(site, 2) for site in range(10)]
    )
    facts, table = measured(records, np.ones((len(records), 3)))
    # species 1 has four sites, and species 2 no site without it; of 0 there are six and four
    assert facts["species"] == 0
    assert facts["species_left_out"] == 3
    assert facts["auc"] is None
    assert facts["boyce"] is None
    assert len(table) == 0
    facts, table = measured([*records, (10, 1)], np.ones((len(records) + 1, 3)))
    assert table["speciesId"].tolist() == [7, 8]
    assert facts["species_left_out"] == 1
    assert facts["by_fold"][0]["species_left_out"] == 1


def test_a_constant_model_has_an_auc_of_a_half_and_no_boyce_index():
    # several records per site: means of equal scores are equal
    records = [(site, site % 2) for site in range(40) for _ in range(1 + site % 7)]
    facts, _ = measured(records, np.full((len(records), 2), 0.1234567))
    assert facts["auc"] == facts["auc_low"] == facts["auc_high"] == 0.5
    assert facts["boyce"] is facts["boyce_low"] is None
    json.dumps(facts, allow_nan=False)


def test_scores_of_different_folds_are_never_pooled():
    records = [(site, site % 2) for site in range(40)]
    truth = np.array([[species == 0, species == 1] for _, species in records], float)
    fold = np.arange(40) // 20
    good = 0.1 * truth + 0.1
    shifted = np.where(fold[:, None] == 0, good, good + 10)  # the second model's scores are all higher
    for scores in (good, shifted):
        facts, _ = measured(records, scores, fold)
        assert facts["auc"] == 1
        assert [row["auc"] for row in facts["by_fold"]] == [1, 1]
    worse = np.where(fold[:, None] == 0, good, 0.3 - good)
    facts, _ = measured(records, worse, fold)
    assert [row["auc"] for row in facts["by_fold"]] == [1, 0]
    assert facts["auc"] == 0.5


def test_top_k_recall_is_the_share_of_records():
    rng = np.random.default_rng(0)
    scores = rng.random((30, 40))
    records = [(site, int(rng.integers(40))) for site in range(29)] + [(29, 39)]
    facts, _ = measured(records, scores)
    for k in suitability.TOPS:
        best = np.argsort(-scores, axis=1)[:, :k]
        wanted = np.mean([species in best[row] for row, (_, species) in enumerate(records)])
        assert facts[f"recall_at_{k}"] == pytest.approx(wanted)
        assert facts[f"recall_at_{k}_low"] <= wanted <= facts[f"recall_at_{k}_high"]


def test_intervals_draw_whole_blocks_of_presences_again():
    rng = np.random.default_rng(1)
    records = [(site, int(rng.random() < 0.5)) for site in range(60)]
    places, actual = line_of_sites(records, block=6)
    values = actual.toarray() + rng.normal(0, 1, (60, 2))
    scores = sparse.csr_matrix(values.astype(np.float32) + 10)
    facts, _ = suitability.measure(scores, actual, places, np.zeros(60), np.arange(2), resamples=4_000)
    # draw by draw, of the presences' blocks, with the sites that they are compared with as they are
    truth, dense = actual.toarray(), scores.toarray().astype(float)
    shares = [measures.placements(dense[:, s], truth[:, s]) for s in (0, 1)]
    block = places["block"].to_numpy()
    drawn = []
    for _ in range(4_000):
        times = np.bincount(rng.integers(10, size=10), minlength=10)
        drawn.append(np.mean([np.average(shares[s], weights=times[block[truth[:, s]]]) for s in (0, 1)]))
    assert_allclose([facts["auc_low"], facts["auc_high"]], np.quantile(drawn, [0.025, 0.975]), atol=0.01)
    assert facts["auc_low"] < facts["auc"] < facts["auc_high"]
    assert facts["boyce_low"] < facts["boyce"] < facts["boyce_high"]  # though draws are lower on average


@pytest.mark.parametrize("sign", [1, -1])
def test_the_interval_of_a_boyce_index_near_its_limit_does_not_pass_it(sign):
    rng = np.random.default_rng(2)
    suits = rng.random(200)
    records = [(site, int(rng.random() < suits[site])) for site in range(200)]
    scores = sign * np.column_stack([-suits, suits]) + 2
    facts, _ = measured(records, scores, resamples=500)
    assert abs(facts["boyce"]) > 0.9
    assert -1 <= facts["boyce_low"] < facts["boyce"] < facts["boyce_high"] <= 1
    assert sign * facts["boyce_high" if sign > 0 else "boyce_low"] == 1, "the correction alone would pass the limit"


@pytest.fixture(scope="module")
def votes(tmp_path_factory):
    """Data, and the folder of the votes' scores."""
    data, folder = records_alone(), tmp_path_factory.mktemp("scores")
    model = Votes(Votes.Options(prior=5.0, scales_m=(20_000, 10_000)))
    run.write(model, data, folder, folds=[0, 1], keep=100, progress=lambda *_: None)
    return data, folder


def test_votes_rank_the_places_of_species_and_the_metrics_say_relative(votes, tmp_path):
    data, folder = votes
    metrics = suitability.write(folder, data, tmp_path)
    assert json.loads((tmp_path / suitability.METRICS).read_text()) == metrics
    assert metrics["relative"] is True
    assert not [key for split in ("valid", "test") for key in metrics[split] if "f1" in key or "set" in key]
    assert metrics["valid"]["auc"] > 0.75
    assert metrics["valid"]["auc_low"] < metrics["valid"]["auc"] < metrics["valid"]["auc_high"]
    assert metrics["test"]["auc"] > 0.75
    assert len(metrics["valid"]["by_fold"]) == 2
    assert metrics["valid"]["auc"] == pytest.approx(np.mean([row["auc"] for row in metrics["valid"]["by_fold"]]))
    frame = pd.read_parquet(tmp_path / suitability.SURVEYS)
    valid = frame[frame["split"] == "valid"]
    pooled = valid.groupby("fold")["recall_at_25"].mean()
    assert metrics["valid"]["recall_at_25"] == pytest.approx(pooled.mean())
    table = pd.read_parquet(tmp_path / suitability.SPECIES)
    of_fold = table[table["split"] == "valid"].groupby("fold")["auc"].mean()
    assert metrics["valid"]["auc"] == pytest.approx(of_fold.mean())
    assert set(table["name"]) == {""}
    text = suitability.in_words(metrics)
    assert f"validation AUC {metrics['valid']['auc']:.4f} [" in text
    assert "F1" not in text


def test_scores_of_other_data_are_refused(votes, tmp_path):
    data, folder = votes
    other = records_alone(n=300)
    with pytest.raises(DataError, match="score"):
        suitability.write(folder, other, tmp_path)
    assert data.relative


def test_baselines_of_records_alone_know_nothing_of_the_place_but_its_area(tmp_path):
    data = records_alone()
    rows = {row["level"]: row for row in baselines.write_relative(data, tmp_path, [0, 1])}
    assert rows["global"]["valid"]["auc"] == 0.5
    assert rows["global"]["valid"]["boyce"] is None
    assert rows["district"]["test"]["auc"] is not None
    assert json.loads((tmp_path / baselines.BASELINES).read_text()) == list(rows.values())


def test_experiments_are_compared_by_the_auc_of_their_common_species():
    own = pd.DataFrame({"split": "valid", "fold": [0, 0, 1], "speciesId": [1, 2, 1], "auc": [0.9, 0.7, 0.8]})
    other = pd.DataFrame({"split": "valid", "fold": [0, 0, 1], "speciesId": [1, 3, 1], "auc": [0.6, 0.9, 0.7]})
    facts = suitability.compare(own, other)
    assert facts["species"] == 1
    assert (facts["own"], facts["other"]) == (pytest.approx(0.85), pytest.approx(0.65))
    assert facts["difference"] == pytest.approx(0.2)
    assert suitability.compare(own, other[other["speciesId"] == 3]) is None


def test_presence_only_records_are_the_source_po_and_no_training_surveys():
    data = records_alone()
    assert len(data.labelled("train", 0)) == 0
    assert data.labelled("po", 0).tolist() == data.train(0).tolist()
    known = Frequency(Frequency.Options(sources=("po",))).scores(data, 0, data.valid(0)).toarray()[0]
    assert_allclose(known, np.asarray(data.labels_of(data.train(0)).mean(axis=0)).ravel(), rtol=1e-6)
