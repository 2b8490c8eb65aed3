"""Sentinel-2: red, green, blue and near infrared of 10 m around each survey, 128 pixels wide (2025: 64)."""

from glc.covariates._base import Layer, Patches
from glc.registry import covariates

RGB, NIR = ("red", "green", "blue"), ("nir",)


def _2024(bands, kind):
    small = kind.lower()
    return Layer(
        bands,
        128,
        {
            f"pa_{split.lower()}": (
                f"PA_{split}_SatellitePatches_{kind}/pa_{split.lower()}_patches_{small}/{{cd}}/{{ab}}/{{id}}.jpeg",
            )
            for split in ("Train", "Test")
        },
    )


def _2023(bands, kind):
    path = (f"SatelliteImages/{kind}/{{cd}}/{{ab}}/{{id}}.jpeg",)
    return Layer(bands, 128, dict.fromkeys(("po", "pa_train", "pa_test"), path))


# 16-bit reflectance x 10,000, all bands in one file
_2025 = Layer(
    RGB + NIR,
    64,
    {f"pa_{split}": (f"SatelitePatches/PA-{split}/{{cd}}/{{ab}}/{{id}}.tiff",) for split in ("train", "test")},
)

covariates.register("sentinel2")(
    Patches(
        "Sentinel-2 RGB and near infrared, 10 m",
        layers=((_2024(RGB, "RGB"), _2024(NIR, "NIR")), (_2023(RGB, "rgb"), _2023(NIR, "nir")), (_2025,)),
    )
)
