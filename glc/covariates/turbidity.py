"""Linke turbidity of the air, January to December, x 20."""

from glc.covariates._base import Raster
from glc.registry import covariates

covariates.register("turbidity")(
    Raster(
        "monthly Linke turbidity x 20",
        patterns=("linke_turbidity_monthly.tif",),
        limits={"*": (0, 255)},  # Linke turbidity x 20
    )
)
