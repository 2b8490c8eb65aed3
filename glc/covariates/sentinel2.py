"""Sentinel-2: red, green, blue and near infrared of 10 m around each survey, 128 pixels wide (2025: 64)."""

from glc.covariates._base import Layer, Patches
from glc.registry import covariates

RGB, NIR = ("red", "green", "blue"), ("nir",)


def _2024(bands, kind):
    # those of presence-only surveys are a download of their own, not among Kaggle's files
    files = {"pa_train": "PA_Train", "pa_test": "PA_Test", "po": "PO_Train"}
    return Layer(
        bands,
        128,
        {
            dataset: (
                f"{name}_SatellitePatches_{kind}/{name.lower()}_patches_{kind.lower()}/{{cd}}/{{ab}}/{{id}}.jpeg",
            )
            for dataset, name in files.items()
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
