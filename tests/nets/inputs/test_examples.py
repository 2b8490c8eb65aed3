import numpy as np
import pytest
from numpy.testing import assert_array_equal

from glc import config, storage
from glc.errors import DataError
from glc.nets.inputs import examples
from tests.helpers import records_alone, survey_data


def test_training_sees_neither_its_fold_nor_the_stopping_fold(tmp_path):
    data = survey_data()
    facts = examples.write(data, tmp_path, fold=0, stop=1, po=config.Po())
    ids = data.places["surveyId"].to_numpy()
    train = storage.read_table(tmp_path / "train", "examples")["surveyId"].to_numpy()
    stop = storage.read_table(tmp_path / "stop", "examples")["surveyId"].to_numpy()
    assert set(train) == set(ids[data.valid(2)])
    assert set(stop) == set(ids[data.valid(1)])
    assert facts["train_examples"] == len(train)


def test_the_evaluated_fold_itself_may_stop_the_training_which_does_not_see_it(tmp_path):
    data = survey_data()
    facts = examples.write(data, tmp_path, fold=0, stop=None, po=config.Po())
    ids = data.places["surveyId"].to_numpy()
    train, stop = (storage.read_table(tmp_path / part, "examples")["surveyId"].to_numpy() for part in ("train", "stop"))
    assert set(stop) == set(ids[data.valid(0)])
    assert set(train) == set(ids[data.train(0)])
    assert facts["stop_surveys"] == len(stop)


def test_species_are_class_indices_of_the_class_list(tmp_path):
    data = survey_data()
    examples.write(data, tmp_path, fold=0, stop=1, po=config.Po())
    classes = examples.read_classes(tmp_path)
    table = storage.read_table(tmp_path / "train", "examples").to_pandas()
    for row in table.itertuples():
        wanted = data.species[data.label_matrix[np.flatnonzero(data.places["surveyId"] == row.surveyId)[0]].indices]
        assert_array_equal(classes[row.species], np.sort(wanted))


def test_classes_are_those_of_the_training_examples_and_the_rest_is_counted(tmp_path):
    data = survey_data(n_species=20)
    labels = data.label_matrix.tolil()
    labels[:, 7] = False
    labels[data.valid(1)[0], 7] = True
    data = type(data)(data.places, data.species, labels.tocsr(), "pa_train", "pa_test", False)
    facts = examples.write(data, tmp_path, fold=0, stop=1, po=config.Po())
    assert data.species[7] not in examples.read_classes(tmp_path)
    trained = np.asarray(data.label_matrix[data.valid(2)].sum(axis=0)).ravel() > 0
    assert facts["stop_labels_outside_classes"] == data.label_matrix[data.valid(1)][:, ~trained].sum() >= 1


def test_presence_only_records_can_be_all_that_a_stage_learns_from(tmp_path):
    data, po = survey_data(n_po=50), config.Po(use="only")
    facts = examples.write(data, tmp_path, fold=0, stop=1, po=po)
    train, stop = (storage.read_table(tmp_path / part, "examples").to_pandas() for part in ("train", "stop"))
    ids = data.places["surveyId"].to_numpy()
    assert_array_equal(np.sort(train["surveyId"]), np.sort(ids[data.presence_only]))
    assert_array_equal(np.sort(stop["surveyId"]), np.sort(ids[data.valid(1)]))
    recorded = np.asarray(data.labels_of(data.presence_only).sum(axis=0)).ravel() > 0
    assert_array_equal(examples.read_classes(tmp_path), data.species[recorded])
    assert (facts["train_surveys"], facts["train_examples"]) == (0, 50)
    with pytest.raises(DataError, match=r"po\.use: found 'only'.* no presence-only records"):
        examples.write(survey_data(n_po=0), tmp_path / "none", fold=0, stop=1, po=po)


@pytest.mark.parametrize("use", ["surveys", "pseudo"])
def test_presence_only_surveys_join_the_training_only(tmp_path, use):
    data = survey_data(n_po=200)
    po = config.Po(use=use, radius_m=20_000, weight=0.5, min_species=2)
    facts = examples.write(data, tmp_path, fold=0, stop=1, po=po)
    train = storage.read_table(tmp_path / "train", "examples").to_pandas()
    stop = storage.read_table(tmp_path / "stop", "examples").to_pandas()
    assert (train["weight"] == 0.5).sum() == facts["train_examples"] - len(data.valid(2)) > 0
    assert (stop["weight"] == 1).all()
    assert len(stop) == len(data.valid(1))
    if use == "pseudo":
        provenance = storage.read_table(tmp_path / "provenance", "provenance").to_pandas()
        pseudo = train[train["weight"] == 0.5].set_index("surveyId")["species"]
        classes = examples.read_classes(tmp_path)
        for pseudo_id, part in provenance.groupby("pseudo_id"):
            assert set(classes[pseudo[pseudo_id]]) == set(part["speciesId"])
        assert (provenance["distance_m"] <= 20_000).all()


def test_folds_without_surveys_are_refused(tmp_path):
    with pytest.raises(DataError, match="0 stopping surveys; choose fewer folds"):
        examples.write(survey_data(folds=3), tmp_path, fold=0, stop=3, po=config.Po())


def test_presence_only_records_alone_are_examples_or_the_pseudo_surveys_made_of_them(tmp_path):
    data = records_alone(folds=4)
    ids = data.places["surveyId"].to_numpy()
    for use in ("none", "surveys"):
        examples.write(data, tmp_path / use, fold=0, stop=1, po=config.Po(use=use))
        train = storage.read_table(tmp_path / use / "train", "examples").to_pandas()
        assert set(train["surveyId"]) == set(ids[data.valid(2)]) | set(ids[data.valid(3)])
        assert (train["species"].map(len) == 1).all()
    pooled = tmp_path / "pseudo"
    facts = examples.write(data, pooled, fold=0, stop=1, po=config.Po(use="pseudo", radius_m=15_000, min_species=2))
    for part, seen in (("train", data.train(0)), ("stop", data.valid(1))):
        table = storage.read_table(pooled / part, "examples").to_pandas()
        assert (table["surveyId"] < 0).all()
        assert (table["species"].map(len) >= 2).all()
        assert len(table) < len(seen) / 2
    sources = storage.read_table(pooled / "provenance", "provenance")["surveyId"].to_numpy()
    assert set(sources) <= set(ids[data.valid(2)]) | set(ids[data.valid(3)])  # neither the fold nor what stops it
    assert facts["pseudo"]["surveys"] + facts["stop_pseudo"]["surveys"] == len(data.train(0))
    with pytest.raises(DataError, match=r"0 pseudo-surveys to train on .* lower po.min_species \(500\)"):
        examples.write(data, tmp_path / "none of them", fold=0, stop=1, po=config.Po(use="pseudo", min_species=500))
