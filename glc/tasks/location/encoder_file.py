"""The file of the location encoder that nets read."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import luigi

from glc import config, storage
from glc.errors import ConfigError

if TYPE_CHECKING:
    from glc.location import LocationEncoder


class location(luigi.Config):  # noqa: N801 - Luigi takes the section's name from the class
    """Where the location encoder is: ``--location-encoder PATH`` of any command, or ``[location]`` of luigi.cfg.

    A setting of the machine: its content counts in the identities of the tasks that read it, not its path.
    """

    encoder = luigi.Parameter(default="", description="location.ckpt, for nets with location = 'encoder'")


def location_encoder(choice: config.Choice | None = None) -> "tuple[str, LocationEncoder]":
    """(path, `LocationEncoder`) that the location `choice` names, or otherwise the command line.

    The file is read once, here: what is no location encoder is refused before anything runs.
    """
    path = (choice.options.get("path") if choice else "") or location().encoder
    remedy = "give a location.ckpt by --location-encoder (make: ENCODER=); make location-encoder makes one"
    if not path:
        raise ConfigError(f'inputs: found location = "encoder" without a path, expected the file of one; {remedy}')
    if not Path(path).is_file():
        raise ConfigError(f"location encoder {path}: no such file; {remedy}")
    path = str(Path(path).resolve())
    return path, _load(path, storage.file_digest(path))


@lru_cache(maxsize=16)
def _load(path: str, digest: str) -> "LocationEncoder":
    from glc.location import LocationEncoder

    return LocationEncoder.load(path)
