"""Deneu et al. 2020: LIRMM / Inria at GeoLifeCLEF 2020 (random forest, Inception v3, late fusion).

python -m luigi --module tasks.inria_2020 inria_2020.Table1 --dataset virtual:glc20 --preset cpu
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import luigi

from glc import config
from glc.config import Variant
from glc.report.papers import Paper, Reported
from glc.tasks.inputs import available
from glc.tasks.parameters import ChoiceParameter
from glc.tasks.scores import ClassicalScores
from glc.tasks.tables import CostTable, Row
from glc.types import Facts

luigi.namespace("inria_2020", scope=__name__)

PRESETS = {"cpu": "inria-run3-cpu", "gpu": "inria-run3"}
"""Size -> the experiment that is run 3."""
FOREST = Variant("inria-run1").changed({"validation.count": 20, "inputs.0.optional": True})
"""Run 1 on the split of the CNN, because both must be evaluated on the same occurrences, with the rasters present."""
REMARKS = (
    "top-30 and adaptive top-30 accuracy: the share of occurrences whose species is among the 30 of the highest "
    "scores, and above the threshold that 30 species pass on average. If the dataset has no test, 2.5 % of the "
    "quadrats of 5 km are held out; validation is a random 5 % of the rest, as in the paper.",
    "The paper's run 4 had lost nearly half of its patches, most of them of the USA.",
    "Half of the USA's corrupted: half of the predicted American occurrences have patches cut off at a random row; the "
    "net was trained on whole ones.",
    "seconds of run 4 are those of the fusion alone; runs 2 and 3 share one training and both count it.",
)
PAPER = Paper(
    data="GeoLifeCLEF 2020, 1.9 million occurrences of 30,000 species",
    split="the contest's test: 2.5 % of the quadrats of 5 km",
    score="top-30 / adaptive top-30 accuracy",
    editions=("glc2020",),
    surveys=1_900_000,
)


class Table1(CostTable):
    """The four runs, and the fusion with whole patches and with corrupt ones, as the authors had to predict with."""

    title = "LIRMM / Inria 2020, Table 1: runs 1 to 4"
    paper = PAPER
    measures = {
        f"{name} {title}": (split, measure)
        for split, name in (("valid", "validation"), ("test", "test"))
        for measure, title in (("top_30", "top-30"), ("adaptive_top_30", "adaptive top-30"))
    }
    preset = ChoiceParameter(
        variable="PRESET", choices=tuple(PRESETS), default="cpu", description="size of the CNN: cpu or gpu"
    )

    def table_name(self) -> str:
        return f"{super().table_name()}-{self.preset}"

    @property
    def reduced(self) -> str:
        return "a smaller CNN (inria-run3-cpu)" if self.preset == "cpu" else ""

    def reported(self, row: Row) -> Reported:
        top, _, adaptive = str(row.paper).partition(" / ")
        if not adaptive:
            return super().reported(row)
        return Reported(str(row.paper), {"test top-30": float(top), "test adaptive top-30": float(adaptive)})

    @cached_property
    def lost(self) -> list[str]:
        """Rasters of run 1 that the dataset does not have."""
        scores = self.clone(ClassicalScores, experiment=FOREST)
        (wanted,) = scores.settings.inputs
        return [name for name in wanted.table if not available(scores, replace(wanted, table=(name,)))]

    @property
    def remarks(self) -> Sequence[str]:
        """What the table does not show."""
        if not self.lost:
            return REMARKS
        without = "is fitted without them" if self._has_forest else "and the fusion are skipped"
        return (*REMARKS, f"The dataset has no rasters of {', '.join(self.lost)}: run 1 {without}.")

    @property
    def _has_forest(self) -> bool:
        return len(self.lost) < len(config.load(FOREST).inputs[0].table)

    def rows(self) -> list[Row]:
        """The lines; without any raster those of the CNN alone."""
        cnn = Variant(PRESETS[self.preset])
        damaged = cnn.changed(predict={"damaged_country": "United States"})
        nets = [
            Row(
                "run 2, Inception v3, dropout on in prediction", cnn.changed(predict={"dropout": True}), ".2115 / .1549"
            ),
            Row("run 3, Inception v3", cnn, ".2346 / .2333"),
            Row("run 3, half of the USA's patches corrupted", damaged),
        ]
        if not self._has_forest:
            return nets

        def fusion(net: Variant) -> Variant:
            return Variant("inria-run4").changed(model={"members": [str(FOREST), str(net)]})

        return [
            Row("run 1, random forest", FOREST, ".2043 / .2130"),
            *nets[:2],
            Row("run 4, fusion, all patches clean", fusion(cnn)),
            *nets[2:],
            Row("run 4, half of the USA's patches corrupted", fusion(damaged), ".2260 / .2290"),
        ]

    def measured(self, valid: Facts, test: Facts) -> Facts:
        metrics = {"valid": valid, "test": test}
        return {column: metrics[split].get(measure) for column, (split, measure) in self.measures.items()}
