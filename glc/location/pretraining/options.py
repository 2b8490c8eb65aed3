"""What changes a location encoder: the section of its pre-training."""

from dataclasses import field
from typing import Annotated

from annotated_types import Ge, Gt, Le, Len

from glc.config import Choice, Count, Member, NotNegative, OpenShare, Positive, Seed, require, section


@section
class Pretraining:
    """Contrastive pre-training on imagery; the loss is the poster's (Xiong 2024), numbers without a source are ours."""

    features: Annotated[Choice, Member("locations")] = field(
        default_factory=lambda: Choice("harmonics", {"degree": 40})
    )
    """A registered feature map of coordinates: harmonics, raw, xyz, spherec_plus."""
    network: Choice = field(default_factory=lambda: Choice("siren", {"omega_first": 20.0}))
    """siren or mlp, from the features to the embedding. The frequency of the first layer decides how fine a pattern of
    the imagery the embedding can hold: with 2 it is that of the features alone, a few hundred kilometres."""
    image: Choice = field(default_factory=lambda: Choice("cnn"))
    """cnn, or a net of timm such as resnet18, from tiles to the embedding."""
    dim: Count = 32
    """Length of the embeddings. SatCLIP's 256 find more images; for heads in new regions fewer are better."""
    leave_out: tuple[str, ...] = ()
    """Bands that are not seen, globs: ``tmean_*``. What an embedding is to predict belongs here."""
    land_band: str = "land_percent"
    """Band that distinguishes land from sea; empty: all places where any band has a value."""
    land_least: float = 50.0
    """Least value of that band on land."""
    bounds: Annotated[tuple[float, ...], Len(4, 4)] = (-180.0, -90.0, 180.0, 90.0)
    """West, south, east and north of the places that are drawn, degrees."""
    places: Count = 200_000
    """Places that are drawn."""
    size: Count = 8
    """Side of a tile, pixels."""
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
    holdout_deg: Annotated[float, Gt(0), Le(90)] = 4.0
    """Side of the squares that are held out whole, degrees; for a region far less than its width."""

    def __post_init__(self) -> None:
        require(self.places >= 2 * self.batch_size, "places", self, f"at least two batches, {2 * self.batch_size:,}")
        west, south, east, north = self.bounds
        inside = -180 <= west < east <= 180 and -90 <= south < north <= 90
        require(inside, "bounds", self, "west < east and south < north, degrees within ±180 and ±90")


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
