"""What is odd about a dataset: each oddity counts the right rows, and data without it are not accused of it."""

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from glc import schema, storage
from glc.editions import Dataset, Edition, Oddity, Table
from glc.etl import odd, overview
from glc.etl import quarantine as q

N = 200
SPECIES = ("Abies alba Mill.", "Bellis perennis L.", "Carex flacca Schreb.", "Erica carnea L.")


class Own(Edition):
    """An edition that has something to say itself."""

    said = ()

    def oddities(self, dataset):
        return self.said


def surveys(n=N, seed=0):
    """Surveys all over eastern France, two or three species each."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "surveyId": np.arange(1, n + 1),
            "lon": rng.uniform(3, 6.5, n).round(5),
            "lat": rng.uniform(44.5, 47, n).round(5),
            "year": rng.integers(2000, 2020, n),
            "species": [sorted(rng.choice(4, rng.integers(2, 4), replace=False).tolist()) for _ in range(n)],
        }
    )


def records(n=N, seed=0):
    """Records at as many places."""
    frame = surveys(n, seed)
    return frame.drop(columns="species").assign(speciesId=frame["species"].str[0])


def stored(frame, out, name, dataset):
    """Write a table of a part as the ETL does, in a file of the part's name."""
    frame = frame.assign(dataset=dataset).reindex(columns=schema.TABLES[name].names)
    (out / name).mkdir(parents=True, exist_ok=True)
    table = schema.check(pa.Table.from_pandas(frame, preserve_index=False), name, out)
    pq.write_table(table, out / name / f"{dataset}.parquet")


@pytest.fixture
def find(tmp_path):
    """Returns a function: facts of the tables of the frames by dataset."""

    def find(virtual=False, names=SPECIES, bad=(), files=(), edition=None, **parts):
        out = tmp_path / "out"
        edition = edition or Own("test", ())
        for name, frame in parts.items():
            stored(frame, out, "occurrences" if name == "po" else "surveys", name)
        listed = [(number, text, None) for number, text in enumerate(names)]
        storage.write_table(pd.DataFrame(listed, columns=["speciesId", "name", "key"]), "species", out / "species")
        left_out = pd.DataFrame(list(bad), columns=schema.TABLES["quarantine"].names)
        storage.write_table(left_out, "quarantine", out / "quarantine")
        dataset = Dataset("test", tmp_path, edition, tuple((Table(name, (), {}), tmp_path) for name in parts))
        facts = {"train": next(iter(parts)), "test": "pa_test", "files": list(files), "quarantined": len(left_out)}
        facts["datasets"] = {name: {"occurrences": len(part), "surveys": len(part)} for name, part in parts.items()}
        facts["species"] = {"number": len(names)}
        return facts | odd.find(out, dataset, facts, virtual=virtual)

    return find


def said(facts):
    """(rows, of, what) of each oddity."""
    return [(row.rows, row.of, row.what) for row in overview.oddities(facts)]


def test_data_that_are_as_usual_are_told_in_a_line_and_nothing_else(find):
    facts = find(pa_train=surveys(), po=records(50, 1), pa_test=surveys(30, 2).assign(species=[[]] * 30))
    assert "odd" not in facts
    (line,) = overview.lines(facts)
    assert "200 surveys, 50 presence-only records, 30 test surveys, 4 species, 3.0–6.5° E 44.5–47.0° N (Fr" in line
    assert line.endswith("2000–2019")


def test_surveys_of_one_species_are_a_file_of_occurrences_and_records_are_not(find):
    frame = surveys()
    frame["species"] = [row[: 1 + (number < 40)] for number, row in enumerate(frame["species"])]
    what = "surveys have one species (a file of occurrences, taken for surveys?)"
    assert said(find(pa_train=frame)) == [(160, 200, what)]
    assert said(find(po=records())) == []


def test_a_shared_place_is_named_and_permanent_plots_are_none(find):
    frame = surveys()
    frame.loc[:59, ["lon", "lat"]] = 2.45, 46.55
    facts = find(pa_train=frame)
    assert said(facts) == [(60, 200, "surveys share one place (the centre of a country or of a grid cell?)")]
    assert facts["odd"][0]["example"] == "lon 2.45, lat 46.55"
    plots = surveys(10).loc[np.repeat(np.arange(10), 20)].assign(surveyId=np.arange(1, 201))
    plots["year"] = np.tile(np.arange(2000, 2020), 10)
    assert said(find(pa_train=plots)) == []


def test_coordinates_of_whole_degrees_are_counted_and_those_of_two_decimals_are_not(find):
    frame = surveys()
    frame.loc[:29, ["lon", "lat"]] = frame.loc[:29, ["lon", "lat"]].round(1)
    rough = "surveys have coordinates of fewer than two decimals, known to 5 km at best"
    assert (30, 200, rough) in said(find(pa_train=frame))
    frame[["lon", "lat"]] = surveys()[["lon", "lat"]].round(2)
    assert said(find(pa_train=frame)) == []


