"""The stages of batches at a small size: both ways read the same, and the comparison notices what is missing."""

import numpy as np
import pytest

from glc.bench import examples, stage
from glc.errors import DataError

SCALE = 0.002


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    examples.prepare(folder, SCALE)
    return folder


def run(name, data, folder):
    """Folders of the results of a stage's ways, all run on `data`."""
    results = {}
    for i, way in enumerate(stage.get(name).ways):
        results[way.name] = folder / str(i)
        results[way.name].mkdir()
        assert way.run(data, results[way.name])["rows"] == SCALE * examples.SURVEYS
    return results


@pytest.mark.parametrize("name", ["loader", "loader-memory"])
def test_all_ways_read_every_survey_with_its_species(name, data, tmp_path):
    stage.get(name).check(data, run(name, data, tmp_path))


def test_surveys_and_species_that_are_missing_are_noticed(data, tmp_path):
    results = run("loader-memory", data, tmp_path)
    path = next(iter(results.values())) / examples.SEEN
    with np.load(path) as seen:
        arrays = dict(seen)
    np.savez(path, **arrays | {"pairs": arrays["pairs"][1:]})
    with pytest.raises(DataError, match="has the targets"):
        examples.check(data, results)
    np.savez(path, **arrays | {"ids": arrays["ids"][1:]})
    with pytest.raises(DataError, match="799 surveys read, expected each of 800 once"):
        examples.check(data, results)
