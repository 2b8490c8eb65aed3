"""Where an experiment may be trusted, from its own tables and folds."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import glc
from glc import storage
from glc.applicability import area
from glc.errors import ConfigError
from glc.explain.variables import with_permuted
from glc.fitted.place_explanation import without
from glc.tasks import Applicability, Evaluate, Importance, Model
from tests.tasks.pipeline import TINY, run

FOLDS = "validation.run=2+validation.count=4"
SCHEME = f"{FOLDS}+validation.scheme=block+validation.size_m=10_000"
TILES = f"tile-cnn+{FOLDS}+train.max_epochs=2"
FOREST = (
    "inria-run1+validation.scheme=block+validation.size_m=30_000+validation.count=5+validation.run=2+model.trees=10"
)


def applicability(root, experiment, **parameters):
    return Applicability(root=str(root), dataset=TINY, experiment=experiment, **parameters)


def test_predictors_are_the_tables_that_an_experiment_or_its_members_read(tmp_path):
    assert applicability(tmp_path, "votes").tables == {}
    assert set(applicability(tmp_path, "votes").requires()) == {"surveys", "folds", "metrics"}
    (own,) = applicability(tmp_path, FOREST).tables.values()
    assert own[0].covariates == ("bioclim", "soil")
    joined = applicability(tmp_path, f'best+model.members=["votes", "{FOREST}"]')
    assert [task for task, _ in joined.tables.values()] == [own[0]]


def test_importance_counts_only_where_a_table_is_read(tmp_path):
    path = tmp_path / "importance.csv"
    path.write_text("column,mean\nbioclim_bio1,0.5\n")
    for experiment, counts in (("votes", 1), (FOREST, 3)):
        made = [applicability(tmp_path, experiment, importance=name) for name in ("", "equal", str(path))]
        assert len({task.identity for task in made}) == counts
        assert ["importance" in task.requires() for task in made] == [counts > 1, False, False]
    with pytest.raises(ConfigError, match="no such file"):
        applicability(tmp_path, "votes", importance=str(tmp_path / "absent.csv"))


def test_predictors_of_a_net_with_imagery_are_the_embeddings_of_its_folds(tmp_path):
    task = applicability(tmp_path, TILES)
    names = [f"{task.settings.name} fold {fold}" for fold in range(2)]
    assert list(task.embeddings) == names
    assert [part.fold for part in task.embeddings.values()] == [0, 1]
    assert applicability(tmp_path, "geolocation").embeddings == {}
    joined = applicability(tmp_path, f'best+model.members=["votes", "{TILES}", "inria-run1+{SCHEME}"]+{FOLDS}')
    assert [name.rpartition(" fold ")[2] for name in joined.embeddings] == ["0", "1"]
    assert joined.tables == {}
    crossed = applicability(tmp_path, f"{TILES}+cross_fusion.use=true")
    assert [part.fold for part in crossed.embeddings.values()] == [0]


@pytest.mark.slow
def test_a_net_of_tiles_is_trusted_by_its_embedding(root, tmp_path):
    task = Model(root=root, dataset=TINY, experiment=TILES)
    assert {"SurveyEmbedding", "Applicability", "Model"} <= set(run(task))
    fitted = glc.load(task.model_folder)
    known = area.load(task.model_folder / area.FILE)
    assert known.kind == "embedding"
    data = fitted.data
    surveys = pd.read_parquet(task.clone(Applicability).folder / area.SURVEYS)
    test = data.places.iloc[data.test]
    places = fitted.places(test["lon"], test["lat"], survey_ids=test["surveyId"])
    values = fitted.inputs(places)
    at = fitted.applicability(places, values)
    wanted = surveys[surveys["split"] == "test"]
    assert wanted["surveyId"].tolist() == test["surveyId"].tolist()
    assert at["dissimilarity"].between(0, 10).all()
    assert_allclose(at["dissimilarity"], wanted["dissimilarity"], rtol=1e-3, atol=1e-4)
    fitted.scores(places, values)  # which keeps the embedding that is asked for next
    pd.testing.assert_frame_equal(fitted.applicability(places, values), at)
    permuted = with_permuted(values, fitted.settings.inputs[0].name, np.roll(np.arange(len(places)), 1))
    assert (fitted.applicability(places, permuted)["dissimilarity"] - at["dissimilarity"]).abs().max() > 0.01
    nowhere = {name: without(own, "sentinel2") for name, own in values.items()}
    assert fitted.applicability(places, nowhere)["dissimilarity"].isna().all()
    train = data.places.iloc[data.train()[:20]]
    near = fitted.places(train["lon"], train["lat"], survey_ids=train["surveyId"])
    assert_allclose(fitted.applicability(near)["dissimilarity"], 0, atol=0.01)


@pytest.mark.slow
def test_a_model_of_rasters_is_trusted_by_their_values(root):
    task = Model(root=root, dataset=TINY, experiment=FOREST)
    assert {"Tabular", "Evaluate", "Importance", "Applicability", "Model"} <= set(run(task))
    fitted = task.clone(Applicability)
    known = area.load(task.model_folder / area.FILE)
    assert known.kind == "table"
    names = known.dissimilarity.space.names
    data = fitted.read_surveys()
    predictors = fitted._predictors(data)[0].iloc[data.train()]
    varying = predictors.columns[predictors.std() > 0]
    assert list(names) == list(varying)
    frame = pd.read_csv(fitted.clone(Importance).folder / "importance.csv").set_index("column")
    assert_allclose(known.dissimilarity.space.weight, frame["mean"].clip(lower=0)[list(names)], rtol=1e-6)
    assert 0 < (known.dissimilarity.space.weight > 0).mean() < 1
    surveys = pd.read_parquet(fitted.folder / area.SURVEYS)
    evaluated = pd.read_parquet(task.clone(Evaluate).folder / "surveys.parquet")
    both = surveys.merge(evaluated, on=["split", "surveyId", "fold"])
    assert len(both) == len(surveys) == len(evaluated)
    assert_allclose(both["score"], both["f1"])
    valid = surveys[surveys["split"] == "valid"]
    measured = valid["dissimilarity"].notna()
    assert measured.mean() > 0.5
    threshold = storage.manifest(fitted.folder)["threshold"]
    assert (valid["inside"] == (valid["dissimilarity"] <= threshold)).all()
    assert 0.5 < valid["inside"][measured].mean() <= 1
    strange = pd.DataFrame(1e5 + np.zeros((1, len(names))), columns=list(names))
    assert known.at(strange, np.array([1e3]))["inside"].tolist() == [False]