def test_places_in_the_sea_are_counted_except_of_an_invented_world(find):
    frame = surveys()
    frame.loc[:9, "lon"], frame.loc[:9, "lat"] = np.linspace(4.0, 5.0, 10), 42.3  # the Gulf of Lion
    assert said(find(pa_train=frame)) == [(10, 200, "surveys lie in the sea")]
    invented = find(virtual=True, pa_train=frame)
    assert said(invented) == []
    assert invented["overview"]["areas"] == {}
    frame.loc[:9, "lon"], frame.loc[:9, "lat"] = 5.368, 43.27  # a few km off Marseille
    assert not any("sea" in what for _, _, what in said(find(pa_train=frame)))


def test_exchanged_and_negated_coordinates_are_recognised_and_other_far_places_are_counted(find):
    frame = surveys()
    frame.loc[:3, ["lon", "lat"]] = frame.loc[:3, ["lat", "lon"]].to_numpy(copy=True)
    frame.loc[4:5, "lat"] *= -1
    frame.loc[6, ["lon", "lat"]] = 100.01, 60.01
    far = "surveys lie more than 500 km from the others"
    counts = dict((what, rows) for rows, _, what in said(find(pa_train=frame)))
    assert counts[f"{far}, but among them with lon and lat exchanged"] == 4
    assert counts[f"{far}, but among them with the other sign of lat"] == 2
    assert counts[far] == 1


def test_half_a_file_with_exchanged_coordinates_is_recognised_and_two_regions_are_not(find):
    frame = surveys()
    frame.loc[:79, ["lon", "lat"]] = frame.loc[:79, ["lat", "lon"]].to_numpy(copy=True)
    far = "surveys lie more than 500 km from the others, but among them with lon and lat exchanged"
    assert (80, 200, far) in said(find(pa_train=frame))
    frame = surveys()
    frame.loc[:79, "lon"] -= 100  # North America as well
    assert said(find(pa_train=frame)) == []


def test_data_of_the_globe_have_no_place_far_from_the_others(find):
    rng = np.random.default_rng(0)
    places = rng.uniform([-180, -1], [180, 1], (N, 2))
    frame = surveys().assign(lon=places[:, 0].round(5), lat=np.degrees(np.arcsin(places[:, 1])).round(5))
    assert not any("500 km" in what for _, _, what in said(find(virtual=True, pa_train=frame)))


def test_repetitions_are_surveys_of_the_same_species_or_records_of_the_same_visit(find):
    frame = surveys()
    frame.loc[180:, ["lon", "lat", "year", "species"]] = frame.loc[:19, ["lon", "lat", "year", "species"]].to_numpy()
    frame.at[199, "species"] = [0, 1, 2, 3]  # as a later visit would find it
    what = "surveys repeat another (same place, year and species)"
    assert said(find(pa_train=frame)) == [(19, 200, what)]
    twice = pd.concat([records(), records()[:15]])
    assert said(find(po=twice)) == [(15, 215, "records repeat another (same species, place and date)")]


def test_surveys_in_which_nothing_grows_do_not_repeat_each_other(find):
    frame = surveys().assign(lon=3.12345, lat=45.12345, year=2000)
    frame["species"] = [[] for _ in range(N)]
    assert not any("repeat" in what for _, _, what in said(find(pa_train=frame)))


def test_years_to_come_are_counted_with_the_latest(find):
    now = datetime.date.today().year
    frame = surveys()
    frame.loc[0, "year"], frame.loc[1, "year"], frame.loc[2, "year"] = 2099, now + 1, now
    ((rows, _, what),) = said(find(pa_train=frame))
    assert (rows, what) == (
        2, f"surveys have a year after {now}; predictions are for the latest year, 2099, unless a date is given"
    )  # fmt: skip


def test_the_coordinates_0_0_are_told_apart_from_far_and_rough_ones(find):
    frame = surveys()
    frame.loc[:29, ["lon", "lat"]] = 0.0
    told = [(rows, what) for rows, _, what in said(find(virtual=True, pa_train=frame)) if "share" not in what]
    assert told == [(30, "surveys have the coordinates 0, 0")]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Quercus ilex L.", "Quercus ilex"),
        ("Quercus ilex L.", "quercus ilex l."),
        ("Quercus ilex", "QUERCUS ILEX L."),
        ("Quercus  ilex", "Quercus ilex "),
        ("Abies alba subsp. alba Mill.", "Abies alba Mill. subsp. alba"),
        ("Quercus × hispanica Lam.", "Quercus × hispanica"),
        ("Festuca ovina (L.) Hack. ex Hook. f.", "Festuca ovina"),
        ("QUEILE", "queile"),
    ],
)
def test_names_that_differ_in_case_blanks_or_author_are_alike(one, other, find):
    assert odd.plain_name(one) == odd.plain_name(other)
    ((rows, of, what),) = said(find(pa_train=surveys(), names=(one, other, "Bellis perennis")))
    assert (rows, of) == (2, 3)
    assert what.startswith("species have a name that differs")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Quercus ilex", "Quercus suber"),
        ("Quercus", "Quercus sp."),
        ("Abies alba subsp. alba", "Abies alba"),
        ("Taraxacum sect. Ruderalia", "Taraxacum sect. Palustria"),
        ("Rubus fruticosus", "Rubus fruticosus agg."),
        ("species 1", "species 12"),
        ("Quercus sp. 1", "Quercus sp. 2"),
        ("Quercus ilex × Quercus suber", "Quercus ilex"),
    ],
)
def test_other_names_are_not_alike(one, other):
    assert odd.plain_name(one) != odd.plain_name(other)


