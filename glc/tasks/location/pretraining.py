"""Imagery to a location encoder, pre-trained by contrasting coordinates with a raster stack, or an edition's tiles."""

from pathlib import Path
from typing import TYPE_CHECKING

import luigi

from glc import config, registry, storage
from glc.errors import ConfigError
from glc.location.pretraining.options import Pretraining, TilePretraining
from glc.tasks.base import GlcTask, ProductTask, Published
from glc.tasks.imagery import ImageryTask, Tiles
from glc.tasks.machine import training
from glc.tasks.parameters import NameParameter, PathParameter, SectionParameter
from glc.tasks.preflight import check_training
from glc.tasks.surveys import Surveys
from glc.types import JSON, Facts

if TYPE_CHECKING:
    from glc.training.machine import Machine

CHECKPOINTS = ("location.ckpt", "image.ckpt")


def _has_rasters(path: Path, option: str) -> Path:
    if path.is_dir() and not any(path.glob("*.tif")):
        raise ConfigError(f"{option} {path}: no *.tif in this folder; expected at least one")
    return path


def imagery_file() -> PathParameter:
    """A GeoTIFF, or a folder of them; the content counts, not the path."""
    return PathParameter(
        "any",
        "give a GeoTIFF of the globe's imagery, or a folder of them",
        check=_has_rasters,
        significant=False,
        variable="GLOBE",
        description="GeoTIFF of many bands, or a folder of them",
    )


class EncoderTask(ProductTask):
    """``location.ckpt`` and ``image.ckpt``, both encoders, and ``history.csv``, the curves of their training.

    All three are also published at ``ROOT/location/<imagery or dataset>/<label>``.
    """

    label = luigi.Parameter(
        default="", significant=False, description="name in stable paths (default: encoder, or encoder-IDENTITY)"
    )
    threads = luigi.IntParameter(default=0, significant=False, description="CPU threads of torch; 0: all")

    def check(self) -> None:
        check_training()

    def usual(self) -> bool:
        """Whether everything that changes the encoder, except what it sees, is at its default."""
        raise NotImplementedError(f"{type(self).__name__} does not say what is usual")

    def stable(self, name: str) -> Path:
        """The stable path of a product."""
        standard = "encoder" if self.usual() else f"encoder-{self.identity}"
        return Path(self.root) / "location" / self.subject / config.file_name(self.label or standard) / name

    def published(self) -> list[Published]:
        return [Published(self.stable(name), self.folder / name) for name in (*CHECKPOINTS, "history.csv")]

    def machine(self) -> "Machine":
        """How the training runs."""
        name = f"location-{self.label or self.identity}"
        return training(
            self.root,
            "location",
            name,
            self.own_parameters(),
            resume=self.parts_folder(),
            threads=self.threads or None,
        )

    def results(self) -> list[str]:
        """Where the encoders and the curves are."""
        return [f"{target.path.stem:9} {target.path}" for target in self.published()]


class GlobeTask(GlcTask):
    """A task on imagery of a globe or a region; its content counts, not its path."""

    imagery = imagery_file()

    @property
    def origin(self) -> str:
        return self.imagery

    @property
    def subject(self) -> str:
        """The raster's name, or the folder's."""
        return Path(self.imagery).stem


class PretrainLocation(GlobeTask, EncoderTask):
    """Encoders of coordinates on the land of a raster stack."""

    pretraining = SectionParameter(
        Pretraining, default=Pretraining(), description="options of the pre-training, as JSON"
    )

    def content(self) -> JSON:
        return [[file.name, storage.file_digest(file)] for file in self.files()]

    def files(self) -> list[Path]:
        """The rasters."""
        path = Path(self.imagery)
        return sorted(path.glob("*.tif")) if path.is_dir() else [path]

    def raw_files(self) -> list[Facts]:
        return [storage.raw_file(path) for path in self.files()]

    def usual(self) -> bool:
        return self.pretraining == Pretraining()

    def write(self, out: Path) -> None:
        from glc.location.pretraining import train

        self.status(f"training on {self.pretraining.places:,} places", 5)
        storage.note(out, **train.pretrain(self.imagery, out, self.pretraining, self.machine()))


class PretrainLocationOnTiles(EncoderTask, ImageryTask):
    """Encoders of a dataset's surveys and the tiles around them, by default Sentinel's of its training and test.

    The tiles are low DCT coefficients: the default's table is the one that nets read too, 256 times smaller than
    pixels.
    """

    covariate = NameParameter(registry.covariates, default="sentinel2", description="a registered covariate with tiles")
    size = luigi.IntParameter(default=128, description="side in pixels of the tiles that are cut")
    pretraining = SectionParameter(
        TilePretraining, default=TilePretraining(), description="options of the pre-training, as JSON"
    )

    def requires(self) -> dict[str, GlcTask]:
        return {"surveys": self.clone(Surveys), "tiles": self.clone(Tiles, block=self.pretraining.size)}

    def content(self) -> JSON:
        return None  # the files of the imagery count through the tiles

    def usual(self) -> bool:
        # no identities: the default's covariate may have no files here
        usual = type(self)(root=self.root, dataset=self.dataset)
        return (self.own_parameters(), self.surveys) == (usual.own_parameters(), usual.surveys)

    def write(self, out: Path) -> None:
        from glc.location.pretraining import train

        surveys = self.places().to_pandas()
        self.status(f"training on tiles of up to {len(surveys):,} surveys", 5)
        tiles = self.input()["tiles"].path
        storage.note(out, **train.pretrain_on_tiles(tiles, surveys, out, self.pretraining, self.machine()))
