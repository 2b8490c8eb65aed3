"""What repeats a survey is seen by no model: by place, year and species, and by place and year of the test."""

import numpy as np
import pandas as pd
import pytest

from glc import schema, storage, surveys
from glc.config import Validation
from glc.errors import DataError
from glc.etl import folds, repeats
from tests.helpers import survey_data

COLUMNS = ["dataset", "surveyId", "lon", "lat", "year", "species"]
TRAINED = [("pa_train", 1, 3.123456, 46.654321, 2020, [7, 9]), ("pa_train", 2, 4.5, 47.5, 2019, [7])]
TESTED = [("pa_test", 5, 5.111111, 45.222222, 2018, [])]


def table_of(rows):
    """A table of schema ``surveys`` of rows of `COLUMNS`."""
    frame = pd.DataFrame(rows, columns=COLUMNS).assign(easting=0.0, northing=0.0, crs=3035, country="", region="")
    return frame.assign(geoUncertaintyInM=1.0, areaInM2=1.0)


def written(folder, rows, train="pa_train", tests=("pa_test",)):
    """(dataset, surveyId, species) of what is left out of surveys with these `rows`, and the facts."""
    storage.write_table(table_of(rows), "surveys", folder / "surveys")
    _, facts = repeats.write(folder / "surveys", folder / "repeats", train, tests)
    if not facts:
        assert not (folder / "repeats").exists()
        return [], facts
    left_out = storage.read_table(folder / "repeats", "repeats").to_pandas()
    return [(row.dataset, row.surveyId, list(row.species)) for row in left_out.itertuples()], facts


@pytest.mark.parametrize(
    ("place", "year", "species", "lost"),
    [
        ((3.123456, 46.654321), 2020, [7, 8], [7]),
        ((3.12346, 46.65432), 2020, [9], [9]),
        ((3.12345, 46.65432), 2020, [9], [9]),
        ((3.1235, 46.6543), 2020, [9], [9]),
        ((3.123, 46.654), 2020, [9], []),
        ((3.12350, 46.654321), 2020, [9], []),
        ((3.123456, 46.654321), None, [9], [9]),
        ((3.123456, 46.654321), 2019, [9], []),
        ((3.123456, 46.654321), 2020, [8], []),
        ((4.5, 47.5), 2020, [7], []),
        ((4.5, 47.5), 2019, [7], [7]),
    ],
    ids=[
        "the survey itself", "rounded to 5 decimals", "cut to 5 decimals", "rounded to 4 decimals",
        "rounded to 3 decimals", "3 metres away", "without a year", "another year", "another species",
        "a middle of a square in another year", "a middle of a square",
    ],
)  # fmt: skip
def test_a_record_of_a_surveys_place_year_and_species_is_left_out(tmp_path, place, year, species, lost):
    left_out, facts = written(tmp_path, [*TRAINED, *TESTED, ("po", 1, *place, year, species)])
    assert left_out == ([("po", 1, lost)] if lost else [])
    assert facts.get("records", 0) == len(lost)
    assert facts.get("presence_only", len(species)) == len(species)


def test_a_record_at_the_place_and_in_the_year_of_a_test_survey_is_left_out_with_any_species(tmp_path):
    place = TESTED[0][2:4]
    records = [("po", 1, *place, 2018, [3, 4]), ("po", 2, *place, 2017, [3]), ("po", 3, 0.0, 50.0, 2018, [3])]
    left_out, facts = written(tmp_path, [*TRAINED, *TESTED, *records])
    assert left_out == [("po", 1, [3, 4])]
    assert facts == {"at_tests": 2, "presence_only": 4, "at_tests_example": "5.11111, 45.22222 in 2018"}


@pytest.mark.parametrize(
    ("survey", "place", "year", "is_test"),
    [
        (77, (5.111111, 45.222222), 2018, True),
        (77, (5.111111, 45.222222), 2019, False),
        (5, (5.11, 45.22), 2018, True),
        (77, (5.11, 45.22), 2018, False),
        (5, (5.11, 45.22), 2017, False),
        (5, (5.2, 45.2), 2018, False),
    ],
    ids=["another id", "a survey of another year", "blurred", "near", "blurred, of another year", "numbered alike"],
)
def test_a_training_survey_that_is_a_test_survey_is_left_out(tmp_path, survey, place, year, is_test):
    answer = ("pa_train", survey, *place, year, [3])
    left_out, facts = written(tmp_path, [*TRAINED, answer, *TESTED])
    assert left_out == ([("pa_train", survey, [3])] if is_test else [])
    assert (facts.get("training"), facts.get("trained")) == ((1, 3) if is_test else (None, None))


