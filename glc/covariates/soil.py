"""Soil: acidity, texture, organic carbon and what else of SoilGrids a dataset has."""

from glc.covariates._base import Raster
from glc.registry import covariates

covariates.register("soil")(
    Raster(
        "soil properties (SoilGrids)",
        patterns=("EnvironmentalRasters/SoilGrids/*.tif", "EnvironmentalRasters/Soilgrids/*.tif"),
        limits={
            "*phh2o*": (0, 140),  # pH x 10
            "*bdod*": (0, 300),  # cg/cm3
            "*": (0, 10_000),  # g/kg, cg/kg, dg/kg, mmol/kg, per mille, percent
        },
        tables=("soilgrids",),
    )
)
