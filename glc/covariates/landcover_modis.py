"""MODIS land cover, 13 layers: five class maps, three confidences, three FAO class maps, quality, and water.

The 2024 paper's layers 9, 10 and 11 are the three FAO maps (land cover, land use, surface hydrology), whose class
numbers it compressed as if they were measurements; here each class is a band of its own. The confidences are percent.
The quality flags are classes too, for their numbers have no order.
"""

from glc.covariates._base import Raster
from glc.registry import covariates

_TYPES = ("type1", "type2", "type3", "type4", "type5")
_PROPERTIES = ("prop1", "prop2", "prop3")

covariates.register("landcover_modis")(
    Raster(
        "MODIS land cover (MCD12Q1)",
        patterns=("EnvironmentalRasters/LandCover/LandCover_MODIS*.tif",),
        # the product's own order: LC_Type1 to 5, LC_Prop1 to 3_Assessment, LC_Prop1 to 3, QC, LW
        bands=(*_TYPES, *(f"{name}_confidence" for name in _PROPERTIES), *_PROPERTIES, "quality", "water"),
        # Sulla-Menashe and Friedl, User guide to collection 6 MODIS land cover (MCD12Q1 and MCD12C1) product, 2018,
        # tables 3 to 11; https://lpdaac.usgs.gov/documents/101/MCD12_User_Guide_V6.pdf
        classes={
            1: tuple(range(1, 18)),  # IGBP; 17 is water
            2: tuple(range(16)),  # University of Maryland
            3: tuple(range(11)),  # leaf area index
            4: tuple(range(9)),  # biome-biogeochemical cycles
            5: tuple(range(12)),  # plant functional types
            9: (1, 2, 3, 11, 12, 13, 14, 15, 16, 21, 22, 31, 32, 41, 42, 43),  # FAO LCCS1, land cover
            10: (1, 2, 3, 9, 10, 20, 25, 30, 35, 36, 40),  # FAO LCCS2, land use
            11: (1, 2, 3, 10, 20, 27, 30, 40, 50, 51),  # FAO LCCS3, surface hydrology
            12: tuple(range(11)),  # 0 classified land, 2 classified water, else a cause of doubt
            13: (1, 2),  # water, land
        },
        nodata=255,
        tables=("landcover",),
    )
)
