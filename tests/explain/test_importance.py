import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from glc.explain import importance as module
from glc.explain.importance import ALL, AUC, F1, PLACE, importance, measured, weights


def by_column(frame):
    return frame[frame["column"] != ALL].set_index("column")


@pytest.mark.parametrize("measure", [F1, AUC])
def test_the_only_column_that_is_used_has_all_importance_and_noise_none(fitted, measure):
    answer = measured(fitted, measure=measure)
    columns = by_column(answer.frame)
    whole, place = answer.frame.loc[answer.frame["column"] == ALL, "mean"]
    assert place == 0  # the values at the place stay
    assert columns["mean"]["used"] > 0.1
    assert_allclose(columns["mean"].drop("used"), 0, atol=1e-12)  # nothing else changes a score
    assert abs(whole - columns["mean"]["used"]) < 3 * columns["std"]["used"]
    assert answer.measure == measure
    assert 0.3 < answer.score <= 1


def test_a_fold_is_scored_by_its_own_model_on_its_own_surveys(fitted):
    answer = measured(fitted, repeats=1)
    assert answer.folds == (0, 1)
    assert set(fitted.asked) == {(len(fitted.data.valid(fold)), fold) for fold in (0, 1)}
    assert answer.surveys == sum(len(fitted.data.valid(fold)) for fold in (0, 1))


def test_the_drop_is_that_of_a_permutation_by_hand(fitted):
    answer = measured(fitted, measure=AUC, repeats=1, seed=3)
    from glc.evaluation.metrics import macro_auc

    drops = []
    for fold in (0, 1):
        rows = fitted.data.valid(fold)
        table = fitted.table(fitted.data.places.iloc[rows].reset_index(drop=True))
        actual = fitted.data.labels_of(rows)
        number = 2  # after the whole table and the place
        order = np.random.default_rng([3, fold, number]).permutation(len(rows))
        changed = table.assign(used=table["used"].to_numpy()[order])
        scores = [module.sparse.csr_matrix(fitted.answer(each).astype(np.float32)) for each in (table, changed)]
        drops.append(macro_auc(scores[0], actual) - macro_auc(scores[1], actual))
    assert_allclose(by_column(answer.frame)["mean"]["used"], np.mean(drops))
    assert_allclose(by_column(answer.frame)["std"]["used"], np.std(drops, ddof=1))


def test_columns_of_a_category_are_permuted_together_and_share_their_importance(known):
    fitted = known(lambda table: table[[name for name in table if name.startswith("rock")]].to_numpy() * 0.9)
    seen = []
    score = fitted.scores
    fitted.scores = lambda places, values, fold: (
        seen.append(values["known"].tables["table"]) or score(places, values, fold)
    )
    frame = by_column(importance(fitted, repeats=2, measure=AUC))
    rock = frame[frame["variable"] == "rock_type"]
    assert list(rock.index) == ["rock_type_chalk", "rock_type_clay", "rock_type_granite"]
    assert rock["mean"].nunique() == 1
    assert rock["mean"].iloc[0] > 0.2
    assert all((table.filter(like="rock").sum(axis=1) == 1).all() for table in seen)  # always one class


def test_correlated_columns_are_named(fitted):
    related = by_column(importance(fitted, repeats=1))["correlated_with"]
    assert related["used"] == "copy"
    assert related["copy"] == "used"
    assert related["noise"] == ""


def test_presence_only_models_are_measured_by_the_area(known):
    from tests.explain.conftest import by_used

    assert measured(known(by_used, relative=True), repeats=1).measure == AUC
    assert measured(known(by_used), repeats=1).measure == F1


def test_weights_are_not_negative_and_all_one_where_nothing_counts():
    frame = pd.DataFrame(
        {"input": ["table", "table", "table", "other"], "column": ["", "a", "b", "c"], "mean": [0.5, 0.4, -0.1, 9.0]}
    )
    assert weights(frame, "table") == {"a": 0.4, "b": 0.0}
    assert weights(frame.assign(mean=-1.0), "table") == {"a": 1.0, "b": 1.0}


def test_imagery_is_permuted_as_a_whole_with_what_is_missing_of_it(fitted):
    made, seen = fitted.inputs, []

    def inputs(places, allow_missing):
        (values,) = made(places, allow_missing).values()
        number = np.arange(len(places))
        missing = values.missing.assign(tiles=number % 2 == 0)
        return {"known": type(values)(values.tables, {"tiles": number}, {"tiles": number % 3}, missing)}

    fitted.inputs = inputs
    score = fitted.scores
    fitted.scores = lambda places, values, fold: seen.append(values["known"]) or score(places, values, fold)
    frame = importance(fitted, repeats=1)
    assert list(frame.loc[frame["column"] == ALL, "input"]) == ["table", "tiles", PLACE]
    moved = [values for values in seen if (values.imagery["tiles"] != np.arange(len(values.imagery["tiles"]))).any()]
    assert len(moved) == 2  # one per fold
    for values in moved:
        assert (values.missing["tiles"] == (values.imagery["tiles"] % 2 == 0)).all()
        assert (values.known["tiles"] == values.imagery["tiles"] % 3).all()


def test_an_experiment_without_inputs_has_no_importance(fitted):
    fitted.inputs = lambda places, allow_missing: {}
    fitted.scores = lambda places, values, fold: fitted.data.labels_of(fitted.data.valid(fold)).astype(np.float32)
    answer = measured(fitted)
    assert answer.frame.empty
    assert list(answer.frame.columns) == ["input", "column", "variable", "mean", "std", "correlated_with"]


def test_what_is_written_is_read_again(fitted, tmp_path):
    made = measured(fitted, repeats=2)
    made.write(tmp_path)
    read = module.Importance.read(tmp_path)
    pd.testing.assert_frame_equal(read.frame, made.frame, check_dtype=False)
    assert {**vars(read), "frame": None} == {**vars(made), "frame": None}
