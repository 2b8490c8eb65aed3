"""What the nearest surveys hold, and what each input changes, against a model known by heart."""

import numpy as np
import pytest

from glc.fitted import place_explanation
from tests.fitted.small_model import SPECIES, SmallModel


def test_the_nearest_surveys_come_first_with_what_they_share():
    fitted = SmallModel()
    first, second, *_ = place_explanation.nearest_surveys(fitted, 0.0, 44.0, [int(SPECIES[1]), int(SPECIES[30])])
    assert (first.surveyId, first.year, first.species) == (0, None, 2)
    assert first.distance_m == pytest.approx(0, abs=1)
    assert first.shared == [SPECIES[1]]
    assert (second.surveyId, second.year) == (1, 2020)
    assert second.distance_m == pytest.approx(8 / 39 * 111_195 * np.cos(np.radians(44)), rel=1e-3)


def test_leaving_an_input_out_predicts_with_it_missing():
    fitted = SmallModel()
    places = fitted.places([0.0], [45.0])
    values = fitted.inputs(places)
    (share,) = place_explanation.input_shares(fitted, places, values, [10, 11])
    now = fitted.scores(places, values).toarray()[0]
    assert share.input == "warmth"
    assert not share.missing
    assert share.probability == pytest.approx({10: now[0] / np.e, 11: now[1] / np.e})  # 44 is a degree from the best
    assert share.expected_species == pytest.approx(now.sum() / np.e, rel=1e-5)
    assert not values["small"].missing.to_numpy().any()
    assert values["small"].tables["warmth"].to_numpy() == 45


def test_an_input_that_is_missing_anyhow_says_so():
    fitted = SmallModel(relative=True)
    places = fitted.places([0.0], [55.0])
    (share,) = place_explanation.input_shares(fitted, places, fitted.inputs(places, allow_missing=True), [10])
    assert share.missing
    assert share.expected_species is None


def test_imagery_is_left_out_as_pixels_that_are_not_known():
    fitted = SmallModel()
    values = fitted.inputs(fitted.places([0.0], [45.0]))["small"]
    values.missing["patch"] = False
    values.known["patch"] = np.ones((1, 3), bool)
    changed = place_explanation.without(values, "patch")
    assert not changed.known["patch"].any()
    assert changed.missing["patch"].all()
    assert values.known["patch"].all()
    assert changed.tables["warmth"].equals(values.tables["warmth"])
    assert place_explanation.without(values, "of another model") is values
