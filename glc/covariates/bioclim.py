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
        # deg C, or K x 10 where CHELSA's whole numbers were taken as they are; mm, or mm x 10: only zero is sure
        limits={"bio1[2-9]": (0, float("inf")), "bio[2347]": (0, float("inf"))},
        # GeoLifeCLEF 2024 and 2025, and the name of the organisers' own server
        tables=("bioclimatic", "bioclimatic_average"),
    )
)
