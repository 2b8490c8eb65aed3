"""Settings of downstream tasks: what is told of a place, and what learns from it."""

from dataclasses import dataclass, field

from glc.config.fields import Choice, require

PLACES_ALONE = ("nearest", "kriging")
"""Kinds of sources that labelled places tell by themselves: no features, and no head to learn from them."""
SOURCES = (*PLACES_ALONE, "features", "raster", "encoder")
LEFT_OUT = ("", "own", "climate")
HEADS = ("mlp", "linear")
ALL = "*"
"""Of a path: for all targets that have none of their own."""


@dataclass(frozen=True)
class Source:
    """What is told of a place.

    kind : ``nearest`` and ``kriging`` (the references, no features), ``features`` (a feature map of
        `glc.location.features`), ``raster`` (bands of the nearest pixel; of labelled places alone) or ``encoder`` (a
        pre-trained `LocationEncoder`)
    features : of the kind ``features``; of an encoder, what stands beside its embedding
    left_out : of a raster, bands that are not told: each target's ``own``, or temperatures and altitude (``climate``)
        for the one and for the other
    """

    kind: str
    features: Choice = field(default_factory=lambda: Choice("none"))
    left_out: str = ""

    def __post_init__(self):
        require(self.kind in SOURCES, "kind", self, f"one of {', '.join(SOURCES)}")
        require(self.left_out in LEFT_OUT, "left_out", self, "'', 'own' or 'climate'")
        require(
            self.kind in ("features", "encoder") or self.features.name == "none",
            "features",
            self,
            "none but of the kinds features and encoder",
        )


@dataclass(frozen=True)
class Head:
    """Settings of a head: ``mlp``, or ``linear`` (ridge regression and logistic regression), and its training.

    alpha : of the linear ones: penalty of the squared weights of standardised features, beside the mean loss of a row
    A linear head has no use for the other settings, nor for a seed.
    """

    kind: str = "mlp"
    width: int = 128
    depth: int = 2
    dropout: float = 0.1
    epochs: int = 10
    least_steps: int = 300
    batch: int = 1024
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    alpha: float = 1e-4
    precision: str = "float32"
    """float32; or bfloat16: products in bfloat16 while training, weights, loss and predictions in float32. Some four
    times faster on a CPU that knows it (avx512_bf16, amx), slower on others."""

    def __post_init__(self):
        require(self.kind in HEADS, "kind", self, f"one of {', '.join(HEADS)}")
        for key in ("width", "depth", "epochs", "batch"):
            require(getattr(self, key) >= 1, key, self, "at least 1")
        require(0 <= self.dropout < 1, "dropout", self, "at least 0 and below 1")
        require(self.learning_rate > 0, "learning_rate", self, "above 0")
        require(self.alpha >= 0, "alpha", self, "at least 0")
        require(self.precision in ("float32", "bfloat16"), "precision", self, "float32 or bfloat16")
