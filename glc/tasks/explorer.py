"""A map as a static site: ``ROOT/explorer/<dataset>/<experiment>/index.html``."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import luigi

from glc import storage
from glc.errors import ConfigError, DataError
from glc.tasks.base import GlcTask, Outputs
from glc.tasks.experiment import ExperimentProduct
from glc.tasks.maps import FolderNameParameter, PublishedMap
from glc.tasks.outputs import Output, PublishedFolder, sound

if TYPE_CHECKING:
    from glc.explorer.finished import FinishedMap as MapFiles


class FinishedMap(GlcTask):
    """A map that is at its stable place, with the options that it was made with; it is never made here."""

    map_folder = luigi.Parameter(significant=False, description="folder of the finished map")

    @property
    def origin(self) -> str:
        return self.map_folder

    @property
    def subject(self) -> str:
        return str(Path(self.map_folder).relative_to(Path(self.root) / "maps").parts[0])

    @cached_property
    def identity(self) -> str:
        """That of the `DistributionMap` which made it."""
        return str(storage.manifest(self.map_folder)["identity"])

    @property
    def folder(self) -> Path:
        return Path(self.map_folder)

    def complete(self) -> bool:
        return sound(self.folder, digests=False)

    def write(self, out: Path) -> None:
        raise DataError(f"{self.map_folder}: the map was damaged and is removed; make it again with glc map")


class Explorer(ExperimentProduct):
    """A site that shows a map in any browser: ``ROOT/explorer/<dataset>/<experiment>/index.html``.

    It is made from the finished map at its stable place, with whichever options that was made. Another resolution or
    area is another map, which takes minutes or hours, so none is made here without being asked for.
    """

    map = FolderNameParameter(default="", description="name of the map (glc map --name); by default the one without")
    species = luigi.Parameter(default="", description="ids or names with commas between; by default all of the map")

    def requires(self) -> dict[str, GlcTask]:
        return {"map": self._map}

    @cached_property
    def _map(self) -> FinishedMap:
        """The finished map; a ConfigError says which there are instead."""
        maps = self.stable("maps")
        folder = maps / self.map if self.map else maps
        if storage.exists(folder):
            return FinishedMap(root=self.root, map_folder=str(folder))
        names = sorted(path.name for path in maps.glob("*") if storage.exists(path))
        there = ", ".join(["the map without a name"] * storage.exists(maps) + names)
        option, command = (f"--map {self.map}: ", f" --name {self.map}") if self.map else ("", "")
        raise ConfigError(
            f"{option}no finished map in {folder}; found {there or 'none'}; give --map NAME of one with a name, or "
            f"make it with: glc map {self.settings.name} --dataset {self.dataset} --resolution METRES{command}"
        )

    @property
    def site_folder(self) -> Path:
        """The stable place of the site."""
        return self.stable("explorer") / self.map if self.map else self.stable("explorer")

    def output(self) -> Outputs:
        return [Output(self.folder), *self.published()]

    def published(self) -> list[PublishedFolder]:  # type: ignore[override]  # a folder is as good as a file
        return [PublishedMap(self.site_folder, self.folder)]

    def check(self) -> None:
        """Refuse a name that cannot be used, species that are not on the map, and a model that is not there."""
        from glc.explorer.site import FOLDER  # imports matplotlib

        if self.map == FOLDER:
            raise ConfigError(f"--map {self.map}: the site has a folder of this name; expected a map with another one")
        self._files().chosen(self.species)

    def _files(self) -> "MapFiles":
        """The map, with the model that it was made from."""
        from glc.explorer.finished import FinishedMap as MapFiles

        folder = self._map.folder
        made_from = storage.manifest(folder)["inputs"][0]
        models = [Path(self.root) / made_from["folder"], self.stable("models")]
        for model in models:
            if storage.exists(model) and storage.manifest(model)["identity"] == made_from["identity"]:
                storage.bring(model)
                return MapFiles(folder, model)
        raise DataError(
            f"{folder}: made from the fitted experiment {made_from['identity']}, which is neither {models[0]} nor "
            f"{models[1]}; make the map again: glc map {self.settings.name} --dataset {self.dataset}"
        )

    def write(self, out: Path) -> None:
        from glc.explorer import site

        files = self._files()
        storage.note(out, **site.write(files, files.chosen(self.species), out, self.status))

    def results(self) -> list[str]:
        """Where the site is."""
        facts = storage.manifest(self.folder)
        return [
            f"{self.settings.name} on {self.subject}: {facts['species']:,} species, {facts['bytes'] / 1e6:,.1f} MB",
            f"  open {(self.site_folder / 'index.html').as_uri()}",
        ]
