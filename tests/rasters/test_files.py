"""What is opened as a raster: GeoTIFFs alone, without the files next to them, and by no other way in the package."""

import ast
import http.server
import os
import threading

import numpy as np
import pytest
import rasterio
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioIOError

from glc.config.paths import CHECKOUT
from glc.covariates import Raster
from glc.errors import DataError
from glc.maps import grid as map_grids
from glc.maps.cover import Cover, CoverOptions
from glc.rasters import files, grids
from glc.rasters.files import opened
from glc.rasters.reader import Reader
from glc.rasters.values import RasterValues, at_pixels
from tests.rasters.geotiffs import find, geotiff

SOURCES = [path for folder in ("glc", "tasks") for path in sorted((CHECKOUT / folder).rglob("*.py"))]
OTHER_PACKAGES = ("fiona", "geopandas", "osgeo", "gpd")
PLACES = "glc/fitted/places_file.py"
"""The one file that reads vectors through GDAL; it looks at their first bytes before."""
_SRS = "<SRS>EPSG:4326</SRS><GeoTransform>3, 0.1, 0, 44, 0, -0.1</GeoTransform>"


def _names_its_driver(call):
    """Whether a call that may open a file by GDAL says in which format; a call of another function does as well."""
    name = ast.unparse(call.func)
    if name == "rasterio.open" or (name.endswith(".open") and name.split(".")[0] in ("file", "memory", "MemoryFile")):
        return any(key.arg == "driver" for key in call.keywords)
    return not name.startswith(OTHER_PACKAGES) and not name.endswith(("gdal.Open", "gdal.OpenEx", "ogr.Open"))


def test_every_file_that_gdal_opens_has_its_format_named():
    opens = 0
    for path in SOURCES:
        name = path.relative_to(CHECKOUT).as_posix()
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        for call in calls:
            text = ast.unparse(call.func)
            opens += text in ("rasterio.open", "opened", "file.open")
            assert _names_its_driver(call), f"{name}, line {call.lineno}: {ast.unparse(call)} without its driver"
            assert not text.startswith("pyogrio.") or name == PLACES, f"{name}, line {call.lineno}: {text}"
    assert opens > 25


@pytest.mark.parametrize(
    "text", ["rasterio.open(path)", "file.open()", "geopandas.read_file(path)", "fiona.open(path)", "gdal.Open(path)"]
)
def test_a_call_without_a_driver_is_noticed(text):
    assert not _names_its_driver(ast.parse(text).body[0].value)


@pytest.fixture
def server():
    """A server on the loopback that keeps what is asked of it: (address, requests)."""
    requests = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", requests
        running.shutdown()


def _secret(tmp_path, _):
    (tmp_path / "secret.txt").write_bytes(bytes(range(100)))
    return (
        f'<VRTDataset rasterXSize="10" rasterYSize="10">{_SRS}<VRTRasterBand dataType="Byte" band="1" '
        f'subClass="VRTRawRasterBand"><SourceFilename relativeToVRT="1">secret.txt</SourceFilename>'
        f"<ImageOffset>0</ImageOffset><PixelOffset>1</PixelOffset><LineOffset>10</LineOffset></VRTRasterBand>"
        f"</VRTDataset>"
    )


def _request(_, address):
    return (
        f'\n <VRTDataset rasterXSize="10" rasterYSize="10">{_SRS}<VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        f"<SourceFilename>/vsicurl/{address}/x.tif</SourceFilename><SourceBand>1</SourceBand></SimpleSource>"
        f"</VRTRasterBand></VRTDataset>"
    )


def _wms(_, address):
    return (
        f'<GDAL_WMS><Service name="WMS"><ServerUrl>{address}/wms?</ServerUrl><Layers>a</Layers></Service><DataWindow>'
        "<UpperLeftX>3</UpperLeftX><UpperLeftY>44</UpperLeftY><LowerRightX>4</LowerRightX><LowerRightY>43</LowerRightY>"
        "<SizeX>10</SizeX><SizeY>10</SizeY></DataWindow><BandsCount>1</BandsCount></GDAL_WMS>"
    )


def _wcs(_, address):
    return f"<WCS_GDAL><ServiceURL>{address}/wcs?</ServiceURL><CoverageName>a</CoverageName></WCS_GDAL>"


def _gti(_, address):
    return f"<GDALTileIndexDataset><IndexDataset>/vsicurl/{address}/x.gpkg</IndexDataset></GDALTileIndexDataset>"


