"""Rasters around 180° and the poles, in any CRS: values, tiles and masks of pixels that hold their own place."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from numpy.testing import assert_allclose, assert_array_equal
from pyproj import Transformer
from rasterio.transform import from_origin
from scipy.spatial import KDTree

from glc import geo
from glc.covariates import Raster
from glc.errors import DataError
from glc.maps import grid as map_grids
from glc.maps.cover import Cover, CoverOptions
from glc.rasters import grids
from glc.rasters.cutter import FLAGS, RasterCutter
from glc.rasters.values import RasterValues
from tests.rasters.geotiffs import geotiff

TILE = 8
WORLD = 20_037_508.342789244
EARTH = {
    "globe from -180": ("EPSG:4326", (-180, -90, 180, 90), 1),
    "globe from 0": ("EPSG:4326", (0, -90, 360, 90), 1),
    "globe from -190": ("EPSG:4326", (-190, -90, 170, 90), 1),
    "globe of centres": ("EPSG:4326", (-180.5, -90.5, 180.5, 90.5), 1),
    "globe of CRS84": ("OGC:CRS84", (0, -90, 360, 90), 1),
    "globe of NAD83": ("EPSG:4269", (-180, -90, 180, 90), 1),
    "part from 176": ("EPSG:4326", (176, -22, 184, -12), 0.1),
    "part of NAD83 from 170": ("EPSG:4269", (170, 50, 200, 65), 0.25),
    "part from -185": ("EPSG:4326", (-185, -22, -175, -12), 0.1),
    "part around Greenwich, from 350": ("EPSG:4326", (350, 40, 370, 50), 0.2),
    "part that ends at 180": ("EPSG:4326", (170, -20, 180, -10), 0.1),
    "part of grads": ("EPSG:4807", (190, 40, 210, 60), 0.2),
    "Alaska": ("EPSG:3338", (-2_200_000, 400_000, 1_500_000, 2_400_000), 20_000),
    "east of Alaska": ("EPSG:3338", (0, 400_000, 1_500_000, 2_400_000), 20_000),
    "New Zealand": ("EPSG:2193", (1_090_000, 4_740_000, 2_600_000, 6_200_000), 10_000),
    "Fiji": ("EPSG:32760", (400_000, 7_500_000, 1_200_000, 8_300_000), 5_000),
    "Antarctic": ("EPSG:3031", (-3_000_000, -3_000_000, 3_000_000, 3_000_000), 50_000),
    "Antarctic without the pole": ("EPSG:3031", (500_000, 500_000, 3_000_000, 3_000_000), 20_000),
    "Antarctic at 180": ("EPSG:3031", (-1_000_000, -2_500_000, 1_000_000, -500_000), 20_000),
    "Arctic": ("EPSG:3995", (-3_000_000, -3_000_000, 3_000_000, 3_000_000), 50_000),
    "Arctic of sea ice": ("EPSG:3413", (-2_000_000, -2_500_000, 1_500_000, 2_000_000), 40_000),
    "Arctic of equal areas": ("EPSG:6931", (-3_000_000, -3_000_000, 3_000_000, 3_000_000), 50_000),
    "Svalbard": ("EPSG:32633", (300_000, 8_450_000, 800_000, 8_990_000), 10_000),
    "Europe": ("EPSG:3035", (2_500_000, 1_400_000, 7_000_000, 5_400_000), 50_000),
    "world of equal areas": ("EPSG:6933", (-17_367_530.44, -7_300_000, 17_367_530.44, 7_300_000), 100_000),
    "world of Mercator": ("EPSG:3857", (-WORLD, -WORLD / 2, WORLD, WORLD / 2), WORLD / 200),
    "Pacific of Mercator": ("EPSG:3832", (0, -5_000_000, 9_000_000, 5_000_000), 100_000),
    "world of Mollweide": ("ESRI:54009", (-18_040_000, -9_020_000, 18_040_000, 9_020_000), 100_000),
    "world of Mollweide from 180": ("+proj=moll +lon_0=180", (-18_040_000, -9_020_000, 18_040_000, 9_020_000), 100_000),
    "Pacific of equal areas": ("EPSG:8859", (-4_000_000, -5_000_000, 9_000_000, 5_000_000), 100_000),
}
"""CRS, its bounds in its own units, and the side of a pixel."""


@dataclass
class Earth:
    """A raster of bands x, y, z: the place of each pixel's centre on the unit sphere, NaN where there is none."""

    crs: str
    step: float
    folder: Path
    transform: rasterio.Affine
    sphere: np.ndarray  # (rows, cols, 3)

    def sides(self):
        """Metres from each pixel to the one to the right, and to the one below: (rows - 1, cols - 1) each."""
        here = self.sphere[:-1, :-1]
        return metres(here, self.sphere[:-1, 1:]), metres(here, self.sphere[1:, :-1])

    def places(self, count):
        """Row and column of random pixels that show a place, and places anywhere in them, in degrees."""
        rng = np.random.default_rng(0)
        row, col = np.nonzero(np.isfinite(self.sphere[..., 0]))
        chosen = rng.integers(len(row), size=count)
        row, col = row[chosen], col[chosen]
        x, y = self.transform @ (col + rng.uniform(0.01, 0.99, count), row + rng.uniform(0.01, 0.99, count))
        lon, lat = Transformer.from_crs(self.crs, 4326, always_xy=True).transform(x, y)
        return row, col, frame((lon + 180) % 360 - 180, np.clip(lat, -90, 90))


