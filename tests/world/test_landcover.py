"""The virtual land cover: codes that the covariate declares, the same from any window, and a signal of the cover."""

import numpy as np
import pytest
import rasterio
from numpy.testing import assert_array_equal

from glc import registry
from glc.etl import tiles
from glc.world import SIZES, environment, landcover, places, rasters

TINY = SIZES["tiny"]
MODIS = registry.covariates.get("landcover_modis")
PROPERTIES = (9, 10, 11)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    grid = rasters.Grid(TINY.raster_step / 4)
    rasters._write_land_cover(TINY.seed, folder, grid)
    return folder


@pytest.fixture(scope="module")
def bands(folder):
    with rasterio.open(folder / rasters.LAND_COVER_MODIS) as raster:
        return raster.read()


def test_each_code_is_a_declared_class_or_nodata(bands):
    for number, codes in MODIS.classes.items():
        found = set(np.unique(bands[number - 1]).tolist()) - {255}
        assert found <= set(codes), MODIS.bands[number - 1]
        assert len(found) > 1, MODIS.bands[number - 1]
    for number in set(range(1, 14)) - set(MODIS.classes):
        percent = bands[number - 1][bands[number - 1] != 255]
        assert percent.min() >= 0
        assert percent.max() == 100


def test_the_file_has_the_products_layers_in_its_order(folder):
    with rasterio.open(folder / rasters.LAND_COVER_MODIS) as raster:
        assert raster.descriptions == landcover.MODIS_BANDS
        assert len(raster.descriptions) == len(MODIS.bands) == 13
        assert raster.descriptions[8:11] == ("LC_Prop1", "LC_Prop2", "LC_Prop3")
        assert MODIS.bands[8:11] == ("prop1", "prop2", "prop3")


def test_sea_is_water_along_the_coast_and_nodata_beyond(folder, bands):
    with rasterio.open(folder / rasters.LAND_COVER) as raster:
        own = raster.read(1)
    sea, missing = own == 0, (bands == 255).any(axis=0)
    assert_array_equal(missing, (bands == 255).all(axis=0))
    assert sea[missing].all()
    assert (sea & ~missing).sum() > 100
    water = {
        "LC_Type1": 17,
        "LC_Type2": 0,
        "LC_Type5": 0,
        "LC_Prop1": 3,
        "LC_Prop2": 3,
        "LC_Prop3": 3,
        "QC": 2,
        "LW": 1,
    }
    for name, code in water.items():
        assert (bands[landcover.MODIS_BANDS.index(name)][sea & ~missing] == code).all(), name
    inland = bands[12][~sea]
    assert (inland == 2).mean() > 0.9
    assert (inland == 1).any()


def test_any_window_gives_the_same_pixels(bands):
    grid = rasters.Grid(TINY.raster_step / 4)
    rng = np.random.default_rng(0)
    row, col = rng.integers(250, 262, 300), rng.integers(0, grid.width, 300)  # on both sides of a seam
    lon, lat = grid.west + (col + 0.5) * grid.step, grid.north - (row + 0.5) * grid.step
    _, alone = landcover.layers(TINY.seed, lon, lat)
    assert_array_equal(alone, bands[:, row, col])
    assert (alone != 255).any()


def test_open_sea_alone_has_no_value():
    own, modis = landcover.layers(TINY.seed, np.full(3, -31.0), np.full(3, 60.0))
    assert (own == 0).all()
    assert (modis == 255).all()


def test_the_fao_layers_tell_of_the_cover():
    train, _ = places.pa(SIZES["small"])
    seed, lon, lat = SIZES["small"].seed, train.lon.to_numpy(), train.lat.to_numpy()
    _, modis = landcover.layers(seed, lon, lat)
    trees, farming, _ = environment.cover(seed, lon, lat)
    _, moisture = environment.soil(seed, lon, lat)
    wanted = {9: (trees,), 10: (trees, farming), 11: (trees, moisture)}
    rng = np.random.default_rng(0)
    for number, fields in wanted.items():
        for field in fields:
            quarter = np.searchsorted(np.quantile(field, [0.25, 0.5, 0.75]), field)
            found = information(modis[number - 1], quarter)
            chance = information(modis[number - 1], rng.permutation(quarter))
            assert found > 0.05, number
            assert found > 5 * chance, number


