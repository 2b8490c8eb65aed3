"""Metadata of a survey: its year, area and uncertainty, its region and country (Tighnari, section 3.1)."""

from glc.covariates._base import Metadata
from glc.registry import covariates

covariates.register("metadata")(
    Metadata(
        "year, area, uncertainty of the coordinates, region and country of a survey",
        values={"year": "year", "area_m2": "areaInM2", "uncertainty_m": "geoUncertaintyInM"},
        categories={"region": "region", "country": "country"},
        limits={"area_m2": (0, float("inf")), "uncertainty_m": (0, float("inf"))},
    )
)
