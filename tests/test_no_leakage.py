"""No label decides its own score: the contract of every registered member that reads labels.

Labels that a stage may not look at are replaced by their opposites, and what it makes must stay the same to the bit:
those of the validation fold and of the test, in a world that holds out a fold as its test and so knows its labels.
Labels that it may look at are replaced too, and something must change, or the test could not fail.

Members are found by their registries; `tests/classical/test_all.py` has the same contract for classical models. Nets
and pretrainings read labels from the tables of `glc.nets.inputs.examples` and `glc.neighbours.triplets` and from graph
features alone. The benchmarks on tables of sites (`glc.sdm`) are never given the labels that they are evaluated on.
Records that repeat a survey are left out before any member reads them (`tests/etl/test_repeats.py`).
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from glc import config, scores, storage, submission
from glc.classical.frequency import LEVELS, Frequency
from glc.ensembles._base import Members
from glc.neighbours import triplets
from glc.nets.inputs import examples
from glc.prediction import sets
from glc.registry import corrections, decoders, graphs, models, pretrainings
from glc.surveys import TEST, SurveyData
from tests.helpers import survey_data, with_other_labels

FOLDS, FOLD, STOP = 4, 1, 2
STOPS = pytest.mark.parametrize("stop", [STOP, None], ids=["next stops", "own stops"])
"""The fold that stops a training; None: the evaluated one (``validation.stop = "own"``), which learns it no more."""
MEMBERS = ("good", "noise", "baseline")
ENSEMBLES: dict[str, tuple[dict[str, Any], ...]] = {
    "stack": ({"best": 8, "sampled": 4}, {"fit": "boosted", "candidates": 8, "trees": 4, "least": 1.0}),
    "blend": ({}, {"members": MEMBERS[:2], "baseline": MEMBERS[2]}),
}
"""Options of ensembles that have more ways than one; of any other, its defaults are tested."""
CORRECTIONS: dict[str, dict[str, Any]] = {
    "lists": {"radius_m": 200_000, "train_nearest": 3, "train_above": 1, "po_nearest": 3, "po_above": 1}
}
"""Options with which a correction adds species in this world; of any other, its defaults are tested."""


@pytest.fixture(scope="module")
def data() -> SurveyData:
    known = survey_data(n_train=160, n_po=80, n_test=10, n_species=30, folds=FOLDS, held_out=True)
    return dataclasses.replace(known, places=known.places.assign(year=2020, region="ALPINE"))


def unseen(data: SurveyData, fold: int | None, stop: int | None = None) -> np.ndarray:
    """Rows whose labels a model of `fold` may not look at (None: of the test), nor what trains where `stop` stops."""
    train = data.train(fold)
    if stop is not None:
        train = train[data.places["fold"].to_numpy()[train] != stop]
    return np.setdiff1d(np.arange(len(data.places)), np.concatenate([train, data.presence_only]))


def test_the_world_has_labels_of_all_that_may_not_be_seen(data: SurveyData) -> None:
    for rows in (data.test, data.valid(FOLD), data.valid(STOP)):
        assert len(rows) > 10
        assert data.labels_of(rows).nnz
    assert set(data.test) < set(unseen(data, None)) < set(unseen(data, FOLD)) < set(unseen(data, FOLD, STOP))
    assert_array_equal(np.setdiff1d(unseen(data, FOLD), unseen(data, None)), data.valid(FOLD))


@pytest.mark.parametrize("level", LEVELS)
def test_frequencies(data: SurveyData, level: str) -> None:
    model = Frequency(Frequency.Options(level=level))
    for fold, queries in ((FOLD, data.valid(FOLD)), (None, data.test)):
        first = model.scores(data, fold, queries).toarray()
        other = with_other_labels(data, unseen(data, fold))
        assert_array_equal(model.scores(other, fold, queries).toarray(), first)
        assert (model.scores(with_other_labels(data, data.train(fold)), fold, queries).toarray() != first).any()


def test_what_unread_surveys_are_given(data: SurveyData) -> None:
    def given(changed: SurveyData) -> tuple[list[int], list[float]]:
        wanted = submission.expected([], changed)
        return list(wanted.frequent), list(wanted.shares)

    assert given(with_other_labels(data, unseen(data, None))) == given(data)
    assert given(with_other_labels(data, data.train())) != given(data)


@STOPS
@pytest.mark.parametrize("name", graphs.choices())
def test_graph_features(data: SurveyData, name: str, stop: int | None) -> None:
    member = graphs.get(name)

    def values(changed: SurveyData) -> tuple[np.ndarray, Any]:
        made, _ = member.features(changed, FOLD, stop, member.Options(), data.species)
        rows = made["matrix"][np.arange(len(data.places))]
        return np.asarray(rows.toarray() if sparse.issparse(rows) else rows), made.get("hidden")

    first, hidden = values(data)
    honest = np.concatenate([data.train(), data.presence_only])
    after, hidden_after = values(with_other_labels(data, unseen(data, FOLD)))
    assert_array_equal(after[honest], first[honest], "training, stopping and validation surveys")
    assert_array_equal(values(with_other_labels(data, unseen(data, None)))[0], first, "also those of the test")
    train = np.setdiff1d(data.train(FOLD), unseen(data, FOLD, stop))
    assert_array_equal(values(with_other_labels(data, unseen(data, FOLD, stop)))[0][train], first[train])
    assert (hidden is None) == (hidden_after is None)
    if hidden is not None:
        assert_array_equal(hidden_after, hidden)
    assert (values(with_other_labels(data, train))[0][data.valid(FOLD)] != first[data.valid(FOLD)]).any()


def _tables(folder: Path) -> dict[str, pd.DataFrame]:
    return {
        path.parent.relative_to(folder).as_posix(): pq.read_table(path).to_pandas()
        for path in folder.rglob("*.parquet")
    }


def _same(first: Path, second: Path, but: tuple[str, ...] = ()) -> bool:
    """Whether two folders of tables and class lists hold the same, apart from the tables called `but`."""
    one, other = _tables(first), _tables(second)
    assert one.keys() == other.keys() != set()
    same = all(one[name].equals(other[name]) for name in one if name not in but)
    return same and (first / examples.CLASSES).read_text() == (second / examples.CLASSES).read_text()


@STOPS
@pytest.mark.parametrize("use", ["none", "surveys", "pseudo"])
def test_what_nets_learn_from(data: SurveyData, tmp_path: Path, use: str, stop: int | None) -> None:
    """Examples of training and early stopping, classes (whose weights in a loss follow), and pseudo-surveys."""

    def written(name: str, changed: SurveyData) -> Path:
        (tmp_path / name).mkdir()
        po = config.Po(use=use, radius_m=20_000, min_species=2)
        examples.write(changed, tmp_path / name, fold=FOLD, stop=stop, po=po)
        return tmp_path / name

    first = written("first", data)
    assert _same(first, written("fold", with_other_labels(data, unseen(data, FOLD))), () if stop else ("stop",))
    assert _same(first, written("stop", with_other_labels(data, unseen(data, FOLD, stop))), but=("stop",))
    assert not _same(first, tmp_path / "stop")
    assert not _same(first, written("train", with_other_labels(data, data.train(FOLD))), but=("stop",))


@STOPS
@pytest.mark.parametrize("name", pretrainings.choices())
def test_what_encoders_are_pretrained_on(data: SurveyData, tmp_path: Path, name: str, stop: int | None) -> None:
    options = pretrainings.get(name).Options(
        pairs=200, sources=("po", "train"), species="sum", radius_m=50_000.0, species_radius_m=5_000.0
    )

    def written(label: str, changed: SurveyData) -> Path:
        (tmp_path / label).mkdir()
        triplets.write(changed, tmp_path / label, options, FOLD, stop, progress=False)
        return tmp_path / label

    first = written("first", data)
    assert _same(first, written("hidden", with_other_labels(data, unseen(data, FOLD, stop))))
    assert not _same(first, written("train", with_other_labels(data, data.train(FOLD))))
    seen = {tuple(pair) for pair in triplets.surveys(first)}
    ids = data.places["surveyId"].to_numpy()
    assert not {survey for _, survey in seen} & set(ids[unseen(data, FOLD, stop)]), "nor their imagery"


@pytest.fixture(scope="module")
def on_disk(data: SurveyData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scores of three models on all folds and the test, and the sets that were made of them.

    The last two know nothing: which of them has the higher F1 is decided by the labels of a single fold.
    """
    folder, rng = tmp_path_factory.mktemp("members"), np.random.default_rng(0)
    for name, strength in zip(MEMBERS, (0.6, 0.0, 0.0), strict=True):
        parts = {}
        for fold in (*range(FOLDS), TEST):
            rows = data.test if fold == TEST else data.valid(fold)
            labels = data.labels_of(rows).toarray()
            matrix = scores.keep_best(strength * labels + rng.uniform(0.01, 0.9, labels.shape), 25)
            parts[fold] = scores.of_rows(data, rows, fold, matrix)
        for split in ("valid", "test"):
            (folder / name / split).mkdir(parents=True)
        scores.write(scores.stack(parts[fold] for fold in range(FOLDS)), folder / name / "valid")
        scores.write(parts[TEST], folder / name / "test")
        sets.write(folder / name, data, folder / f"{name} sets", config.Choice("expected_f1"))
    return folder


