"""Elevation of the ground in metres."""

from glc.covariates._base import Raster
from glc.registry import covariates

covariates.register("elevation")(
    Raster(
        "elevation in m",
        patterns=("EnvironmentalRasters/Elevation/*.tif", "altitude_5m.tif"),
        limits={"*": (-500, 9_000)},  # m
        tables=("elevation",),
    )
)
