"""The image side: tiles of many bands to unit vectors, by a small CNN or a net of timm."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from glc import config
from glc.config import SOME, Count, Natural, Rate, section
from glc.errors import DataError
from glc.location import encoder
from glc.registry import images
from glc.types import Facts, MemberOptions, StrPath

KIND = "image encoder"
_VALUES = 1 << 25


class ImageEncoder(nn.Module):
    """Tiles (n, band, row, col) of `size` pixels a side to unit vectors (n, dim) float32.

    bands : their names, in order; standardised by their own moments (`prepare`), what is not finite is their mean
    image : config.Choice of cnn (`Cnn`) or timm (`Timm`)
    """

    def __init__(
        self, bands: Sequence[str], size: int, image: config.Choice, dim: int, facts: Facts | None = None
    ) -> None:
        super().__init__()
        self.bands, self.size, self.choice, self.dim, self.facts = tuple(bands), size, image, dim, dict(facts or {})
        self.register_buffer("mean", torch.zeros(len(bands), 1, 1))
        self.register_buffer("scale", torch.ones(len(bands), 1, 1))
        member = images.get(image.name)
        self.net = member(config.options(member, image, "image"), len(bands), size, dim)

    def prepare(self, tiles: np.ndarray, rows: np.ndarray | slice = slice(None)) -> None:
        """Take the moments of the bands over the `rows` of `tiles` (n, band, row, col), and pre-trained weights."""
        mean, std = np.zeros((2, len(self.bands)))
        rows = np.arange(len(tiles))[rows]
        for band in range(len(self.bands)):  # one at a time: a copy of all tiles may not fit
            mean[band], std[band] = _moments(tiles, rows, band)
        varies = std > 1e-6 * np.hypot(mean, std)
        scale = np.divide(1, std, out=np.zeros_like(std), where=varies)
        self.mean.copy_(torch.as_tensor(mean)[:, None, None])
        self.scale.copy_(torch.as_tensor(scale)[:, None, None])
        self.net.prepare(self.bands)

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        return F.normalize(self.net(self.standard(tiles)), dim=1)

    def standard(self, tiles: torch.Tensor) -> torch.Tensor:
        """Tiles in deviations of their bands, 0 where nothing is known."""
        return ((tiles - self.mean) * self.scale).nan_to_num(nan=0, posinf=0, neginf=0)

    @torch.inference_mode()
    def embed(self, tiles: np.ndarray, batch: int = 1024) -> np.ndarray:
        """Unit vectors (n, dim) float32, an array, of an array of tiles; a DataError tells of another shape."""
        wanted = (len(self.bands), self.size, self.size)
        if np.ndim(tiles) != 4 or np.shape(tiles)[1:] != wanted:
            raise DataError(
                f"tiles: found an array of shape {np.shape(tiles)}, expected (n, band, row, col) = (n, "
                f"{', '.join(map(str, wanted))}) of the bands {', '.join(self.bands)}"
            )
        device, training = self.mean.device, self.training
        self.eval()
        out = np.empty((len(tiles), self.dim), np.float32)
        for start in range(0, len(tiles), batch):
            part = torch.as_tensor(np.asarray(tiles[start : start + batch], np.float32))
            out[start : start + batch] = self(part.to(device)).cpu().numpy()
        self.train(training)
        return out

    def save(self, path: StrPath) -> None:
        """Write the encoder to `path`, whole or not at all."""
        image = config.to_dict(self.choice)
        content = {"bands": list(self.bands), "size": self.size, "image": image, "dim": self.dim, "facts": self.facts}
        encoder.write(path, KIND, content, self)

    @classmethod
    def load(cls, path: StrPath) -> "ImageEncoder":
        """The encoder in the file `path`, on the CPU and in evaluation mode."""
        return encoder.read(path, KIND, cls._of)

    @classmethod
    def _of(cls, content):
        image = config.Choice(**content["image"])
        return cls(content["bands"], content["size"], image, content["dim"], content["facts"])


def _moments(tiles, rows, band):
    """Mean and deviation of what is finite of a band, part by part: tiles may be a map of a file beyond memory."""
    count, mean, squares = 0, 0.0, 0.0
    step = max(_VALUES // tiles[0, band].size, 1)
    for start in range(0, len(rows), step):
        values = tiles[rows[start : start + step], band].astype(np.float64)
        values = values[np.isfinite(values)]
        if not len(values):
            continue
        own, total = values.mean(), count + len(values)
        # Chan et al. 1979: moments of a part join those before it
        squares += values.var() * len(values) + (own - mean) ** 2 * count * len(values) / total
        mean, count = own if not count else mean + (own - mean) * len(values) / total, total
    return mean, (squares / max(count, 1)) ** 0.5


@images.register("cnn")
class Cnn(nn.Module):
    """3x3 convolutions with batch norm and ReLU, each but the first halving the map, then a linear layer."""

    @section
    class Options:
        channels: Annotated[tuple[Count, ...], SOME] = (64, 128, 128)
        """Channels of each convolution."""

    def __init__(self, options: MemberOptions, bands: int, size: int, dim: int) -> None:
        super().__init__()
        layers, before = [], bands
        for number, channels in enumerate(options.channels):
            stride = 2 if number and size > 1 else 1
            layers += [nn.Conv2d(before, channels, 3, stride, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
            before, size = channels, -(-size // stride)
        # more would be weights without end, and tell where in the tile a thing is to no use
        if size > 4:
            layers, size = [*layers, nn.AdaptiveAvgPool2d(4)], 4
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * size * size, dim))

    start = "random weights"

    def prepare(self, bands: Sequence[str]) -> None:
        """Nothing: all weights start at random."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


@images.register("timm")
class Timm(nn.Module):
    """A net of timm and a linear layer; all of it is trained, from pre-trained weights where a file is given."""

    @section
    class Options:
        net: str = "resnet18"
        """Its name in timm."""
        resize: Natural = 0
        """Side in pixels that the net sees, bilinear; 0 leaves the tiles as they are."""
        weights: str = ""
        """Pre-trained weights of the net: a file, or a folder with <its name>.safetensors or .pth; empty: random."""
        scale: Rate = 1.0
        """Share of the published widths."""

    def __init__(self, options: MemberOptions, bands: int, size: int, dim: int) -> None:
        super().__init__()
        from glc.training import timm_nets

        self.options = options
        self.net, width = timm_nets.backbone(options.net, bands, options.scale)
        self.linear = nn.Linear(width, dim)

    @property
    def start(self) -> str:
        """What the net starts from, in words."""
        from glc.training.weights import named

        return "pre-trained weights" if named(self.options.weights) else "random weights"

    def prepare(self, bands: Sequence[str]) -> None:
        """Take the weights of the file: here, for a trained encoder must load where that file is not."""
        from glc.training import weights

        if weights.named(self.options.weights):
            weights.check(self.options.weights, self.options.net, self.options.scale)
            weights.take(self.net, self.options.weights, self.options.net, bands)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.options.resize and x.shape[-1] != self.options.resize:
            x = F.interpolate(x, (self.options.resize,) * 2, mode="bilinear", align_corners=False)
        return self.linear(self.net(x))
