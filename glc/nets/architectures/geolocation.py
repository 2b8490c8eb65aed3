"""Species from coordinates: a linear map, or two layers, of the projected coordinates or of features of them.

Miyaguchi et al. 2024, section 5.2; the features, such as a location encoder's, are ours.
"""

import math
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from torch import nn

from glc import schema
from glc.config import SOME, Count, Dropout, NotNegative, Positive, Seed, section
from glc.errors import ConfigError
from glc.nets.architectures._base import Net
from glc.nets.layers.heads import start_at_frequencies
from glc.registry import models
from glc.types import MemberOptions

if TYPE_CHECKING:
    from glc.nets.inputs.features import Layout
    from glc.nets.inputs.summary import Summary


_PO = schema.DATASETS.index("po")


@models.register("geolocation")
class Geolocation(Net):
    """A linear map, or two layers, of the projected coordinates and of vectors among the inputs.

    Logits (batch, class) float32 of ``batch["easting"]`` and ``batch["northing"]``, (batch,) metres.

    While training, all coordinates are displaced each time by an isotropic Gaussian of two dimensions: its direction is
    uniform and its length has the Rayleigh distribution, whose mean is ``sigma sqrt(pi / 2)``. A mean displacement of
    `jitter_m` therefore takes ``sigma = jitter_m / sqrt(pi / 2)`` on each axis. Coordinates are then standardised with
    the mean and standard deviation of the training examples (on each axis at least that of the displacement), which the
    checkpoint carries as buffers. Inputs that are vectors (batch, feature, 1, 1), of locations or tables, are joined to
    them, standardised alike, not displaced.
    """

    @section
    class Options:
        """The defaults are the nonlinear net as published; fourier features are ours."""

        architecture: Literal["linear", "nonlinear"] = "nonlinear"
        """linear: one layer; nonlinear: two, with `latent` units between them."""
        latent: Count = 256
        """Units between the layers."""
        jitter_m: NotNegative = 5_000
        """Mean length of the displacement at training time, metres; 0 for none."""
        dropout: Dropout = 0.0
        """Share of latent units that is dropped while training."""
        features: Literal["coordinates", "fourier", "none"] = "coordinates"
        """coordinates; fourier: with the sines and cosines of plane waves of each wavelength appended, with which the
        net can follow patterns much smaller than the study area; or none: the vectors of its inputs alone."""
        wavelengths_km: Annotated[tuple[Positive, ...], SOME] = (50, 100, 200, 400, 800)
        """Lengths of the plane waves, kilometres."""
        waves: Count = 16
        """Plane waves of each wavelength, in random directions with random phases."""
        waves_seed: Seed = 0
        """Seed of the directions and phases."""
        prior: bool = False
        """Start the last layer's bias at each class's log-odds among the training examples (ours), rather than at
        random: thousands of rare classes are then not unlearned step by step from one half."""
        record_bias: bool = False
        """Learn an offset of each class for presence-only examples, which predictions leave out: how much more readily
        a species is recorded than surveys find it."""

    def __init__(self, options: MemberOptions, n_classes: int, layouts: "dict[str, Layout]") -> None:
        super().__init__(options, n_classes, layouts)
        self.standards = _standards(layouts)
        if not layouts and options.features == "none":
            raise ConfigError(
                "features: found 'none' and no [[inputs]], expected a location or table among them to read"
            )
        self.sigma_m = options.jitter_m / math.sqrt(math.pi / 2)
        self.register_buffer("mean", torch.zeros(2))
        self.register_buffer("std", torch.ones(2))
        width = 2 * (options.features != "none") + sum(len(layout.bands) for layout in layouts.values())
        if options.features == "fourier":
            waves, phases = _plane_waves(options.wavelengths_km, options.waves, options.waves_seed)
            self.register_buffer("waves", waves)
            self.register_buffer("phases", phases)
            width += 2 * len(phases)
        if options.architecture == "linear":
            self.layers = nn.Linear(width, n_classes)
        else:
            self.layers = nn.Sequential(
                nn.Linear(width, options.latent),
                nn.ReLU(inplace=True),
                nn.Dropout(options.dropout),
                nn.Linear(options.latent, n_classes),
            )

        self.offsets = nn.Parameter(torch.zeros(n_classes)) if options.record_bias else None

    def prepare(self, summary: "Summary") -> None:
        """Take the moments of the training places, metres, and of the inputs, and `prior` from their `summary`."""
        for name, standard in self.standards.items():
            standard.prepare(summary.inputs[name])
        self.mean.copy_(torch.as_tensor(summary.place_mean))
        # examples that share a coordinate, or nearly: displaced ones would be thousands of deviations wide
        std = torch.as_tensor(summary.place_std).clamp(min=self.sigma_m)
        self.std.copy_(torch.where(std > 0, std, torch.ones_like(std)))
        if self.options.prior:
            start_at_frequencies(self.layers if self.options.architecture == "linear" else self.layers[-1], summary)

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        features = [] if self.options.features == "none" else self._of_place(batch)
        for name, standard in self.standards.items():
            features.append(standard(batch[name]).nan_to_num(nan=0, posinf=0, neginf=0).flatten(1))
        logits = self.layers(torch.cat(features, dim=1))
        if self.training and self.offsets is not None:
            logits = logits + (batch["dataset"] == _PO)[:, None] * self.offsets
        return logits

    def _of_place(self, batch):
        """Tensors (batch, feature) of the coordinates."""
        place = torch.stack([batch["easting"], batch["northing"]], dim=1)
        if self.training and self.sigma_m:
            place = place + self.sigma_m * torch.randn_like(place)
        features = [(place - self.mean) / self.std]
        if self.options.features == "fourier":
            angle = (place - self.mean) @ self.waves + self.phases
            features += [angle.sin(), angle.cos()]
        return features


def _standards(layouts):
    """What standardises each input of `layouts`; a ConfigError tells of one that is no vector."""
    if not layouts:
        return nn.ModuleDict()
    from glc.nets.layers.encoders import Standard  # with timm, which the place alone does not need

    for name, layout in layouts.items():
        if layout.kind != "table":
            raise ConfigError(
                f"inputs: found {name} ({layout.kind}), expected locations or tables: geolocation reads vectors alone; "
                "leave it out, or choose a net that reads it"
            )
    return nn.ModuleDict({name: Standard(layout) for name, layout in layouts.items()})


def _plane_waves(wavelengths_km, waves, seed):
    """Wave vectors (2, wave), radians per metre, in random directions, and random phases (wave,)."""
    generator = torch.Generator().manual_seed(seed)
    direction, phase = 2 * math.pi * torch.rand(2, len(wavelengths_km) * waves, generator=generator)
    number = 2 * math.pi / (1000 * torch.tensor(wavelengths_km, dtype=torch.float32).repeat_interleave(waves))
    return torch.stack([direction.cos(), direction.sin()]) * number, phase
