import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from glc.errors import ConfigError
from glc.explain.response import chosen, responses
from glc.explain.variables import variables


def curve(answer, species, variable):
    frame = answer.curves
    return frame[(frame["species"] == species) & (frame["variable"] == variable)]


def test_the_curve_of_a_known_function_is_that_function(fitted):
    answer = responses(fitted, [10, 12], surveys=100)
    rising, humped = curve(answer, 10, "used"), curve(answer, 12, "used")
    assert len(rising) == 24
    assert_allclose(rising["mean"], rising["value"], atol=1e-6)
    assert_allclose(humped["mean"], np.exp(-(((humped["value"] - 0.5) / 0.2) ** 2)), atol=1e-6)
    assert_allclose(rising["low"], rising["high"], atol=1e-6)  # no survey differs from another


def test_a_variable_that_is_not_used_has_a_flat_curve_with_the_band_of_the_surveys(fitted):
    answer = responses(fitted, [10], surveys=100)
    flat = curve(answer, 10, "noise")
    used = answer.rug["table", "used"]
    assert len(used) == answer.surveys == 100
    assert_allclose(flat["mean"], used.mean(), atol=1e-5)
    assert_allclose(flat["low"], np.quantile(used, 0.1), atol=1e-5)
    assert_allclose(flat["high"], np.quantile(used, 0.9), atol=1e-5)


def test_a_category_has_a_bar_per_class_of_which_one_is_set(known):
    answer = responses(
        known(lambda t: t[[c for c in t if c.startswith("rock")]].to_numpy() * [0.9, 0.5, 0.1]), [10, 11]
    )
    bars = curve(answer, 10, "rock_type")
    assert list(bars["category"]) == ["chalk", "clay", "granite"]
    assert_allclose(bars["mean"], [0.9, 0, 0], atol=1e-6)
    assert_allclose(curve(answer, 11, "rock_type")["mean"], [0, 0.5, 0], atol=1e-6)
    assert_allclose(answer.rug["table", "rock_type"].sum(), 1, atol=1e-6)


def test_curves_stay_within_what_most_of_the_background_holds_and_are_scored_in_blocks(fitted, monkeypatch):
    monkeypatch.setattr("glc.explain.response.MOST_ROWS", 300)
    answer = responses(fitted, [10], surveys=120)
    own = answer.rug["table", "used"]
    values = curve(answer, 10, "used")["value"]
    assert own.min() < values.min() < values.max() < own.max()
    assert max(count for count, _ in fitted.asked) <= 300
    assert_allclose(curve(answer, 10, "used")["mean"], values, atol=1e-6)


def test_missing_values_of_the_background_are_set_like_all_others(fitted):
    clean = fitted.table
    fitted.table = lambda places: clean(places).where(lambda t: t["used"] > 0.3)  # rows without any value
    answer = responses(fitted, [10], surveys=150)
    used = curve(answer, 10, "used")
    assert used["value"].min() > 0.3
    assert_allclose(used["mean"], used["value"], atol=1e-6)


def test_without_tables_there_are_no_curves(fitted):
    fitted.inputs = lambda places, allow_missing: {}
    answer = responses(fitted, [10])
    assert answer.curves.empty
    assert "mean" in answer.curves


def test_species_are_chosen_by_id_or_name_or_frequency(fitted):
    by_records = fitted.species.sort_values("records", ascending=False)["speciesId"].tolist()
    assert chosen(fitted, [], 2) == by_records[:2]
    assert chosen(fitted, ["12", "quercus ILEX"]) == [12, 10]
    with pytest.raises(ConfigError, match=r"--species: found 'Quercus ilx'.* did you mean 'Quercus ilex'\?"):
        chosen(fitted, ["Quercus ilx"])
    with pytest.raises(ConfigError, match="species 13: not one of the 3"):
        responses(fitted, [13])


def test_columns_of_zeros_and_ones_that_exclude_each_other_are_one_variable():
    rng = np.random.default_rng(0)
    region, country = rng.integers(3, size=50), rng.integers(2, size=50)
    table = pd.DataFrame({"altitude": rng.normal(size=50)})
    for at, name in enumerate(("alpine", "atlantic", "black_sea")):
        table[f"metadata_region_{name}"] = (region == at).astype(float)
    for at, name in enumerate(("france", "spain")):
        table[f"metadata_country_{name}"] = (country == at).astype(float)
    table["flag"] = rng.integers(2, size=50)
    table["empty"] = np.nan
    table.iloc[3, 1:4] = np.nan
    found = {item.name: item.categories for item in variables({"table": table})}
    assert found.keys() == {"altitude", "metadata_region", "metadata_country", "flag", "empty"}
    assert found["metadata_region"] == ("alpine", "atlantic", "black_sea")
    assert found["metadata_country"] == ("france", "spain")


def test_a_column_that_members_of_an_ensemble_share_is_set_in_all_of_them(fitted):
    made = fitted.inputs

    def inputs(places, allow_missing):
        (values,) = made(places, allow_missing).values()
        other = values.tables["table"][["noise", "used"]].assign(more=np.float32(2))
        return {"known": values, "other": type(values)({"table": other}, missing=values.missing)}

    def scores(places, values, fold=None):
        first, second = (values[name].tables["table"]["used"] for name in ("known", "other"))
        return sparse.csr_matrix(
            np.column_stack([(first + second) / 2, first * 0, values["other"].tables["table"]["more"]])
        )

    fitted.inputs, fitted.scores = inputs, scores
    answer = responses(fitted, [10, 12], surveys=50)
    used, more = curve(answer, 10, "used"), curve(answer, 12, "more")
    assert_allclose(used["mean"], used["value"], atol=1e-6)
    assert_allclose(more["mean"], 2)
    assert sorted(set(answer.curves["variable"])) == ["copy", "more", "noise", "rock_type", "used"]
