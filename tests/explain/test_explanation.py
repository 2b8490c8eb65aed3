import numpy as np
import pandas as pd
from numpy.testing import assert_array_equal

from glc.explain.explanation import Explanation
from glc.explain.importance import measured


def quiet(text, percent):
    assert 0 <= percent <= 100


def test_what_is_written_is_read_again(fitted, tmp_path):
    made = Explanation.made(fitted, [10, 11], measured(fitted, repeats=2), background=40, progress=quiet)
    made.write(tmp_path)
    read = Explanation.read(tmp_path)
    assert read.names == made.names == {10: "Quercus ilex", 11: ""}
    pd.testing.assert_frame_equal(read.responses.curves, made.responses.curves, check_dtype=False, rtol=1e-6)
    pd.testing.assert_frame_equal(read.importance.frame, made.importance.frame, check_dtype=False)
    assert (read.importance.score, read.importance.folds) == (made.importance.score, made.importance.folds)
    assert read.responses.rug.keys() == made.responses.rug.keys()
    for key, values in made.responses.rug.items():
        assert_array_equal(read.responses.rug[key], values)
    for own, other in zip(made.maps, read.maps, strict=True):
        assert own.species == other.species
        assert_array_equal(own.scores, other.scores)
        assert_array_equal(own.held_out, other.held_out)


def test_an_experiment_without_inputs_has_maps_alone(fitted, tmp_path):
    fitted.inputs = lambda places, allow_missing: {}
    fitted.scores = lambda places, values=None, fold=None: fitted.data.labels_of(np.zeros(len(places), int)).astype(
        "f4"
    )
    Explanation.made(fitted, [10], measured(fitted), progress=quiet).write(tmp_path)
    read = Explanation.read(tmp_path)
    assert read.responses.curves.empty
    assert read.importance.frame.empty
    assert len(read.maps) == 1
