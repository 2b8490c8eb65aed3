"""Models that take places for the middles of an atlas's squares."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import glc
from glc import atlas, config
from glc.errors import ConfigError
from glc.tasks import AtlasGrid, ClassicalScores, Folds, Model, Submission, Surveys
from glc.tasks.scores import EnsembleScores
from tests.tasks.pipeline import TINY, run

SQUARES = "+surveys.squares_m=40_000"
VOTES = "votes+validation.count=4+validation.run=2"


def test_squares_change_what_models_learn_not_surveys_and_folds(tmp_path):
    plain, squared = (
        ClassicalScores(root=str(tmp_path), dataset=TINY, experiment=VOTES + change) for change in ("", SQUARES)
    )
    assert "squares" not in plain.requires()
    assert squared.requires()["squares"] == squared.clone(AtlasGrid)
    for kind in (Surveys, Folds):
        assert plain.clone(kind).identity == squared.clone(kind).identity
    assert plain.identity != squared.identity
    other = squared.clone(experiment=squared.experiment.changed(surveys={"squares_crs": 32632}))
    assert other.clone(AtlasGrid).identity != squared.clone(AtlasGrid).identity


def test_members_take_the_squares_of_their_ensemble(tmp_path):
    (tmp_path / "joined.toml").write_text(
        f"""
        model = {{ name = "blend", members = ["{VOTES}", "knn+validation.count=4+validation.run=2"] }}
        validation = {{ count = 4, run = 2 }}
        surveys = {{ squares_m = 40_000 }}
        """
    )
    task = EnsembleScores(root=str(tmp_path), dataset=TINY, experiment=str(tmp_path / "joined.toml"))
    assert [member.settings.surveys.squares_m for member in task.members.values()] == [40_000, 40_000]


def test_places_of_a_square_have_the_same_scores(root, tmp_path):
    task = Model(root=root, dataset=TINY, experiment=VOTES + SQUARES)
    run(task)
    grid = atlas.read(task.clone(AtlasGrid).folder)
    data = task.clone(ClassicalScores).read_surveys()
    assert data.grid == grid
    recorded = task.clone(Folds).read_surveys()
    assert_array_equal(grid.moved(recorded.places)["lon"], data.places["lon"])
    fitted = glc.load(task.model_folder)
    lon, lat = recorded.places["lon"].to_numpy()[:200], recorded.places["lat"].to_numpy()[:200]
    middle = grid.centres(lon, lat)
    there, in_the_middle = (fitted.scores(fitted.places(*each)).toarray() for each in ((lon, lat), middle))
    assert_array_equal(there, in_the_middle)
    assert len(np.unique(there, axis=0)) == len(np.unique(middle, axis=1).T)


def test_without_presence_only_records_next_to_surveys_squares_are_refused(tmp_path):
    task = Submission(root=str(tmp_path), dataset="virtual:gbif", experiment="votes" + SQUARES)
    with pytest.raises(
        ConfigError, match=r"surveys.squares_m: found 40000, expected 0 for virtual-gbif: it has presence"
    ):
        task.clone(AtlasGrid).check()
    with pytest.raises(ConfigError, match=r"squares_crs: found 2154, expected 0 without squares_m"):
        config.load("votes+surveys.squares_crs=2154")
