import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist

from glc.applicability import area
from glc.applicability.components import Components
from glc.errors import DataError

FOLDS = np.arange(90) % 3


@pytest.fixture(scope="module")
def nets():
    """Embeddings of 90 training places by the nets of three folds, each with its own scale; one place has none."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(90, 4))
    raw = {}
    for fold in range(3):
        raw[f"net {fold}"] = 10.0**fold * (hidden @ rng.normal(size=(4, 50))).astype(np.float32)
        raw[f"net {fold}"][7] = np.nan
    components = {name: Components.fit(values, 4) for name, values in raw.items()}
    return raw, components


@pytest.fixture(scope="module")
def fitted(nets):
    raw, components = nets
    rng = np.random.default_rng(1)
    validation = pd.DataFrame(
        {"fold": FOLDS, "block": np.arange(90) // 3, "nearest_train_m": 5e3, "score": rng.uniform(size=90)}
    )
    values = {name: components[name].of(own) for name, own in raw.items()}
    return area.fit_nets(values, components, {f"net {fold}": fold for fold in range(3)}, validation), values


def test_components_keep_the_distances_of_an_embedding_of_few_dimensions(nets):
    raw, components = nets
    for name, values in raw.items():
        known = np.isfinite(values).all(axis=1)
        assert components[name].share == pytest.approx(1, abs=1e-5)
        apart = cdist(components[name].of(values[known]), components[name].of(values[known]))
        assert_allclose(apart, cdist(values[known], values[known]), rtol=1e-3, atol=1e-3 * apart.max())


def test_a_training_place_is_compared_in_the_embedding_of_the_net_that_has_not_seen_it(nets, fitted):
    raw, _ = nets
    (applicability, frame), _ = fitted
    known = np.isfinite(raw["net 0"]).all(axis=1)
    for fold in range(3):
        own = raw[f"net {fold}"].astype(float)
        mean = cdist(own[known], own[known]).sum() / (known.sum() * (known.sum() - 1))
        inside, others = known & (fold == FOLDS), known & (fold != FOLDS)
        wanted = cdist(own[inside], own[others]).min(axis=1) / mean
        assert_allclose(frame["dissimilarity"][inside], wanted, rtol=1e-3)
    assert frame["dissimilarity"].isna().tolist() == (~known).tolist()
    first, third = frame["dissimilarity"].quantile([0.25, 0.75])
    whisker = min(third + 1.5 * (third - first), frame["dissimilarity"].max())
    assert applicability.dissimilarity.threshold == pytest.approx(whisker)


def test_a_place_is_compared_in_all_embeddings_and_unknown_without_imagery(fitted):
    (applicability, _), values = fitted
    at = applicability.at(values, np.full(90, 5e3))
    assert_allclose(np.delete(at["dissimilarity"].to_numpy(), 7), 0, atol=1e-9)
    assert at["dissimilarity"].isna().tolist() == [number == 7 for number in range(90)]
    assert not at["inside"][7]
    one = {name: own[:1] + (100 * own.std(axis=0, where=np.isfinite(own)) if name == "net 1" else 0)
           for name, own in values.items()}  # fmt: skip
    alone = applicability.dissimilarity.nets["net 1"].index(one["net 1"])[0]
    assert applicability.at(one, np.array([5e3]))["dissimilarity"][0] == pytest.approx(alone[0] / 3, abs=1e-6)
    with pytest.raises(DataError, match="no embedding of the net 'net 2'; found net 0, net 1"):
        applicability.at({name: values[name] for name in ("net 0", "net 1")}, np.full(90, 5e3))


def test_saved_and_loaded_says_the_same(fitted, tmp_path):
    (applicability, _), values = fitted
    applicability.save(tmp_path / area.FILE)
    again = area.load(tmp_path / area.FILE)
    moved = {name: own * 1.2 + 0.1 for name, own in values.items()}
    pd.testing.assert_frame_equal(again.at(moved, np.full(90, 5e3)), applicability.at(moved, np.full(90, 5e3)))
    assert again.kind == "embedding"
    assert again.dissimilarity.facts == applicability.dissimilarity.facts
    for name, part in applicability.components.items():
        raw = np.random.default_rng(2).normal(size=(3, 50))
        assert_allclose(again.components[name].of(raw), part.of(raw))
        assert again.components[name].share == part.share


def test_surveys_without_imagery_make_no_embedding():
    with pytest.raises(DataError, match="found 1 surveys with imagery, expected at least two"):
        Components.fit(np.array([[1.0, 2.0], [np.nan, 1.0]]))
