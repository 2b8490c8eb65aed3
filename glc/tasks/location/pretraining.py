"""Imagery to a location encoder, pre-trained by contrasting places with it: a raster stack, or an edition's tiles."""

from pathlib import Path
from typing import Annotated

import luigi
from annotated_types import Ge

from glc import storage
from glc.config import Count, NotNegative, require, section
from glc.errors import ConfigError
from glc.location.pretraining.options import Pretraining
from glc.tasks.base import ProductTask, Published, SectionParameter
from glc.tasks.imagery import CovariateParameter, ImageryTask, Tiles
from glc.tasks.machine import machine
from glc.tasks.surveys import Surveys


@section
class TilePretraining(Pretraining):
    """`Pretraining` on an edition's tiles: the places are those of its surveys, which are on land.

    At most ``places`` of them are drawn, within ``bounds``; a tile is ``size`` pixels wide, which show as many of its
    low DCT coefficients per axis.
    """

    land_band: str = ""
    """Must be empty: the places are those of surveys."""
    epochs: Count = 20
    """Passes over the places."""
    batch_size: Annotated[int, Ge(2)] = 512
    """Places per step; the others of the batch are the contrast."""
    apart_km: NotNegative = 2.0
    """As in `Pretraining`; this far apart, Sentinel's tiles of 1.28 km do not overlap, and surveys stand in
    clusters."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(not self.land_band, "land_band", self, "none: the places are those of surveys")


class ImageryParameter(luigi.Parameter):
    """A GeoTIFF, or a folder of them; checked when the command is read."""

    def normalize(self, x):
        path = Path(x)
        if not path.exists():
            raise ConfigError(
                f"--imagery {x}: no such file; give a GeoTIFF of the globe's imagery, or a folder of them"
            )
        if path.is_dir() and not any(path.glob("*.tif")):
            raise ConfigError(f"--imagery {x}: no *.tif in this folder; expected at least one")
        return str(path.resolve())


class EncoderTask(ProductTask):
    """``location.ckpt`` and ``image.ckpt``, both encoders, and ``history.csv``, the curves of their training.

    All three also stand at ``ROOT/location/<imagery or dataset>/<label>``.
    """

    label = luigi.Parameter(
        default="", significant=False, description="name in stable paths (default: encoder, or encoder-IDENTITY)"
    )
    threads = luigi.IntParameter(default=0, significant=False, description="of torch on a CPU; 0: as many as it takes")

    def usual(self):
        """Whether all that changes the encoder, but for what it sees, is at its default."""
        raise NotImplementedError(f"{type(self).__name__} does not say what is usual")

    def stable(self, name):
        """The stable path of a product."""
        standard = "encoder" if self.usual() else f"encoder-{self.identity}"
        return Path(self.root) / "location" / self.dataset_name / (self.label or standard) / name

    def published(self):
        return [
            Published(self.stable(name), self.folder / name) for name in ("location.ckpt", "image.ckpt", "history.csv")
        ]

    def settings(self):
        """How the training runs, for `glc.location.pretraining.train.fit`."""
        return {
            "accelerator": machine().accelerator,
            "threads": self.threads or None,
            "wandb": {
                "mode": machine().wandb_mode,
                "project": machine().wandb_project,
                "group": "location",
                "name": f"location-{self.label or self.identity}",
                "config": self.own_parameters(),
                "dir": str(Path(self.root) / "wandb"),
            },
        }

    def results(self):
        """Where the encoders and the curves are."""
        return [f"{target.path.stem:9} {target.path}" for target in self.published()]


class OnImagery:
    """For tasks on the imagery of a globe or a region, which stands in for a dataset."""

    imagery = ImageryParameter(description="GeoTIFF of many bands, or a folder of them")

    @property
    def dataset(self):
        """What stands for the dataset in names and manifests: the imagery."""
        return self.imagery

    @property
    def dataset_name(self):
        """The raster's name, or the folder's."""
        return Path(self.imagery).stem


class PretrainLocation(OnImagery, EncoderTask):
    """Encoders of places on the land of a raster stack; the content of the imagery counts, not its path."""

    pretraining = SectionParameter(
        Pretraining, default=Pretraining(), description="options of the pre-training, as JSON"
    )
    carried = ("imagery",)

    def more_identity(self):
        path = Path(self.imagery)
        files = sorted(path.glob("*.tif")) if path.is_dir() else [path]
        return [[one.name, storage.file_digest(one)] for one in files]

    def usual(self):
        return self.pretraining == Pretraining()

    def write(self, out):
        from glc.location.pretraining import train

        self.status(f"training on {self.pretraining.places:,} places", 5)
        storage.note(out, **train.pretrain(self.imagery, out, self.pretraining, **self.settings()))


class PretrainLocationOnTiles(EncoderTask, ImageryTask):
    """Encoders of a dataset's surveys and the tiles around them, by default Sentinel's of its training and test.

    The tiles are low DCT terms: the default's table is the one that nets read too, and 256 times smaller than pixels.
    """

    covariate = CovariateParameter(default="sentinel2", description="a registered covariate with tiles")
    size = luigi.IntParameter(default=128, description="side in pixels of the tiles that are cut")
    pretraining = SectionParameter(
        TilePretraining,
        default=TilePretraining(),
        description="options of the pre-training, as JSON",
    )

    def requires(self):
        return {"surveys": self.clone(Surveys), "tiles": self.clone(Tiles, block=self.pretraining.size)}

    def more_identity(self):
        return None  # the files of the imagery count through the tiles

    def usual(self):
        # no identities: the default's covariate may have no files here
        usual = type(self)(root=self.root, dataset=self.dataset)
        return (self.own_parameters(), self.surveys) == (usual.own_parameters(), usual.surveys)

    def write(self, out):
        from glc.location.pretraining import train

        surveys = self.places().to_pandas()
        self.status(f"training on tiles of up to {len(surveys):,} surveys", 5)
        tiles = self.input()["tiles"].path
        storage.note(
            out,
            **train.pretrain_on_tiles(tiles, surveys, out, self.pretraining, **self.settings()),
        )
