"""The ways of the stage give the pixels of each survey once."""

import numpy as np
import pytest

from glc.bench.stages import imagery
from glc.errors import DataError


def test_all_ways_give_each_survey_once_and_a_missing_one_is_found(tmp_path):
    imagery.prepare(tmp_path, 256 / imagery.SURVEYS)
    results = {}
    for way in imagery.STAGE.ways:
        results[way.name] = tmp_path / way.name
        results[way.name].mkdir()
        assert way.run(tmp_path, results[way.name])["rows"] == 256
    imagery.check(tmp_path, results)
    last = results[imagery.STAGE.ways[-1].name] / "sums.npy"
    sums = np.load(last)
    sums[3] = 0
    np.save(last, sums)
    with pytest.raises(DataError, match="gave other pixels of 1 surveys"):
        imagery.check(tmp_path, results)
