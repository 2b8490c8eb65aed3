"""Longitude and latitude of a survey as values of a table, degrees; the paper's metadata holds them, too."""

from glc.covariates._base import Metadata
from glc.registry import covariates

covariates.register("coordinates")(
    Metadata(
        "longitude and latitude of a survey",
        values={"lon": "lon", "lat": "lat"},
        limits={"lon": (-180, 180), "lat": (-90, 90)},  # degrees
    )
)
