"""Pictures of a location encoder, and the figures that they tell."""

import numpy as np
import pytest
import torch
from PIL import Image

from glc import geo
from glc.config.fields import Choice
from glc.errors import ConfigError, DataError
from glc.location import LocationEncoder
from glc.location.downstream import problems
from glc.report import location, location_errors
from tests.location import places


@pytest.fixture
def world():
    return places.tasks(300)


def size(path):
    with Image.open(path) as image:
        return image.size


def test_fibonacci_places_are_evenly_spread():
    lon, lat = location.fibonacci(2_000)
    points = geo.unit_sphere(lon, lat)
    assert np.abs(points.mean(axis=0)).max() < 1e-3
    # bands of equal area hold as many places
    assert np.ptp(np.histogram(np.sin(np.radians(lat)), 10, (-1, 1))[0]) <= 1
    assert np.ptp(np.histogram(lon, 8, (-180, 180))[0]) < 10
    nearest = np.sort(np.linalg.norm(points[:, None] - points[None], axis=2), axis=1)[:, 1]
    assert nearest.min() > 0.8 * np.sqrt(4 * np.pi / 2_000)


def test_the_error_map_tells_the_largest_error(world, tmp_path):
    truth = world["prec_annual_mm"].to_numpy()
    predicted = truth + np.where(np.arange(300) == 7, -432.0, 1.0)
    found = location.error_map(
        tmp_path / "e.png", world["lon"].to_numpy(), world["lat"].to_numpy(), truth, predicted, "Rain", "mm"
    )
    assert found[0] == pytest.approx(432, abs=1e-2)
    assert found[1] == pytest.approx(1, abs=1e-2)
    assert min(size(tmp_path / "e.png")) > 300
    with pytest.raises(ConfigError, match=r"expected .png, .svg or .pdf"):
        location.error_map(tmp_path / "e.txt", [0], [0], truth[:1], truth[:1], "Rain", "mm")


def test_shares_of_wrong_places_by_distance_and_group(tmp_path):
    right = np.array([True, False, False, True])
    rows = location.class_errors(
        tmp_path / "c.png",
        right,
        {"km": np.array([0.0, 24.9, 25.0, np.inf])},
        {"continent": np.array(["Asia", "Asia", "Europe", "Asia"])},
        "Wrong",
    )
    found = {(row["panel"], row["part"]): (row["places"], row["wrong"]) for row in rows}
    assert found == {
        ("km", "0–25"): (2, 0.5),
        ("km", "25–50"): (1, 1.0),
        ("km", "≥ 1000"): (1, 0.0),
        ("continent", "Asia"): (3, pytest.approx(1 / 3)),
        ("continent", "Europe"): (1, 1.0),
    }
    assert min(size(tmp_path / "c.png")) > 200


def test_principal_components_as_colours(world, tmp_path):
    lon, lat = world["lon"].to_numpy(), world["lat"].to_numpy()
    flat = np.outer(np.arange(300), [1.0, 2.0, 0.0, 0.0])
    assert location.rgb_map(tmp_path / "a.png", lon, lat, flat, "A") == pytest.approx(1)
    assert location.rgb_map(tmp_path / "b.png", lon, lat, flat[:, :2], "B") == pytest.approx(1)
    assert location.rgb_map(tmp_path / "c.png", lon, lat, np.eye(300), "C") == pytest.approx(3 / 299)


def test_similarity_is_the_cosine(world, tmp_path):
    vectors = geo.unit_sphere(world["lon"], world["lat"])
    reference = geo.unit_sphere([20], [10])[0]
    found = location.similarity_map(
        tmp_path / "s.png", world["lon"], world["lat"], 3 * vectors, reference, (20, 10), "Similarity"
    )
    metres = geo.great_circle_m(world["lon"], world["lat"], 20, 10)
    np.testing.assert_allclose(found, np.cos(metres / geo.EARTH_RADIUS_M), atol=1e-6)


def test_the_command_draws_the_similarity_to_a_place(tmp_path, capsys):
    torch.manual_seed(0)
    LocationEncoder(Choice("xyz"), Choice("siren"), 8).save(tmp_path / "e.ckpt")
    location.main([str(tmp_path / "e.ckpt"), str(tmp_path / "s.png"), "--at=-3.7,40.4", "--points", "500"])
    assert "similarity -" in capsys.readouterr().out
    assert min(size(tmp_path / "s.png")) > 300
    with pytest.raises(DataError, match=r"none.ckpt: no such file"):
        location.main([str(tmp_path / "none.ckpt"), str(tmp_path / "s.png")])


def test_a_title_says_that_the_sea_was_not_learned():
    of_land, of_all = (
        LocationEncoder(Choice("xyz"), Choice("siren"), 8, {"options": {"land_band": band}}) for band in ("land", "")
    )
    assert "at sea by chance" in location._at_sea(of_land)
    assert location._at_sea(of_all) == location._at_sea(LocationEncoder(Choice("xyz"), Choice("siren"), 8)) == ""


def test_errors_of_predictions_are_drawn_and_told(tmp_path):
    places.write_location(tmp_path / "data")
    places.write_raster(tmp_path / "r.tif")
    problem = problems.location(tmp_path / "data")
    predicted = problem.places[["lon", "lat", *(target.name for target in problem.targets)]].copy()
    predicted["prec_annual_mm"] += 10.0
    predicted.loc[:99, "country_code"] = "ZZ"
    predicted.to_parquet(tmp_path / "held_out.parquet", index=False)
    found = location_errors.draw(problem, tmp_path / "held_out.parquet", tmp_path / "r.tif", tmp_path)
    by_target = {row["target"]: row for row in found["values"]}
    assert by_target["annual precipitation"]["largest error"] == pytest.approx(10, abs=1e-3)
    assert by_target["altitude"]["mean"] == 0
    panels = {row["panel"] for row in found["country"]}
    assert panels == {"km to the coast", "km to the nearest place of another country", "continent"}
    for panel in panels:
        own = [row for row in found["country"] if row["panel"] == panel]
        assert sum(row["places"] for row in own) == 400
        assert sum(row["places"] * row["wrong"] for row in own) == pytest.approx(100)
    made = {path.name for path in tmp_path.glob("*.png")}
    values = {f"error_{name}.png" for name in ("prec_annual_mm", "tmean_annual_c", "altitude_m")}
    assert made == values | {"country_map.png", "country_errors.png"}
    without = location_errors.draw(problem, tmp_path / "held_out.parquet", "", tmp_path)
    assert {row["panel"] for row in without["country"]} == panels - {"km to the coast"}


def test_distances_to_border_and_coast_have_known_answers(tmp_path):
    raster = tmp_path / "r.tif"
    places.write_raster(raster)
    lon, lat = np.array([0.0, 1.0, 3.0]), np.zeros(3)
    degree = geo.great_circle_m(0, 0, 1, 0) / 1000
    np.testing.assert_allclose(location_errors.border_km(lon, lat, ["A", "A", "B"]), degree * np.array([3, 2, 2]))
    assert np.isinf(location_errors.border_km(lon, lat, ["A", "A", "A"])).all()
    # of the raster, all is water east of 150°; its pixels are 5° wide and their centres lie at 2.5°
    found = location_errors.coast_km(np.array([147.5, 152.5, 132.5]), np.array([2.5, 2.5, 2.5]), raster)
    expected = [geo.great_circle_m(lon, 2.5, 152.5, 2.5) / 1000 for lon in (147.5, 152.5, 132.5)]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    assert location_errors.coast_km([0], [0], raster, band="none") is None
