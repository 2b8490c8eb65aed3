"""AlphaEarth embeddings: what a satellite model says of each survey's place and year, as a vector.

GeoPlant has a parquet file per dataset, ``SatelliteData/AlphaEarth/PA-train-alphaearth.parquet``, with surveyId and a
column per component.
"""

from glc.covariates._base import Raster
from glc.registry import covariates

covariates.register("alphaearth")(
    Raster(
        "AlphaEarth embeddings",
        patterns=("SatelliteData/AlphaEarth/*.tif",),
        tables=("alphaearth",),
        table_name="SatelliteData/AlphaEarth/PA-train-{kind}.parquet",
    )
)
