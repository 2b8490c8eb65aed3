"""Land cover, one class per pixel: needleleaf, broadleaf, cropland, grassland, shrubland, water and wetland, bare."""

from glc.covariates._base import Raster
from glc.registry import covariates

covariates.register("landcover")(
    Raster(
        "land cover classes",
        patterns=("EnvironmentalRasters/LandCover/landcover.tif",),
        bands=("landcover",),
        classes={1: tuple(range(1, 8))},
    )
)
