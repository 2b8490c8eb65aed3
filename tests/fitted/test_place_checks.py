"""What is wrong with places: per row, and over a whole file."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from glc.errors import DataError
from glc.fitted.place_checks import cast, check_not_swapped, check_rows, summarise
from glc.fitted.places_file import open_places

LAND = (3.9, 43.65)
MID_ATLANTIC = (-30.0, 40.0)


def table(**columns):
    """Rows as a CSV gives them: text."""
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def csv(path, *lines, header="lon,lat"):
    """A file of places, opened."""
    path.write_text("\n".join([header, *lines]) + "\n")
    return open_places(path)


def test_places_that_cannot_be_used_keep_their_row_and_say_why():
    checked = check_rows(
        table(
            lon=["3.9", "abc", "", "NA", "3.9", "200", "inf", " 4 "],
            lat=["43.65", "44", "44", "44", None, "44", "44", "44"],
        )
    )
    assert checked.usable.tolist() == [True, False, False, False, False, False, False, True]
    assert checked.lon[7] == 4
    assert checked.kind.tolist() == [None, *["not a number"] * 4, "outside the world", "not a number", None]
    assert checked.problem[1] == "lon: found 'abc', expected a number of degrees"
    assert checked.problem[2] == "lon: found nothing, expected a number of degrees"
    assert checked.problem[4] == "lat: found nothing, expected a number of degrees"
    assert checked.problem[5] == "found lon 200 and lat 44, expected degrees (EPSG:4326)"


def test_places_at_sea_are_reported_and_usable_and_a_beach_is_no_sea():
    beach = (3.93, 43.51)  # Palavas, metres from the water
    lon, lat = zip(LAND, MID_ATLANTIC, beach, strict=True)
    checked = check_rows(pa.table({"lon": lon, "lat": lat}))
    assert checked.usable.all()
    assert checked.problem.tolist() == [None, "at sea", None]


def test_dates_are_days_or_years_and_others_are_reported():
    texts = ["2021-05-03", "2021", "2021-05", "2021-05-03T10:00:00Z", "May", "", "2019.0", "20210230"]
    checked = check_rows(table(lon=["3.9"] * 8, lat=["43.65"] * 8, date=texts))
    days = pd.Series(checked.date).dt.strftime("%Y-%m-%d").tolist()
    assert days[:4] == ["2021-05-03", "2021-01-01", "2021-05-01", "2021-05-03"]
    assert days[6] == "2019-01-01"
    assert pd.isna(checked.date[[4, 5, 7]]).all()
    assert checked.problem[4] == "date: found 'May', expected YYYY-MM-DD or a year"
    assert checked.problem[5] is None
    assert checked.usable.all()


def test_dates_of_a_parquet_may_be_years_or_timestamps():
    years = check_rows(pa.table({"lon": [3.9, 3.9], "lat": [43.65, 43.65], "date": pa.array([2021, None])}))
    assert years.date[0] == np.datetime64("2021-01-01")
    assert np.isnat(years.date[1])
    moments = pd.to_datetime(["2020-02-29 12:00"])
    assert check_rows(pa.table({"lon": [3.9], "lat": [43.65], "date": moments})).date[0] == moments[0]


def test_ids_of_surveys_are_whole_numbers():
    checked = check_rows(table(lon=["3.9"] * 4, lat=["43.65"] * 4, surveyId=["12", "x1", "", "7.0"]))
    assert checked.survey_id.tolist() == [12, pd.NA, pd.NA, 7]
    assert checked.problem.tolist() == [None, "surveyId: found 'x1', expected a whole number", None, None]


def test_a_row_may_have_several_problems():
    checked = check_rows(table(lon=["-30"], lat=["40"], date=["May"]))
    assert checked.kind[0] == "at sea"
    assert checked.problem[0] == "at sea; date: found 'May', expected YYYY-MM-DD or a year"


def test_a_file_is_counted_with_its_first_problems(tmp_path):
    places = csv(tmp_path / "a.csv", "3.9,43.65", *["x,1"] * 7, "-30,40", "3,44")
    known = summarise(places, rows=4)
    assert (known.rows, known.usable) == (10, 3)
    assert known.counts == {"not a number": 7, "at sea": 1}
    number, sea = sorted(known.lines())
    assert sea.startswith("7 of 10 places: not a number; no predictions (row 2: lon: found 'x'")
    assert sea.endswith(", …)")
    assert "row 9: at sea" in number
    assert known.bounds == (-30, 40, 3.9, 44)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((), "no places"),
        (("3.9;43", "4;44"), None),
        (("100,200",), "none of 1 places can be used: row 1: found lon 100 and lat 200"),
        (("43.6,100", "44,101", "45,102"), "lat of 3 of 3 places is beyond 90 degrees.*swapped"),
        (('"3,9","43,6"',), "write decimals with a point: 3.9, not 3,9"),
        (("600000,6200000",), "have to be degrees"),
    ],
)
def test_files_without_a_place_that_can_be_used_are_refused(tmp_path, lines, message):
    places = csv(tmp_path / "a.csv", *lines)
    if message is None:
        message = "none of 2 places can be used"
    with pytest.raises(DataError, match=message):
        summarise(places, rows=2)


def test_exchanged_coordinates_are_refused_where_the_surveys_give_them_away(tmp_path):
    lon, lat = np.array([0.0, 8.0]), np.array([42.0, 46.0])
    swapped = csv(tmp_path / "a.csv", "43.6,3.9", "44.1,4.9")
    with pytest.raises(DataError, match=r"43.6 to 44.1 E and 3.9 to 4.9 N, training surveys from 0 to 8 E .* swapped"):
        check_not_swapped(swapped, summarise(swapped, 10), lon, lat)
    for name, line in (("right", "3.9,43.6"), ("elsewhere", "-70,-20"), ("far", "20,30")):
        places = csv(tmp_path / f"{name}.csv", line)
        check_not_swapped(places, summarise(places, 10), lon, lat)


def test_text_gets_the_type_that_all_its_values_have(tmp_path):
    lines = ["3,44,1,1,a,007,", "4,45,2,2.5,2,010,", "x,46,,3,3,11,"]
    places = csv(tmp_path / "a.csv", *lines, header="lon,lat,whole,number,text,code,empty")
    known = summarise(places, rows=2)
    table = pa.concat_tables([cast(block, known.types) for block in places.blocks(2)])
    assert table["lon"].to_pylist() == [3, 4, None]
    assert table["whole"].to_pylist() == [1, 2, None]
    assert table["number"].to_pylist() == [1, 2.5, 3]
    assert table["text"].to_pylist() == ["a", "2", "3"]
    assert table["code"].to_pylist() == ["007", "010", "11"]
    assert table["empty"].null_count == 3