@pytest.fixture(scope="module", params=EARTH)
def earth(request, tmp_path_factory):
    crs, (left, bottom, right, top), step = EARTH[request.param]
    shape = round((top - bottom) / step), round((right - left) / step)
    transform = from_origin(left, top, (right - left) / shape[1], (top - bottom) / shape[0])
    col, row = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
    x, y = transform @ (col, row)
    lon, lat = Transformer.from_crs(crs, 4326, always_xy=True).transform(x, y)
    shown = np.isfinite(lon) & (np.abs(lat) <= 90)
    if step >= 1000:  # corners of a map of the world show no place
        again = Transformer.from_crs(4326, crs, always_xy=True).transform(lon, lat)
        shown &= np.hypot(again[0] - x, again[1] - y) < step / 10
    lon, lat = np.where(shown, lon, 0), np.where(shown, lat, 0)
    sphere = geo.unit_sphere(lon.ravel(), lat.ravel()).reshape(*shape, 3)
    sphere[~shown] = np.nan
    folder = tmp_path_factory.mktemp("earth")
    geotiff(
        folder / "x.tif", sphere.transpose(2, 0, 1), crs=crs, transform=transform, nodata=np.nan, names=("x", "y", "z")
    )
    return Earth(crs, step, folder, transform, sphere)


def frame(lon, lat):
    return pd.DataFrame({"surveyId": np.arange(len(lon)), "lon": lon, "lat": lat})


def sphere_of(places):
    return geo.unit_sphere(places["lon"], places["lat"])


def metres(one, other):
    return geo.arc(np.linalg.norm(one - other, axis=-1))


XYZ = Raster("place on the unit sphere", ("x.tif",))


def test_a_place_has_the_value_of_its_own_pixel(earth):
    row, col, places = earth.places(400)
    values, _ = RasterValues(XYZ, [earth.folder]).read(places)
    assert metres(values, earth.sphere[row, col]).max() < 1
    places["lon"] += 360
    again, _ = RasterValues(XYZ, [earth.folder]).read(places)
    assert_allclose(again, values, atol=1e-12)


def test_of_places_anywhere_those_on_the_raster_are_on_their_pixel_and_no_other_has_one(earth):
    rng = np.random.default_rng(1)
    places = frame(rng.uniform(-180, 180, 5_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 5_000))))
    values, _ = RasterValues(XYZ, [earth.folder]).read(places)
    there = np.isfinite(values[:, 0])
    across, down = earth.sides()
    assert (metres(values, sphere_of(places))[there] < np.nanmax(np.hypot(across, down))).all()
    pixels = earth.sphere[np.isfinite(earth.sphere[..., 0])]
    nearest = geo.arc(KDTree(pixels).query(sphere_of(places)[~there])[0])
    assert (nearest > 0.4 * np.nanmin(np.minimum(across, down))).all()


