"""The virtual globe, and imagery of a globe: rasters, or patches that are prepared for training.

VirtualGlobe (or a folder or archive) --- GlobePatches
"""

from pathlib import Path

from glc import storage
from glc.errors import ConfigError, did_you_mean
from glc.tasks.base import GlcTask
from glc.tasks.parameters import VIRTUAL, ChoiceParameter, CountParameter, PathParameter
from glc.types import JSON, Facts
from glc.world.globe import GLOBES, PARTS, PATCHES
from glc.world.globe import write as write_part

NAMES = tuple(f"{VIRTUAL}{name}" for name in GLOBES)
_PACKED = (".gz", ".xz", ".bz2", ".tgz")


class VirtualGlobe(GlcTask):
    """One part of a virtual globe: patches, raster or places."""

    globe = ChoiceParameter(choices=sorted(GLOBES), default="globe", description="which one")
    part = ChoiceParameter(choices=PARTS, default="patches", description="the part that is made")

    @property
    def origin(self) -> str:
        return f"{VIRTUAL}{self.globe}"

    @property
    def subject(self) -> str:
        return name_of(self.origin)

    def content(self) -> str:
        return repr(GLOBES[self.globe])

    def random_seeds(self) -> dict[str, int]:
        return {"globe.seed": GLOBES[self.globe].seed}

    def write(self, out: Path) -> None:
        self.status(f"making the {self.part} of the virtual globe")
        write_part(GLOBES[self.globe], out, self.part)


def virtual_part(path: str, part: str, root: str) -> VirtualGlobe | None:
    """The task that makes a part of the virtual globe that is called `path`; None where it is a file or folder."""
    return VirtualGlobe(globe=path.removeprefix(VIRTUAL), part=part, root=root) if path.startswith(VIRTUAL) else None


def name_of(path: str) -> str:
    """The name of a virtual globe, a file or a folder in paths."""
    return path.replace(":", "-") if path.startswith(VIRTUAL) else Path(path).stem


def _usable(path: Path, option: str) -> Path:
    from glc.location.pretraining import patches

    if path.suffix in _PACKED:
        raise ConfigError(
            f"{option} {path}: found a file compressed as a whole, expected a GeoTIFF, a zip, a tar that is not "
            "compressed, or a folder; unpack it"
        )
    if path.is_dir() and not any(path.glob("*.tif")) and not patches.is_patches(path):
        raise ConfigError(
            f"{option} {path}: no *.tif and no CSV in this folder; expected rasters of the globe, or patches with an "
            "index.csv (fn, lon, lat)"
        )
    return path


class GlobeParameter(PathParameter):
    """Imagery of a globe or a region: rasters, patches, or the virtual globe."""

    def normalize(self, x: str) -> str:
        if x.startswith(VIRTUAL) and x not in NAMES:
            raise ConfigError(f"{self.called}: found {x!r}, expected {' or '.join(NAMES)}{did_you_mean(x, NAMES)}")
        return super().normalize(x)


def imagery_file() -> GlobeParameter:
    """Imagery of the globe; the content counts, not the path."""
    return GlobeParameter(
        "any",
        f"give a GeoTIFF of the globe's imagery, or a folder of them; a folder, zip or tar of patches; or {NAMES[0]}",
        among=NAMES,
        check=_usable,
        significant=False,
        variable="GLOBE",
        description="GeoTIFF of many bands or a folder of them; patches with an index.csv, a folder, zip or tar; or "
        f"{NAMES[0]}",
    )


class GlobeTask(GlcTask):
    """A task on imagery of a globe or a region; its content counts, not its path."""

    imagery = imagery_file()

    @property
    def origin(self) -> str:
        return self.imagery

    @property
    def subject(self) -> str:
        """The name of the raster, the archive, the folder, or the virtual globe."""
        return name_of(self.imagery)

    @property
    def patches(self) -> bool:
        """Whether the imagery is patches, rather than rasters."""
        from glc.location.pretraining import patches

        return self.imagery in NAMES or patches.is_patches(self.imagery)


class GlobePatches(GlobeTask):
    """Patches around the globe, averaged down to one size, in a file that training reads in place."""

    size = CountParameter(description="side of the patches, pixels")

    def requires(self) -> list[VirtualGlobe]:
        made = virtual_part(self.imagery, "patches", self.root)
        return [made] if made else []

    @property
    def source(self) -> Path:
        """The folder or archive of the patches."""
        return Path(self.requires()[0].folder) / PATCHES if self.requires() else Path(self.imagery)

    def check(self) -> None:
        from glc.location.pretraining import patches

        if not self.requires():
            patches.check(self.source, self.size)

    def content(self) -> JSON:
        from glc.location.pretraining import patches

        return None if self.requires() else [patches.fingerprint(self.source)]

    def raw_files(self) -> list[Facts]:
        if self.requires():
            return []
        return [{"path": str(self.source), "modified": self.source.stat().st_mtime_ns}]

    def write(self, out: Path) -> None:
        from glc.location.pretraining import patches

        self.status("averaging patches")
        storage.note(out, **patches.prepare(self.source, out, self.size))
