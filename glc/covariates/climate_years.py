"""Climate of the years 2001, 2010 and 2019: the year's mean of each variable, a band per variable and year.

Miyaguchi et al. 2024, section 5.2.1, take these three years because they are evenly spaced over the contest's climate
rasters, which are monthly, 2000 to 2019: the mean of a year's twelve months is made on reading. Yearly rasters,
``Climate/Yearly/<name>_2001.tif`` and so on, are read as they are; they come first. For other years: a file like this
one.
"""

from glc.covariates._base import Raster
from glc.registry import covariates

YEARS = (2001, 2010, 2019)

_MONTHLY = tuple(f"CHELSA_*_{year}_V.2.1.tif" for year in YEARS)

covariates.register("climate_years")(
    Raster(
        "climate of 2001, 2010 and 2019, means of the year",
        patterns=(
            tuple(f"EnvironmentalRasters/Climate/Yearly/*_{year}.tif" for year in YEARS),
            tuple(f"EnvironmentalRasters/Climate/**/{name}" for name in _MONTHLY),
            _MONTHLY,
        ),
        whole=True,
        monthly=r"CHELSA_(?P<variable>[a-z]+)_(?P<month>\d{1,2})_(?P<year>\d{4})_V\.2\.1",
    )
)
