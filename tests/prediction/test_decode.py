import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from glc import config
from glc.errors import DataError
from glc.evaluation import metrics
from glc.prediction import decode, ranking


def world(n=300, m=80, seed=0):
    """Scores that are a distorted probability of the labels: boolean labels and scores as CSR, probabilities dense."""
    rng = np.random.default_rng(seed)
    p = rng.beta(0.15, 1.5, size=(n, m))
    labels = rng.random((n, m)) < p
    labels[np.arange(n), p.argmax(1)] = True
    return sparse.csr_matrix(np.sqrt(p) * 0.8), sparse.csr_matrix(labels), p


def fitted(name, **options):
    scores, labels, _ = world()
    ranked = ranking.rank(scores, labels)
    return decode.make(config.Choice(name, options)).fit(ranked), ranked, scores, labels


def test_ranking_is_by_score_then_column():
    matrix = sparse.csr_matrix(np.array([[0.2, 0.0, 0.9, 0.2], [0.0, 0.0, 0.1, 0.0]]))
    ranked = ranking.rank(matrix)
    assert_array_equal(ranked.columns, [2, 0, 3, 2])
    assert_array_equal(ranked.lengths, [3, 1])
    assert_array_equal(ranked.above(0.15), [3, 0])
    assert_array_equal(ranked.rows(np.array([1, 0])).columns, [2, 2, 0, 3])


def test_top_k_and_all():
    decoder, ranked, scores, _ = fitted("top_k", k=7)
    sets = decode.decide(decoder, ranked, scores.shape)
    assert (sets != metrics.top_k(scores, 7)).nnz == 0
    everything, ranked, scores, _ = fitted("all")
    assert decode.decide(everything, ranked, scores.shape).nnz == (scores > 0).nnz


def test_threshold_keeps_the_best_where_none_is_above():
    decoder = decode.make(config.Choice("threshold", {"threshold": 0.5}))
    matrix = sparse.csr_matrix(np.array([[0.6, 0.7, 0.1], [0.1, 0.2, 0.0]]))
    sets = decode.decide(decoder, ranking.rank(matrix), matrix.shape)
    assert sets.toarray().tolist() == [[True, True, False], [False, True, False]]


@pytest.mark.parametrize(("reading", "size"), [("union", np.maximum), ("intersection", np.minimum)])
def test_threshold_top_k_grid_is_the_brute_force_grid(reading, size):
    # above 0.6 many surveys have no species, above 0.2 some have more than twelve
    options = {"largest": 12, "lowest": 0.2, "highest": 0.6, "step": 0.1, "reading": reading}
    decoder, ranked, scores, labels = fitted("threshold_top_k", **options)
    assert (ranked.above(0.6) == 0).any()
    assert (ranked.above(0.2) > 12).any()
    for k in range(1, 13):
        for column, threshold in enumerate(np.arange(0.2, 0.65, 0.1)):
            sizes = np.maximum(size(k, ranked.above(threshold)), 1)
            wanted = metrics.sample_f1(ranked.take(sizes, scores.shape), labels)
            assert decoder.grid[k - 1, column] == pytest.approx(wanted, abs=1e-12)
    assert decoder.facts["validation_f1"] == pytest.approx(decoder.grid.max())
    grid = decoder.facts["grid"]
    at = grid["k"].index(decoder.facts["k"]), grid["threshold"].index(decoder.facts["threshold"])
    assert grid["f1"][at[0]][at[1]] == pytest.approx(decoder.grid.max(), abs=1e-5)


def test_a_union_and_an_intersection_of_known_species():
    matrix = sparse.csr_matrix(np.array([[0.9, 0.8, 0.7, 0.1], [0.4, 0.3, 0.2, 0.1]]))
    sets = {}
    for reading in ("union", "intersection"):
        decoder = decode.make(config.Choice("threshold_top_k", {"reading": reading}))
        decoder.k, decoder.threshold = 2, 0.5
        sets[reading] = decode.decide(decoder, ranking.rank(matrix), matrix.shape).toarray().astype(int).tolist()
    assert sets["union"] == [[1, 1, 1, 0], [1, 1, 0, 0]]
    assert sets["intersection"] == [[1, 1, 0, 0], [1, 0, 0, 0]], "no set is empty"


