"""Köppen-Geiger climate classes (Rubel et al. 2017)."""

from glc.covariates._base import Raster
from glc.registry import covariates

covariates.register("koeppen")(
    Raster(
        "Köppen-Geiger climate classes",
        patterns=("koeppen_geiger.tif",),
        bands=("koeppen",),
        # 32 is the ocean; it has a band of its own, for it is no gap in the data
        classes={1: tuple(range(1, 33))},
    )
)
