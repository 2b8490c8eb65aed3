"""The stage of a training step: the losses of both ways agree, and ours takes less memory."""

import numpy as np
import pytest

from glc.bench.stages import step
from glc.errors import DataError


@pytest.mark.slow  # the quick sibling is in tests/training/test_fused.py
def test_steps_cost_the_same_and_ours_takes_less_memory(tmp_path):
    step.prepare(tmp_path, 0.01)
    results, facts = {}, []
    for way in step.STAGE.ways:
        results[way.name] = tmp_path / way.name
        results[way.name].mkdir()
        facts.append(way.run(tmp_path, results[way.name]))
    step.check(tmp_path, results)
    assert facts[0]["rows"] == facts[1]["rows"] > 0
    assert facts[0]["peak_bytes"] < facts[1]["peak_bytes"] / 2
    path = results[step.STAGE.ways[0].name] / "losses.npy"
    np.save(path, np.load(path) * 1.01)
    with pytest.raises(DataError, match="losses of the steps"):
        step.check(tmp_path, results)
