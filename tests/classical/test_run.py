import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from glc import schema, storage
from glc import scores as score_tables
from glc.classical import run
from glc.classical.random_forest import Forest, RandomForest
from glc.errors import ConfigError, DataError
from tests.helpers import survey_data

COLUMNS = ["bioclim_bio1", "land_kind_0", "land_kind_1"]


def tabular(folder, places, values, files=3):
    """An output as the task Tabular writes it, the surveys in another order than in `places`, in several files."""
    order = np.random.default_rng(0).permutation(len(places))
    with storage.atomic_directory(folder, columns=COLUMNS, categories={"land_kind": COLUMNS[1:]}) as out:
        (out / "tabular").mkdir()
        for number, part in enumerate(np.array_split(order, files)):
            some = places.iloc[part]
            columns = [some["dataset"], some["surveyId"], np.full(len(part), "ok"), *values[part].T]
            table = pa.table([pa.array(column) for column in columns], schema=schema.tabular(COLUMNS))
            pq.write_table(table, out / "tabular" / f"part-{number:05d}.parquet")
    return folder


def world():
    """Surveys two of which, of different datasets, share an id; and values."""
    data = survey_data()
    data.places.loc[data.places.index[-1], "surveyId"] = data.places["surveyId"].iloc[20]
    values = np.random.default_rng(1).normal(size=(len(data.places), 3)).astype(np.float32)
    values[12, 1] = np.nan
    return data, values


def test_values_come_to_their_surveys(tmp_path):
    data, values = world()
    folder = tabular(tmp_path / "table", data.places, values)
    assert_array_equal(run.read_table(folder, data), values)
    assert_array_equal(run.read_table(folder, data, ("land_kind",)), values[:, 1:])
    assert_array_equal(run.read_table(folder, data, ("land_kind_1", "bioclim_bio1")), values[:, [2, 0]])
    with pytest.raises(ConfigError, match=r"unknown band 'land_kid'.*did you mean 'land_kind'"):
        run.read_table(folder, data, ("land_kid",))


def test_a_survey_without_a_row_is_told_of_but_for_those_nobody_asks(tmp_path):
    data, values = world()
    kept = np.setdiff1d(np.arange(len(values)), data.presence_only)
    found = run.read_table(tabular(tmp_path / "no po", data.places.iloc[kept], values[kept]), data)
    assert_array_equal(found[kept], values[kept])
    assert np.isnan(found[data.presence_only]).all()
    lost = np.delete(np.arange(len(values)), data.train()[[4, 7]])
    first = data.places["surveyId"].iloc[data.train()[4]]
    with pytest.raises(DataError, match=rf"no row of values for 2 surveys, the first survey {first} of pa_train"):
        run.read_table(tabular(tmp_path / "lost", data.places.iloc[lost], values[lost]), data)


def test_a_model_gets_the_table_and_its_last_fit_is_kept(tmp_path):
    data, values = world()
    model = RandomForest(RandomForest.Options(trees=4, depth=3))
    with storage.atomic_directory(tmp_path / "scores") as out:
        run.write(model, data, out, folds=[0, 1], keep=25, table=values, progress=lambda *_: None)
    forest = Forest.load(tmp_path / "scores" / "model" / "forest.npz")
    found = score_tables.read(tmp_path / "scores" / "test")
    assert_array_equal(found.species[np.isin(found.species, forest.species)], forest.species)
    wanted = np.zeros((len(data.test), len(found.species)), np.float32)
    wanted[:, np.searchsorted(found.species, forest.species)] = forest.probabilities(values[data.test])
    assert_allclose(found.matrix.toarray(), wanted, rtol=1e-6)
    facts = storage.manifest(tmp_path / "scores")["model_facts"]
    assert {name: facts[name]["training_surveys"] for name in facts} == {"0": 40, "1": 40, "test": 60}


def test_without_a_refit_the_folds_models_score_the_test(tmp_path):
    data, values = world()
    model = RandomForest(RandomForest.Options(trees=4, depth=3))

    def written(name, folds, refit):
        with storage.atomic_directory(tmp_path / name) as out:
            run.write(model, data, out, folds=folds, keep=25, refit=refit, table=values, progress=lambda *_: None)
        folder = tmp_path / name
        return (*(score_tables.read(folder / split) for split in ("valid", "test")), storage.manifest(folder))

    valid, refitted, _ = written("refit", [0], True)
    same, first, facts = written("fold 0", [0], False)
    assert_array_equal(same.matrix.toarray(), valid.matrix.toarray())
    assert_array_equal(first.surveys, refitted.surveys)
    assert (first.fold == -1).all()
    assert {name: fit["training_surveys"] for name, fit in facts["model_facts"].items()} == {"0": 40}
    expected = model.scores(data, 0, data.test, None, values).toarray()
    assert_allclose(first.matrix.toarray(), expected, rtol=1e-6)
    assert np.abs(first.matrix.toarray() - refitted.matrix.toarray()).max() > 0.01
    _, second, _ = written("fold 1", [1], False)
    _, mean, _ = written("both", [0, 1], False)
    assert_allclose(mean.matrix.toarray(), (first.matrix + second.matrix).toarray() / 2, rtol=1e-6)
