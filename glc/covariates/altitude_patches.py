"""Altitude patches of GeoLifeCLEF 2020 and 2022: whole metres, 1 m a pixel, 256 pixels wide."""

from glc.covariates._base import Layer, Patches
from glc.covariates.aerial import templates
from glc.registry import covariates

covariates.register("altitude_patches")(
    Patches(
        "altitude in m, 1 m a pixel (GeoLifeCLEF 2020, 2022)",
        layers=((Layer(("altitude",), 256, templates("altitude.tif")),),),
    )
)