def test_records_that_are_trained_on_are_left_out_at_test_surveys_alone(tmp_path):
    records = [("po", 1, *TESTED[0][2:4], 2018, [3]), ("po", 2, 1.0, 48.0, 2018, [3])]
    assert written(tmp_path / "surveys", [*records, *TESTED], "po")[0] == [("po", 1, [3])]
    occurrences = [("po_test", *row[1:]) for row in TESTED]
    assert written(tmp_path / "occurrences", [*records, *occurrences], "po", ["po_test"])[0] == []


def test_a_training_file_that_is_the_test_is_refused(tmp_path):
    with pytest.raises(DataError, match="all 1 training surveys are test surveys"):
        written(tmp_path, [("pa_train", 9, *TESTED[0][2:5], [3]), *TESTED])


def test_places_on_both_sides_of_the_date_line_are_one(tmp_path):
    survey, record = (("pa_train", 1, 180.0, -17.0, 2020, [7]), ("po", 1, -179.999999, -17.0, 2020, [7]))
    assert written(tmp_path, [survey, record])[0] == [("po", 1, [7])]


def on_disk(folder, places, lists):
    """`SurveyData` and folds' facts of places and their lists of species, written and dealt as tasks do."""
    frame = places.assign(species=lists)[[*schema.TABLES["surveys"].names]]
    with storage.atomic_directory(folder / "surveys", train="pa_train", test="pa_test", widens=False) as out:
        storage.write_table(frame, "surveys", out / "surveys")
    tests = ["pa_test"] if (places["dataset"] == "pa_test").any() else []
    with storage.atomic_directory(folder / "folds") as out:
        settings = Validation(count=3, size_m=20_000)
        facts = folds.write(folder / "surveys" / "surveys", out, settings, hold_out=not tests, tests=tests)
        storage.note(out, **facts)
    return surveys.read(folder / "surveys", folder / "folds"), facts


@pytest.mark.parametrize("held_out", [False, True])
def test_surveys_that_are_read_are_those_without_repetitions(tmp_path, held_out):
    known = survey_data(n_train=120, n_po=50, n_test=0 if held_out else 20)
    places = known.places.assign(year=2020, geoUncertaintyInM=1.0, areaInM2=1.0).drop(columns=["fold", "block"])
    lists = [known.species[row.indices].tolist() for row in known.label_matrix]
    plain, facts = on_disk(tmp_path / "plain", places, lists)
    assert "repeats" not in facts
    assert "notes" not in facts
    assert (plain.places["dataset"] == known.places["dataset"]).all()

    # plots that were published too, with a species more, and surveys of the test with their labels
    train = np.flatnonzero(places["dataset"] == "pa_train")[::2]
    copies = places.iloc[train].assign(dataset="po", surveyId=np.arange(len(train)) + 9_000)
    test = places[places["dataset"] == "pa_test"]
    answers = test.assign(dataset="pa_train", surveyId=np.arange(len(test)) + 8_000)
    more = [
        *lists,
        *(lists[row] for row in train),
        *([4_000, 5] for _ in answers.index),
        *([4_001] for _ in test.index),
    ]
    twins = test.assign(dataset="po", surveyId=np.arange(len(test)) + 7_000)
    repeated, facts = on_disk(tmp_path / "more", pd.concat([places, copies, answers, twins], ignore_index=True), more)
    pd.testing.assert_frame_equal(repeated.places, plain.places)
    assert (repeated.species == plain.species).all()
    assert (repeated.label_matrix != plain.label_matrix).nnz == 0
    assert facts["repeats"]["records"] == sum(len(lists[row]) for row in train)
    assert ("training" in facts["repeats"]) == ("at_tests" in facts["repeats"]) == (not held_out)
    assert len(facts["notes"]) == (1 if held_out else 3)


def test_a_record_keeps_the_species_that_its_survey_has_not(tmp_path):
    known = survey_data(n_train=120, n_po=5, n_test=20)
    places = known.places.assign(year=2020, geoUncertaintyInM=1.0, areaInM2=1.0).drop(columns=["fold", "block"])
    lists = [known.species[row.indices].tolist() for row in known.label_matrix]
    row = int(np.flatnonzero(places["dataset"] == "pa_train")[0])
    other = next(s for s in known.species.tolist() if s not in lists[row])
    copy = places.iloc[[row]].assign(dataset="po", surveyId=9_000)
    data, _ = on_disk(tmp_path, pd.concat([places, copy], ignore_index=True), [*lists, sorted([*lists[row], other])])
    kept = data.label_matrix[data.rows_of(np.array([9_000]), "po")]
    assert data.species[kept.indices].tolist() == [other]