def test_both_readings_find_their_best_pair():
    rich, poor = [0.9] * 6 + [0.05] * 4, [0.3] + [0.2] * 9
    labels = sparse.csr_matrix(np.array([[1] * 6 + [0] * 4, [1] + [0] * 9], bool))
    ranked = ranking.rank(sparse.csr_matrix(np.array([rich, poor])), labels)
    best = {}
    for reading in ("union", "intersection"):
        options = {"reading": reading, "lowest": 0.25, "largest": 10}
        best[reading] = decode.make(config.Choice("threshold_top_k", options)).fit(ranked).facts
    assert best["intersection"]["validation_f1"] == 1
    assert (best["intersection"]["k"], best["intersection"]["threshold"]) == (6, 0.25)
    assert best["union"]["validation_f1"] == 1, "k of 1 and a threshold between 0.3 and 0.9"
    assert best["union"]["k"] == 1


def test_a_threshold_of_one_chooses_k_alone():
    decoder, ranked, scores, labels = fitted("threshold_top_k", largest=20, lowest=1.0, highest=1.0)
    by_k = [metrics.sample_f1(metrics.top_k(scores, k), labels) for k in range(1, 21)]
    assert decoder.k == 1 + int(np.argmax(by_k))
    assert_array_equal(decoder.sizes(ranked), np.full(len(ranked.lengths), decoder.k))


def test_expected_f1_undoes_a_monotone_distortion():
    decoder, _, _, _ = fitted("expected_f1")
    _, _, p = world(seed=5)
    scores = np.sqrt(p) * 0.8
    middle = (p > 0.1) & (p < 0.8)
    assert_allclose(decoder.probabilities(scores)[middle], p[middle], atol=0.15)
    assert abs((decoder.probabilities(scores) - p).mean()) < 0.01


def test_expected_f1_beats_every_fixed_size_on_new_surveys():
    decoder, _, _, _ = fitted("expected_f1")
    scores, labels, _ = world(seed=9)
    ranked = ranking.rank(scores, labels)
    ours = metrics.sample_f1(decode.decide(decoder, ranked, scores.shape), labels)
    fixed = max(metrics.sample_f1(metrics.top_k(scores, k), labels) for k in range(1, 40))
    assert ours > fixed


def test_cross_fitting_never_shows_a_group_its_own_labels():
    scores, labels, _ = world()
    groups = np.arange(300) % 3
    seen = []

    class Spy(decode.Decoder):
        def statistics(self, ranked):
            return {"surveys": np.int64(len(ranked.actual)), "cubes": (ranked.actual.astype(float) ** 3).sum()}

        def learn(self, statistics):
            seen.append((int(statistics["surveys"]), float(statistics["cubes"])))
            return self

        def sizes(self, ranked):
            return np.full(len(ranked.lengths), 2)

    own = np.asarray(labels.sum(axis=1)).ravel().astype(float)
    decode.cross_fitted(lambda: Spy(None), ranking.rank(scores, labels), scores.shape, groups)
    assert seen == [((groups != group).sum(), (own[groups != group] ** 3).sum()) for group in range(3)]


@pytest.mark.parametrize("name", ["expected_f1", "threshold_top_k"])
def test_what_is_learned_of_parts_is_what_is_learned_of_all(name):
    """A fold's surveys come in blocks, and the sums of the other folds are added up."""
    whole, ranked, _, _ = fitted(name)
    parts = [ranked.rows(np.arange(start, min(start + 70, 300))) for start in range(0, 300, 70)]
    decoder = decode.make(config.Choice(name))
    decoder.learn(decode.together(decoder.statistics(part) for part in parts))
    for learned in decoder.learned:
        assert_allclose(getattr(decoder, learned), getattr(whole, learned), rtol=1e-12)
    assert_array_equal(decoder.sizes(ranked), whole.sizes(ranked))


def test_changing_a_groups_labels_does_not_change_its_sets():
    scores, labels, _ = world()
    groups = np.arange(300) % 3
    make = lambda: decode.make(config.Choice("expected_f1"))  # noqa: E731
    before = decode.cross_fitted(make, ranking.rank(scores, labels), scores.shape, groups)
    other = labels.tolil()
    other[groups == 1] = world(seed=7)[1][groups == 1]
    after = decode.cross_fitted(make, ranking.rank(scores, other.tocsr()), scores.shape, groups)
    assert (before[groups == 1] != after[groups == 1]).nnz == 0
    assert (before[groups == 0] != after[groups == 0]).nnz > 0


