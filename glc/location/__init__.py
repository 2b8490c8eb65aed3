"""Places to vectors: an encoder of (lon, lat) that is trained by contrasting places with the imagery there."""

__all__ = ["LocationEncoder"]


def __getattr__(name):
    if name == "LocationEncoder":  # torch takes seconds, which reading a command's options need not
        from glc.location.encoder import LocationEncoder

        return LocationEncoder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
