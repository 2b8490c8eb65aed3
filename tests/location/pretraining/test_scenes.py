import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose

from glc import storage
from glc.config import EncoderPretraining
from glc.covariates import Raster
from glc.dct import compress, expand
from glc.errors import ConfigError, DataError
from glc.etl import tiles
from glc.location.pretraining import scenes
from tests.rasters.geotiffs import geotiff, window

NAMES = ("Altitude m", "tmean_01", "tmean_02", "land percent")


@pytest.fixture
def raster(tmp_path):
    """Four bands of 60 x 60 pixels of 0.1 degree; the western half is sea."""
    rng = np.random.default_rng(0)
    bands = rng.normal(100, 20, (4, 60, 60)).astype(np.float32)
    bands[3] = np.where(np.arange(60) >= 30, 90, 10)
    return geotiff(tmp_path / "globe [1].tif", bands, step=0.1, west=5, north=45, names=NAMES)


def options(**changes):
    return EncoderPretraining(
        **{"places": 200, "batch_size": 20, "size": 4, "bounds": (5.0, 39.0, 11.0, 45.0)} | changes
    )


def test_tiles_are_the_pixels_around_the_places(raster):
    stack = scenes.Stack(raster, size=4)
    rng = np.random.default_rng(1)
    lon, lat = rng.uniform(5.3, 10.7, 30), rng.uniform(39.3, 44.7, 30)
    pixels, flags = stack.cut(lon, lat)
    assert pixels.shape == (30, 4, 4, 4)
    assert set(flags) == {"ok"}
    for i in range(30):
        for band in range(4):
            assert_allclose(pixels[i, band], window(raster, band + 1, lon[i], lat[i], 4)[0])


def test_bands_that_are_left_out_are_not_seen(raster):
    stack = scenes.Stack(raster, ("tmean_*",), size=1)
    assert stack.bands == ("altitude_m", "land_percent")
    whole = scenes.Stack(raster, size=1)
    lon, lat = np.array([7.0, 9.0]), np.array([41.0, 42.0])
    assert_allclose(stack.cut(lon, lat)[0], whole.cut(lon, lat)[0][:, [0, 3]])
    with pytest.raises(ConfigError, match=r"leave_out: found 'tmeen_01', .*did you mean 'tmean_01'"):
        scenes.Stack(raster, ("tmeen_01",))
    with pytest.raises(ConfigError, match="leaves no band"):
        scenes.Stack(raster, ("*",))


def test_drawn_places_are_on_land_and_tiles_are_theirs(raster):
    drawn = scenes.draw(raster, options(leave_out=("land_*",)), progress=False)
    assert drawn.bands == ("altitude_m", "tmean_01", "tmean_02")
    assert len(drawn.lon) == len(drawn.tiles) == 200
    assert drawn.lon.min() >= 8
    assert drawn.lost["left_out"] == 0
    assert sum(drawn.lost["flags"].values()) == 200
    again, _ = scenes.Stack(raster, ("land_*",), size=4).cut(drawn.lon, drawn.lat)
    assert np.array_equal(again, drawn.tiles)
    same, other = (scenes.draw(raster, options(seed=seed), progress=False).lon for seed in (0, 1))
    assert np.array_equal(same, drawn.lon)
    assert not np.array_equal(other, drawn.lon)


def test_without_a_band_of_land_all_places_with_a_value_are_drawn(tmp_path):
    bands = np.full((2, 40, 40), -1, np.int16)
    bands[:, :20] = 5
    path = geotiff(tmp_path / "a.tif", bands, step=0.1, west=5, north=45, nodata=-1, names=("a", "b"))
    drawn = scenes.draw(path, options(land_band=""), progress=False)
    assert drawn.lat.min() >= 43
    assert drawn.lon.max() > 8.5
    with pytest.raises(ConfigError, match=r"land_band: found 'land_percent', expected a band of .*a, b"):
        scenes.draw(path, options(), progress=False)
    with pytest.raises(ConfigError, match="bounds: found"):
        scenes.draw(path, options(land_band="", bounds=(20.0, 0.0, 30.0, 9.0)), progress=False)


