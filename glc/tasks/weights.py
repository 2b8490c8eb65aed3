"""Pre-trained weights of the image net that an experiment or the command line names."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import luigi

from glc import config, registry
from glc.types import MemberOptions

if TYPE_CHECKING:
    from glc.training.weights import Match


class weights(luigi.Config):  # noqa: N801 - Luigi takes the section's name from the class
    """Where weights are: ``--weights-folder FOLDER`` of any command, or ``[weights]`` of luigi.cfg.

    A setting of the machine: the content of files counts in the identities of the tasks that read them, not their path.
    """

    folder = luigi.Parameter(
        default="", description="folder of pre-trained weights, <timm name>.safetensors or .pth, for nets of images"
    )


@dataclass(frozen=True)
class Backbone:
    """The net of timm that reads the tiles of an experiment's net.

    name : of timm; scale : share of its published widths
    file : of its weights, found; None: random weights
    """

    name: str
    scale: float
    file: Path | None

    def check(self) -> "Match | None":
        """How the file fits; a ConfigError refuses one that does not."""
        from glc.training.weights import check

        return check(self.file, self.name, self.scale) if self.file else None


def backbone(settings: config.Experiment) -> Backbone | None:
    """The image net of an experiment, or None; a ConfigError tells of weights that are not there."""
    member = registry.models.get(settings.model.name)
    if member.kind != "net":
        return None
    options: MemberOptions = config.options(member, settings.model, "model")
    name, scale = member.backbone(options)
    if not name:
        return None
    from glc.training.weights import find, named

    wanted = options.weights or weights().folder
    return Backbone(name, scale, find(wanted, name) if named(wanted) else None)


def with_file(model: config.Choice, weights: str) -> config.Choice:
    """The choice of a net with `weights` in place of its own option; without the option where that is empty."""
    options = {key: value for key, value in model.options.items() if key != "weights"}
    return config.Choice(model.name, options | ({"weights": weights} if weights else {}))
