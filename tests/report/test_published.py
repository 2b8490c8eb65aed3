"""The figures of the papers' systems are those of the papers' tables."""

import pytest

from glc import config
from glc.report import published
from tasks import dsgt_2024, inria_2020, tighnari_2024


@pytest.mark.parametrize("system", published.SYSTEMS, ids=lambda system: system.name)
def test_a_system_has_the_figures_of_a_row_of_its_papers_table(system):
    tables = [dsgt_2024.Table3, dsgt_2024.Table4, tighnari_2024.Table3, inria_2020.Table1]
    rows = [(table, row) for table in tables for task in [table(dataset="virtual:tiny")] for row in task.every_row()
            if task.paper == system.paper for table in [task]]  # fmt: skip
    figures = [table.reported(row).values for table, row in rows]
    assert any(system.reported.values.items() <= values.items() for values in figures)


def test_every_system_has_an_experiment():
    for system in published.SYSTEMS:
        assert config.load(config.Variant.parse(system.experiment)).name == system.experiment
        assert system.reported.values.keys() == system.measures.keys() or system.paper is not published.INRIA_2020
