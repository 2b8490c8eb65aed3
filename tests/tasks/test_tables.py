"""The tables of a paper: their experiments exist, and a small one runs and prints."""

import luigi
import pytest

from glc import config
from glc.tasks.scores import Fit
from glc.tasks.table import CostTable, Row
from tasks import dsgt_2024
from tests.tasks.test_dag import TINY, _small_machine, root, run  # noqa: F401 - fixtures


@pytest.mark.parametrize(
    "table", [dsgt_2024.Table1, dsgt_2024.Table2, dsgt_2024.Table3, dsgt_2024.Table4, dsgt_2024.Alternatives]
)
def test_every_row_is_a_valid_experiment_of_its_own(table):
    rows = table(dataset=TINY).rows()
    assert len({row.label for row in rows}) == len({row.experiment for row in rows}) == len(rows)
    for row in rows:
        config.load(row.experiment)


def test_the_losses_of_table_2_are_those_of_the_paper():
    labels = [row.label for row in dsgt_2024.Table2(dataset=TINY).rows()]
    for architecture in ("linear", "nonlinear"):
        for positive in (0, 1):
            for negative in (0, 2, 4):
                assert f"{architecture}, ASL γ+ {positive} γ− {negative}" in labels
        for s in (-1, -15, -30):
            for e in (0, 1):
                assert f"{architecture}, sigmoidF1 S {s} E {e}" in labels


def test_table_3_trains_each_model_once_for_both_decoders():
    tasks = list(dsgt_2024.Table3(dataset=TINY).requires().values())
    for top, threshold in zip(tasks[::2], tasks[1::2], strict=True):
        assert top.identity != threshold.identity
        assert top.below(Fit, fold=0).identity == threshold.below(Fit, fold=0).identity


class Small(CostTable):
    """Two rows."""

    title = "A small table"
    remarks = ("A remark.",)

    def rows(self):
        base = "frequency+validation.run=2+validation.count=4"
        return [Row("top 5", f"{base}+decode.k=5", "about .2"), Row("top 10", f"{base}+decode.k=10")]


def test_a_table_has_a_line_for_each_experiment(root):  # noqa: F811
    luigi.task_register.Register.clear_instance_cache()
    task = Small(root=root, dataset=TINY)
    run(task)
    text = task.results()[0]
    assert text.count("\n| top") == 2
    assert "about .2" in text
    assert "A remark." in text
    assert "| seconds | peak memory MB |" in text
    assert task.published()[0].path.is_file()
