import json
import os

import numpy as np
import pytest
import shapely

from glc import basemap
from glc.basemap import convert
from glc.errors import DataError

ARCHIVE = os.environ.get("GLC_WORLD_ATLAS", "")


def names(lon, lat):
    world = basemap.world()
    return [world.name[row] if row >= 0 else "" for row in basemap.country_at(lon, lat)]


def test_places_are_in_the_countries_that_one_expects():
    lon = [2.35, 9.18, -74.0, 18.06, -35.0, np.nan, 6.95]
    lat = [48.86, 45.46, 40.75, 59.33, 45.0, 45.0, 43.0]
    assert names(lon, lat) == ["France", "Italy", "United States of America", "Sweden", "", "", ""]
    assert basemap.is_land(lon, lat).tolist() == [True, True, True, True, False, False, False]


def test_countries_that_cross_the_antimeridian_or_a_pole_are_whole():
    # Chukotka on both sides, Fiji's Vanua Levu and Taveuni, the Bering Sea, the South Pole, the North Pole
    lon = [178.0, -175.0, 179.3, -179.98, -178.0, 10.0, 0.0, 185.0]
    lat = [67.0, 66.5, -16.6, -16.8, 60.0, -89.9, 89.9, 66.5]
    assert names(lon, lat) == ["Russia", "Russia", "Fiji", "Fiji", "", "Antarctica", "", "Russia"]


def test_all_areas_are_valid_and_within_the_globe():
    world = basemap.world()
    areas = np.array([*world.country, world.land], object)
    assert shapely.is_valid(areas).all()
    assert shapely.total_bounds(areas) == pytest.approx([-180, -90, 180, 83.6], abs=0.1)
    # 29.2 % of the globe is land
    rng = np.random.default_rng(0)
    share = basemap.is_land(rng.uniform(-180, 180, 20_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 20_000)))).mean()
    assert share == pytest.approx(0.292, abs=0.02)
    assert dict((name, code) for name, code, _ in basemap.countries())["France"] == "250"


def test_a_border_is_no_coast_and_a_coast_no_border():
    lines = basemap.world().outline((5.5, 47.0, 9.5, 49.5))  # the Rhine, far from any sea
    assert not lines["coast"]
    assert lines["border"]
    points = np.concatenate(lines["border"])
    assert (points > np.array([5.5, 47.0]) - 1e-9).all()
    assert (points < np.array([9.5, 49.5]) + 1e-9).all()
    corsica = basemap.world().outline((8.0, 41.3, 9.8, 43.2))
    assert corsica["coast"]
    assert not corsica["border"]


def test_outlines_pass_180_degrees_without_a_line_along_it():
    lines = basemap.world().outline((170.0, 60.0, 200.0, 72.0), borders=False)["coast"]
    points = np.concatenate(lines)
    assert points[:, 0].min() < 178
    assert points[:, 0].max() > 185
    for line in lines:
        edge = np.abs(line[:, 0] - 180) < 1e-6
        assert not (edge[1:] & edge[:-1]).any()
        assert np.abs(np.diff(line[:, 0])).max() < 5


def test_an_outline_can_be_projected():
    degrees = basemap.world().outline((8.0, 41.3, 9.8, 43.2))["coast"]
    metres = basemap.world().outline((8.0, 41.3, 9.8, 43.2), crs=3035)["coast"]
    assert [len(line) for line in metres] == [len(line) for line in degrees]
    assert np.concatenate(metres).min(axis=0) == pytest.approx([4.13e6, 2.02e6], rel=0.02)


def test_an_outline_of_the_globe_is_small():
    lines = basemap.world().outline((-180, -90, 180, 90))
    assert 5_000 < sum(map(len, lines["coast"])) < 60_000


@pytest.mark.parametrize("bounds", [(10, 0, 0, 10), (0, 10, 10, 0), (0, 0, 400, 10)])
def test_bounds_without_an_extent_are_refused(bounds):
    with pytest.raises(DataError, match="expected west < east"):
        basemap.world().outline(bounds)


def test_a_file_of_a_user_gives_countries_land_and_borders(tmp_path):
    def square(west, **properties):
        ring = [[west, 0], [west + 1, 0], [west + 1, 1], [west, 1], [west, 0]]
        return {"type": "Feature", "properties": properties, "geometry": {"type": "Polygon", "coordinates": [ring]}}

    path = tmp_path / "two.geojson"
    collection = {"type": "FeatureCollection", "features": [square(0, NAME="A", ISO_A3="AAA"), square(1, name="B")]}
    path.write_text(json.dumps(collection))
    world = basemap.world(path)
    assert (world.name, world.id) == (("A", "B"), ("AAA", ""))
    assert world.country_at([0.5, 1.5, 2.5], 0.5).tolist() == [0, 1, -1]
    assert world.land.area == pytest.approx(2)
    assert world.border.equals(shapely.LineString([[1, 0], [1, 1]]))
    for text in ("{}", "no JSON", json.dumps({"features": []}), json.dumps({"features": [square(500)]})):
        path = tmp_path / f"{len(text)}.geojson"
        path.write_text(text)
        with pytest.raises(DataError, match="cannot be read as a basemap"):
            basemap.world(path)
    with pytest.raises(DataError, match="cannot be read as a basemap"):
        basemap.world(tmp_path / "missing.geojson")


def test_another_archive_is_not_converted(tmp_path):
    path = tmp_path / "world-atlas-2.0.2.tgz"
    path.write_bytes(b"another")
    with pytest.raises(DataError, match="npm pack world-atlas"):
        convert.convert(path, tmp_path / "out.npz")


def test_a_topology_across_180_degrees_is_cut_there():
    # a square of 20 degrees round 180, another beside it that shares an edge, and an islet of two vertices
    topology = {
        "transform": {"scale": [1, 1], "translate": [-180, -90]},
        "arcs": [
            [[10, 80], [0, 20]],  # the shared edge
            [[10, 100], [340, 0], [0, -20], [-340, 0]],
            [[10, 80], [20, 0], [0, 20], [-20, 0]],
            [[50, 50], [1, 0], [-1, 0]],
        ],
        "objects": {
            "countries": {
                "geometries": [
                    {"type": "Polygon", "arcs": [[0, 1]], "id": "001", "properties": {"name": "Across"}},
                    {"type": "Polygon", "arcs": [[2, -1]], "properties": {"name": "East"}},
                    {"type": "MultiPolygon", "arcs": [[[3]]], "properties": {"name": "Islet"}},
                ]
            }
        },
    }
    arrays = convert.arrays(topology)
    assert arrays["id"].tolist() == ["001", "", ""]
    assert np.diff(arrays["country_1"][arrays["country_2"]]).tolist() == [2, 1, 0]  # polygons
    x = np.cumsum(arrays["country_x"])
    assert set(x) == {0, 10, 30, 350, 360}
    assert np.cumsum(arrays["border_x"]).tolist() == [10, 10]


@pytest.mark.slow
@pytest.mark.skipif(not ARCHIVE, reason="GLC_WORLD_ATLAS names no world-atlas-2.0.2.tgz")
def test_the_packaged_file_is_the_conversion_of_the_archive(tmp_path):
    convert.convert(ARCHIVE, tmp_path / "world.npz")
    with np.load(tmp_path / "world.npz") as made, np.load(basemap.WORLD) as packaged:
        assert set(made) == set(packaged)
        for key in packaged:
            np.testing.assert_array_equal(made[key], packaged[key])