def _decisions() -> Iterator[Any]:
    for name in decoders.choices():
        yield pytest.param(config.Choice(name), "", id=name)
    yield pytest.param(config.Choice("expected_f1", {"empty": True}), "", id="expected_f1 with empty sets")
    for name in corrections.choices():
        yield pytest.param(config.Choice("threshold_top_k"), name, id=f"correction {name}")


@pytest.mark.parametrize(("decoder", "correction"), _decisions())
def test_species_sets(data: SurveyData, on_disk: Path, tmp_path: Path, decoder: config.Choice, correction: str) -> None:
    """Thresholds, sizes, calibrations and added species."""
    member = corrections.get(correction) if correction else None

    def decided(changed: SurveyData) -> tuple[np.ndarray, np.ndarray, Any]:
        out = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        with_species = member(member.Options(**CORRECTIONS.get(correction, {}))) if member else None
        facts = sets.write(on_disk / "good", changed, out, decoder, with_species)
        return *(sets.read(out / split, data.species)[2].toarray() for split in ("valid", "test")), facts

    valid, test, facts = decided(data)
    own = scores.read(on_disk / "good" / "valid").fold == FOLD
    after, *_ = decided(with_other_labels(data, unseen(data, FOLD)))
    assert_array_equal(after[own], valid[own])
    after, test_after, facts_after = decided(with_other_labels(data, unseen(data, None)))
    assert_array_equal(after, valid)
    assert_array_equal(test_after, test)
    assert facts_after == facts
    learned = facts["fitted"] or member
    others = decided(with_other_labels(data, data.train(FOLD)))
    assert not learned or (others[0][own] != valid[own]).any() or others[2] != facts