def test_a_survey_without_scores_and_a_single_group_are_refused():
    matrix = sparse.csr_matrix(np.array([[0.5], [0.0]]))
    with pytest.raises(DataError, match="1 surveys have no positive score"):
        decode.decide(decode.make(config.Choice("all")), ranking.rank(matrix), matrix.shape)
    scores, labels, _ = world()
    with pytest.raises(DataError, match="at least two groups"):
        decode.cross_fitted(
            lambda: decode.make(config.Choice("all")), ranking.rank(scores, labels), scores.shape, np.zeros(300)
        )


def test_spread_is_learned_from_uneven_surveys():
    even, _, _, _ = fitted("expected_f1")
    assert even.spread < 0.15
    rng = np.random.default_rng(11)
    p = rng.beta(0.15, 1.5, size=(600, 80))
    factor = rng.gamma(4, 0.25, size=(600, 1))  # coefficient of variation 0.5
    labels = sparse.csr_matrix(rng.random(p.shape) < np.minimum(p * factor, 1))
    uneven = decode.make(config.Choice("expected_f1")).fit(ranking.rank(sparse.csr_matrix(p), labels))
    assert uneven.spread == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize("name", ["expected_f1", "threshold_top_k", "top_k", "threshold", "all"])
def test_a_saved_decoder_decides_as_before(tmp_path, name):
    rng = np.random.default_rng(4)
    scores = rng.random((40, 30)).astype(np.float32)
    ranked = ranking.rank(sparse.csr_matrix(scores), sparse.csr_matrix(rng.random((40, 30)) < scores**2))
    choice = config.Choice(name)
    decoder = decode.make(choice).fit(ranked)
    decode.save(decoder, tmp_path / "decoder.npz")
    assert_array_equal(decode.restore(choice, tmp_path / "decoder.npz").sizes(ranked), decoder.sizes(ranked))


def barren(n=400, m=40, seed=0):
    """Scores and labels of surveys half of which have no species, most of them with low scores."""
    rng = np.random.default_rng(seed)
    rich = rng.random(n) < 0.5
    p = rng.beta(0.5, 1.5, size=(n, m)) * np.where(rich, 1, 0.05)[:, None]
    labels = (rng.random((n, m)) < p) & rich[:, None]
    return sparse.csr_matrix(np.maximum(p, 1e-4).astype(np.float32)), sparse.csr_matrix(labels)


def may_be_empty(scores, labels):
    """A decoder that has learned from the surveys whether sets may be empty, and the ranking."""
    ranked = ranking.rank(scores, labels)
    decoder = decode.make(config.Choice("expected_f1", {"empty": True})).fit(ranked)
    decoder.allow_empty(decode.gains_of_empty(decoder, ranked))
    return decoder, ranked


def test_sets_are_empty_where_that_raises_f1(tmp_path):
    scores, labels = barren()
    decoder, ranked = may_be_empty(scores, labels)
    without = decode.make(config.Choice("expected_f1")).fit(ranked)
    never = decode.decide(without, ranked, scores.shape)
    assert never.getnnz(axis=1).min() == 1
    sets = decode.decide(decoder, ranked, scores.shape)
    empty = sets.getnnz(axis=1) == 0
    assert (labels.getnnz(axis=1)[empty] == 0).mean() > 0.9
    raised = metrics.sample_f1(sets, labels) - metrics.sample_f1(never, labels)
    assert raised == pytest.approx(decoder.facts["raised_by_empty"])
    assert raised > 0.3
    other, more = barren(seed=1)
    fresh = ranking.rank(other)
    honest = [metrics.sample_f1(decode.decide(each, fresh, other.shape), more) for each in (decoder, without)]
    assert honest[0] > honest[1] + 0.3
    decode.save(decoder, tmp_path / "decoder.npz")
    again = decode.restore(config.Choice("expected_f1", {"empty": True}), tmp_path / "decoder.npz")
    assert (decode.decide(again, fresh, other.shape) != decode.decide(decoder, fresh, other.shape)).nnz == 0


def test_sets_are_not_empty_where_surveys_have_species_or_few_have_none():
    scores, labels = world()[:2]
    some = labels.tolil()
    some[:2] = False
    for known in (labels, some.tocsr()):
        decoder, ranked = may_be_empty(scores, known)
        assert decoder.facts["empty_below"] == decoder.facts["raised_by_empty"] == 0
        assert decode.sizes(decoder, ranked).min() >= 1


def test_a_decoder_that_may_not_be_empty_keeps_what_it_kept():
    decoder, *_ = fitted("expected_f1")
    assert decoder.learned == ("curve", "spread")
    assert decoder.empty_below is None
