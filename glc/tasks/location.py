"""A raster stack to a location encoder, pre-trained by contrasting places with the imagery there."""

from pathlib import Path

import luigi

from glc import storage
from glc.errors import ConfigError
from glc.location.options import Pretraining
from glc.tasks.base import ProductTask, Published, SectionParameter
from glc.tasks.machine import machine


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


class PretrainLocation(ProductTask):
    """``location.ckpt`` and ``image.ckpt``, both encoders, and ``history.csv``, the curves of their training.

    All three also stand at ``ROOT/location/<imagery>/<label>``. The content of the imagery counts, not its path.
    """

    imagery = ImageryParameter(description="GeoTIFF of many bands, or a folder of them")
    pretraining = SectionParameter(
        Pretraining, default=Pretraining(), description="the options of glc.location.options, as JSON"
    )
    label = luigi.Parameter(
        default="", significant=False, description="name in stable paths (default: encoder, or encoder-IDENTITY)"
    )
    threads = luigi.IntParameter(default=0, significant=False, description="of torch on a CPU; 0: as many as it takes")
    carried = ("imagery",)

    @property
    def dataset(self):
        """What stands for the dataset in names and manifests: the imagery."""
        return self.imagery

    @property
    def dataset_name(self):
        """The raster's name, or the folder's."""
        return Path(self.imagery).stem

    def more_identity(self):
        path = Path(self.imagery)
        files = sorted(path.glob("*.tif")) if path.is_dir() else [path]
        return [[one.name, storage.file_digest(one)] for one in files]

    def stable(self, name):
        """The stable path of a product."""
        standard = "encoder" if self.pretraining == Pretraining() else f"encoder-{self.identity}"
        return Path(self.root) / "location" / self.dataset_name / (self.label or standard) / name

    def published(self):
        return [
            Published(self.stable(name), self.folder / name) for name in ("location.ckpt", "image.ckpt", "history.csv")
        ]

    def write(self, out):
        from glc.location import train

        self.status(f"training on {self.pretraining.places:,} places", 5)
        facts = train.pretrain(
            self.imagery,
            out,
            self.pretraining,
            accelerator=machine().accelerator,
            threads=self.threads or None,
            wandb={
                "mode": machine().wandb_mode,
                "project": machine().wandb_project,
                "group": "location",
                "name": f"location-{self.label or self.identity}",
                "config": self.own_parameters(),
                "dir": str(Path(self.root) / "wandb"),
            },
        )
        storage.note(out, **facts)

    def results(self):
        """Where the encoders and the curves are."""
        return [f"{target.path.stem:9} {target.path}" for target in self.published()]
