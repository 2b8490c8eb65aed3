"""Tables of downstream tasks, as they are and damaged."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree

from glc import geo
from glc.errors import DataError
from glc.location.downstream import problems
from tests.location import places


def test_na_is_namibia_and_north_america_and_a_class_may_be_missing(tmp_path):
    frame = places.write_location(tmp_path)
    problem = problems.location(tmp_path)
    assert (problem.places["country_code"] == frame["country_code"]).all()
    assert "NA" in set(problem.places["country_code"])
    assert set(problem.places["continent"]) == {"North America", "Asia"}
    assert [label is None for label in problem.labels(["koeppen_main"])["koeppen_main"]] == [
        i % 40 == 0 for i in range(len(frame))
    ]
    assert problem.folds == {
        "fold_random": (0, 1, 2, 3, 4),
        "fold_block10": (0, 1, 2, 3),
        "fold_knndm": (0, 1, 2, 3, 4),
    }
    assert problems.location(tmp_path, 2).folds["fold_random"] == (0, 1)
    assert list(problem.query) == ["lat", "lon"]


def test_habitats_keep_their_blocks_together(tmp_path):
    frame = places.write_habitats(tmp_path, n=600)
    problem = problems.habitats(tmp_path)
    assert (problem.places["habitatId"] == frame["habitatId"]).all()
    block = np.floor(problem.places[["lon", "lat"]] / problems.HABITAT_BLOCK_DEG).astype(int)
    by_block = problem.places.groupby([block["lon"], block["lat"]])["fold_block"]
    assert by_block.size().max() > 1
    assert (by_block.nunique() == 1).all()
    assert problem.places["fold_random"].value_counts().tolist() == [120] * 5
    assert set(problem.places["fold_block"]) == set(range(5))


def test_knndm_folds_need_a_place_each(tmp_path):
    places.write_habitats(tmp_path, n=4)
    with pytest.raises(DataError, match=r"surveys_train.csv: found 4 places, expected at least 5"):
        problems.habitats(tmp_path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.drop(columns="altitude_m"), r"location_tasks.parquet: column 'altitude_m' is missing; found \["),
        (
            lambda t: t.assign(lat=t["lat"].where(t.index != 3, 95)),
            "column 'lat': found 1 rows of 400 that are not deg",
        ),
        (lambda t: t.assign(prec_annual_mm=np.nan), "column 'prec_annual_mm': found 400 rows .* not finite numbers"),
        (lambda t: t.assign(country_code=t["country_code"].replace("NA", None)), "'NA' is Namibia"),
        (lambda t: t.iloc[:0], "found no rows"),
        (lambda t: t.assign(lon="east"), "column 'lon' is of type .*, expected numbers"),
    ],
)
def test_damaged_tables_are_refused(tmp_path, change, told):
    frame = places.write_location(tmp_path)
    change(frame).to_parquet(tmp_path / "location_tasks.parquet", index=False)
    with pytest.raises(DataError, match=told):
        problems.location(tmp_path)


def test_missing_files_and_empty_habitats_are_told(tmp_path):
    with pytest.raises(DataError, match=r"location_tasks.parquet: no such file; give the folder that holds"):
        problems.location(tmp_path)
    frame = places.write_habitats(tmp_path)
    frame.assign(habitatId=frame["habitatId"].where(frame.index > 1, "")).to_csv(
        tmp_path / "surveys_train.csv", index=False
    )
    with pytest.raises(DataError, match="column 'habitatId' has 2 empty rows"):
        problems.habitats(tmp_path)


def test_the_nearest_pixel_is_the_one_that_holds_the_place(tmp_path):
    bands = places.write_raster(tmp_path / "r.tif").astype(np.int16)
    lon, lat = np.array([-180.0, -175.1, -174.9, 179.9, 180.0]), np.array([90.0, 85.1, 84.9, -89.9, -90.0])
    values, names = problems.nearest_pixel(tmp_path / "r.tif", lon, lat)
    assert names == list(places.BANDS)
    np.testing.assert_array_equal(values, bands[:, [0, 0, 1, 35, 35], [0, 0, 1, 71, 71]].T)
    values, names = problems.nearest_pixel(tmp_path / "r.tif", lon, lat, without=("altitude", "tmean"))
    assert names == ["land_percent"]
    np.testing.assert_array_equal(values[:, 0], [100, 100, 100, 0, 0])


def test_rasters_that_cannot_tell_are_refused(tmp_path):
    places.write_raster(tmp_path / "r.tif")
    with pytest.raises(DataError, match="no band is left"):
        problems.nearest_pixel(tmp_path / "r.tif", [0], [0], without=("altitude", "tmean", "land"))
    with pytest.raises(DataError, match=r"1 of 2 places lie outside, such as lon 200"):
        problems.nearest_pixel(tmp_path / "r.tif", [0, 200], [0, 0])
    places.write_raster(tmp_path / "m.tif", crs="EPSG:3857")
    with pytest.raises(DataError, match="expected EPSG:4326; try: gdalwarp"):
        problems.nearest_pixel(tmp_path / "m.tif", [0], [0])


@pytest.mark.slow
def test_the_real_tables_are_read(shared_data):
    problem = problems.location(shared_data / "location", 1)
    assert (len(problem.places), len(problem.query)) == (77_822, 22_178)
    assert (problem.places["country_code"] == "NA").sum() > 0
    assert problem.folds["fold_block10"] == (0, 1, 2, 3)
    habitats = problems.habitats(shared_data / "habitats")
    for real in (problem, habitats):  # medians agree within a tenth, where blocks of 10° are a quarter too far
        fold = real.places["fold_knndm"].to_numpy()
        points, asked = (geo.unit_sphere(frame["lon"], frame["lat"]) for frame in (real.places, real.query))
        wanted = np.median(cKDTree(points).query(asked)[0])
        between = np.empty(len(fold))
        for number in real.folds["fold_knndm"]:
            own = fold == number
            between[own] = cKDTree(points[~own]).query(points[own])[0]
        assert np.median(between) == pytest.approx(wanted, rel=0.1)
    assert (len(habitats.places), len(habitats.query)) == (13_424, 1_877)
    assert pd.unique(habitats.places["habitatId"]).size == 172