def test_the_part_of_bounds_that_a_raster_covers(raster):
    stack = scenes.Stack(raster)
    np.testing.assert_allclose(stack.inner((-180.0, -90.0, 180.0, 90.0)), (5, 39, 11, 45))
    np.testing.assert_allclose(stack.inner((6.0, 30.0, 20.0, 44.0)), (6, 39, 11, 44))
    with pytest.raises(ConfigError, match=r"bounds: found \(11.5, .* expected a part of what .*globe \[1\].tif covers"):
        stack.inner((11.5, 30.0, 20.0, 44.0))


def test_a_globe_from_0_to_360_degrees_is_that_from_180_west(tmp_path):
    rng = np.random.default_rng(2)
    bands = rng.normal(size=(1, 18, 36)).astype(np.float32)
    usual = geotiff(tmp_path / "west.tif", bands, step=10, west=-180, north=90, names=["x"])
    turned = geotiff(tmp_path / "zero.tif", np.roll(bands, 18, axis=2), step=10, west=0, north=90, names=["x"])
    given = options(bounds=(-180.0, -90.0, 180.0, 90.0), land_band="")
    one, other = (scenes.draw(path, given, progress=False) for path in (usual, turned))
    assert other.lon.min() < -90 < 90 < other.lon.max()
    assert_allclose(other.lon, one.lon)
    assert_allclose(other.tiles, one.tiles)


def test_a_folder_of_rasters_is_one_stack(tmp_path):
    for name in ("one", "two"):
        geotiff(tmp_path / f"{name}.tif", np.ones((1, 20, 20), np.float32), names=(name,))
    assert scenes.Stack(tmp_path).bands == ("one", "two")
    with pytest.raises(DataError, match="no such raster"):
        scenes.Stack(tmp_path / "three.tif")


def cut(places, covariate, folder, out, **options):
    """A finished table of tiles."""
    with storage.atomic_directory(out) as scratch:
        storage.note(scratch, **tiles.write(None, places, covariate, folder, scratch, **options))


@pytest.mark.parametrize("block", ["full", 4, 6])
def test_tiles_of_an_edition(raster, tmp_path, block):
    rng = np.random.default_rng(4)
    places = pd.DataFrame({"lon": rng.uniform(5.5, 10.5, 40), "lat": rng.uniform(39.5, 44.5, 40)})
    places.insert(0, "dataset", np.where(np.arange(40) < 20, "po", "pa_train"))
    places.insert(1, "surveyId", np.tile(np.arange(20), 2)[::-1])  # ids of the two datasets overlap
    table = Raster("globe", patterns=(raster.name.replace("[", "[[]"),), name="globe")
    cut(places, table, raster.parent, tmp_path / "tiles", size=6, block=block)
    more = pd.concat([places, places.iloc[:1].assign(lon=8.0, surveyId=99), places.iloc[:1].assign(surveyId=77)])
    drawn = scenes.of_table(tmp_path / "tiles", more, side=6, leave_out=("land_percent",))
    assert drawn.bands == ("altitude_m", "tmean_01", "tmean_02")
    assert (len(drawn.lon), drawn.lost["left_out"]) == (40, 2)  # not cut, and a second visit
    at = {(lon, lat): tile for lon, lat, tile in zip(drawn.lon, drawn.lat, drawn.tiles, strict=True)}
    for place in places.itertuples():
        pixels = window(raster, 2, place.lon, place.lat, 6)[0]
        wanted = pixels if block == "full" else expand(compress(pixels, block), 6)
        assert_allclose(at[place.lon, place.lat][1], wanted, rtol=1e-4)


