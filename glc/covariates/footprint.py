"""Human footprint: built-up land, lights, roads, pasture and the like, around 1993 and 2009."""

from glc.covariates._base import Raster
from glc.registry import covariates

covariates.register("footprint")(
    Raster(
        "human footprint",
        patterns=("EnvironmentalRasters/HumanFootprint/**/*.tif", "EnvironmentalRasters/Human Footprint/**/*.tif"),
        # the paper's rule: above 255 is 255, below 0 is 1 (Tighnari, section 3.1)
        limits={"*": (0, 255)},
        beyond=(1, 255),
        tables=("human_footprint",),
    )
)
