"""Soil: acidity, texture, organic carbon and what else of SoilGrids a dataset has."""

from glc.covariates._base import Raster
from glc.registry import covariates

covariates.register("soil")(
    Raster(
        "soil properties (SoilGrids)",
        patterns=("EnvironmentalRasters/SoilGrids/*.tif", "EnvironmentalRasters/Soilgrids/*.tif"),
    )
)
