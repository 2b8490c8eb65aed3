"""Land cover patches of GeoLifeCLEF 2020 and 2022 as one layer of zeros and ones per class."""

from glc.covariates.landcover_patches import patches
from glc.registry import covariates

covariates.register("landcover_onehot")(patches("onehot"))
