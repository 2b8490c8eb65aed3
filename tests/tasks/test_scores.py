"""A classical model that reads a table of values, on the tiny virtual world."""

import gc

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose

from glc import geo, storage
from glc import scores as score_tables
from glc.classical.random_forest import Forest, on_rasters
from glc.surveys import SurveyData
from glc.tasks.scores import ClassicalScores
from tests.tasks.pipeline import TINY, run

PUBLISHED = "inria-run1+validation.count=5+validation.run=2+model.trees=10"
RUN1 = f"{PUBLISHED}+scores.refit=true"


def scores_of(root, experiment):
    return ClassicalScores(root=root, dataset=TINY, experiment=experiment)


@pytest.mark.slow
def test_the_forest_reads_the_rasters_at_the_surveys(root):
    task = scores_of(root, RUN1)
    assert {"Folds", "Tabular", "ClassicalScores"} <= set(run(task))
    table = task.input()["input table"].path
    values = pq.read_table(sorted((table / "tabular").glob("*.parquet"))).to_pandas()
    columns = storage.manifest(table)["columns"]
    found = score_tables.read(task.folder / "test")
    asked = values[values["dataset"] == "pa_test"].set_index("surveyId").loc[found.surveys, columns]
    forest = Forest.load(task.folder / "model" / "forest.npz")
    wanted = forest.probabilities(asked.to_numpy(np.float32))
    assert_allclose(found.matrix[:, np.searchsorted(found.species, forest.species)].toarray(), wanted, rtol=1e-5)
    facts = storage.manifest(task.folder)["model_facts"]["test"]
    assert facts["query_surveys_off_rasters"] == (~on_rasters(asked.to_numpy())).sum()
    assert facts["training_surveys_off_rasters"] > 0
    assert 0 < facts["values_imputed"] < 27 * facts["training_surveys"]
    assert run(scores_of(root, RUN1)) == []
    assert run(scores_of(root, PUBLISHED)) == ["ClassicalScores"]
    assert set(storage.manifest(scores_of(root, PUBLISHED).folder)["model_facts"]) == {"0", "1"}


def test_only_a_model_that_reads_a_table_depends_on_it(root):
    plain = scores_of(root, "votes")
    assert plain.own_parameters()["inputs"] == []
    assert set(plain.requires()) == {"surveys", "folds"}
    one, other = (scores_of(root, f"{RUN1}+inputs.0.table={table}") for table in ('["bioclim"]', '["bioclim", "soil"]'))
    assert one.identity != other.identity
    assert other.identity == scores_of(root, RUN1).identity


@pytest.mark.parametrize("experiment", ["votes", "profile", "kriging"])
def test_a_finished_task_keeps_no_records(root, experiment):
    """Luigi holds the tasks of a run to its end: what models pool of large data would add up."""

    def held():
        gc.collect()
        return [each for each in gc.get_objects() if isinstance(each, SurveyData)]

    before = held()
    task = scores_of(root, f"{experiment}+validation.run=2")
    assert "ClassicalScores" in run(task)
    assert {id(each) for each in held()} <= {id(each) for each in before}
    assert task.complete()


@pytest.mark.slow
def test_the_nearest_surveys_vote_by_the_distances_of_their_table(root):
    task = scores_of(root, "knn-distance+model.k=4+validation.run=2+scores.refit=true")
    assert {"Neighbours", "ClassicalScores"} <= set(run(task))
    scores, data = score_tables.read(task.folder / "test"), task.read_surveys()
    pool, places = data.train(None), data.places
    labels = data.labels_of(pool).toarray()
    for survey, row in zip(scores.surveys[:30], scores.matrix.toarray()[:30], strict=True):
        (at,) = data.rows_of(np.array([survey]), "pa_test")
        lon, lat = (places[name].to_numpy() for name in ("lon", "lat"))
        metres = geo.great_circle_m(lon[at], lat[at], lon[pool], lat[pool])
        order = np.argsort(metres)[:4]
        near = order[(metres[order] <= 100_000) | (order == order[0])]  # the nearest one votes where there is none
        weights = 1 / (1 + metres[near] / 1000)
        assert_allclose(row.max(), (weights @ labels[near]).max() / weights.sum(), atol=1e-3)
    alike = scores_of(root, "knn-distance+model.k=4+validation.run=2+scores.refit=true+model.power=0")
    assert run(alike) == ["ClassicalScores"]
    assert (score_tables.read(alike.folder / "test").matrix != scores.matrix).nnz > 0
