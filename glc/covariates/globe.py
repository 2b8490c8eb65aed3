"""Altitude, monthly temperature and turbidity, and land of the whole globe, a quarter of a degree per pixel."""

from glc.covariates._base import Raster
from glc.registry import covariates

covariates.register("globe")(
    Raster(
        "altitude, temperature, turbidity and land of the whole globe",
        patterns=("imagery_15m.tif",),
    )
)
