"""Bioclimatic variables: bio1 to bio19, or those of them that a dataset has."""

from glc.covariates._base import Raster
from glc.registry import covariates

covariates.register("bioclim")(
    Raster(
        "bioclimatic variables (CHELSA or WorldClim definitions)",
        patterns=(
            "EnvironmentalRasters/Climate/bioclim.tif",
            "EnvironmentalRasters/Climate/**/bio*.tif",
            "bioclim_derived.tif",
            "bio_*.tif",
        ),
    )
)
