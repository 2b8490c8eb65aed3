import numpy as np
import pytest
import rasterio
from numpy.testing import assert_allclose
from scipy.ndimage import map_coordinates

from glc import world
from glc.bench.world import sample
from glc.world import SIZES, cubes, environment, places, rasters

TINY = SIZES["tiny"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    world.write_rasters(TINY, folder)
    return folder


@pytest.mark.parametrize(
    ("path", "bands", "dtype", "nodata"),
    [
        (rasters.CLIMATE, 19, "float32", -9999),
        (rasters.ELEVATION, 1, "int16", -32768),
        (rasters.LAND_COVER, 1, "uint8", 0),
        (rasters.LAND_COVER_MODIS, 13, "uint8", 255),
        (rasters.SOIL, 4, "int16", -32768),
        *((path, 4, "float32", -9999) for path in rasters.CLIMATE_YEARS.values()),
    ],
)
def test_layout_and_gaps(folder, path, bands, dtype, nodata):
    train, _ = places.pa(TINY)
    with rasterio.open(folder / path) as raster:
        assert (raster.count, raster.dtypes[0], raster.nodata) == (bands, dtype, nodata)
        assert raster.crs.to_epsg() == 4326
        assert raster.block_shapes[0][0] == raster.block_shapes[0][1] == 256
        assert all(raster.descriptions)
        assert raster.transform.e < 0 < raster.transform.a
        assert 0.1 < raster.read(1, masked=True).mask.mean() < 0.9
    assert 0 < np.isfinite(sample(folder / path, train)).all(axis=1).mean() <= 1


def test_cell_centres_hold_the_environment_of_their_place(folder):
    with rasterio.open(folder / rasters.ELEVATION) as raster:
        heights = raster.read(1, masked=True)
        rows, columns = np.nonzero(~heights.mask)
        pick = np.random.default_rng(0).choice(len(rows), 200)
        lon, lat = (np.array(z) for z in raster.xy(rows[pick], columns[pick]))
    wanted = environment.elevation(TINY.seed, lon, lat)
    assert_allclose(heights[rows[pick], columns[pick]], wanted, atol=0.51)
    with rasterio.open(folder / rasters.CLIMATE) as raster:
        rows, columns = np.nonzero(~raster.read(1, masked=True).mask)
        lon, lat = (np.array(z) for z in raster.xy(rows[:50], columns[:50]))
        temperature = environment.climate(TINY.seed, lon, lat, environment.elevation(TINY.seed, lon, lat))[0]
        assert_allclose(raster.read(1)[rows[:50], columns[:50]], temperature, atol=0.01)


def test_the_climate_of_a_year_is_that_of_the_cubes_and_keeps_space(folder):
    train, _ = places.pa(TINY)
    normal = sample(folder / rasters.CLIMATE, train)
    known = np.isfinite(normal).all(axis=1)
    lon, lat = train["lon"].to_numpy()[known], train["lat"].to_numpy()[known]
    cube = cubes.cubes(TINY.seed, lon, lat, np.random.default_rng(0)).mean(axis=3)  # a year is known or not
    warmer, _ = environment.anomalies(TINY.seed)
    years = {year: sample(folder / path, train)[known] for year, path in rasters.CLIMATE_YEARS.items()}
    for year in (2001, 2010):
        at = cube[:, :, year - 2000]
        there = np.isfinite(at[:, 1])
        # the cube is of the place, the raster of the middle of its cell of 0.4 degrees
        assert np.corrcoef(at[there, 1], years[year][there, 1])[0, 1] > 0.8
        assert_allclose(years[year][:, 1] - normal[known, 0], warmer[year - 2000].mean(), atol=0.02)
    later = years[2019][:, 1] - years[2001][:, 1]
    assert_allclose(later, later[0], atol=0.02)
    assert abs(later[0]) > 0.1
    assert all(values[:, 1].std() > 2 for values in years.values())
    assert all((values[:, 2] > values[:, 3]).all() for values in years.values())


def test_weather_of_a_year_does_not_depend_on_others():
    warmer, wetter = environment.anomalies(TINY.seed)
    assert_allclose(environment.weather(TINY.seed, 2018), [warmer[18], wetter[18]])
    later = environment.weather(TINY.seed, 2019)
    assert_allclose(environment.weather(TINY.seed, 2019), later)
    assert not np.allclose(environment.weather(TINY.seed, 2020), later)


def test_bioclim_of_a_known_year():
    rain = np.array([0, 0, 0, 10, 10, 10, 0, 0, 30, 30, 30, 10.0])
    mean = np.array([0, 0, 0, 5, 10, 15, 20, 20, 20, 10, 5, 3.0])
    bio = dict(enumerate(rasters.bioclim(np.stack([rain, mean, mean + 4, mean - 4])[None])[0], start=1))
    assert bio[1] == pytest.approx(mean.mean())
    assert (bio[2], bio[5], bio[6], bio[7]) == (8, 24, -4, 28)
    assert bio[3] == pytest.approx(100 * 8 / 28)
    assert bio[8] == pytest.approx((20 + 10 + 5) / 3)  # wettest quarter: September to November
    assert (bio[10], bio[18]) == (20, 30)  # warmest quarter: July to September
    assert (bio[11], bio[19]) == (0, 0)
    assert (bio[12], bio[13], bio[14], bio[16], bio[17]) == (130, 30, 0, 90, 0)


def test_elevation_as_large_as_asked(tmp_path):
    grid = rasters.Grid(1.0)
    rasters._write_elevation(TINY.seed, tmp_path / "big.tif", grid, 4_000_000)
    rasters._write_elevation(TINY.seed, tmp_path / "plain.tif", grid, None)
    with rasterio.open(tmp_path / "big.tif") as big, rasterio.open(tmp_path / "plain.tif") as plain:
        assert 4_000_000 <= big.width * big.height * 2 < 6_000_000
        assert_allclose(big.bounds, plain.bounds)
        factor = big.width // plain.width
        coarse = plain.read(1, masked=True).filled(-50).astype(float)
        centres = np.mgrid[: big.height, : big.width]
        wanted = map_coordinates(coarse, (centres + 0.5) / factor - 0.5, order=1, mode="nearest")
        found = big.read(1, masked=True)
        clear = wanted > 20  # the roughness may not drown it
        assert not found.mask[clear].any()
        assert_allclose(found[clear] - wanted[clear], 0, atol=12)
        assert found.mask[wanted < -20].all()


def test_between_interpolates_cell_centres():
    low, high, share = rasters._between(np.arange(12), 4, 3)
    values = np.array([0.0, 1.0, 2.0])
    wanted = np.clip((np.arange(12) + 0.5) / 4 - 0.5, 0, 2)
    assert_allclose(values[low] + (values[high] - values[low]) * share, wanted, atol=1e-6)
