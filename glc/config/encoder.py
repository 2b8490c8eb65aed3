"""The sections of an experiment of the location encoder: its pre-training, and what it is tested on.

Such an experiment has a ``[location]`` table where one of species has a model; `glc.config.load` tells them apart.
"""

from dataclasses import field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Len

from glc.config.fields import (
    Choice,
    Count,
    Dropout,
    Member,
    Natural,
    NotNegative,
    OpenShare,
    Positive,
    Seed,
    require,
    section,
)


@section
class EncoderPretraining:
    """Contrastive pre-training on imagery; the loss is the poster's (Xiong 2024), numbers without a source are ours."""

    features: Annotated[Choice, Member("locations")] = field(
        default_factory=lambda: Choice("harmonics", {"degree": 40})
    )
    """A registered feature map of coordinates: harmonics, raw, xyz, spherec_plus."""
    network: Annotated[Choice, Member("networks")] = field(
        default_factory=lambda: Choice("siren", {"omega_first": 20.0})
    )
    """siren or mlp, from the features to the embedding. The frequency of the first layer decides how fine a pattern of
    the imagery the embedding can hold: with 2 it is that of the features alone, a few hundred kilometres."""
    image: Annotated[Choice, Member("images")] = field(default_factory=lambda: Choice("cnn"))
    """From tiles to the embedding: cnn, a small net; or timm, a net of timm such as resnet18."""
    dim: Count = 32
    """Length of the embeddings. SatCLIP's 256 find more images; for heads in new regions fewer are better."""
    leave_out: tuple[str, ...] = ()
    """Bands that are not seen, globs: ``tmean_*``. What an embedding is to predict belongs here."""
    land_band: str = "land_percent"
    """Band of a raster that distinguishes land from sea; empty: all places where any band has a value. Patches, and
    an edition's tiles, are where they are."""
    land_least: float = 50.0
    """Least value of that band on land."""
    bounds: Annotated[tuple[float, ...], Len(4, 4)] = (-180.0, -90.0, 180.0, 90.0)
    """West, south, east and north of the places that are drawn, degrees."""
    places: Count = 200_000
    """Places that are drawn; of patches and tiles at most."""
    size: Count = 8
    """Side of a tile, pixels. Patches are averaged down to it; an edition's tiles show as many of their low DCT
    coefficients per axis."""
    holdout: OpenShare = 0.03
    """Share of the places, whole squares of `holdout_deg`, that are only validated on."""
    apart_km: NotNegative = 50.0
    """Least distance between two places of one batch, great-circle kilometres; 0 allows any."""
    epochs: Count = 5
    """Passes over the places."""
    batch_size: Annotated[int, Ge(2)] = 1024
    """Places per step; the others of the batch are the contrast."""
    learning_rate: Positive = 1e-3
    """The highest: it rises for a tenth of the steps, then falls to nothing as a cosine."""
    weight_decay: NotNegative = 1e-2
    """Decoupled weight decay."""
    temperature: Annotated[float, Ge(0.01), Le(1)] = 0.07
    """τ at the start; learned, and kept at 0.01 or above (Radford et al. 2021)."""
    regression: NotNegative = 10.0
    """Weight of a second loss added to the poster's, ours: the mean square error of the tile's centre pixel and mean,
    in deviations of each band, read linearly off the embedding of the place. 0 leaves it out: the poster's loss
    alone."""
    seed: Seed = 0
    """Seed of the places, the weights at the start and the batches."""
    shuffled: bool = False
    """Give every place the image of another one, a control: what the encoder then knows, it has from coordinates
    alone."""
    holdout_deg: Annotated[float, Gt(0), Le(90)] = 4.0
    """Side of the squares that are held out whole, degrees; for a region far less than its width."""

    def __post_init__(self) -> None:
        require(self.places >= 2 * self.batch_size, "places", self, f"at least two batches, {2 * self.batch_size:,}")
        west, south, east, north = self.bounds
        inside = -180 <= west < east <= 180 and -90 <= south < north <= 90
        require(inside, "bounds", self, "west < east and south < north, degrees within ±180 and ±90")


@section
class Localisation:
    """From an image to its place: the gallery that it is matched with."""

    gallery: Annotated[int, Ge(10)] = 100_000
    """Places that an image is matched with, even by area."""
    over: Literal["land", "sphere"] = "land"
    """Where they are: on land, or over the whole sphere (as in the poster)."""
    queries: Count = 4_000
    """Images of held-out squares that are located and, again, images of the training."""
    refine: bool = False
    """Climb from the best places to the highest similarity nearby as well, which is ours."""


@section
class Head:
    """Heads that learn a task from frozen embeddings. A linear head uses only `alpha`, and no seed."""

    kind: Literal["mlp", "linear"] = "mlp"
    """mlp, or linear (ridge regression and logistic regression)."""
    width: Count = 128
    """Units of each hidden layer."""
    depth: Count = 2
    """Hidden layers."""
    dropout: Dropout = 0.1
    """Share of the units that is dropped while training."""
    epochs: Count = 10
    """Passes over the places."""
    least_steps: Natural = 300
    """Steps that are taken at least, where the epochs have fewer."""
    batch: Count = 1024
    """Places per step."""
    learning_rate: Positive = 3e-3
    """Step size of the optimiser."""
    weight_decay: NotNegative = 1e-2
    """Decoupled weight decay."""
    alpha: NotNegative = 1e-4
    """Of the linear heads: penalty of the squared weights of standardised features, added to the mean loss of a row."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """float32; or bfloat16: products in bfloat16 while training, weights, loss and predictions in float32. About four
    times faster on a CPU that supports it (avx512_bf16, amx), slower on others."""


@section
class EncoderExperiment:
    """One experiment of the location encoder."""

    location: EncoderPretraining
    """Contrastive pre-training."""
    description: str = ""
    """What it is, in one sentence."""
    localisation: Localisation = field(default_factory=Localisation)
    """From an image to its place."""
    head: Head = field(default_factory=Head)
    """Heads on frozen embeddings."""
    name: str = ""
    """Name of the experiment: that of its file, not a key in it."""
