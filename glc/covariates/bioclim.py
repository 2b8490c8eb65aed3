"""Bioclimatic variables: bio1 to bio19, or those of them that a dataset has.

GeoLifeCLEF 2020 to 2022 call them bio_1 to bio_19, in a file for each of its two areas.
"""

from glc.covariates._base import Raster
from glc.registry import covariates

AREAS = ("FR", "USA")
"""Areas of the rasters of GeoLifeCLEF 2020 to 2022, as their file names tell them."""

covariates.register("bioclim")(
    Raster(
        "bioclimatic variables (CHELSA or WorldClim definitions)",
        patterns=(
            "EnvironmentalRasters/Climate/bioclim.tif",
            "EnvironmentalRasters/Climate/**/bio*.tif",
            "bioclim_derived.tif",
            "bio_*.tif",
            "rasters/bio_*/bio_*.tif",
        ),
        areas=AREAS,
        nodata={f"bio_*_{area}": -2147483647 for area in AREAS},
        # deg C, or K x 10 where CHELSA's whole numbers were taken as they are; mm, or mm x 10: only zero is sure
        limits=dict.fromkeys(("bio1[2-9]", "bio[2347]", "bio_1[2-9]", "bio_[2347]"), (0, float("inf"))),
        # GeoLifeCLEF 2024 and 2025, and the name of the organisers' own server
        tables=("bioclimatic", "bioclimatic_average"),
        vector=tuple(f"bio_{number}" for number in range(1, 20)),
    )
)
