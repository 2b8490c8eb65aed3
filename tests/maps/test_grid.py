"""The cells of a map: from bounds, a raster, or areas; and what is refused."""

import json

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from rasterio.transform import from_origin

from glc.errors import ConfigError, DataError
from glc.maps import grid as grids

MIDI = (2.5, 42.3, 7.8, 45.0)


def test_a_grid_holds_its_bounds_and_its_edges_are_multiples_of_the_resolution():
    grid = grids.of_bounds(MIDI, "EPSG:3035", 5000)
    assert np.allclose(np.array(grid.bounds) % 5000, 0)
    left, bottom, right, top = grid.bounds
    project = pyproj.Transformer.from_crs(4326, 3035, always_xy=True)
    edge = np.linspace(0, 1, 50)
    west, south, east, north = MIDI
    for lon, lat in ((west + edge * (east - west), south), (west + edge * (east - west), north)):
        x, y = project.transform(lon, np.full(50, lat))
        assert left <= x.min()
        assert x.max() <= right
        assert bottom <= y.min()
        assert y.max() <= top
    # no smaller one does
    x, y = project.transform(west + edge * (east - west), np.full(50, south))
    assert y.min() - bottom < 5000


def test_centres_are_those_of_the_cells():
    grid = grids.of_bounds((2.0, 43.0, 3.0, 44.0), "EPSG:4326", 0.25)
    assert grid.shape == (4, 4)
    lon, lat = grid.centres(grids.Block(1, 2, 2, 1))
    assert np.allclose(lon, [2.625, 2.625])
    assert np.allclose(lat, [43.625, 43.375])
    assert np.allclose(grid.centre(1, 2), (2.625, 43.625))


def test_blocks_tile_the_grid():
    grid = grids.of_bounds(MIDI, "EPSG:3035", 2000)
    count = np.zeros(grid.shape, int)
    for block in grid.blocks():
        assert max(block.rows, block.cols) <= grids.BLOCK
        count[block.row : block.row + block.rows, block.col : block.col + block.cols] += 1
    assert (count == 1).all()


def test_the_side_of_a_cell_in_metres():
    assert grids.of_bounds(MIDI, "EPSG:3035", 2000).cell_m == pytest.approx(2000)
    grid = grids.of_bounds((0, 59.5, 1, 60.5), "EPSG:4326", 0.1)
    assert grid.cell_m == pytest.approx(11119.5 * np.sqrt(0.5), rel=1e-3)


def test_a_raster_gives_its_cells(tmp_path):
    path, transform = tmp_path / "a.tif", from_origin(3_900_000, 2_300_000, 250, 500)
    with rasterio.open(
        path, "w", driver="GTiff", width=7, height=5, count=1, dtype="uint8", crs="EPSG:3035", transform=transform
    ):
        pass
    grid = grids.like(path)
    assert (grid.crs, grid.transform, grid.shape) == ("EPSG:3035", transform, (5, 7))


def test_a_grid_over_the_antimeridian_has_one_footprint(tmp_path):
    path = tmp_path / "fiji.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=20,
        height=20,
        count=1,
        dtype="uint8",
        crs="EPSG:3832",
        transform=from_origin(2_900_000, -1_600_000, 50_000, 50_000),
    ):
        pass
    grid = grids.like(path)
    west, _, east, _ = grid.degrees
    assert west < 180 < east < west + 20
    lon, _ = grid.centres(next(grid.blocks()))
    assert np.abs(lon).max() <= 180
    assert (lon < 0).any()
    assert (lon > 0).any()


@pytest.mark.parametrize("crs", ["EPSG:32760", "EPSG:8859", "EPSG:4326", "EPSG:4269"])
def test_a_grid_of_bounds_across_180_degrees_holds_them_alone(crs):
    """30 x 34 cells or so, not all around the Earth."""
    step = 0.15 if crs in ("EPSG:4326", "EPSG:4269") else 15_000
    grid = grids.of_bounds((177, -18.5, 182, -14), crs, step)
    assert 28 <= grid.shape[0] <= 40
    assert 32 <= grid.shape[1] <= 56
    west, south, east, north = grid.degrees
    assert 175 < west <= 177
    assert 182 <= east < 184
    assert (south, north) == pytest.approx((-18.5, -14), abs=1)
    lon, lat = grid.centre(*(index.ravel() for index in np.indices(grid.shape)))
    assert np.abs(lon).max() <= 180
    assert {*np.sign(lon)} == {-1, 1}
    x, y = grid.project(lon, lat)
    col, row = ~grid.transform @ (x, y)
    assert np.floor([row, col]).astype(int).T.tolist() == np.indices(grid.shape).reshape(2, -1).T.tolist()


