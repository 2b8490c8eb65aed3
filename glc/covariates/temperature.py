"""Mean monthly temperature in degrees Celsius, January to December."""

from glc.covariates._base import Raster
from glc.registry import covariates

covariates.register("temperature")(
    Raster(
        "monthly mean temperature in degrees Celsius",
        patterns=("tmean_monthly.tif",),
        limits={"*": (-90, 60)},  # deg C
    )
)
