import numpy as np
import pytest
from numpy.testing import assert_allclose

from glc import geo


def test_great_circle_of_known_places():
    # a quarter of the equator, and pole to pole
    assert_allclose(geo.great_circle_m(0, 0, 90, 0), np.pi / 2 * geo.EARTH_RADIUS_M)
    assert_allclose(geo.great_circle_m(17, 90, -60, -90), np.pi * geo.EARTH_RADIUS_M)


def test_chord_and_arc_are_inverse_and_agree_with_the_sphere():
    metres = np.array([0.5, 10.0, 50_000.0, 5e6, np.pi * geo.EARTH_RADIUS_M])
    assert_allclose(geo.arc(geo.chord(metres)), metres, rtol=1e-9)
    a, b = geo.unit_sphere([2.3, 2.5], [48.8, 48.9])
    assert_allclose(geo.arc(np.linalg.norm(a - b)), geo.great_circle_m(2.3, 48.8, 2.5, 48.9), rtol=1e-9)


def test_projections_meet_their_published_origins():
    # EPSG:3035 has its origin at 10 E, 52 N with false easting 4,321,000 and northing 3,210,000
    assert_allclose(np.ravel(geo.project([10.0], [52.0])), [4_321_000, 3_210_000], atol=1e-3)
    # EPSG:5070 at 96 W, 23 N is (0, 0)
    assert_allclose(np.ravel(geo.project([-96.0], [23.0], 5070)), [0, 0], atol=1e-3)


def distortion(lon, lat):
    """Largest relative error of EPSG:3035 lengths, over eight directions at the places of a grid in degrees."""
    lon, lat = (a.ravel() for a in np.meshgrid(lon, lat))
    worst = 0.0
    for angle in np.arange(0, np.pi, np.pi / 8):
        there = lon + 0.01 * np.sin(angle) / np.cos(np.radians(lat)), lat + 0.01 * np.cos(angle)
        x, y = (np.subtract(*pair) for pair in zip(geo.project(*there), geo.project(lon, lat), strict=True))
        worst = max(worst, np.abs(np.hypot(x, y) / geo.great_circle_m(lon, lat, *there) - 1).max())
    return worst


def test_lengths_on_the_projection_are_not_distances():
    west, south, east, north = geo.EUROPE
    assert 0.04 < distortion(np.linspace(west, east, 20), np.linspace(south, north, 20)) < 0.08
    assert distortion(np.linspace(-120, -75, 20), np.linspace(26, 48, 20)) > 0.2


def test_blocks_share_an_id_within_a_square_only():
    ids = geo.block_ids([10.0, 4_999.0, 5_000.0, -1.0], [0.0, 0.0, 0.0, 0.0], 5_000)
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    assert geo.block_ids(10.0, 0.0, 5_000, 5070) != ids[0]


@pytest.mark.parametrize("size", [250, 5_000, 50_000])
def test_block_ids_are_unique_over_a_continent(size):
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-2e6, 8e6, (2, 2_000))
    squares = {(np.floor(a / size), np.floor(b / size)) for a, b in zip(x, y, strict=True)}
    assert len(np.unique(geo.block_ids(x, y, size))) == len(squares)


