"""Human footprint: built-up land, lights, roads, pasture and the like, around 1993 and 2009."""

from glc.covariates._base import Raster
from glc.registry import covariates

covariates.register("footprint")(
    Raster(
        "human footprint",
        patterns=("EnvironmentalRasters/HumanFootprint/**/*.tif", "EnvironmentalRasters/Human Footprint/**/*.tif"),
    )
)
