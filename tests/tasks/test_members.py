"""What each member brings to an ensemble, on the tiny virtual world."""

import luigi
import pandas as pd
import pytest

from glc import results
from glc.errors import ConfigError
from glc.evaluation import evaluate
from glc.tasks import Evaluate, Members
from tests.tasks.pipeline import TINY

FOLDS = "validation.count=4+validation.run=3"
NAMES = (f"frequency+{FOLDS}", f"votes+{FOLDS}", f"votes+model.po_weight=0+{FOLDS}")


def members(root, **known):
    luigi.task_register.Register.clear_instance_cache()
    return Members(root=str(root), dataset=TINY, **known)


@pytest.mark.slow
def test_a_member_brings_what_the_ensemble_loses_without_it(root, tmp_path):
    path = tmp_path / "joined.toml"
    names = ", ".join(f'"{name}"' for name in NAMES)
    path.write_text(f'model = {{ name = "stack", members = [{names}] }}\nvalidation = {{ count = 4, run = 3 }}\n')
    task = members(root, experiment=str(path))
    assert luigi.build([task], local_scheduler=True, log_level="WARNING")
    table = pd.read_csv(task.folder / "table.csv").set_index("member")
    assert table.index[0] == "all members"
    assert set(table.index[1:]) == set(NAMES)
    assert table["brings"][1:].is_monotonic_decreasing
    whole = Evaluate(root=str(root), dataset=TINY, experiment=str(path))
    assert table["alone"].iloc[0] == results.read_metrics(whole.folder)["valid"]["sample_f1"]
    for name in table.index[1:]:
        rest = [other for other in task.members() if other != name]
        other = Evaluate(root=str(root), dataset=TINY, experiment=task.experiment.changed(model={"members": rest}))
        wanted = evaluate.compare(results.read_surveys(whole.folder), results.read_surveys(other.folder), "valid")
        assert table.loc[name, ["without", "brings", "low", "high"]].tolist() == pytest.approx(
            [wanted["other"], wanted["difference"], wanted["low"], wanted["high"]]
        )
        assert table.loc[name, "seconds"] >= 0
    page = (task.folder / "table.md").read_text()
    assert "| all members |" in page


@pytest.mark.parametrize("name", ["votes", "geolocation"])
def test_what_is_no_ensemble_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=r"found the model '\w+' with 0 members, expected an ensemble"):
        members(tmp_path, experiment=name).check()
