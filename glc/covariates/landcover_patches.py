"""Land cover patches of GeoLifeCLEF 2020 and 2022: one of 34 classes a pixel, 1 m, 256 pixels wide.

``landcover_patches`` are the class numbers as they are; see also `glc.covariates.landcover_onehot`.
Classes 1 to 33 are of two legends, the French and the American one; 0 is what is not known.
"""

from glc.covariates._base import Layer, Patches
from glc.covariates.aerial import templates
from glc.registry import covariates

CLASSES = 34
"""Codes 0 to 33 (Deneu et al. 2020, section 2.2)."""


def patches(classes_as: str) -> Patches:
    """The covariate, its classes as `Patches.classes_as` says."""
    return Patches(
        f"land cover, classes as {classes_as}, 1 m a pixel (GeoLifeCLEF 2020 and 2022)",
        layers=((Layer(("landcover",), 256, templates("landcover.tif")),),),
        classes={"landcover": tuple(range(CLASSES))},
        classes_as=classes_as,
    )


covariates.register("landcover_patches")(patches("pixels"))
