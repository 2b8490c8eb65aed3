"""MODIS land cover, 13 layers: five class maps, three confidences, three FAO class maps, quality, and water.

Codes are those of the MCD12Q1 user guide (Sulla-Menashe and Friedl 2018). The 2024 paper's layers 9, 10 and 11 are
the three FAO maps, whose class numbers it compressed as if they were measurements.
"""

from glc.covariates._base import Raster
from glc.registry import covariates

_TYPES = ("type1", "type2", "type3", "type4", "type5")
_PROPERTIES = ("prop1", "prop2", "prop3")

covariates.register("landcover_modis")(
    Raster(
        "MODIS land cover (MCD12Q1)",
        patterns=("EnvironmentalRasters/LandCover/LandCover_MODIS*.tif",),
        bands=(*_TYPES, *(f"{name}_confidence" for name in _PROPERTIES), *_PROPERTIES, "quality", "water"),
        classes={
            1: tuple(range(1, 18)),
            2: tuple(range(16)),
            3: tuple(range(11)),
            4: tuple(range(9)),
            5: tuple(range(12)),
            9: (1, 2, 3, 11, 12, 13, 14, 15, 16, 21, 22, 31, 32, 41, 42, 43),
            10: (1, 2, 3, 9, 10, 20, 25, 30, 35, 36, 40),
            11: (1, 2, 3, 10, 20, 27, 30, 40, 50, 51),
            12: tuple(range(11)),
            13: (1, 2),
        },
        nodata=255,
    )
)
