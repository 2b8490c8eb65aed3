"""Aerial photographs of GeoLifeCLEF 2020 and 2022: red, green, blue and near infrared of 1 m, 256 pixels wide."""

from glc.covariates._base import Layer, Patches
from glc.registry import covariates


def templates(kind, areas=("fr", "us")):
    """Where the patches of `kind` (such as ``rgb.jpg``) are."""
    paths = tuple(f"patches-{area}/{{cd}}/{{ab}}/{{id}}_{kind}" for area in areas)
    return dict.fromkeys(("po", "po_test"), paths)


covariates.register("aerial")(
    Patches(
        "aerial RGB and near infrared, 1 m (GeoLifeCLEF 2020, 2022)",
        layers=(
            (
                Layer(("red", "green", "blue"), 256, templates("rgb.jpg")),
                Layer(("nir",), 256, templates("near_ir.jpg")),
            ),
        ),
    )
)
