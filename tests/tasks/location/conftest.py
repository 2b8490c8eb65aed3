"""A small raster of two bands."""

import numpy as np
import pytest

from tests.rasters.geotiffs import geotiff


@pytest.fixture
def raster(tmp_path):
    """Two bands over five degrees, as a GeoTIFF."""
    bands = np.random.default_rng(0).normal(60, 5, (2, 60, 60)).astype(np.float32)
    return geotiff(tmp_path / "globe.tif", bands, step=0.1, west=5, north=45, names=("altitude_m", "land_percent"))