@pytest.mark.parametrize("content", [_secret, _request, _wms, _wcs, _gti])
def test_a_tif_of_another_format_reads_no_file_and_makes_no_request(tmp_path, server, content):
    address, requests = server
    path = tmp_path / "x.tif"
    path.write_text(content(tmp_path, address))
    covariate = Raster("test", patterns=("x.tif",))
    with pytest.raises(DataError, match=r"x\.tif: found XML.*expected a GeoTIFF"):
        grids.find(covariate, [tmp_path])
    with pytest.raises(DataError, match="expected a GeoTIFF"):
        RasterValues(covariate, [tmp_path])
    with pytest.raises(DataError, match="expected a GeoTIFF"):
        map_grids.like(path)
    grid = map_grids.of_bounds((3.0, 43.0, 4.0, 44.0), "EPSG:4326", 0.1)
    with pytest.raises(DataError, match="expected a GeoTIFF"), Cover(grid, CoverOptions(mask=path)):
        pass
    assert requests == []


def test_the_secret_would_be_read_by_any_driver(tmp_path):
    (tmp_path / "x.tif").write_text(_secret(tmp_path, ""))
    with rasterio.Env(GDAL_VRT_RAWRASTERBAND_ALLOWED_SOURCE="ALL"), rasterio.open(tmp_path / "x.tif") as raster:
        assert raster.driver == "VRT"


@pytest.mark.parametrize(
    ("head", "kind"),
    [(b"\x89HDF\r\n\x1a\n", "HDF5"), (b"CDF\x01", "netCDF"), (b"\0\0\0\x0cjP  \r\n", "JPEG 2000"),
     (b"\x89PNG\r\n", "a PNG"), (b"PK\3\4", "a zip"), (b"SQLite format 3\0", "SQLite")],
)  # fmt: skip
def test_another_format_is_named(tmp_path, head, kind):
    (tmp_path / "x.tif").write_bytes(head + bytes(100))
    with pytest.raises(DataError, match=f"x\\.tif: found .*{kind}.*gdal_translate -of GTiff"):
        opened(tmp_path / "x.tif")


@pytest.mark.parametrize("content", [b"", b"II*\0", b"nonsense"])
def test_a_file_that_is_not_whole_is_refused(tmp_path, content):
    (tmp_path / "x.tif").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.tif: cannot be opened as a raster.*expected a GeoTIFF"):
        find(tmp_path / "x.tif")


@pytest.mark.parametrize("name", ["/vsicurl/http://127.0.0.1:9/x.tif", "http://127.0.0.1:9/x.tif", "missing.tif"])
def test_what_is_no_file_of_this_machine_is_not_opened(name):
    with pytest.raises(RasterioIOError, match="no such file"):
        opened(name)


@pytest.mark.parametrize("domain", ["OVERVIEWS", "GEOLOCATION", "ProxyOverviewRequest"])
def test_metadata_of_a_geotiff_cannot_name_another_file(tmp_path, domain, server):
    address, requests = server
    path = geotiff(tmp_path / "x.tif", np.ones((1, 20, 20), "float32"))
    with rasterio.open(path, "r+") as raster:
        raster.update_tags(ns=domain, OVERVIEW_FILE=f"/vsicurl/{address}/x.tif", X_DATASET=f"/vsicurl/{address}/x.tif")
    with pytest.raises(DataError, match=rf"x\.tif: metadata '{domain}' of the file names other files"):
        find(path)
    assert requests == []


def test_files_next_to_a_raster_change_nothing_that_is_read(tmp_path):
    pixels = np.arange(400, dtype="float32").reshape(1, 20, 20)
    path = geotiff(tmp_path / "x.tif", pixels, nodata=3, scales=(2,), offsets=(1,))
    beside = "<NoDataValue>5</NoDataValue><Offset>7</Offset><Scale>3</Scale>"
    (tmp_path / "x.tif.aux.xml").write_text(
        f'<PAMDataset><PAMRasterBand band="1">{beside}</PAMRasterBand></PAMDataset>'
    )
    os.replace(geotiff(tmp_path / "o.tif", np.zeros((1, 10, 10), "float32")), tmp_path / "x.tif.ovr")
    with rasterio.open(path) as raster:
        assert (raster.nodata, raster.overviews(1)) == (5, [2])
    with opened(path) as raster:
        assert (raster.nodata, raster.scales, raster.offsets, raster.overviews(1)) == (3, (2,), (1,), [])
        assert raster.files == [str(path)]
        assert (raster.read(1, out_shape=(10, 10)) > 0).any()


@pytest.mark.parametrize(
    ("text", "word"), [("<NoDataValue>-9999</NoDataValue>", "NoDataValue -9999"), ("<Scale>0.1</Scale>", "Scale 0.1"),
                       ("<Offset>-273.15</Offset>", "Offset -273.15")],
)  # fmt: skip
def test_what_a_side_file_alone_says_of_the_values_is_refused(tmp_path, text, word):
    path = geotiff(tmp_path / "x.tif", np.ones((1, 20, 20), "float32"))
    (tmp_path / "x.tif.aux.xml").write_text(f'<PAMDataset><PAMRasterBand band="1">{text}</PAMRasterBand></PAMDataset>')
    with pytest.raises(DataError, match=rf"x\.tif\.aux\.xml: {word} is said there alone.*gdal_translate"):
        find(path)


