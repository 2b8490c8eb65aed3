"""The DCT's budget: how many terms of a tile are worth their bytes."""

import dataclasses
import json

import luigi

from glc import storage
from glc.errors import ConfigError
from glc.report.markdown import markdown
from glc.tasks.base import ExperimentParameter, ExperimentTask, Published
from glc.tasks.inputs import input_task
from glc.tasks.submission import Evaluate


class DctBudget(ExperimentTask):
    """Blocks of DCT terms, and the pixels, of an experiment's tiles: bytes on disk, PSNR, and the F1 of its net.

    ``ROOT/tables/<dataset>/dct-budget-<experiment>.md``, ``.csv`` and ``.png``. All blocks are of the same surveys.
    """

    experiment = ExperimentParameter(default="tile-cnn", description="an experiment that reads tiles")
    surveys = luigi.IntParameter(default=2_000, description="surveys whose tiles are compared with their pixels")
    blocks = luigi.ListParameter(default=[4, 8, 16, 32, 0], description="DCT terms an axis; 0 keeps the pixels")

    def own_parameters(self):
        return super().own_parameters() | {"blocks": list(self.blocks), "surveys": self.surveys}

    @property
    def tiles(self):
        """Numbers and settings of the inputs that are tiles."""
        found = [(number, one) for number, one in enumerate(self.settings.inputs) if one.tiles]
        if not found:
            raise ConfigError(f"--experiment {self.experiment}: it reads no tiles; choose one with [[inputs]] of tiles")
        return found

    def variant(self, block):
        """`Evaluate` of the experiment with `block` terms an axis of every tile."""
        changes = [f"inputs.{number}.block={block}" for number, _ in self.tiles]
        return self.clone(Evaluate, experiment="+".join([self.experiment, *changes]))

    def tables(self, block):
        """The tables of tiles with `block` terms an axis."""
        return [
            input_task(self, dataclasses.replace(one, block=block), surveys=self.settings.surveys)
            for _, one in self.tiles
        ]

    def requires(self):
        blocks = {*self.blocks, 0}  # the pixels are what the others are compared with
        return [self.variant(block) for block in self.blocks] + [
            t for block in sorted(blocks) for t in self.tables(block)
        ]

    def published(self):
        name = f"dct-budget-{self.settings.name}"
        ends = (".md", ".csv", ".png")
        return [Published(self.stable("tables", f"{name}{end}"), self.folder / f"table{end}") for end in ends]

    def write(self, out):
        import pandas as pd

        from glc.report import budget

        lines = []
        for done, block in enumerate(self.blocks):
            self.status(f"block {block or 'pixels'}", 100 * done // len(self.blocks))
            sizes = [budget.size_on_disk(task.folder) for task in self.tables(block)]
            pairs = zip(self.tables(block), self.tables(0), strict=True) if block else ()
            errors = [budget.squared_error(task.folder, full.folder, self.surveys) for task, full in pairs]
            found = json.loads((self.variant(block).folder / "metrics.json").read_text())
            stored, surveys = sum(size for size, _ in sizes), max(count for _, count in sizes)
            lines.append(
                {
                    "block": str(block or "pixels"),
                    "surveys": surveys,
                    "bytes": stored,
                    "bytes_per_survey": stored / surveys,
                    "psnr_db": budget.psnr(*map(sum, zip(*errors, strict=True))) if errors else None,
                    "f1": found["valid"]["sample_f1"],
                    "low": found["valid"]["sample_f1_low"],
                    "high": found["valid"]["sample_f1_high"],
                    "test_f1": found.get("test", {}).get("sample_f1"),
                }
            )
        frame = pd.DataFrame(lines)
        frame["psnr_db"] = frame["psnr_db"].astype(float)
        frame.to_csv(out / "table.csv", index=False)
        budget.draw(frame, out / "table.png")
        (out / "table.md").write_text(markdown(f"DCT budget of {self.settings.name}: {self.dataset_name}", frame))
        storage.note(out, rows=len(frame))

    def results(self):
        """The table, and where it and its plot are."""
        text, _, plot = self.published()
        return [text.path.read_text(), f"table {text.path}", f"plot  {plot.path}"]
