"""Tables of labelled places from country borders and a user's rasters, for the downstream tasks."""

from pathlib import Path

import luigi

from glc import storage
from glc.tasks.base import ProductTask, Published
from glc.tasks.parameters import CountParameter, PathParameter
from glc.types import JSON, Facts


class LocationPlaces(ProductTask):
    """``location_tasks.parquet`` and ``location_query.parquet``, also published at ``ROOT/location/places``."""

    rasters = PathParameter(
        "folder",
        "give the one of prec_monthly.tif, tmean_monthly.tif (twelve bands each) and altitude*.tif of the world",
        significant=False,
        variable="RASTERS",
        description="folder of prec_monthly.tif, tmean_monthly.tif (twelve bands each) and altitude*.tif",
    )
    borders = PathParameter(
        "file",
        "give a GeoJSON of countries",
        optional=True,
        significant=False,
        description="GeoJSON of countries (default: Natural Earth 1:10m)",
    )
    count = CountParameter(least=100, default=50_000, description="places that are drawn on land")
    seed = luigi.IntParameter(default=0, description="seed of the places and the folds")

    @property
    def origin(self) -> str:
        return self.rasters

    def check(self) -> None:
        self.content()

    def content(self) -> JSON:
        from glc.location.downstream import places

        return places.fingerprint(self.rasters, self.borders)

    def raw_files(self) -> list[Facts]:
        from glc.location.downstream import places

        named = [Path(self.borders)] if self.borders else []
        return [storage.raw_file(path) for path in (*places.files(self.rasters), *named)]

    def published(self) -> list[Published]:
        place = Path(self.root) / "location" / "places"
        names = ("location_tasks.parquet", "location_query.parquet")
        return [Published(place / name, self.folder / name) for name in names]

    def write(self, out: Path) -> None:
        from glc.location.downstream import places

        self.status(f"drawing {self.count:,} places on land")
        storage.note(out, **places.write(self.rasters, out, self.count, self.seed, self.borders))

    def results(self) -> list[str]:
        """Where the tables are, and how they are used."""
        folder = self.published()[0].path.parent
        return [f"tables {folder}", f"next   make location-tasks LOCATION={folder} GLOBE=…"]
