"""The task `Model`: places of the test get the submission's scores and sets from a copy of the folder."""

import shutil
from pathlib import Path

import pytest
from numpy.testing import assert_allclose, assert_array_equal

import glc
from glc import labels, scores, storage
from glc.tasks import Model, Predictions
from tests.tasks.pipeline import NET, TINY, run

SHORT = "+validation.run=2+validation.count=4+train.max_epochs=2"
VOTES = "votes+validation.count=4+validation.run=2"
EXPERIMENTS = [
    pytest.param(VOTES, id="votes"),
    pytest.param(f"{VOTES}+surveys.squares_m=40_000", id="votes in squares"),
    pytest.param(NET, id="geolocation", marks=pytest.mark.slow),
    pytest.param(f"tile-cnn{SHORT}", id="tile net", marks=pytest.mark.slow),
    pytest.param(f"tighnari{SHORT}+model.image=resnet10t+inputs.0.block=8", id="tighnari", marks=pytest.mark.slow),
    pytest.param("inria-run1+validation.run=2+validation.count=4", id="forest", marks=pytest.mark.slow),
    pytest.param("stack", id="stack", marks=pytest.mark.slow),
]
STACK = f"""
model = {{ name = "stack", fit = "boosted", trees = 5, members = ["{VOTES}", "{NET}"] }}
validation = {{ count = 4, run = 2 }}
"""


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_places_of_the_test_get_the_scores_and_sets_of_the_submission(root, tmp_path, experiment):
    if experiment == "stack":
        (tmp_path / "stack.toml").write_text(STACK)
        experiment = str(tmp_path / "stack.toml")
    task = Model(root=root, dataset=TINY, experiment=experiment)
    run(task)
    fitted = glc.load(shutil.copytree(task.model_folder, tmp_path / "model"))
    predictions = task.clone(Predictions)
    wanted = scores.read(predictions.scores().folder / "test")
    data = task.read_surveys()
    test = data.places.iloc[data.test]
    assert_array_equal(test["surveyId"], wanted.surveys)
    places = fitted.places(test["lon"], test["lat"], survey_ids=test["surveyId"])
    got = fitted.scores(places)
    # the mean over the nets' batches of other sizes differs in the last bits
    assert_allclose(got.toarray(), wanted.matrix.toarray(), rtol=1e-4, atol=1e-5)
    table = storage.read_table(predictions.folder / "test", "predictions")
    decided = labels.to_matrix(table["species"], data.species)
    assert (fitted.sets(got, places) != decided).sum() <= decided.sum() / 200


def test_a_second_run_does_nothing_and_a_changed_folder_is_made_again(root):
    task = Model(root=root, dataset=TINY, experiment=VOTES)
    run(task)
    assert run(Model(root=root, dataset=TINY, experiment=VOTES)) == []
    manifest = task.model_folder / storage.MANIFEST
    manifest.write_text(manifest.read_text().replace("Model", "Other"))
    assert run(Model(root=root, dataset=TINY, experiment=VOTES)) == ["Model"]
    assert manifest.read_bytes() == (Path(task.folder) / storage.MANIFEST).read_bytes()


def test_the_command_that_is_shown_names_the_file_of_an_experiment(tmp_path):
    (tmp_path / "my stack.toml").write_text(STACK)
    experiment = str(tmp_path / "my stack.toml")
    lines = Model(root=str(tmp_path / "out"), dataset=TINY, experiment=experiment).results()
    assert any(f"glc predict '{experiment}' --dataset {TINY}" in line for line in lines)
