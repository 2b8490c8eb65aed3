"""What every task shares."""

import pytest

from glc.errors import ConfigError
from glc.tasks.location.pretraining import PretrainLocationOnTiles
from glc.tasks.scores import Fit


@pytest.mark.parametrize(
    ("task", "changes", "told"),
    [
        (Fit, {"model": "3"}, "--model: found 3, expected a name or a table"),
        (Fit, {"inputs": '[{"tile": "x"}]'}, "--inputs: 0: unknown key 'tile'"),
        (Fit, {"validation": '{"counts": 3}'}, "--validation: unknown key 'counts'"),
        (PretrainLocationOnTiles, {"pretraining": '{"dim": 0}'}, "--pretraining: dim: found 0, expected at least 1"),
    ],
)
def test_a_section_that_is_wrong_is_named_by_its_option(task, changes, told):
    with pytest.raises(ConfigError, match=f"^{told}"):
        task(root="out", **changes)
