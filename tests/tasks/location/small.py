"""A pre-training of seconds."""

from glc.config import Variant

SMALL = {
    "features": {"name": "harmonics", "degree": 3},
    "network": {"name": "siren", "hidden": 8},
    "image": {"name": "cnn", "channels": [4]},
    "dim": 4,
    "places": 128,
    "size": 2,
    "batch_size": 32,
    "epochs": 1,
    "apart_km": 0.0,
    "bounds": [5.0, 39.0, 11.0, 45.0],
}


def small(base="location", **changes):
    """The experiment `base` with `SMALL` and `changes` in its [location]."""
    return Variant(base).changed(location=SMALL | changes)