def test_a_tile_lies_around_its_place_and_its_pixels_are_as_large_as_those_of_the_file(earth):
    row, col, places = earth.places(400)
    cutter = RasterCutter(XYZ, [earth.folder], TILE, "full", 64)
    values, valid, rank, _ = cutter.cut(places)
    (grid,) = (boxes.grid for boxes in cutter.boxes)
    tiles = np.stack([values[name].reshape(-1, TILE, TILE) for name in "xyz"], axis=-1)
    whole = (FLAGS[rank] == "ok") & (valid["x"] == 1)
    assert whole.mean() > 0.4
    assert not (FLAGS[rank] == "outside").any()
    here, middle = sphere_of(places), TILE // 2
    side = np.median([np.nanmedian(length) for length in earth.sides()])
    down = metres(tiles[whole, middle], tiles[whole, middle - 1]).mean(axis=1)
    assert 0.4 * side < np.median(down) < 2.1 * side
    off = metres(tiles[whole, middle, middle], here[whole])
    assert (off < 0.8 * np.hypot(down, np.nanmax(earth.sides()[0]))).all()
    # each pixel of a tile shows the place that it has by the tile's grid
    at = grid.pixels(places["lon"], places["lat"])
    shift = np.arange(TILE) - middle
    x, y = grid.transform @ (
        at[1][whole, None, None] + shift[None, None] + 0.5, at[0][whole, None, None] + shift[None, :, None] + 0.5
    )  # fmt: skip
    x, y = np.broadcast_arrays(x, y)
    lon, lat = Transformer.from_crs(grid.crs, 4326, always_xy=True).transform(x, y)
    wanted = geo.unit_sphere(lon.ravel(), lat.ravel()).reshape(*lon.shape, 3)
    # a warp that interpolates has no neighbour beyond an edge, and is at most half a pixel off there
    assert metres(tiles[whole], wanted).max() < (0.6 * np.nanmax(np.hypot(*earth.sides())) if grid.warped else 1)
    if not grid.warped:
        rows, cols = earth.sphere.shape[:2]
        inner = (row >= middle) & (row < rows - middle) & (col >= middle) & (col < cols - middle)
        assert (FLAGS[rank[inner]] == "ok").all()


def test_a_mask_is_looked_up_as_values_are(earth, tmp_path):
    x = earth.sphere[..., 0]
    half = np.nanmedian(x)
    path = geotiff(tmp_path / "mask.tif", (x > half)[None].astype("uint8"), crs=earth.crs, transform=earth.transform)
    margin = np.nanmax(np.hypot(*earth.sides())) / geo.EARTH_RADIUS_M
    for place in earth.places(4)[2].itertuples():
        crs = f"+proj=laea +lat_0={place.lat} +lon_0={place.lon} +datum=WGS84"
        step = 0.7 * (earth.step if earth.step >= 1000 else earth.step * 111_195)
        grid = map_grids.Grid(crs, rasterio.Affine(step, 0, -10.5 * step, 0, -step, 10.5 * step), (21, 21))
        (block,) = grid.blocks()
        cells = Cover(grid, CoverOptions(mask=path)).of(block)
        lon, lat = (degrees.ravel() for degrees in grid.centre(*np.indices(grid.shape)))
        own, _ = RasterValues(XYZ, [earth.folder]).read(frame(lon, lat))
        assert_array_equal(cells, np.nan_to_num(own[:, 0], nan=-9) > half)
        clear = np.isfinite(own[:, 0]) & (np.abs(sphere_of(frame(lon, lat))[:, 0] - half) > margin)
        assert_array_equal(cells[clear], sphere_of(frame(lon, lat))[clear, 0] > half)