def test_rows_that_are_left_out_are_always_told_with_reasons_and_a_line(find):
    bad = [
        ("pa_train", "plots.csv", 9, "date", "31.2.2020", q.BAD_DATE),
        ("pa_train", "plots.csv", 7, "date", "?", q.BAD_DATE),
        ("pa_train", "plots.csv", 3, "lon", None, q.NO_PLACE),
    ]
    file = {"file": "plots.csv", "dataset": "pa_train", "rows": 90_000, "reasons": {q.BAD_DATE: 2, q.NO_PLACE: 1}}
    facts = find(pa_train=surveys(), bad=bad, files=[file])
    (row,) = overview.oddities(facts)
    assert overview.text(row) == (
        "3 of 90,000 rows of plots.csv are left out: 2 unknown date; 1 missing coordinate (line 7, date: '?')"
    )


def test_rows_that_disagree_with_a_first_line_are_told_with_the_number_of_surveys(find):
    lines = [(2, (3, 4, 5)), (10, (11,))]
    bad = [
        ("pa_train", "plots.csv", line, "surveyId", f"4, 45, 2007 where line {first} has 4, 44, 2007", q.DISAGREES)
        for first, others in lines
        for line in others
    ]
    file = {"file": "plots.csv", "dataset": "pa_train", "rows": 400, "reasons": {q.DISAGREES: 4}}
    ((rows, of, what),) = said(find(pa_train=surveys(), bad=bad, files=[file]))
    assert (rows, of) == (4, 400)
    assert what == "rows of plots.csv are left out, of 2 surveys whose first lines have another place or date"


def test_an_edition_adds_what_only_it_sees(find):
    edition = Own("test", ())
    edition.said = [Oddity("dates are not understood", 12, 400, "line 7: '31.2.2020'")]
    assert [overview.text(row) for row in overview.oddities(find(pa_train=surveys(), edition=edition))] == [
        "12 of 400 dates are not understood (line 7: '31.2.2020')"
    ]


def test_the_screen_shows_a_few_and_says_how_many_more(find):
    edition = Own("test", ())
    edition.said = [Oddity(f"things {number}", number, 20) for number in range(1, 11)]
    lines = overview.lines(find(pa_train=surveys(), edition=edition))
    assert len(lines) == 8
    assert lines[1].split() == ["odd", "1", "of", "20", "things", "1"]
    assert lines[-1].strip() == "… and 4 more; the report has all"


def test_places_on_both_sides_of_180_degrees_are_one_extent(find):
    frame = surveys()
    frame["lon"] = np.where(frame.index % 2, 176, -178) + frame["lon"] / 10
    facts = find(virtual=True, pa_train=frame)
    assert "176.3° E–177.4° W 44.5–47.0° N" in overview.line(facts)
    assert "odd" not in facts


def test_an_encoding_other_than_utf8_and_missing_dates_are_in_the_line(find):
    frame = surveys()
    frame["year"] = pd.array([None if number < 20 else 2001 for number in range(N)], "Int32")
    file = {"file": "a.csv", "dataset": "pa_train", "rows": 200, "reasons": {}, "encoding": "windows-1252"}
    line = overview.line(find(pa_train=frame, files=[file]))
    assert line.endswith("2001 (10 % without a date), windows-1252")


def test_ids_that_are_text_name_the_example(find, tmp_path):
    frame = surveys()
    frame.loc[6, "lon"] = 100.01
    names = frame.assign(name=[f"CH-{number}" for number in frame["surveyId"]])
    stored(names, tmp_path / "out", "survey_names", "pa_train")
    facts = find(virtual=True, pa_train=frame)
    assert facts["odd"][0]["example"].startswith("survey CH-7 at lon 100.01, lat 4")


@pytest.mark.parametrize("part", ["medflora", "fixtures/gbif/gbif-results.zip"])
def test_real_data_are_not_accused_falsely(part, shared_data, spark, tmp_path):
    from glc import config, editions
    from glc.etl import surveys as etl

    dataset = editions.recognise(shared_data / part)
    dataset = dataset.edition.prepare(dataset, config.Surveys())
    facts = etl.write(spark, dataset, tmp_path / "out", 1.0)
    facts |= {"train": dataset.train, "test": dataset.edition.test}
    facts |= odd.find(Path(tmp_path / "out"), dataset, facts)
    if part == "medflora":
        assert said(facts) == []
        return
    # fishes: half of these few records are indeed at sea, many at whole degrees, and most have no place
    assert [(rows, of) for rows, of, _ in said(facts)] == [(18, 42), (12, 42), (18, 42), (4, 158), (116, 158)]