def _joins() -> Iterator[Any]:
    for name in models.choices():
        if models.get(name).kind == "ensemble":
            for number, options in enumerate(ENSEMBLES.get(name, ({},))):
                yield pytest.param(name, options, id=f"{name}-{number}")


@pytest.mark.parametrize(("name", "options"), _joins())
def test_ensembles(data: SurveyData, on_disk: Path, tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    """Weights, curves, trees and choices, of members whose scores and sets are given.

    A member's scores of the other folds did learn from this one, in any stacking; they are as they are here.
    """
    member = models.get(name)
    ensemble = member(member.Options(**{"members": MEMBERS} | options))

    def joined(changed: SurveyData) -> list[np.ndarray]:
        out = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        folders = [on_disk / own for own in ensemble.names]
        predictions = [on_disk / f"{own} sets" for own in ensemble.names] if ensemble.reads_sets else []
        with storage.atomic_directory(out) as scratch:
            for split in ("valid", "test"):
                (scratch / split).mkdir(exist_ok=True)
            wanted = Members(ensemble.names, folders, predictions, changed, range(FOLDS), 12, lambda *_: None)
            ensemble.write(wanted, scratch)
        return [scores.read(out / split).matrix.toarray() for split in ("valid", "test")]

    valid, test = joined(data)
    own = scores.read(on_disk / "good" / "valid").fold == FOLD
    after, _ = joined(with_other_labels(data, unseen(data, FOLD)))
    assert_array_equal(after[own], valid[own])
    after, test_after = joined(with_other_labels(data, unseen(data, None)))
    assert_array_equal(after, valid)
    assert_array_equal(test_after, test)
    if ensemble.learns:
        after, test_after = joined(with_other_labels(data, data.train(FOLD)))
        assert (after[own] != valid[own]).any()
        assert (test_after != test).any()
