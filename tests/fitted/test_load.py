"""A fitted experiment, saved and read again: the same scores as where it was fitted, at any place."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import glc
from glc import config, geo, labels, scores, storage
from glc.classical import run
from glc.errors import DamagedError, DataError
from glc.fitted import save
from glc.fitted.scorers import Source
from glc.prediction import sets
from glc.registry import models
from tests.helpers import survey_data

FACTS = {"dataset": "made", "edition": "glc2024", "inputs": [], "scores": "none"}


def saved(folder, experiment="votes", data=None, names=None):
    """A fitted classical experiment in `folder`, and its own scores."""
    data = data or with_years(survey_data(n_train=120, n_po=80, folds=3))
    settings = config.load(f"{experiment}+validation.count=3+validation.run=3")
    with storage.atomic_directory(folder / "scores") as out:
        member = models.get(settings.model.name)
        model = member(config.options(member, settings.model, "model"))
        run.write(model, data, out, folds=range(3), keep=settings.scores.keep)
    with storage.atomic_directory(folder / "sets") as out:
        sets.write(folder / "scores", data, out, settings.decode)
    source = Source(settings, folder / "scores", {}, lambda _: {})
    with storage.atomic_directory(folder / "model") as out:
        save.write(source, data, out, decoder=folder / "sets" / sets.DECODER, names=names, facts=FACTS)
    return folder / "model", data


def with_years(data):
    rng = np.random.default_rng(1)
    places = data.places.assign(year=rng.integers(2017, 2022, len(data.places)), areaInM2=100.0, geoUncertaintyInM=5.0)
    return dataclasses.replace(data, places=places)


@pytest.fixture(scope="module")
def votes(tmp_path_factory):
    folder, data = saved(tmp_path_factory.mktemp("votes"))
    return glc.load(folder), data


@pytest.mark.parametrize("experiment", ["votes", "frequency", "svd-ridge", "svd-nearest", "naive-bayes", "profile"])
def test_places_of_the_test_get_the_scores_and_sets_of_the_submission(tmp_path, experiment):
    folder, data = saved(tmp_path, experiment)
    fitted = glc.load(shutil.copytree(folder, tmp_path / "elsewhere"))  # it needs nothing of where it was made
    shutil.rmtree(folder)
    wanted = scores.read(tmp_path / "scores" / "test")
    test = data.places.iloc[data.test]
    places = fitted.places(test["lon"], test["lat"], survey_ids=test["surveyId"])
    assert_array_equal(fitted.scores(places).toarray(), wanted.matrix.toarray())
    table = storage.read_table(tmp_path / "sets" / "test", "predictions")
    decided = labels.to_matrix(table["species"], data.species)
    assert_array_equal(fitted.sets(fitted.scores(places), places).toarray(), decided.toarray())
    assert decided.sum() > 0


def test_a_fold_s_own_model_has_not_seen_its_labels(tmp_path):
    folder, data = saved(tmp_path)
    fitted = glc.load(folder)
    wanted = scores.read(tmp_path / "scores" / "valid").of_fold(1)
    rows = data.rows_of(wanted.surveys, "pa_train")
    assert_allclose(fitted.scores(data.places.iloc[rows], fold=1).toarray(), wanted.matrix.toarray(), rtol=1e-6)
    assert abs(fitted.scores(data.places.iloc[rows]) - wanted.matrix).max() > 0.01


def test_a_prediction_lists_the_best_species_and_the_set(votes):
    fitted, data = votes
    table = fitted.predict([2.5, 3.0], [46.5, 46.2], most=5)
    assert list(table.columns) == [
        *("lon", "lat", "species", "probability", "predicted", "expected_species", "distance_to_training_m"),
        *("dissimilarity", "inside", "missing"),
    ]
    for row in table.itertuples():
        places = fitted.places(row.lon, row.lat)
        dense = fitted.scores(places).toarray()[0]
        assert len(row.species) == max(5, len(row.predicted))
        assert_array_equal(row.species[:3], data.species[np.argsort(-dense, kind="stable")][:3])
        assert_allclose(row.probability, np.sort(dense)[::-1][: len(row.probability)])
        assert_array_equal(row.predicted, row.species[: len(row.predicted)])
        assert 0 < row.expected_species < len(data.species)
        train = data.places.iloc[data.train()]
        metres = geo.great_circle_m(row.lon, row.lat, train["lon"].to_numpy(), train["lat"].to_numpy())
        assert row.distance_to_training_m == pytest.approx(metres.min(), rel=1e-6)


def test_places_take_year_region_and_projection_from_what_is_known(votes):
    fitted, data = votes
    train = data.places.iloc[data.train()].reset_index(drop=True)
    one = train.iloc[7]
    places = fitted.places(
        [one["lon"]] * 4, [one["lat"]] * 4, date=[None, "2019", "2018-05-01", pd.Timestamp("2020-01-02")]
    )
    assert places["year"].tolist() == [train["year"].max(), 2019, 2018, 2020]
    assert places["region"].isna().tolist() == [pd.isna(one["region"])] * 4
    assert places["country"].tolist() == [one["country"]] * 4
    assert_allclose(
        places[["easting", "northing"]].iloc[0].astype(float), one[["easting", "northing"]].astype(float), atol=1
    )
    assert places["surveyId"].is_unique
    assert (places["surveyId"] < 0).all()


def test_a_place_with_id_and_coordinates_of_a_survey_has_its_attributes(votes):
    fitted, data = votes
    survey = data.places.iloc[data.test[3]]
    here = fitted.places(survey["lon"], survey["lat"], survey_ids=survey["surveyId"])
    assert here["year"].iloc[0] == survey["year"]
    elsewhere = fitted.places(survey["lon"] + 0.1, survey["lat"], survey_ids=survey["surveyId"])
    assert elsewhere["year"].iloc[0] == data.places["year"].iloc[data.train()].max()


@pytest.mark.parametrize(
    ("lon", "lat", "date", "complaint"),
    [
        ([2.0], [46.0, 47.0], None, "expected one of each per place"),
        ([2.0, 200.0], [46.0, 47.0], None, r"lon: found 200.0 \(place 2\)"),
        ([2.0], [np.nan], None, "lat: found nan"),
        ([2.0], [46.0], "last summer", "date: found 'last summer', expected a year"),
    ],
)
def test_places_that_are_none_are_refused(votes, lon, lat, date, complaint):
    with pytest.raises(DataError, match=complaint):
        votes[0].predict(lon, lat, date)


def test_names_and_records_of_species_travel(tmp_path):
    data = with_years(survey_data(n_train=60, n_po=30, folds=3))
    names = pd.DataFrame({"speciesId": data.species[:2], "name": ["Quercus ilex", None], "key": ["2879098", None]})
    folder, _ = saved(tmp_path, data=data, names=names)
    species = glc.load(folder).species
    assert species["name"].iloc[0] == "Quercus ilex"
    assert species["name"].isna().tolist() == [False] + [True] * (len(species) - 1)
    known = np.concatenate([data.train(), data.presence_only])
    assert_array_equal(species["records"], np.asarray(data.label_matrix[known].sum(axis=0)).ravel())


def test_labels_of_a_held_out_test_are_not_in_the_folder(tmp_path):
    folder, data = saved(tmp_path, data=with_years(survey_data(n_train=120, folds=3, held_out=True)))
    fitted = glc.load(folder)
    assert data.label_matrix[data.test].sum() > 0
    assert fitted.data.label_matrix[fitted.data.test].sum() == 0
    assert_array_equal(fitted.data.label_matrix[data.train()].toarray(), data.label_matrix[data.train()].toarray())


def test_a_folder_that_is_none_or_of_another_format_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no fitted experiment \(model.json is missing\).*Model --experiment"):
        glc.load(tmp_path)
    folder, _ = saved(tmp_path)
    facts = json.loads((folder / "model.json").read_text())
    with storage.atomic_directory(tmp_path / "later") as out:
        shutil.copytree(folder, out, ignore=shutil.ignore_patterns(storage.MANIFEST), dirs_exist_ok=True)
        (out / "model.json").write_text(json.dumps(facts | {"format": 99}))
    with pytest.raises(DataError, match="found format 99, expected 1"):
        glc.load(tmp_path / "later")


def test_the_card_says_what_was_fitted(tmp_path):
    folder, data = saved(tmp_path)
    card = (folder / "README.md").read_text()
    assert f"| Training surveys | {len(data.train())} |" in card
    assert "| Dataset | made (edition glc2024) |" in card


def test_a_folder_that_was_changed_after_it_was_saved_is_refused(tmp_path):
    folder, _ = saved(tmp_path)
    assert len(glc.load(folder).predict(2.5, 46.5)) == 1
    decoder = folder / "decoder.npz"
    content = bytearray(decoder.read_bytes())
    content[len(content) // 2] ^= 1
    decoder.write_bytes(bytes(content))
    with pytest.raises(DamagedError, match=r"decoder\.npz"):
        glc.load(folder)


def test_a_copy_that_lost_its_manifest_is_refused(tmp_path):
    folder, _ = saved(tmp_path)
    (folder / storage.MANIFEST).unlink()
    with pytest.raises(DataError, match=r"model: _SUCCESS is missing.*copy the whole folder again"):
        glc.load(folder)
