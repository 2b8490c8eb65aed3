"""Soil: acidity, texture, organic carbon and what else of SoilGrids a dataset has."""

from glc.covariates._base import Raster
from glc.covariates.bioclim import AREAS
from glc.registry import covariates

# SoilGrids of 2014 (Deneu et al. 2020, section 3.1): depth to bedrock, bulk density, cation exchange capacity, clay,
# organic carbon, acidity, silt, sand
OLD = ("bdticm", "bldfie", "cecsol", "clyppt", "orcdrc", "phihox", "sltppt", "sndppt")

covariates.register("soil")(
    Raster(
        "soil properties (SoilGrids)",
        patterns=(
            "EnvironmentalRasters/SoilGrids/*.tif",
            "EnvironmentalRasters/Soilgrids/*.tif",
            "EnvironmentalRasters/Soilgrids/soilgrids/*.tif",
            tuple(f"rasters/{name}/{name}*.tif" for name in OLD),
        ),
        areas=AREAS,
        nodata={f"{name}_{area}": -2147483647 if name == "bdticm" else -32768 for name in OLD for area in AREAS},
        limits={
            "*phh2o*": (0, 140),  # pH x 10
            "*bdod*": (0, 300),  # cg/cm3
            "bdticm": (0, 2_500_000),  # cm; the thickest sediments known are some 25 km
            "bldfie": (0, 2_650),  # kg/m3, up to the density of quartz
            "orcdrc": (0, 1_000),  # g/kg
            "phihox": (0, 140),  # pH x 10
            "???ppt": (0, 100),  # percent
            "*": (0, 10_000),  # g/kg, cg/kg, dg/kg, mmol/kg, cmol/kg, per mille, percent
        },
        tables=("soilgrids",),
        vector=OLD,
    )
)