@pytest.fixture
def table(raster, tmp_path):
    """Tiles of 60 places in several files; one is outside of the raster."""
    rng = np.random.default_rng(5)
    places = pd.DataFrame({"dataset": "po", "surveyId": np.arange(60), "lon": rng.uniform(5.5, 10.5, 60)})
    places["lat"] = rng.uniform(39.5, 44.5, 60)
    places.loc[7, "lon"] = 40.0
    stack = Raster("globe", patterns=(raster.name.replace("[", "[[]"),), name="globe")
    tiles.write(None, places, stack, raster.parent, tmp_path / "whole", size=6, block=4)
    whole = pq.read_table(tmp_path / "whole" / "part-00000.parquet")
    with storage.atomic_directory(tmp_path / "tiles", size=6, block=4) as out:
        for number, start in enumerate((0, 25, 26)):
            part = whole.slice(start, (25, 1, None)[number])
            pq.write_table(part, out / f"part-{number:05d}.parquet")
    return tmp_path / "tiles", places


def test_tiles_of_several_files_are_those_of_their_surveys(table, raster):
    folder, places = table
    shuffled = places.sample(frac=1, random_state=0)
    drawn = scenes.of_table(folder, shuffled, side=4)
    assert (drawn.tiles.shape, drawn.source) == ((59, 4, 4, 4), "tiles")
    assert np.array_equal(drawn.lon, shuffled["lon"][shuffled["surveyId"] != 7])
    for i in range(59):
        pixels = window(raster, 1, drawn.lon[i], drawn.lat[i], 6)[0]
        assert_allclose(drawn.tiles[i, 0], expand(compress(pixels, 4), 4, from_size=6), rtol=1e-4)


def test_surveys_that_are_left_out_are_counted_by_their_cause(table):
    folder, places = table
    at = ["lon", "lat"]
    places.loc[[7, 8], at] = 9.0, 44.0  # visits of one place, the first without a good tile
    places.loc[[9, 10], at] = 9.0, 43.0
    places.loc[[0, 1], at] = 9.0, 45.5
    places.loc[60] = ["po", 100, 9.0, 42.0]
    bounds = (5.0, 39.0, 11.0, 45.0)
    drawn = scenes.of_table(folder, places, 4, bounds=bounds)
    causes = {"without_row": 1, "bad_tile": 1, "out_of_bounds": 2, "same_place": 1}
    assert drawn.lost == {"flags": drawn.lost["flags"], "left_out": 5, "causes": causes}
    assert drawn.lost["flags"]["outside"] == 1
    assert len(drawn.lon) == 56
    assert ((drawn.lon == 9) & (drawn.lat == 44)).sum() == 1

    few = scenes.of_table(folder, places, 4, bounds=bounds, most=10, seed=3)
    assert few.lost["causes"] == causes | {"not_drawn": 46}
    assert len(few.tiles) == 10
    for lon, lat, tile in zip(few.lon, few.lat, few.tiles, strict=True):
        assert np.array_equal(tile, drawn.tiles[(drawn.lon == lon) & (drawn.lat == lat)][0])
    same, other = (scenes.of_table(folder, places, 4, bounds=bounds, most=10, seed=seed).lon for seed in (3, 4))
    assert np.array_equal(same, few.lon)
    assert not np.array_equal(other, few.lon)
    with pytest.raises(
        DataError, match=r"found no tile for 61 surveys, expected some; left out: .*'out_of_bounds': 59"
    ):
        scenes.of_table(folder, places, 4, bounds=(20.0, 40.0, 30.0, 44.0))


def test_the_real_globe(shared_data):
    path = shared_data / "rasters_global" / "imagery_15m.tif"
    few = EncoderPretraining(places=1100, batch_size=500, leave_out=("tmean_*", "altitude_*"))
    drawn = scenes.draw(path, few, progress=False)
    assert len(drawn.bands) == 13
    assert np.isfinite(drawn.tiles).all()
    # the pixel of the place itself is row and column 4 of 8
    assert drawn.tiles[:, drawn.bands.index("land_percent"), 4, 4].min() >= 50
