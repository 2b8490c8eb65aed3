"""Files of places: what is read, and what is refused from the columns alone."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyogrio
import pytest
import shapely
from pyproj import Transformer

from glc.errors import DataError
from glc.fitted.places_file import open_places


def rows(path, size=3, **options):
    """All rows of a file of places, as a list of dicts."""
    return pa.concat_tables(list(open_places(path, **options).blocks(size))).to_pylist()


def geopackage(path, points, crs="EPSG:2154", layer="plots", kind="Point", **fields):
    """Write a layer of points (x, y), or of given geometries."""
    shapes = [shapely.Point(*point) if isinstance(point, tuple) else point for point in points]
    wkb = np.array([None if shape is None else shapely.to_wkb(shape) for shape in shapes], object)
    pyogrio.raw.write(
        path, wkb, list(fields.values()), list(fields), crs=crs, geometry_type=kind, layer=layer, driver="GPKG",
        append=path.is_file(),
    )  # fmt: skip
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_a_csv_of_any_separator_keeps_its_columns_in_order(tmp_path, separator):
    path = tmp_path / "plots.csv"
    lines = [["plot", "lat", "lon", "date"], ["a", "43.6", "3.9", "2021"], ["NA", "44", "", ""]]
    path.write_text("\n".join(separator.join(line) for line in lines) + "\n")
    assert open_places(path).columns == ("plot", "lat", "lon", "date")
    assert rows(path)[0] == {"plot": "a", "lat": "43.6", "lon": "3.9", "date": "2021"}
    assert rows(path)[1]["plot"] == "NA"


def test_a_csv_with_a_mark_at_its_start_and_one_in_latin_1_are_read(tmp_path):
    marked, latin = tmp_path / "marked.csv", tmp_path / "latin.csv"
    marked.write_text("lon,lat,name\n3,44,é\n", encoding="utf-8-sig")
    names = ["Grünfläche an der Straße", "Königsgebüsch über dem Fluß", "Höhe südlich der Mühle"]
    latin.write_text("lon,lat,name\n" + "".join(f"3,44,{name}\n" for name in names), encoding="latin-1")
    assert rows(marked)[0] == {"lon": "3", "lat": "44", "name": "é"}
    assert [row["name"] for row in rows(latin)] == names
    assert "ISO-8859" in open_places(latin).notes[0] or "windows" in open_places(latin).notes[0]
    assert open_places(marked).notes == ()


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_blocks_have_the_size_asked_for_and_lose_no_row(tmp_path, size):
    frame = pd.DataFrame({"lon": np.arange(20.0), "lat": 44.0, "plot": [f"p{i}" for i in range(20)]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet", row_group_size=6)
    for path in (tmp_path / "a.csv", tmp_path / "a.parquet"):
        blocks = list(open_places(path).blocks(size))
        assert {block.num_rows for block in blocks[:-1]} <= {size}
        assert pa.concat_tables(blocks)["plot"].to_pylist() == frame["plot"].tolist()


def test_a_parquet_keeps_the_types_of_its_columns(tmp_path):
    frame = pd.DataFrame(
        {
            "lon": [1, 2],
            "lat": [44.5, 45],
            "when": pd.to_datetime(["2020-01-01", None]),
            "kind": pd.Categorical(["a", "b"]),
        },
        index=["x", "y"],
    )
    frame.to_parquet(tmp_path / "a.parquet")
    table = next(open_places(tmp_path / "a.parquet").blocks(10))
    assert table.column_names == ["lon", "lat", "when", "kind"]
    assert pa.types.is_temporal(table["when"].type)
    assert table["kind"].to_pylist() == ["a", "b"]


def test_points_of_a_geopackage_come_in_degrees_whatever_their_crs(tmp_path):
    x, y = Transformer.from_crs(4326, 2154, always_xy=True).transform(3.9, 43.6)
    path = geopackage(tmp_path / "a.gpkg", [(x, y), None], plot=np.array(["p", "q"], object), lon=np.array([0.0, 0.0]))
    first, second = rows(path)
    assert open_places(path).columns == ("lon", "lat", "plot")
    assert open_places(path).notes == (
        "points are projected from EPSG:2154 to degrees",
        "the points give lon and lat; the field lon is not used",
    )
    assert first == {"lon": pytest.approx(3.9), "lat": pytest.approx(43.6), "plot": "p"}
    assert second == {"lon": None, "lat": None, "plot": "q"}


def test_a_layer_is_chosen_by_name(tmp_path):
    path = geopackage(tmp_path / "a.gpkg", [(3, 44)], crs="EPSG:4326", layer="first", n=np.array([1]))
    geopackage(path, [(4, 45)], crs="EPSG:4326", layer="second", n=np.array([2]))
    with pytest.raises(DataError, match=r"2 layers with places \(first, second\).*--layer"):
        open_places(path)
    with pytest.raises(DataError, match=r"no layer 'secnd'.*did you mean 'second'"):
        open_places(path, "secnd")
    assert rows(path, layer="second")[0]["n"] == 2


def test_layers_without_points_or_crs_are_refused(tmp_path):
    area = geopackage(tmp_path / "area.gpkg", [shapely.box(0, 0, 1, 1)], kind="Polygon", n=np.array([1]))
    with pytest.raises(DataError, match="'plots' holds Polygon geometries, expected Point"):
        open_places(area)
    bare = geopackage(tmp_path / "bare.gpkg", [(3, 44)], crs=None, n=np.array([1]))
    with pytest.raises(DataError, match="has no CRS; try: ogr2ogr -a_srs"):
        open_places(bare)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("lon,lat,lat", "column 'lat' is there 2 times"),
        ("lon,plot", "column 'lat' is missing; found 'lon', 'plot'"),
        ("longitude,latitude", "column 'lon' is missing.*did you mean 'longitude'"),
        ("Lon,lat", "column 'lon' is missing.*did you mean 'Lon'"),
        ("lon,lat,species", "column 'species' would be replaced"),
        ("lon,lat,surveyID", "found the column 'surveyID', expected 'surveyId'"),
        ("3.9 43.6", "column 'lon' is missing"),
        ("", "first line is empty"),
    ],
)
def test_columns_that_cannot_be_used_are_refused(tmp_path, header, message):
    path = tmp_path / "a.csv"
    path.write_text(f"{header}\n1,2,3\n")
    with pytest.raises(DataError, match=message):
        open_places(path)


def test_columns_of_a_parquet_are_refused_in_the_same_way(tmp_path):
    pd.DataFrame({"lon": [1.0], "latitude": [2.0]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"column 'lat' is missing.*did you mean 'latitude'"):
        open_places(tmp_path / "a.parquet")


@pytest.mark.parametrize("name", ["a.xlsx", "a.geojson", "places"])
def test_another_ending_is_refused_with_a_command(tmp_path, name):
    with pytest.raises(DataError, match=r"expected .csv, .parquet or .gpkg; try: ogr2ogr"):
        open_places(tmp_path / name)


@pytest.mark.parametrize("name", ["a.parquet", "a.gpkg"])
def test_a_file_that_is_not_what_its_ending_says_is_refused(tmp_path, name):
    (tmp_path / name).write_text("lon,lat\n1,2\n")
    with pytest.raises(DataError, match=r"cannot be read as"):
        open_places(tmp_path / name)


def test_a_csv_with_a_field_too_many_is_refused_by_line(tmp_path):
    (tmp_path / "a.csv").write_text("lon,lat,name\n1,2,a\n1,2,b, c\n")
    with pytest.raises(DataError, match=r"line 3, saw 4 \(3 columns: lon, lat, name\)"):
        rows(tmp_path / "a.csv")


@pytest.mark.parametrize(
    "content",
    [
        '<OGRVRTDataSource><OGRVRTLayer name="secret"><SrcDataSource relativeToVRT="1">secret.csv</SrcDataSource>'
        '<GeometryField encoding="PointFromColumns" x="lon" y="lat"/><LayerSRS>EPSG:4326</LayerSRS></OGRVRTLayer>'
        "</OGRVRTDataSource>",
        "<OGRWFSDataSource><URL>http://127.0.0.1:9/wfs</URL></OGRWFSDataSource>",
        '{"type": "FeatureCollection", "features": []}',
        "",
    ],
)
def test_a_geopackage_that_is_another_format_is_refused(tmp_path, content):
    (tmp_path / "secret.csv").write_text("lon,lat,secret\n3,44,hidden\n")
    (tmp_path / "a.gpkg").write_text(content)
    with pytest.raises(DataError, match=r"a\.gpkg: cannot be read as a GeoPackage: it starts"):
        open_places(tmp_path / "a.gpkg")


def test_a_geopackage_that_becomes_another_format_is_refused_when_it_is_read(tmp_path):
    places = open_places(geopackage(tmp_path / "a.gpkg", [(700_000, 6_600_000)]))
    (tmp_path / "a.gpkg").write_text("<OGRVRTDataSource/>")
    with pytest.raises(DataError, match="cannot be read as a GeoPackage: it starts"):
        list(places.blocks(1))


def test_an_sqlite_file_that_is_no_geopackage_is_refused(tmp_path):
    data = bytearray(geopackage(tmp_path / "a.gpkg", [(700_000, 6_600_000)]).read_bytes())
    data[68:72] = bytes(4)
    (tmp_path / "b.gpkg").write_bytes(data)
    with pytest.raises(DataError, match="cannot be read as a GeoPackage: it starts"):
        open_places(tmp_path / "b.gpkg")