@pytest.mark.parametrize(
    ("bounds", "code"),
    [
        ((3, 43, 5, 44), 3035),  # France
        ((-120, 30, -80, 45), 5070),  # the USA
        ((146, -39, 152, -33), 32_755),  # south-east Australia
        ((115, -38, 152, -12), 3577),  # all of it
        ((36, -2, 40, 3), 32_637),  # Kenya
        ((-70, -56, -66, -52), 32_719),
        ((-170, 60, 170, 80), 6931),
        ((-80, -50, 50, 40), 6933),
        ((179.5, -18, 180, -17), 32_760),
        ((177, -20, 182, -12), 32_760),  # Fiji
        ((179, -20, 184, -12), 32_701),  # the east of it
        ((166, -48, 184.5, -34), 2193),  # New Zealand with the Chathams
        ((160, 61, 190, 71), 6931),  # Chukotka
        ((172, 51, 230, 71), 6931),  # Alaska with all Aleutians
        ((160, -30, 210, 25), 8859),  # islands of the Pacific
        ((175, -30, 340, 40), 6933),
    ],
)
def test_data_elsewhere_get_a_projection_that_holds_them(bounds, code):
    assert geo.suitable_crs(*bounds) == code
    west, south, east, north = bounds
    easting, northing = geo.project([west, east], [south, north], code)
    assert np.isfinite([easting, northing]).all()
    if east > 180 and code != 6933:  # the projection is not torn there
        there = geo.project([180 - 1e-6, -180 + 1e-6], [(south + north) / 2] * 2, code)
        assert np.hypot(*np.diff(there, axis=1)) < 1
    if east - west < 10:
        length = np.hypot(np.diff(easting), np.diff(northing))[0]
        assert length == pytest.approx(geo.great_circle_m(west, south, east, north), rel=0.05)


def test_the_bounds_of_places_on_both_sides_of_180_degrees_are_the_small_ones():
    assert geo.bounds([-179, 178, 177.5], [-16, -17, -18]) == (177.5, -18, 181, -16)
    assert geo.bounds([-5, 8], [42, 51]) == (-5, 42, 8, 51)
    assert geo.bounds([-120, -80], [30, 45]) == (-120, 30, -80, 45)
    assert geo.bounds([-179, 0, 178], [0, 0, 0]) == (-179, 0, 178, 0)  # all around
    assert geo.bounds([-100, 100], [0, 0]) == (100, 0, 260, 0)
    assert geo.bounds([180, -180], [0, 1]) == (180, 0, 180, 1)


@pytest.mark.parametrize("size", [20_000, 300_000, 2_000_000])
def test_cells_of_bands_are_about_as_large_as_asked_and_close_around_the_date_line(size):
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(-180, 180, 3_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 3_000)))
    ids = geo.cell_ids(lon, lat, size)
    order = np.argsort(ids, kind="stable")
    a, b = order[:-1][ids[order][1:] == ids[order][:-1]], order[1:][ids[order][1:] == ids[order][:-1]]
    assert (geo.great_circle_m(lon[a], lat[a], lon[b], lat[b]) < 1.6 * size).all()  # the diagonal, and what is rounded
    # as many cells as the Earth's surface holds: none is a sliver
    every = geo.cell_ids(*(x.ravel() for x in np.meshgrid(np.arange(-180, 180, 0.5), np.arange(-89.75, 90, 0.5))), size)
    surface = 4 * np.pi * geo.EARTH_RADIUS_M**2
    if size >= 300_000:
        assert len(np.unique(every)) == pytest.approx(surface / size**2, rel=0.1)
    assert geo.cell_ids(180.0, 10.0, size) == geo.cell_ids(-180.0, 10.0, size)


def test_cells_have_known_ids():
    half = np.pi * geo.EARTH_RADIUS_M
    # two bands of a hemisphere each, whose middles, at 45°, are 2 cos 45° = 1.41 half rounds long: 3 cells of 120°
    ids = geo.cell_ids([-179.0, -61.0, -59.0, 61.0, -179.0, 0.0], [-10, -80, -10, -10, 10, 90], half / 2)
    assert ids.tolist() == [0, 0, 1, 2, 3, 4]
    assert len(set(geo.cell_ids([0, 90, 180], [0, 45, -90], 10 * half))) == 1


@pytest.mark.parametrize(
    ("value", "ends", "told"),
    [
        (4, "EW", "4°E"),
        (-2.5, "EW", "2.5°W"),
        (0, "EW", "0°"),
        (181.5, "EW", "178.5°W"),
        (180, "EW", "180°E"),
        (np.float64(43.5), "NS", "43.5°N"),
        (-33, "NS", "33°S"),
        (-1e-12, "NS", "0°"),
    ],
)
def test_degrees_as_on_an_axis(value, ends, told):
    assert geo.degree_label(value, ends) == told
