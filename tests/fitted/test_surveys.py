"""Surveys of a fitted experiment as a file: what decides on scores comes back."""

import dataclasses

import pytest

from glc.fitted import surveys
from tests import helpers


@pytest.mark.parametrize("widens", [False, True])
def test_whether_uncertain_records_are_spread_out_travels_with_the_surveys(tmp_path, widens):
    data = dataclasses.replace(helpers.survey_data(), widens=widens)
    surveys.write(data, tmp_path / "surveys.parquet")
    assert surveys.read(tmp_path / "surveys.parquet", data.species).widens is widens