def test_modis_layers_of_known_ground():
    """Dense cold forest, dense warm forest, a field, a lake, a glacier, waste ground and a swamp."""
    named = dict(
        inland=[1.0] * 7,
        forest=[0.9, 0.9, 0.1, 0.0, 0.1, 0.2, 0.5],
        field=[0.1, 0.1, 0.8, 0.0, 0.1, 0.2, 0.2],
        water=[0.0, 0.0, 0.0, 0.9, 0.0, 0.0, 0.1],
        grass=[0.0, 0.0, 0.1, 0.1, 0.8, 0.6, 0.2],
        moisture=[0.0, 0.0, -0.2, 0.0, 0.0, 0.0, 1.5],
        disturbance=[0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0],
        temperature=[3.0, 15.0, 10.0, 10.0, -5.0, 10.0, 10.0],
        swing=[16.0] * 7,
        coldness=[60.0, 40.0, 40.0, 40.0, 75.0, 40.0, 40.0],
    )
    at = landcover.Ground(**{name: np.array(values) for name, values in named.items()})
    kind = landcover.kinds(at)
    assert kind.tolist() == [1, 2, 3, 6, 4, 7, 2]
    made = dict(zip(landcover.MODIS_BANDS, landcover.modis(at, kind).tolist(), strict=True))
    assert made["LC_Type1"] == [1, 2, 12, 17, 15, 16, 8]
    assert made["LC_Type2"] == [1, 2, 12, 0, 15, 15, 8]
    assert made["LC_Type3"] == [7, 5, 1, 0, 9, 9, 4]
    assert made["LC_Type4"] == [1, 2, 6, 0, 7, 7, 4]
    assert made["LC_Type5"] == [1, 2, 7, 0, 10, 11, 4]
    assert made["LC_Prop1"] == [11, 12, 31, 3, 2, 1, 21]
    assert made["LC_Prop2"] == [10, 10, 36, 3, 2, 1, 20]
    assert made["LC_Prop3"] == [10, 10, 30, 3, 2, 1, 27]
    assert made["LC_Prop1_Assessment"] == [90, 90, 90, 100, 90, 80, 50]
    assert made["QC"] == [0, 0, 0, 2, 6, 0, 0]
    assert made["LW"] == [2, 2, 2, 1, 2, 2, 2]


def test_tiles_have_a_column_a_class_and_one_a_confidence(folder, tmp_path):
    train, _ = places.pa(TINY)
    survey = train.iloc[:40][["surveyId", "lon", "lat"]].assign(dataset="pa_train")
    facts = tiles.write(None, survey, "landcover_modis", folder, tmp_path / "tiles", size=16, block=2)
    wanted = []
    for number, name in enumerate(MODIS.bands, start=1):
        wanted += [f"{name}_{code}" for code in MODIS.classes[number]] if number in MODIS.classes else [name]
    assert facts["bands"] == wanted
    assert {"type1_17", "prop1_confidence", "prop1_11", "prop2_36", "prop3_27", "quality_0", "water_1"} <= set(wanted)


def information(codes, groups):
    """Mutual information of two integer arrays, in nats."""
    _, codes = np.unique(codes, return_inverse=True)
    joint = np.zeros((codes.max() + 1, groups.max() + 1))
    np.add.at(joint, (codes, groups), 1)
    joint /= joint.sum()
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    return (joint[joint > 0] * np.log(joint[joint > 0] / apart[joint > 0])).sum()


def test_information_of_known_tables():
    assert information(np.array([3, 3, 9, 9]), np.array([0, 0, 1, 1])) == pytest.approx(np.log(2))
    assert information(np.array([3, 3, 9, 9]), np.array([0, 1, 0, 1])) == pytest.approx(0)
