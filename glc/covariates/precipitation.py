"""Mean monthly precipitation in mm, January to December."""

from glc.covariates._base import Raster
from glc.registry import covariates

covariates.register("precipitation")(
    Raster(
        "monthly precipitation in mm",
        patterns=("prec_monthly.tif",),
        limits={"*": (0, 10_000)},  # mm a month
    )
)
