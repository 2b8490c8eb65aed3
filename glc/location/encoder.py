"""The location encoder: features of places, a network, unit vectors; saved whole in one file of plain values."""

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn
from torch.nn import functional as F

from glc import __version__, config, storage
from glc.errors import DataError, GlcError
from glc.location import features as feature_maps
from glc.location import networks
from glc.progress import tqdm
from glc.training import loading
from glc.types import Facts, StrPath

KIND = "location encoder"
_BATCH = 16_384
_REMEDY = "pre-train one: make location-encoder"


class LocationEncoder(nn.Module):
    """Places to unit vectors (n, dim).

    features, network : config.Choice of a registered feature map, and of siren or mlp
    facts : plain values about its training, which the file carries
    """

    def __init__(self, features: config.Choice, network: config.Choice, dim: int, facts: Facts | None = None) -> None:
        super().__init__()
        self.choices = {"features": features, "network": network}
        self.dim, self.facts = dim, dict(facts or {})
        self.features = feature_maps.make(features)
        self.net = networks.make(network, self.features.width, dim)

    def forward(self, lon: torch.Tensor, lat: torch.Tensor) -> torch.Tensor:
        """Unit vectors (n, dim) float32 of float64 tensors (n,) in degrees."""
        return F.normalize(self.net(self.features(lon, lat)), dim=1)

    @torch.inference_mode()
    def embed(self, lon: ArrayLike, lat: ArrayLike, batch: int = _BATCH, progress: bool = False) -> np.ndarray:
        """Unit vectors (n, dim) float32, an array, of places in degrees (EPSG:4326), (n,) each, or one place.

        batch : places at once; they are computed where the encoder's weights are
        progress : show a bar
        A DataError tells of values that are no degrees, or not finite.
        """
        lon, lat = (torch.tensor(x) for x in feature_maps.degrees(lon, lat))
        out = np.empty((len(lon), self.dim), np.float32)
        device, training = next(self.parameters()).device, self.training
        self.eval()
        for start in tqdm(range(0, len(lon), batch), "embedding places", disable=not progress, unit="batch"):
            part = slice(start, start + batch)
            out[part] = self(lon[part].to(device), lat[part].to(device)).cpu().numpy()
        self.train(training)
        return out

    def save(self, path: StrPath) -> None:
        """Write the encoder to `path`, whole or not at all."""
        content = {name: config.to_dict(choice) for name, choice in self.choices.items()}
        content |= {"dim": self.dim, "facts": self.facts}
        write(path, KIND, content, self)

    @classmethod
    def load(cls, path: StrPath) -> "LocationEncoder":
        """The encoder in the file `path`, on the CPU and in evaluation mode; the file can run no code.

        A DataError tells of a file that is not there, or holds something else.
        """
        return read(path, KIND, cls._of)

    @classmethod
    def _of(cls, content):
        choices = {name: config.Choice(**content[name]) for name in ("features", "network")}
        return cls(**choices, dim=content["dim"], facts=content["facts"])


def write(path, kind, content, net):
    """Write `net` and the plain values `content` that make it, as a file of that `kind`."""
    state = {name: value.detach().cpu() for name, value in net.state_dict().items()}
    with storage.atomic_file(path) as scratch:
        torch.save({"glc": __version__, "kind": kind, **content, "state_dict": state}, scratch)


def read(path, kind, make):
    """The net in a file of that `kind`; `make` makes it from the file's values, without its weights."""
    try:
        content = loading.load(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; expected a {kind}; {_REMEDY}") from None
    except Exception as error:
        raise DataError(f"{path}: cannot be read as a {kind} ({error}); {_REMEDY}") from error
    actual = content.get("kind") if isinstance(content, dict) else type(content).__name__
    if actual != kind:
        raise DataError(
            f"{path}: found {actual!r}, expected a {kind}; pre-training writes location.ckpt and image.ckpt"
        )
    try:
        net = make(content)
        net.load_state_dict(content["state_dict"])
    except (GlcError, KeyError, TypeError, RuntimeError) as error:
        raise DataError(f"{path}: is no {kind} of this version ({error}); {_REMEDY}") from error
    return net.eval()