@pytest.mark.parametrize(
    ("bounds", "lon", "lat", "col", "row"),
    [
        ((-180, -90, 180, 90), [180, -180, 540, 0, 0], [0, 0, 0, -90, 90], [0, 0, 0, 18, 18], [9, 9, 9, 17, 0]),
        ((0, -90, 360, 90), [180, -180, 0, 360, -0.1], [0, 0, 0, 0, -90], [18, 18, 0, 0, 35], [9, 9, 9, 9, 17]),
        ((100, -90, 180, 90), [180, -180, 100, 99], [0, 5, 5, 5], [7, 7, 0, -1], [9, 8, 8, -1]),
        ((-180, 0, -100, 90), [180, -180, -100, 540], [5, 5, 5, 90], [0, 0, -1, 0], [8, 8, -1, 0]),
        ((160, -20, 200, 20), [180, -180, 200, -160, 160], [0] * 5, [2, 2, -1, -1, 0], [2, 2, -1, -1, 2]),
    ],
)
def test_places_at_180_degrees_and_the_poles_are_on_the_raster(bounds, lon, lat, col, row):
    west, south, east, north = bounds
    shape = (north - south) // 10, (east - west) // 10
    grid = grids.Grid((), shape, shape, from_origin(west, north, 10, 10), "EPSG:4326", False, None)
    assert_array_equal(grid.pixels(lon, lat), [row, col])


def test_a_raster_is_warped_where_degrees_hold_it_in_one_piece(tmp_path):
    """A part of Alaska far from 180° is cut in degrees, as before; all of it is cut in its own pixels."""
    warped = {}
    for name, (crs, (left, bottom, right, top), step) in EARTH.items():
        shape = round((top - bottom) / step), round((right - left) / step)
        path = geotiff(tmp_path / "x.tif", np.zeros((1, *shape), "uint8"), crs=crs, west=left, north=top, step=step)
        warped[name] = grids.find(Raster("x", (path.name,)), [tmp_path])[0].warped
    assert {name for name, is_warped in warped.items() if is_warped} == {
        "globe of NAD83", "east of Alaska", "Europe", "world of equal areas", "world of Mercator", "world of Mollweide",
    }  # fmt: skip


def test_files_side_by_side_are_to_be_joined(tmp_path):
    whole = np.arange(40 * 80).reshape(1, 40, 80).astype("int16")
    for name, across in (("n43_e003", slice(0, 40)), ("n43_e004", slice(40, 80))):
        geotiff(tmp_path / f"{name}.tif", whole[:, :, across], west=3 + across.start / 40, north=44, step=0.025)
    for declared in ({}, {"crs": None}, {"bands": ("elevation",)}):
        with pytest.raises(
            DataError, match=r"n43_e003.tif: .* 2 files.*n43_e004.tif lie side by side.*gdalwarp .*JOINED"
        ):
            grids.find(Raster("x", ("*.tif",), **declared), [tmp_path])


@pytest.mark.parametrize("west", [4.0, 3.9])
def test_files_of_two_projections_or_with_a_small_overlap_are_to_be_joined_too(tmp_path, west):
    geotiff(tmp_path / "a.tif", np.ones((1, 40, 40), "uint8"), west=3, north=44, step=0.025)
    geotiff(tmp_path / "b.tif", np.ones((1, 30, 40), "uint8"), west=west, north=44, step=0.03)
    with pytest.raises(DataError, match="side by side"):
        grids.find(Raster("x", ("*.tif",)), [tmp_path])
    east, north = Transformer.from_crs(4326, 32631, always_xy=True).transform(4.2, 44)
    geotiff(tmp_path / "b.tif", np.ones((1, 40, 40), "uint8"), crs="EPSG:32631", west=east, north=north, step=2_500)
    with pytest.raises(DataError, match="side by side"):
        grids.find(Raster("x", ("*.tif",)), [tmp_path])


def test_variables_of_unequal_areas_and_of_named_areas_are_no_parts(tmp_path):
    geotiff(tmp_path / "a.tif", np.ones((1, 40, 40), "uint8"), west=3, north=44, step=0.025)
    geotiff(tmp_path / "b.tif", np.ones((1, 10, 10), "uint8"), west=3, north=43.5, step=0.025)
    assert len(grids.find(Raster("x", ("*.tif",)), [tmp_path])) == 2
    (tmp_path / "areas").mkdir()
    for west, area in ((3, "FR"), (-90, "US")):
        geotiff(tmp_path / "areas" / f"a_{area}.tif", np.ones((1, 40, 40), "uint8"), west=west)
    assert len(grids.find(Raster("x", ("*.tif",), areas=("FR", "US")), [tmp_path / "areas"])) == 2
