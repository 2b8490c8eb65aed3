"""Imagery to a location encoder, pre-trained by contrasting coordinates with rasters, patches or an edition's tiles."""

from pathlib import Path
from typing import TYPE_CHECKING

import luigi

from glc import config, registry, storage
from glc.tasks.base import GlcTask, ProductTask, Published, Requirements
from glc.tasks.imagery import ImageryTask, Tiles
from glc.tasks.location.experiment import EncoderExperimentTask
from glc.tasks.location.globe import GlobePatches, GlobeTask
from glc.tasks.machine import training
from glc.tasks.parameters import EncoderExperimentParameter, NameParameter
from glc.tasks.preflight import check_training
from glc.tasks.surveys import Surveys
from glc.types import JSON, Facts, MemberOptions

if TYPE_CHECKING:
    from glc.training.machine import Machine

CHECKPOINTS = ("location.ckpt", "image.ckpt")
COVARIATE, SIZE = "sentinel2", 128


class EncoderTask(EncoderExperimentTask, ProductTask):
    """``location.ckpt`` and ``image.ckpt``, both encoders, and ``history.csv``, the curves of their training.

    All three are also published at ``ROOT/location/<imagery or dataset>/<label>``.
    """

    sections = ("location",)
    label = luigi.Parameter(
        default="", significant=False, description="name in stable paths (default: that of the experiment)"
    )
    threads = luigi.IntParameter(default=0, significant=False, description="CPU threads of torch; 0: all")

    def check(self) -> None:
        check_training()
        self.check_weights()

    def usual(self) -> bool:
        """Whether what changes the encoder besides its experiment and its imagery is at its default."""
        return True

    def stable(self, name: str) -> Path:
        """The stable path of a product."""
        standard = self.settings.name if self.usual() else f"{self.settings.name}-{self.identity}"
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
        """Where the encoders and the curves are, and what the image net started from."""
        paths = [f"{target.path.stem:9} {target.path}" for target in self.published()]
        return [
            *paths,
            f"image net {self.settings.location.image.name}, from {storage.manifest(self.folder)['image_start']}",
        ]

    def weights(self) -> list[Path]:
        """The file of the image net's pre-trained weights, where one is named; its content counts."""
        image = self._pretrained_image()
        if image is None:
            return []
        from glc.training.weights import find  # torch takes seconds

        path = Path(image.weights)
        return [find(path, image.net) if path.is_dir() else path]

    def check_weights(self) -> None:
        """Refuse weights that are not there, or that do not fit the net, before anything is trained."""
        image = self._pretrained_image()
        if image is not None:
            from glc.training.weights import check

            check(image.weights, image.net, image.scale)

    def _pretrained_image(self) -> MemberOptions | None:
        """Options of the image net, if it starts from weights."""
        image = self.settings.location.image
        if not image.options.get("weights"):
            return None
        return config.options(registry.images.get(image.name), image, "image")


class PretrainLocation(GlobeTask, EncoderTask):
    """Encoders of coordinates on the land of rasters, or on patches around the globe."""

    def requires(self) -> Requirements:
        return {"patches": self.clone(GlobePatches, size=self.settings.location.size)} if self.patches else {}

    def content(self) -> JSON:
        # patches count through their task
        return [
            [file.name, storage.file_digest(file)] for file in (*self.files(), *filter(Path.is_file, self.weights()))
        ]

    def files(self) -> list[Path]:
        """The rasters."""
        if self.patches:
            return []
        path = Path(self.imagery)
        return sorted(path.glob("*.tif")) if path.is_dir() else [path]

    def raw_files(self) -> list[Facts]:
        return [storage.raw_file(path) for path in (*self.files(), *self.weights())]

    def write(self, out: Path) -> None:
        from glc.location.pretraining import train

        options = self.settings.location
        if self.patches:
            self.status("training on patches", 5)
            folder = self.input()["patches"].path
            storage.note(out, **train.pretrain_on_patches(folder, out, options, self.machine()))
            return
        self.status(f"training on {options.places:,} places", 5)
        storage.note(out, **train.pretrain(self.imagery, out, options, self.machine()))


class PretrainLocationOnTiles(EncoderTask, ImageryTask):
    """Encoders of a dataset's surveys and the tiles around them, by default Sentinel's of its training and test.

    The tiles are low DCT coefficients: the default's table is the one that nets read too, 256 times smaller than
    pixels.
    """

    experiment = EncoderExperimentParameter(
        default="location-surveys",
        significant=False,
        description=EncoderExperimentTask.experiment.description,
    )
    covariate = NameParameter(registry.covariates, default=COVARIATE, description="a registered covariate with tiles")
    size = luigi.IntParameter(default=SIZE, description="side in pixels of the tiles that are cut")

    def requires(self) -> dict[str, GlcTask]:
        return {"surveys": self.clone(Surveys), "tiles": self.clone(Tiles, block=self.settings.location.size)}

    def content(self) -> JSON:
        # the files of the imagery count through the tiles
        return [[file.name, storage.file_digest(file)] for file in filter(Path.is_file, self.weights())]

    def usual(self) -> bool:
        # no identities: the default's covariate may have no files here
        usual = {"covariate": COVARIATE, "size": SIZE, "datasets": (), "surveys": config.Surveys()}
        return all(getattr(self, name) == value for name, value in usual.items())

    def write(self, out: Path) -> None:
        from glc.location.pretraining import train

        surveys = self.places().to_pandas()
        options = self.settings.location
        self.status(f"training on tiles of up to {len(surveys):,} surveys", 5)
        tiles = self.input()["tiles"].path
        storage.note(out, **train.pretrain_on_tiles(tiles, surveys, out, options, self.machine()))
