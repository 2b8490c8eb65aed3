"""Labelled places from borders and rasters, on made-up countries and climate."""

import json

import numpy as np
import pandas as pd
import pytest

from glc.errors import DataError, MissingError
from glc.location.downstream import labelled, places, problems
from tests.rasters.geotiffs import geotiff


@pytest.fixture
def given(tmp_path):
    """A folder of rasters of 60° by 40°, and two square countries in it, one without a code."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "rasters"
    folder.mkdir()
    wave = np.cos(2 * np.pi * (np.arange(12) - 6) / 12)[:, None, None]  # July is the warmest month
    tmean = (15 + 10 * wave + rng.normal(0, 1, (12, 40, 60))).astype(np.float32)
    prec = np.full((12, 40, 60), 80, np.float32)
    bounds = {"step": 1, "west": 0, "north": 60}
    geotiff(folder / "tmean_monthly.tif", tmean, **bounds)
    geotiff(folder / "prec_monthly.tif", prec, **bounds)
    geotiff(folder / "altitude_5m.tif", np.full((1, 40, 60), 300, np.int16), **bounds)
    areas = [(0, "Westland", "900"), (30, "Eastland", "")]
    features = [
        {
            "type": "Feature",
            "properties": {"name": name, "id": code},
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[west, 20], [west + 30, 20], [west + 30, 60], [west, 60], [west, 20]]],
            },
        }
        for west, name, code in areas
    ]
    (tmp_path / "borders.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return folder, tmp_path / "borders.geojson"


def test_places_have_the_country_and_the_values_where_they_are(given, tmp_path):
    rasters, borders = given
    facts = places.write(rasters, tmp_path, 400, borders=borders)
    problem = problems.location(tmp_path)
    frame = problem.places
    assert facts["places"] == len(frame)
    assert facts["places"] + facts["query"] + facts["without_value"] == 400
    assert (frame["country_code"] == np.where(frame["lon"] < 30, "900", "Eastland")).all()
    assert (frame["prec_annual_mm"] == 960).all()
    assert (frame["altitude_m"] == 300).all()
    assert frame["tmean_annual_c"].between(14, 16).all()
    assert (frame["koeppen_main"] == "C").all()
    blocks = frame.groupby([np.floor(frame["lat"] / 10), np.floor(frame["lon"] / 10)])["fold_block10"].nunique()
    assert (blocks == 1).all()
    query = pd.read_parquet(tmp_path / "location_query.parquet")
    assert list(query) == ["lat", "lon"]
    both = [set(zip(np.floor(x["lat"] / 10), np.floor(x["lon"] / 10), strict=True)) for x in (frame, query)]
    assert not both[0] & both[1]
    again = tmp_path / "again"
    again.mkdir()
    places.write(rasters, again, 400, borders=borders)
    pd.testing.assert_frame_equal(pd.read_parquet(again / labelled.TASKS), pd.read_parquet(tmp_path / labelled.TASKS))


def test_the_rasters_are_asked_for(given, tmp_path):
    rasters, borders = given
    geotiff(rasters / "prec_monthly.tif", np.ones((11, 4, 6), np.float32), step=10, west=0, north=60)
    with pytest.raises(DataError, match=r"prec has 11 bands, expected 12, January to December"):
        places.write(rasters, tmp_path, 400, borders=borders)
    (rasters / "prec_monthly.tif").unlink()
    with pytest.raises(MissingError, match="prec_monthly"):
        places.files(rasters)


@pytest.mark.parametrize(
    ("tmean", "prec", "main"),
    [
        ([27] * 12, [200] * 12, "A"),
        ([25] * 12, [10] * 12, "B"),
        ([5, 6, 8, 11, 14, 17, 19, 19, 16, 12, 8, 5], [60] * 12, "C"),
        ([-10, -8, -2, 5, 12, 17, 19, 17, 11, 5, -2, -8], [50] * 12, "D"),
        ([-30, -28, -25, -15, -5, 2, 5, 3, -2, -12, -22, -28], [20] * 12, "E"),
        # 400 mm at 15 °C: enough in winter (threshold 300 mm), too little in summer (580 mm)
        ([5, 6, 9, 13, 18, 23, 26, 25, 21, 16, 11, 7], [80, 70, 60, 30, 5, 0, 0, 0, 5, 30, 50, 70], "C"),
        ([5, 6, 9, 13, 18, 23, 26, 25, 21, 16, 11, 7], [5, 0, 0, 30, 70, 80, 80, 70, 60, 5, 0, 0], "B"),
        # the same in the south
        ([26, 25, 21, 16, 11, 7, 5, 6, 9, 13, 18, 23], [0, 0, 5, 30, 50, 70, 80, 70, 60, 30, 5, 0], "C"),
    ],
)
def test_main_classes_of_koeppen_are_those_of_kottek(tmean, prec, main):
    assert places.koeppen(np.array([prec], float), np.array([tmean], float))[0] == main