def test_statistics_and_plain_scales_of_a_side_file_do_not_matter(tmp_path):
    path = geotiff(tmp_path / "x.tif", np.ones((1, 20, 20), "float32"))
    text = '<Offset>0</Offset><Scale>1</Scale><Metadata><MDI key="STATISTICS_MEAN">1</MDI></Metadata>'
    (tmp_path / "x.tif.aux.xml").write_text(f'<PAMDataset><PAMRasterBand band="1">{text}</PAMRasterBand></PAMDataset>')
    assert find(path)


def test_a_mask_in_a_side_file_is_refused(tmp_path):
    path = geotiff(tmp_path / "x.tif", np.ones((1, 20, 20), "float32"))
    os.replace(geotiff(tmp_path / "m.tif", np.ones((1, 20, 20), "uint8")), tmp_path / "x.tif.msk")
    with pytest.raises(DataError, match=r"x\.tif\.msk: a mask in a file next to the raster"):
        find(path)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_place_that_a_side_file_alone_says_is_asked_for_in_the_raster(tmp_path):
    path = geotiff(tmp_path / "x.tif", np.ones((1, 20, 20), "float32"), transform=rasterio.Affine.identity())
    (tmp_path / "x.tfw").write_text("0.01\n0\n0\n-0.01\n3\n44\n")
    with pytest.raises(DataError, match=r"x\.tif: the file does not say where its pixels are; \.aux\.xml, \.tfw"):
        find(path)
    unplaced = geotiff(tmp_path / "y.tif", np.ones((1, 20, 20), "float32"), crs=None)
    (tmp_path / "y.tif.aux.xml").write_text("<PAMDataset><SRS>EPSG:4326</SRS></PAMDataset>")
    with pytest.raises(DataError, match=r"y\.tif: no CRS in the file.*\.aux\.xml"):
        find(unplaced)


def _four(path, last, **layout):
    """Four bands of bytes, the last of which GDAL calls alpha."""
    bands = np.random.default_rng(9).integers(1, 60, (4, 80, 80)).astype("uint8")
    bands[3] = last
    geotiff(path, bands, step=1000, west=500_000, north=4_850_000, crs="EPSG:32631", **layout)
    with opened(path) as raster:
        assert files.alpha(raster) == 4
    return bands


def test_a_fourth_band_of_values_is_no_alpha(tmp_path):
    last = np.random.default_rng(1).integers(0, 60, (80, 80))
    bands = _four(tmp_path / "x.tif", last)
    (grid,) = find(tmp_path / "x.tif", crs=None)
    assert [band.name for band in grid.bands] == ["x_1", "x_2", "x_3", "x_4"]
    row, col = np.mgrid[0:80, 0:80].reshape(2, -1)
    np.testing.assert_array_equal(at_pixels(grid, row, col)[0].T.reshape(4, 80, 80), bands)
    (warped,) = find(tmp_path / "x.tif")
    assert (warped.warped, len(warped.bands)) == (True, 4)
    with Reader(warped) as reader:
        values, valid = reader.box(0, 0, *warped.shape)
        assert valid[:, 40, 40].all()
        assert valid.all(axis=0).mean() > 0.9
        np.testing.assert_allclose(reader.means(), bands.mean(axis=(1, 2)), rtol=0.02)
        assert values.shape == (4, *warped.shape)


@pytest.mark.parametrize("crs", [None, "EPSG:4326"])
def test_an_alpha_hides_pixels_and_is_no_band(tmp_path, crs):
    last = np.where(np.arange(80) < 30, 0, 255) * np.ones((80, 1))
    bands = _four(tmp_path / "x.tif", last)
    (grid,) = find(tmp_path / "x.tif", crs=crs)
    assert [band.name for band in grid.bands] == ["x_1", "x_2", "x_3"]
    with Reader(grid) as reader:
        _, valid = reader.box(0, 0, *grid.shape)
        assert valid.shape[0] == 3
        assert abs(valid.mean() - 50 / 80) < 0.05
        np.testing.assert_allclose(reader.means(), bands[:3, :, 30:].mean(axis=(1, 2)), rtol=0.02)


def test_a_band_of_zeros_alone_hides_nothing(tmp_path):
    _four(tmp_path / "x.tif", 0)
    (grid,) = find(tmp_path / "x.tif", crs=None)
    assert len(grid.bands) == 4


def test_the_view_without_alpha_reads_no_side_file(tmp_path):
    last = np.random.default_rng(1).integers(0, 60, (80, 80))
    _four(tmp_path / "x.tif", last)
    (tmp_path / "x.tif.ovr").write_text(_secret(tmp_path, ""))
    with opened(tmp_path / "x.tif") as raster, files.all_values(raster) as view:
        assert view.mask_flag_enums[0] == [MaskFlags.all_valid]
        np.testing.assert_array_equal(view.read(4), last)
