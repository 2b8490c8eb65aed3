"""Pictures of geo-localisation."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from glc import geo
from glc.report import localisation
from glc.report.location import fibonacci

COLOURS = [(217, 234, 243), (196, 78, 82), (217, 212, 200)]
"""In a zoom, of candidates beneath their labels, the place itself and land."""


def size(path):
    with Image.open(path) as image:
        return image.size


def colours(path):
    with Image.open(path) as image:
        return {colour for count, colour in image.convert("RGB").getcolors(2**24) if count > 5}


def best(lon, lat, at):
    km = geo.great_circle_m(*at, lon, lat) / 1000
    return pd.DataFrame({"rank": range(1, 1 + len(lon)), "lon": lon, "lat": lat, "km": km, "similarity": 0.5})


def test_errors_are_drawn_by_kind_in_the_colour_of_their_distance(tmp_path):
    frame = pd.DataFrame({"lon": [0.0, 20, 40], "lat": 10.0, "error_km": [10.0, 10.0, 10.0]})
    frame = pd.concat([frame.assign(queries=kind) for kind in ("held out", "trained on")]).assign(refined=False)
    refined = frame.assign(refined=True, error_km=9000.0)
    land = fibonacci(500)
    localisation.error_map(tmp_path / "a.png", pd.concat([frame, refined]), land, "A")
    localisation.error_map(tmp_path / "b.png", frame, land, "A")
    # the refined rows are not drawn
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    localisation.error_map(tmp_path / "c.png", frame.assign(error_km=9000.0), land, "A")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "c.png").read_bytes()
    localisation.error_map(tmp_path / "d.png", frame[frame["queries"] == "held out"], land, "A")
    assert size(tmp_path / "a.png")[1] > 1.7 * size(tmp_path / "d.png")[1]


def test_the_best_places_are_drawn_with_a_zoom_where_some_are_near(tmp_path):
    at, land = (10.0, 45.0), fibonacci(5000)
    far, near = np.array([100.0, 101.0, -60.0]), np.array([10.5, 9.0, -60.0])
    for name, lon in (("far", far), ("near", near)):
        localisation.top_map(tmp_path / f"{name}.png", at, best(lon, np.full(3, 44.0), at), land, "Top")
        assert min(size(tmp_path / f"{name}.png")) > 300
        assert {(0, 114, 178), (196, 78, 82)} <= colours(tmp_path / f"{name}.png")
    half = slice(size(tmp_path / "far.png")[0] * 3 // 4, None)
    pixels = [np.asarray(Image.open(tmp_path / f"{name}.png").convert("L"))[:, half] for name in ("far", "near")]
    lower = [part[part.shape[0] // 2 :] for part in pixels]
    assert (lower[0] == 255).all()
    assert (lower[1] < 255).any()


def test_the_zoom_goes_on_across_the_date_line(tmp_path):
    """A world that is turned by 170 degrees has the same zoom, but for the numbers on its axis."""
    drawn = {}
    for name, turn in (("line", 170.0), ("elsewhere", 0.0)):
        lon, at = np.array([10.5, 8.9, 10.5]) + turn, (9.5 + turn, -17.0)
        lon, east = (np.where(x > 180, x - 360, x) for x in (lon, np.arange(3.0, 17, 0.5) + turn))
        land = east, np.full(28, -17.2)
        frame = best(lon, np.array([-17.0, -17.0, 20.0]), at)
        assert list(frame["km"].round()[:2]) == [106, 64]
        localisation.top_map(tmp_path / f"{name}.png", at, frame, land, "Top")
        with Image.open(tmp_path / f"{name}.png") as image:
            pixels = np.asarray(image.convert("RGB")).astype(int)
        # the lower right is the zoom
        zoom = pixels[pixels.shape[0] // 2 :, pixels.shape[1] * 3 // 4 :]
        drawn[name] = {colour: (np.abs(zoom - colour).max(axis=2) < 2).sum() for colour in COLOURS}
    for colour in COLOURS:
        assert drawn["line"][colour] == pytest.approx(drawn["elsewhere"][colour], rel=0.2)
        assert drawn["line"][colour] > 10


def test_a_longitude_is_turned_to_where_it_is_near():
    lon = np.array([-179.5, 178.9, 0.0])
    np.testing.assert_allclose(localisation._beside(179.5, lon), [180.5, 178.9, 0])
    np.testing.assert_allclose(localisation._beside(-179.5, lon), [-179.5, -181.1, 0])
    np.testing.assert_allclose(localisation._beside(-1.0, lon), lon)


@pytest.mark.parametrize(
    ("lon", "expected"),
    [
        ([0, 50, 1, 2, 51], [(0, "1, 3–4"), (50, "2, 5")]),
        ([0, 50, 100], [(0, "1"), (50, "2"), (100, "3")]),
        ([5, 6, 7], [(5, "1–3")]),
    ],
)
def test_near_places_share_a_label(lon, expected):
    found = localisation._labels(np.array(lon, float), np.zeros(len(lon)), 7.0)
    assert [(x, text) for x, _, text in found] == expected
