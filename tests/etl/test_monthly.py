import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import rasterio
import rasterio.warp
from numpy.testing import assert_allclose, assert_array_equal
from rasterio.transform import from_origin

from glc.errors import ConfigError, DataError
from glc.etl import cubes, monthly


def rasters(folder, crs="EPSG:4326", years=(2000, 2001), **profile):
    """CHELSA-like files of two variables: 100 x 70 pixels of 0.1 degree (or 10 km), compressed, with nodata."""
    step, origin = (0.1, (2.0, 50.0)) if crs == "EPSG:4326" else (10_000, (3_400_000, 2_900_000))
    rng = np.random.default_rng(0)
    for variable in ("tas", "pr"):
        for year in years:
            for month in range(1, 13):
                path = folder / f"CHELSA_{variable}_{month:02d}_{year}_V.2.1.tif"
                pixels = rng.integers(0, 1000, (70, 100)).astype(np.int16)
                pixels[rng.random(pixels.shape) < 0.05] = -99
                shape = {"width": 100, "height": 70, "count": 1, "dtype": "int16", "nodata": -99, "crs": crs}
                told = {"compress": "deflate", "tiled": True, "blockxsize": 32, "blockysize": 32}
                with rasterio.open(
                    path, "w", **shape, **told | profile, transform=from_origin(*origin, step, step)
                ) as file:
                    file.write(pixels, 1)
                    file.scales, file.offsets = [0.1], [-2.0 if variable == "tas" else 0.0]
    return folder


@pytest.fixture
def places():
    rng = np.random.default_rng(2)
    lon, lat = rng.uniform(1.5, 12.5, 400), rng.uniform(42.5, 50.5, 400)
    return pd.DataFrame({"dataset": "po", "surveyId": rng.permutation(400), "lon": lon, "lat": lat})


@pytest.mark.parametrize(
    ("crs", "profile"),
    [("EPSG:4326", {}), ("EPSG:3035", {}), ("EPSG:4326", {"tiled": False, "blockysize": 7, "blockxsize": 100})],
)
def test_cubes_equal_what_rasterio_samples(tmp_path, places, crs, profile):
    folder = rasters(tmp_path, crs, **profile)
    facts = cubes.write_rasters(places, monthly.layers(folder, variables=["tas", "pr"]), tmp_path / "out")
    keys, found, _ = cubes.read(tmp_path / "out" / "cubes")
    assert found.shape == (400, 2, 2, 12)
    own = places.set_index("surveyId").loc[keys["surveyId"]]
    for v, y, m in ((0, 0, 0), (0, 1, 10), (1, 0, 4)):
        name = f"CHELSA_{['tas', 'pr'][v]}_{m + 1:02d}_{2000 + y}_V.2.1.tif"
        with rasterio.open(folder / name) as file:
            x, y_ = rasterio.warp.transform("EPSG:4326", file.crs, own["lon"], own["lat"])
            wanted = np.ma.stack(list(file.sample(zip(x, y_, strict=True), masked=True)))[:, 0]
            wanted = (wanted.astype(float) * file.scales[0] + file.offsets[0]).filled(np.nan)
        assert_allclose(found[:, v, y, m], wanted, rtol=1e-6)
    outside = np.isnan(found).all(axis=(1, 2, 3))
    assert 0 < outside.sum() < 300
    assert_array_equal(keys["flag"] == "missing", outside)
    assert facts["names"] == ["tas", "pr"]
    assert facts["years"] == [2000, 2001]


def test_damaged_rasters_flag_the_places_of_the_blocks_that_are_lost(tmp_path, places):
    folder = rasters(tmp_path, years=(2000,))
    path = folder / "CHELSA_pr_03_2000_V.2.1.tif"
    content = bytearray(path.read_bytes())
    content[6000:6400] = b"\xff" * 400  # inside the compressed blocks
    path.write_bytes(content)
    facts = cubes.write_rasters(places, monthly.layers(folder), tmp_path / "out", max_corrupt_fraction=0.5)
    keys, found, _ = cubes.read(tmp_path / "out" / "cubes")
    corrupt = (keys["flag"] == "corrupt").to_numpy()
    assert 0 < corrupt.sum() < 200
    assert np.isnan(found[corrupt]).all()
    assert facts["datasets"]["po"]["ok"] > 100
    listed = pq.read_table(tmp_path / "out" / "quarantine").to_pandas()
    assert listed["file"].tolist() == [str(path)]
    assert "TIFFReadEncodedTile" in listed["found"][0]
    path.write_bytes(b"no raster")
    with pytest.raises(DataError, match=r"pr_03_2000.* 400 of 400 .* cannot be opened"):
        cubes.write_rasters(places, monthly.layers(folder), tmp_path / "none")


def test_layers_tell_what_is_missing_or_there_twice(tmp_path):
    with pytest.raises(DataError, match="no file name matches"):
        monthly.layers(tmp_path)
    folder = rasters(tmp_path)
    assert len(monthly.layers(folder)) == 48
    assert len(monthly.layers(folder, years=[2001])) == 24
    (folder / "CHELSA_tas_07_2001_V.2.1.tif").unlink()
    with pytest.raises(DataError, match=r"47 of 48 .* the first missing is tas 2001 7;"):
        monthly.layers(folder)
    (folder / "copy").mkdir()
    (folder / "copy" / "CHELSA_pr_02_2000_V.2.1.tif").write_bytes(b"")
    with pytest.raises(DataError, match=" 2 is found twice: "):
        monthly.layers(folder, years=[2000])
    with pytest.raises(ConfigError, match=r"expected {variable}"):
        monthly.layers(folder, "{name}.tif")


def test_real_monthly_bands_equal_rasterio_at_coasts_and_outside(shared_data, tmp_path):
    layers = monthly.layers(shared_data / "rasters_eu", "{variable}_monthly.tif", ["prec", "tmean"])
    rng = np.random.default_rng(5)
    lon, lat = rng.uniform(-35, 38, 3000), rng.uniform(25, 74, 3000)
    places = pd.DataFrame({"dataset": "pa_train", "surveyId": np.arange(3000), "lon": lon, "lat": lat})
    cubes.write_rasters(places, layers, tmp_path)
    keys, found, _ = cubes.read(tmp_path / "cubes")
    assert found.shape == (3000, 2, 1, 12)
    for index, name in enumerate(("prec", "tmean")):
        with rasterio.open(shared_data / "rasters_eu" / f"{name}_monthly.tif") as file:
            wanted = np.ma.stack(list(file.sample(zip(lon, lat, strict=True), masked=True))).astype(np.float32)
        assert_array_equal(found[:, index, 0], wanted.filled(np.nan))
    assert 0 < (keys["flag"] == "missing").sum() < 3000
