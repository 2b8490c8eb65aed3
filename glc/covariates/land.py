"""Share of land in a cell, percent."""

from glc.covariates._base import Raster
from glc.registry import covariates

covariates.register("land")(
    Raster(
        "share of land in percent",
        patterns=("land_fraction.tif",),
        limits={"*": (0, 100)},  # percent
    )
)
