import numpy as np
import rasterio

from glc import registry, world
from glc.etl import tabular
from glc.world import SIZES, area_rasters, environment, occurrences, rasters
from glc.world.areas import AREAS

TINY = SIZES["glc20-tiny"]


def test_an_occurrence_has_a_vector_of_27_and_a_few_lie_off_the_rasters(tmp_path):
    world.write_rasters(TINY, tmp_path)
    found = occurrences.sites(TINY).rename(columns={"id": "surveyId"}).assign(dataset="po")
    facts = tabular.write(None, found, ["bioclim", "soil"], tmp_path, tmp_path / "out")
    names = [f"bioclim_bio{i + 1}" for i in range(19)] + [f"soil_{name}" for name in area_rasters.SOIL_BANDS]
    assert facts["columns"] == names
    nulls = np.array(list(facts["nulls"].values()))
    assert (nulls < 0.25 * len(found)).all()
    assert nulls.max() > 0
    assert set(facts["sources"].values()) == {"rasters"}


def test_both_countries_have_climate_of_their_own_fields_and_the_ocean_none(tmp_path):
    world.write_rasters(TINY, tmp_path)
    with rasterio.open(tmp_path / rasters.CLIMATE) as raster:
        values, at = raster.read(1), raster.transform
        assert (raster.count, raster.crs.to_epsg(), raster.nodata) == (19, 4326, -9999)
        assert next(raster.sample([(-40.0, 40.0)]))[0] == -9999
    for area in AREAS:
        west, south, east, north = area.bounds
        rows, columns = (np.arange(len_) + 0.5 for len_ in values.shape)
        lon, lat = np.meshgrid(at.c + columns * at.a, at.f + rows * at.e)
        inside = (lon > west) & (lon < east) & (lat > south) & (lat < north) & (values != -9999)
        assert inside.sum() > 0.3 * ((lon > west) & (lon < east) & (lat > south) & (lat < north)).sum()
        frame = area.frame(lon[inside], lat[inside])
        height = environment.elevation(area.seed(TINY), *frame)
        temperature = environment.climate(area.seed(TINY), *frame, height)[0]
        np.testing.assert_allclose(values[inside], temperature, atol=0.02)


def test_texture_of_the_soil_makes_a_whole_and_tells_the_fields():
    lon, lat = np.random.default_rng(0).uniform([0, 44], [8, 50], (4_000, 2)).T
    bands = dict(zip(area_rasters.SOIL_BANDS, area_rasters.soil(3, lon, lat).astype(float), strict=True))
    known = bands["clyppt"] != -32768
    assert 0.5 < known.mean() < 1
    whole = sum(bands[name][known] for name in ("clyppt", "sltppt", "sndppt"))
    assert np.abs(whole - 100).max() <= 2
    acidity, moisture = (z[known] for z in environment.soil(3, lon, lat))
    assert np.corrcoef(bands["phihox"][known], acidity)[0, 1] < -0.99
    assert np.corrcoef(bands["clyppt"][known], moisture)[0, 1] > 0.98


def test_the_covariates_of_the_2024_world_find_the_files(tmp_path):
    world.write_rasters(TINY, tmp_path)
    for name in ("bioclim", "soil"):
        assert len(registry.covariates.get(name).find([tmp_path])) == 1
