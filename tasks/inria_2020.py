"""Deneu et al. 2020: LIRMM / Inria at GeoLifeCLEF 2020 (random forest, Inception v3, late fusion).

python -m luigi --module tasks.inria_2020 inria_2020.Table1 --dataset virtual:glc20 --preset cpu
python -m luigi --module tasks.inria_2020 inria_2020.Paper --dataset virtual:glc20 --preset cpu
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import luigi

from glc import config, registry
from glc.config import Variant
from glc.report.papers import Reported
from glc.report.published import INRIA_2020 as PAPER
from glc.tasks.base import DatasetTask
from glc.tasks.inputs import available
from glc.tasks.paper import PaperPage, PaperTable, table
from glc.tasks.parameters import ChoiceParameter, imagery_folder
from glc.tasks.scores import ClassicalScores
from glc.tasks.tables import CostTable, Row
from glc.types import Facts

luigi.namespace("inria_2020", scope=__name__)

PRESETS = {"cpu": "inria-run3-cpu", "gpu": "inria-run3", "gpu-bfloat16": "inria-run3-bfloat16"}
"""Size -> the experiment that is run 3."""
FOREST = Variant("inria-run1").changed({"inputs.0.optional": True})
"""Run 1, with the rasters present."""
FUSED = FOREST.changed({"validation.count": 20})
"""Run 1 on the split of the CNN, because both must be evaluated on the same occurrences."""
REMARKS = (
    "top-30 and adaptive top-30 accuracy: the share of occurrences whose species is among the 30 of the highest "
    "scores, and above the threshold that 30 species pass on average. If the dataset has no test, 2.5 % of the "
    "quadrats of 5 km are held out; validation is a random 5 % of the rest, for run 1 0.5 %, as in the paper. The "
    "forest that was fitted without these 0.5 % scores the test, as in the paper.",
    "The fusion needs both models on the same occurrences: its forest is fitted without the CNN's 5 %.",
    "The paper's run 4 had lost nearly half of its patches, the majority of those of the USA. Most of the USA's "
    "corrupted: 85 % of the predicted American occurrences, nearly half of all where 1.1 of 1.9 million are American, "
    "have patches cut off at a random row; the net was trained on whole ones.",
    "The picture next to this table is Figure 1: both measures by run, on the test if its labels are known.",
    "seconds of run 4 are those of the fusion alone; runs 2 and 3 share one training and both count it.",
)


class Table1(CostTable):
    """The four runs, and the fusion with whole patches and with corrupt ones, as the authors had to predict with."""

    title = "LIRMM / Inria 2020, Table 1: runs 1 to 4"
    paper = PAPER
    published_in = PAPER.name
    measures = {
        f"{name} {title}": (split, measure)
        for split, name in (("valid", "validation"), ("test", "test"))
        for measure, title in (("top_30", "top-30"), ("adaptive_top_30", "adaptive top-30"))
    }
    suffixes = (".md", ".csv", ".png")
    version = 2
    preset = ChoiceParameter(
        variable="PRESET", choices=tuple(PRESETS), default="cpu", description="size and precision of the CNN"
    )

    def table_name(self) -> str:
        return f"{super().table_name()}-{self.preset}"

    def reported(self, row: Row) -> Reported:
        top, _, adaptive = str(row.paper).partition(" / ")
        if not adaptive:
            return super().reported(row)
        return Reported(str(row.paper), {"test top-30": float(top), "test adaptive top-30": float(adaptive)})

    def write(self, out: Path) -> None:
        import pandas as pd

        from glc.report import runs
        from glc.report.figures import for_page

        super().write(out)
        runs.draw(pd.read_csv(out / "table.csv"), for_page(out / "table.png"), f"{self.title}: {self.subject}")

    @cached_property
    def lost(self) -> list[str]:
        """Rasters of run 1 that the dataset does not have."""
        scores = self.clone(ClassicalScores, experiment=FOREST)
        (wanted,) = scores.settings.inputs
        return [name for name in wanted.table if not available(scores, replace(wanted, table=(name,)))]

    @property
    def remarks(self) -> Sequence[str]:
        """What the table does not show."""
        differs = other_net(Variant(PRESETS[self.preset]))
        remarks = (*REMARKS, f"The CNN of the preset {self.preset}: {differs}.") if differs else REMARKS
        if not self.lost:
            return remarks
        without = "is fitted without them" if self._has_forest else "and the fusion are skipped"
        return (*remarks, f"The dataset has no rasters of {', '.join(self.lost)}: run 1 {without}.")

    @property
    def _has_forest(self) -> bool:
        return len(self.lost) < len(config.load(FOREST).inputs[0].table)

    def rows(self) -> list[Row]:
        """The lines; without any raster those of the CNN alone."""
        rows = self.every_row()
        return rows if self._has_forest else [row for row in rows if row.experiment.base in PRESETS.values()]

    def every_row(self) -> list[Row]:
        cnn = Variant(PRESETS[self.preset])
        damaged = cnn.changed(predict={"damaged_country": "United States", "damaged": 0.85})
        dropout, net = cnn.changed(predict={"dropout": True}), other_net(cnn)
        ours = "; ".join(["ours", *filter(None, [net])])
        nets = [
            Row("run 2, Inception v3, dropout on in prediction", dropout, ".2115 / .1549", setting=net),
            Row("run 3, Inception v3", cnn, ".2346 / .2333", setting=net),
            Row("run 3, most of the USA's patches corrupted", damaged, setting=ours),
        ]

        def fusion(net: Variant) -> Variant:
            return Variant("inria-run4").changed(model={"members": [str(FUSED), str(net)]})

        refitted = FOREST.changed(scores={"refit": True})
        fused = "; ".join(["the forest without the CNN's 5 %", *filter(None, [net])])
        return [
            Row("run 1, random forest", FOREST, ".2043 / .2130"),
            Row("run 1, fitted again to all training occurrences for the test", refitted),
            *nets[:2],
            Row("run 4, fusion, all patches clean", fusion(cnn), setting=ours),
            *nets[2:],
            Row("run 4, most of the USA's patches corrupted", fusion(damaged), ".2260 / .2290", setting=fused),
        ]

    def measured(self, valid: Facts, test: Facts) -> Facts:
        metrics = {"valid": valid, "test": test}
        return {column: metrics[split].get(measure) for column, (split, measure) in self.measures.items()}


class Paper(DatasetTask, PaperPage):
    """Table 1 and Figure 1 on one page."""

    paper_name = "inria-2020"
    heading = "LIRMM / Inria 2020: random forest, Inception v3 and their fusion"
    about = ("Deneu, Servajean and Joly 2020, GeoLifeCLEF 2020.",)
    preset = ChoiceParameter(
        variable="PRESET", choices=tuple(PRESETS), default="cpu", description="size and precision of the CNN"
    )
    imagery_folder = imagery_folder()

    def entries(self) -> list[PaperTable]:
        return [table("1", self.clone(Table1))]

    def page_name(self) -> str:
        return f"{self.paper_name}-{self.preset}"

    def further(self) -> list[str]:
        return [f"Preset {self.preset}; gpu has the published size."]


def other_net(cnn: Variant) -> str:
    """What of a CNN's size and training is not that of run 3 as published; empty where nothing is."""
    here, published = config.load(cnn), config.load("inria-run3")
    net, full = (config.options(registry.models.get("inception"), it.model, "model") for it in (here, published))
    differs = {
        f"{net.resize} px": net.resize != full.resize,
        f"stem stride {net.stem_stride}": net.stem_stride != full.stem_stride,
        "land cover as 34 layers": net.unstack != full.unstack,
        here.train.optimizer: here.train.optimizer != published.train.optimizer,
        f"{here.train.max_epochs} epochs": here.train.max_epochs != published.train.max_epochs,
        here.train.precision: here.train.precision != published.train.precision,
    }
    return ", ".join(text for text, is_other in differs.items() if is_other)
