"""The DCT's budget: how many coefficients of a tile are worth their bytes."""

import dataclasses
from pathlib import Path

import luigi

from glc import config, storage
from glc.errors import ConfigError
from glc.tasks.base import GlcTask, Published
from glc.tasks.evaluate import Evaluate
from glc.tasks.experiment import ExperimentProduct
from glc.tasks.imagery import ImageryTask
from glc.tasks.inputs import input_task
from glc.tasks.parameters import CountParameter, ExperimentParameter


class DctBudget(ExperimentProduct):
    """Blocks of DCT coefficients, and the pixels, of an experiment's tiles: bytes, PSNR, and the F1 of its net.

    ``ROOT/tables/<dataset>/dct-budget-<experiment>.md``, ``.csv`` and ``.png``. All blocks are of the same surveys.
    """

    experiment = ExperimentParameter(
        default="tile-cnn", significant=False, description="an experiment that reads tiles"
    )
    sample = CountParameter(default=2_000, description="surveys whose tiles are compared with their pixels")
    blocks = luigi.ListParameter(default=(4, 8, 16, 32, 0), description="DCT coefficients per axis; 0 keeps the pixels")

    @property
    def tiles(self) -> list[tuple[int, config.Input]]:
        """Numbers and settings of the inputs that are tiles."""
        tiles = [(number, wanted) for number, wanted in enumerate(self.settings.inputs) if wanted.tiles]
        if not tiles:
            raise ConfigError(f"--experiment {self.experiment}: it reads no tiles; choose one with [[inputs]] of tiles")
        return tiles

    def evaluation(self, block: int) -> Evaluate:
        """`Evaluate` of the experiment with `block` coefficients per axis of every tile."""
        changes = {f"inputs.{number}.block": block for number, _ in self.tiles}
        return self.clone(Evaluate, experiment=self.experiment.changed(changes))

    def tables(self, block: int) -> list[ImageryTask]:
        """The tables of tiles with `block` coefficients per axis."""
        return [input_task(self, dataclasses.replace(wanted, block=block)) for _, wanted in self.tiles]

    def check(self) -> None:
        super().check()
        self.refuse_presence_only()

    def requires(self) -> list[GlcTask]:  # type: ignore[override]  # it reads no surveys itself
        blocks = {*self.blocks, 0}  # the pixels are what the others are compared with
        tables = [table for block in sorted(blocks) for table in self.tables(block)]
        return [*(self.evaluation(block) for block in self.blocks), *tables]

    def published(self) -> list[Published]:
        return [
            Published(self.stable("tables", end, start="dct-budget-"), self.folder / f"table{end}")
            for end in (".md", ".csv", ".png")
        ]

    def write(self, out: Path) -> None:
        from glc.report import budget, tables

        full = [table.folder for table in self.tables(0)]
        rows = []
        for done, block in enumerate(self.blocks):
            self.status(f"block {block or 'pixels'}", 100 * done // len(self.blocks))
            folders = [table.folder for table in self.tables(block)]
            rows.append(budget.row(block, folders, full, self.evaluation(block).folder, self.sample))
        frame = budget.frame_of(rows)
        budget.draw(frame, out / "table.png")
        caveats = tables.caveats({str(block): self.evaluation(block).folder for block in self.blocks})
        tables.write(out, f"DCT budget of {self.settings.name}: {self.subject}", frame, caveats)
        storage.note(out, rows=len(frame))

    def results(self) -> list[str]:
        """The table, and where it and its plot are."""
        text, _, plot = self.published()
        return [text.path.read_text(), f"table {text.path}", f"plot  {plot.path}"]
