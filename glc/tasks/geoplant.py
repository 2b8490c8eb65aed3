"""The files of GeoPlant v2."""

from pathlib import Path

import luigi

from glc import registry
from glc.remote import competition_files, geoplant
from glc.tasks.console.task import ConsoleTask
from glc.tasks.parameters import RootParameter


class GeoplantDownload(ConsoleTask):
    """Parts of GeoPlant v2, in a folder that its edition recognises.

    Sizes are stated, and the disk's room compared, before anything is fetched. A connection that broke is continued by
    the same command; the folder gets the files when all have arrived.
    """

    folder = luigi.Parameter(default="", description="folder of the dataset (default: data/geoplant)")
    parts = luigi.ListParameter(
        default=geoplant.DEFAULT, description=f"parts of the dataset: {', '.join(geoplant.PARTS)}"
    )
    url = luigi.Parameter(
        default=geoplant.URL,
        significant=False,
        config_path={"section": "geoplant", "name": "url"},
        description="address of the files, with {path}; url of [geoplant] in luigi.cfg",
    )
    root = RootParameter(default="", significant=False, description="folder that the run's log goes to")

    @property
    def path(self) -> Path:
        """The dataset's folder."""
        return Path(self.folder or "data/geoplant").resolve()

    def complete(self) -> bool:
        geoplant.paths(self.parts)
        return competition_files.is_recorded(
            self.path, registry.editions.get(geoplant.EDITION), geoplant.key(self.parts)
        )

    def run(self) -> None:
        geoplant.fetch(self.path, self.parts, self.url, self.notice)

    def results(self) -> list[str]:
        sizes = competition_files.recorded(self.path)[geoplant.EDITION][geoplant.key(self.parts)]
        return [
            f"{self.path}: {len(sizes):,} files, {sum(sizes.values()):,} bytes, recognised as GeoPlant v2",
            f"  next: glc doctor --dataset {self.folder or 'data/geoplant'}",
        ]
