"""A dataset's page to look at before any model: ``ROOT/reports/<dataset>/data.html``."""

from pathlib import Path

import luigi

from glc import registry, storage, world
from glc.errors import DataError
from glc.tasks.base import GlcTask, ProductTask, Published
from glc.tasks.imagery import IMAGE_COLUMN, SERIES_COLUMN, Cubes, ImageryTask, Tabular, Tiles
from glc.tasks.surveys import Surveys, VirtualPart
from glc.types import JSON

MOST = 20_000
"""Surveys of a virtual world whose rasters, images, series and cubes are made for the page."""


class DataPage(ImageryTask, ProductTask):
    """Places, species, features by region and year, the ecological graph, and one survey's imagery, as one HTML page.

    Also published at ``ROOT/reports/<dataset>/data.html``. Of rasters, images, series and cubes only what is shown is
    read, straight from the dataset's folder or `imagery_folder`.
    """

    survey = luigi.IntParameter(default=-1, description="surveyId that is shown; -1 chooses one with all modalities")

    def requires(self) -> dict[str, GlcTask]:
        needs: dict[str, GlcTask] = {"surveys": self.clone(Surveys)}
        if self.virtual and not self.imagery_folder:
            size = world.SIZES[self.virtual]
            parts = [part for part in size.modules if part != "metadata"] if size.surveys <= MOST else []
            needs |= {part: self.clone(VirtualPart, part=part) for part in parts}
        return needs

    def content(self) -> JSON:
        return None if self.virtual and not self.imagery_folder else self.files()

    def files(self) -> list[JSON]:
        tables: list[ImageryTask] = [self.clone(Cubes, kind=kind) for kind in ("series", "landsat", "bioclim")]
        for name in registry.covariates.choices():
            if registry.covariates.get(name).kind in ("images", "rasters"):
                tables.append(self.clone(Tiles, covariate=name))
            if registry.covariates.get(name).kind == "rasters":
                tables.append(self.clone(Tabular, covariates=(name,), source="auto"))
        entries = []
        for table in tables:
            try:
                entries += table.files()
            except DataError:  # the page says what is not there or cannot be read
                continue
        return entries

    @property
    def page_name(self) -> str:
        """The published file's name."""
        return "data.html" if self.survey < 0 else f"data-{self.survey}.html"

    def published(self) -> list[Published]:
        return [Published(Path(self.root) / "reports" / self.subject / self.page_name, self.folder / "index.html")]

    def write(self, out: Path) -> None:
        from glc.report.data_page import contents, page

        survey = None if self.survey < 0 else self.survey
        self.status("counting surveys and species", 5)
        counted = contents.scan(self.clone(Surveys).folder, survey)
        candidates = contents.candidates(counted, survey)
        if candidates.empty:
            raise DataError(
                f"--survey {self.survey}: found no survey of this id in {self.origin}; leave it out to see one"
            )
        for column, name in ((IMAGE_COLUMN, "image_id"), (SERIES_COLUMN, "series_id")):
            candidates = self.add_own_id(candidates, column, name)
        self.status("drawing", 30)
        html, facts = page.render(self.subject, counted, self.folders, candidates, survey)
        (out / "index.html").write_text(html, encoding="utf-8")
        storage.note(out, **facts)

    def results(self) -> list[str]:
        """Where the page is."""
        return [f"page {self.published()[0].path.as_uri()}"]
