"""What changes a location encoder: the section of its pre-training."""

from dataclasses import dataclass, field

from glc.config.fields import Choice, require


@dataclass(frozen=True)
class Pretraining:
    """Contrastive pre-training on imagery; the loss is the poster's (Xiong 2024), numbers without a source are ours."""

    features: Choice = field(default_factory=lambda: Choice("harmonics", {"degree": 40}))
    """A registered feature map of places: harmonics, raw, xyz, spherec_plus."""
    network: Choice = field(default_factory=lambda: Choice("siren", {"omega_first": 20.0}))
    """siren or mlp, from the features to the embedding. The frequency of the first layer decides how fine a pattern of
    the imagery the embedding can hold: with 2 it is that of the features alone, a few hundred kilometres."""
    image: Choice = field(default_factory=lambda: Choice("cnn"))
    """cnn, or a net of timm such as resnet18, from tiles to the embedding."""
    dim: int = 32
    """Length of the embeddings. SatCLIP's 256 find more images; for heads in new regions fewer are better."""
    leave_out: tuple[str, ...] = ()
    """Bands that are not seen, globs: ``tmean_*``. What an embedding is to predict belongs here."""
    land_band: str = "land_percent"
    """Band that tells land from sea; empty: all places where any band has a value."""
    land_least: float = 50.0
    """Least value of that band on land."""
    bounds: tuple[float, ...] = (-180.0, -90.0, 180.0, 90.0)
    """West, south, east and north of the places that are drawn, degrees."""
    places: int = 200_000
    size: int = 8
    """Side of a tile in pixels."""
    holdout: float = 0.03
    """Share of the places, whole squares of `holdout_deg`, that are only validated on."""
    apart_km: float = 50.0
    """Least distance between two places of one batch, great-circle; 0 allows any."""
    epochs: int = 5
    batch_size: int = 1024
    learning_rate: float = 1e-3
    """The highest: it rises for a tenth of the steps, then falls to nothing as a cosine."""
    weight_decay: float = 1e-2
    temperature: float = 0.07
    """τ at the start; learned, and kept at 0.01 or above (Radford et al. 2021)."""
    regression: float = 10.0
    """Weight of a second loss beside the poster's, ours: the mean square error of the tile's centre pixel and mean, in
    deviations of each band, read linearly off the embedding of the place. 0 leaves it out: the poster's loss alone."""
    seed: int = 0
    holdout_deg: float = 4.0
    """Side in degrees of the squares that are held out whole; of a region far less than its width."""

    def __post_init__(self):
        for name in ("dim", "size", "epochs"):
            require(getattr(self, name) >= 1, name, self, "at least 1")
        require(self.batch_size >= 2, "batch_size", self, "at least 2: the others of the batch are the contrast")
        require(self.places >= 2 * self.batch_size, "places", self, f"at least two batches, {2 * self.batch_size:,}")
        require(0 < self.holdout < 1, "holdout", self, "a share above 0 and below 1")
        require(0 < self.holdout_deg <= 90, "holdout_deg", self, "degrees, above 0 and at most 90")
        require(self.apart_km >= 0, "apart_km", self, "kilometres, 0 or above")
        require(self.learning_rate > 0, "learning_rate", self, "a number above 0")
        require(self.regression >= 0, "regression", self, "0 or above")
        require(self.weight_decay >= 0, "weight_decay", self, "0 or above")
        require(0.01 <= self.temperature <= 1, "temperature", self, "0.01 to 1")
        told = "west < east and south < north, degrees within ±180 and ±90"
        require(len(self.bounds) == 4, "bounds", self, told)
        west, south, east, north = self.bounds
        require(-180 <= west < east <= 180 and -90 <= south < north <= 90, "bounds", self, told)
