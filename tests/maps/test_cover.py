"""Which cells are predicted: land, areas, masks in any CRS."""

import json

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from glc import basemap
from glc.errors import DataError
from glc.maps import cover
from glc.maps import grid as grids
from glc.maps.cover import Cover, CoverOptions

GRID = grids.of_bounds((3.0, 43.0, 5.0, 44.0), "EPSG:3035", 5000)
SEA = grids.of_bounds((5.0, 40.8, 7.0, 41.5), "EPSG:3035", 5000)


def chosen(grid, **options):
    covering = Cover(grid, CoverOptions(**options))
    return covering.all(), covering.messages


def write_mask(path, values, crs="EPSG:4326", nodata=None):
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=values.shape[1],
        height=values.shape[0],
        count=1,
        dtype=values.dtype,
        crs=crs,
        transform=from_origin(3.0, 44.0, 0.5, 0.5),
        nodata=nodata,
    ) as raster:
        raster.write(values, 1)
    return path


def centres(grid):
    row, col = np.indices(grid.shape)
    return grid.centre(row, col)


def test_land_is_predicted_and_the_sea_is_not():
    cells, _ = chosen(GRID)
    lon, lat = centres(GRID)
    assert (cells.ravel() == basemap.is_land(lon.ravel(), lat.ravel())).all()
    assert cells.any()
    assert not cells.all()


def test_without_a_mask_the_sea_is_predicted_too():
    cells, _ = chosen(GRID, mask="none")
    assert cells.all()


def test_an_area_is_predicted_by_the_centres_of_cells(tmp_path):
    path = tmp_path / "a.geojson"
    ring = [[3.2, 43.2], [4, 43.2], [4, 43.9], [3.2, 43.9], [3.2, 43.2]]
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    cells, _ = chosen(GRID, aoi=path, mask="none")
    lon, lat = centres(GRID)
    assert (cells == ((lon > 3.2) & (lon < 4) & (lat > 43.2) & (lat < 43.9))).all()


def test_a_mask_in_another_crs_is_reprojected_and_reported(tmp_path):
    # west, east: 1, 0; north, south: nodata beyond the raster
    path = write_mask(tmp_path / "mask.tif", np.array([[1, 1, 0, 0]], np.uint8))
    cells, (message,) = chosen(GRID, mask=path)
    lon, lat = centres(GRID)
    expected = (lon > 3) & (lon < 4) & (lat > 43.5) & (lat < 44)
    assert (cells != expected).mean() < 0.02  # nearest pixels of a warp, at the edges
    assert cells.any()
    assert "EPSG:4326" in message
    assert "reprojected to EPSG:3035" in message


def test_nodata_of_a_mask_is_not_predicted(tmp_path):
    path = write_mask(tmp_path / "mask.tif", np.array([[1, 255, 1, 255], [1, 255, 1, 255]], np.uint8), nodata=255)
    cells, _ = chosen(GRID, mask=path)
    lon, _ = centres(GRID)
    assert not cells[(lon > 3.6) & (lon < 3.9)].any()
    assert cells[(lon > 3.1) & (lon < 3.4)].any()


@pytest.mark.parametrize(
    ("options", "words"),
    [({}, "--mask none"), ({"mask": "zeros"}, "another --mask")],
)
def test_a_map_without_a_cell_is_refused(tmp_path, options, words):
    if options:
        options = {"mask": write_mask(tmp_path / "mask.tif", np.zeros((2, 4), np.uint8))}
    with pytest.raises(DataError) as error:
        chosen(SEA, **options)
    assert words in str(error.value)
    assert "lat 40.8" in str(error.value) or "lat 40.7" in str(error.value)


def test_the_sea_is_recognised_without_cells(tmp_path):
    with pytest.raises(DataError, match="no land there"):
        cover.check_land(SEA, CoverOptions())
    cover.check_land(SEA, CoverOptions(mask="none"))
    cover.check_land(GRID, CoverOptions())


def test_a_mask_without_a_crs_names_the_remedy(tmp_path):
    path = write_mask(tmp_path / "mask.tif", np.ones((2, 4), np.uint8), crs=None)
    with pytest.raises(DataError, match="gdal_edit"):
        chosen(GRID, mask=path)


def test_a_sample_of_cells_is_spread():
    cells = np.zeros((40, 50), bool)
    cells[10:30] = True
    row, col = cover.sample(cells, 100)
    assert 50 <= len(row) <= 100
    assert cells[row, col].all()
    assert row.min() == 10
    assert row.max() >= 28
