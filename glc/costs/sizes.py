"""Counts of a dataset that the costs of a run depend on."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from glc import geo, schema, storage
from glc.types import Facts

CELL_M = 3_000
"""Side of the squares that presence-only records are counted in, metres."""
HELD_OUT = 10
"""Of a dataset without test, one in this many training surveys is held out as the test."""


@dataclass(frozen=True)
class Sizes:
    """Counts of a dataset.

    training_rows, training_surveys : of the surveys that models are trained and validated on
    test_surveys : of all tests together
    po_rows, po_surveys : presence-only, where they are not what is trained on
    po_cells : squares of `CELL_M` with presence-only records, about; 0 where nobody has counted them
    species : of all surveys together
    raster_cells : cells of a climate raster of a virtual world, about; 0 for data that are there
    """

    training_rows: int
    training_surveys: int
    species: int
    test_surveys: int = 0
    po_rows: int = 0
    po_surveys: int = 0
    po_cells: int = 0
    raster_cells: int = 0

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return self.training_rows + self.po_rows + self.test_surveys

    @property
    def tested(self) -> int:
        """Surveys that are scored as the test: those of a test, or those that are held out."""
        return self.test_surveys or self.training_surveys // HELD_OUT


def of_tables(folder: Path) -> Sizes:
    """The sizes of finished survey tables, the outputs of the task ``Surveys``, with what only the tables tell."""
    known = of_manifest(storage.manifest(folder))
    if not known.po_surveys:
        return known
    columns = ["lon", "lat"]
    po = storage.read_table(folder / "surveys", "surveys", columns=columns, filters=[("dataset", "=", "po")])
    cells = geo.cell_ids(po["lon"].to_numpy(), po["lat"].to_numpy(), CELL_M)
    return replace(known, po_cells=len(np.unique(cells)))


def of_manifest(facts: Facts) -> Sizes:
    """The sizes of finished survey tables.

    facts : the manifest of the task ``Surveys``
    """
    datasets = facts["datasets"]
    training = datasets[facts["train"]]
    po = datasets.get("po", {}) if facts["train"] != "po" else {}
    tests = [counts["surveys"] for name, counts in datasets.items() if schema.is_test(name, facts["test"])]
    return Sizes(
        training_rows=training["occurrences"],
        training_surveys=training["surveys"],
        species=facts["species"]["number"],
        test_surveys=sum(tests),
        po_rows=po.get("occurrences", 0),
        po_surveys=po.get("surveys", 0),
    )