@pytest.mark.parametrize("crs", ["EPSG:3857", "EPSG:6933"])
def test_a_crs_that_is_torn_at_180_degrees_is_refused_there(crs):
    with pytest.raises(ConfigError, match=rf"across 180 degrees, where {crs} is torn apart; .*EPSG:32760"):
        grids.of_bounds((177, -18.5, 182, -14), crs, 15_000)
    grids.of_bounds((170, -18.5, 180, -14), crs, 15_000)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([(177, -20, 180, -15), (-180, -19, -178, -12)], (177, -20, 182, -12)),  # Fiji
        ([(-100, 0, 100, 10)], (-100, 0, 100, 10)),
        ([(177, 0, 180, 1), (-180, 0, -178, 1), (-5, 40, 9, 50)], (-180, 0, 180, 50)),  # France with Wallis
        ([(-5, 40, 0, 50), (0, 40, 9, 50)], (-5, 40, 9, 50)),
        ([(-120, 30, -110, 40), (-90, 30, -80, 40)], (-120, 30, -80, 40)),
    ],
)
def test_the_bounds_of_an_area_that_is_cut_at_180_degrees_are_across_it(parts, expected):
    assert grids.bounds_of(shapely.MultiPolygon([shapely.box(*part) for part in parts])) == expected


@pytest.mark.parametrize("text", ["177,-20,-178,-12", "177,-20,182,-12"])
def test_bounds_across_180_degrees_have_an_east_beyond_it(text):
    assert grids.parse_bounds(text) == (177, -20, 182, -12)


@pytest.mark.parametrize("text", ["-5,42,8,51", "-5.0,42,8.00,51"])
def test_a_negative_west(text):
    assert grids.parse_bounds(text) == (-5, 42, 8, 51)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,2,3", "W,S,E,N in degrees, such as"),
        ("a,b,c,d", "W,S,E,N in degrees, such as"),
        ("nan,42,8,51", "W,S,E,N in degrees"),
        ("300000,42,8,51", "beyond ±180 and ±90"),
        ("-5,51,8,42", "south 51 is not below north 42"),
        ("8,42,-5,51", "--bounds=8,42,180,51 and --bounds=-180,42,-5,51"),
        ("-170,42,185,51", "beyond ±180 and ±90"),
        ("5,42,5,51", "west 5 is not below east 5"),
    ],
)
def test_bounds_that_cannot_be_meant(text, words):
    with pytest.raises(ConfigError) as error:
        grids.parse_bounds(text)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("bounds", "crs", "resolution", "words"),
    [
        (MIDI, "EPSG:4326", 1000, "expected degrees"),
        (MIDI, "EPSG:3035", 0, "above 0"),
        (MIDI, "EPSG:3035", 0.01, "coarser resolution"),
        ((-80, 30, -70, 40), "EPSG:3035", 1000, "outside of the area of EPSG:3035"),
        (MIDI, "EPSG:2225", 1000, "expected metres or degrees"),
        (MIDI, "EPSG:99999", 1000, "no such CRS"),
    ],
)
def test_grids_that_cannot_be_meant(bounds, crs, resolution, words):
    with pytest.raises(ConfigError) as error:
        grids.of_bounds(bounds, crs, resolution)
    assert words in str(error.value)


SQUARE = {"type": "Polygon", "coordinates": [[[3, 43], [4, 43], [4, 44], [3, 44], [3, 43]]]}


@pytest.mark.parametrize(
    "content",
    [
        SQUARE,
        {"type": "Feature", "properties": {}, "geometry": SQUARE},
        {
            "type": "FeatureCollection",
            "features": [
                {"type": "Feature", "properties": {}, "geometry": SQUARE},
                {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [100, 0]}},
            ],
        },
    ],
)
def test_areas_of_a_geojson(tmp_path, content):
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps(content))
    assert grids.read_areas(path).bounds == (3, 43, 4, 44)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("no json", "cannot be read"),
        ('{"type": "FeatureCollection", "features": []}', "0 features without an area"),
        ('{"type": "Point", "coordinates": [3, 43]}', "lines and points have none"),
        (json.dumps(SQUARE).replace("43", "4300000"), "ogr2ogr -t_srs EPSG:4326"),
        (json.dumps(SQUARE | {"crs": {"properties": {"name": "urn:ogc:def:crs:EPSG::2154"}}}), "EPSG::2154"),
    ],
)
def test_areas_that_cannot_be_read(tmp_path, content, words):
    path = tmp_path / "a.geojson"
    path.write_text(content)
    with pytest.raises(DataError) as error:
        grids.read_areas(path)
    assert words in str(error.value)
    assert str(path) in str(error.value)
