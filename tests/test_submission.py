import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from glc import submission
from glc.errors import DataError
from glc.scores import Scores
from tests.helpers import survey_data

RANKED = "id;species_id;probability;rank\n"
EXPECTED, SPECIES = ["7", "3"], [10, 20, 30]


def wanted(ids=EXPECTED, species=SPECIES, surveys=None):
    """What a submission has to hold, where 30 and 20 are the most frequent species."""
    frequent, shares = np.array([30, 20]), np.array([0.5, 0.25])
    return submission.Expected(ids, ids if surveys is None else surveys, np.array(species), frequent, shares)


def test_what_is_written_is_what_kaggle_wants(tmp_path):
    path = tmp_path / "deep" / "submission.csv"
    facts = submission.write_sets([7, 3], [[20, 10], [30]], path, wanted())
    assert path.read_text() == "surveyId,predictions\n7,20 10\n3,30\n"
    assert facts == {"surveys": 2, "mean_size": 1.5, "smallest": 1, "largest": 2}


def test_an_empty_set_is_an_empty_cell_or_in_a_contest_the_most_frequent_species(tmp_path, caplog):
    path = tmp_path / "submission.csv"
    facts = submission.write_sets([7, 3], [[], [10]], path, wanted(), empty=True)
    assert path.read_text() == "surveyId,predictions\n7,\n3,10\n"
    assert facts["smallest"] == 0
    assert not caplog.text
    submission.write_sets([7, 3], [[], [10]], path, wanted())
    assert path.read_text() == "surveyId,predictions\n7,30\n3,10\n"
    assert "1 of 2 sets are empty and have the most frequent species" in caplog.text


def test_an_edition_may_call_the_columns_otherwise(tmp_path):
    path, header = tmp_path / "submission.csv", ("Id", "Predicted")
    known = {"expected": EXPECTED, "species": SPECIES}
    facts = submission.write_sets([7, 3], [[20, 10], [30]], path, wanted(), header=header)
    assert path.read_text() == "Id,Predicted\n7,20 10\n3,30\n"
    assert submission.validate(path, header=header, **known) == facts
    with pytest.raises(DataError, match=r"header is \['Id', 'Predicted'\], expected surveyId,predictions"):
        submission.validate(path, **known)
    path.write_text("Id,Predicted\n7,10\n7,\n3,10\n")
    with pytest.raises(DataError, match="line 3: Id 7 appears twice"):
        submission.validate(path, header=header, **known)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("surveyId;predictions\n7;10\n", "header"),
        ("surveyId,predictions\n7,10\n7,20\n3,10\n", "line 3: surveyId 7 appears twice"),
        ("surveyId,predictions\n7,10\n", "1 test surveys are missing"),
        ("surveyId,predictions\n7,10\n3,10\n4,10\n", "line 4: surveyId 4 is not a test survey"),
        ("surveyId,predictions\n7,\n3,10\n", "line 2: column predictions is empty"),
        ("surveyId,predictions\n7,10 10\n3,10\n", "line 2: column predictions names a species twice"),
        ("surveyId,predictions\n7,11\n3,10\n", "species 11"),
        ("surveyId,predictions\n7,10.0\n3,10\n", "expected an integer"),
    ],
)
def test_an_invalid_file_is_refused_with_its_line(tmp_path, text, words):
    path = tmp_path / "submission.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=words.replace(".", r"\.")):
        submission.validate(path, expected=EXPECTED, species=SPECIES)


def test_ids_are_those_of_the_test_file_and_what_was_not_read_gets_the_most_frequent_species(tmp_path):
    path, huge = tmp_path / "submission.csv", "1234567890123456789012345"
    all_of_it = wanted([huge, "007", "x", "3.0"], surveys=["", "7", "", "3"])
    assert all_of_it.unread == [huge, "x"]
    facts = submission.write_sets([3, 7], [[10], [20, 10]], path, all_of_it)
    assert path.read_text() == f"surveyId,predictions\n3.0,10\n007,20 10\n{huge},30 20\nx,30 20\n"
    assert facts["surveys"] == 4
    scores = Scores(
        np.array([3, 7]), np.full(2, -1), np.array(SPECIES), sparse.csr_matrix(np.float32([[0.1, 0, 0]] * 2))
    )
    submission.write_ranked(scores, path, all_of_it)
    assert path.read_text() == (
        f"{RANKED}3.0;10;0.1;1\n007;10;0.1;1\n{huge};30;0.5;1\n{huge};20;0.25;2\nx;30;0.5;1\nx;20;0.25;2\n"
    )


def test_a_survey_that_was_read_is_never_filled_up(tmp_path):
    with pytest.raises(DataError, match="1 test surveys are missing, 3 among them"):
        submission.write_sets([7], [[10]], tmp_path / "submission.csv", wanted())
    with pytest.raises(DataError, match="a prediction for 4, which is not a test survey"):
        submission.write_sets([7, 3, 4], [[10]] * 3, tmp_path / "submission.csv", wanted())


@pytest.mark.parametrize("held_out", [False, True])
def test_the_most_frequent_species_are_those_of_the_training_surveys(held_out):
    data = survey_data(n_species=40, held_out=held_out)
    ids = [str(survey) for survey in data.places["surveyId"].to_numpy()[data.test]]
    all_of_it = submission.expected(["12x", *ids], data)
    assert all_of_it.ids == (ids if held_out else ["12x", *ids])
    assert all_of_it.unread == ([] if held_out else ["12x"])
    count = np.asarray(data.labels_of(data.train()).sum(axis=0)).ravel()
    known = dict(zip(data.species, count, strict=True))
    assert len(all_of_it.frequent) == submission.FREQUENT
    assert [known[species] for species in all_of_it.frequent] == sorted(count, reverse=True)[: submission.FREQUENT]
    np.testing.assert_allclose(all_of_it.shares * len(data.train()), [known[s] for s in all_of_it.frequent])


def test_nothing_is_left_of_an_invalid_submission(tmp_path):
    with pytest.raises(DataError):
        submission.write_sets([7], [[10]], tmp_path / "submission.csv", wanted())
    assert list(tmp_path.iterdir()) == []


def ranked(scores, path, surveys=EXPECTED, species=SPECIES):
    ids = np.array([int(survey) for survey in surveys])
    scores = Scores(ids, np.full(len(surveys), -1), np.array(species), sparse.csr_matrix(scores))
    return submission.write_ranked(scores, path, wanted([str(survey) for survey in surveys], species))


def test_a_ranked_submission_is_what_2020_wants(tmp_path):
    path = tmp_path / "deep" / "submission.csv"
    facts = ranked(np.float32([[0.25, 0.5, 0], [0.1, 1e-7, 0.1]]), path)
    assert path.read_text() == RANKED + "7;20;0.5;1\n7;10;0.25;2\n3;10;0.1;1\n3;30;0.1;2\n3;20;1e-7;3\n"
    assert facts == {"surveys": 2, "mean_size": 2.5, "smallest": 2, "largest": 3}


def test_scores_read_back_are_those_written_down_to_the_last_bit_and_only_the_best(tmp_path):
    rng = np.random.default_rng(0)
    scores = (rng.random((5, 400)) ** 9).astype(np.float32)
    facts = ranked(scores, tmp_path / "s.csv", surveys=range(5), species=range(400))
    assert (facts["smallest"], facts["largest"]) == (150, 150)
    frame = pd.read_csv(tmp_path / "s.csv", sep=";")
    for survey, rows in frame.groupby("id"):
        best = np.argsort(-scores[survey], kind="stable")[:150]
        assert list(rows["species_id"]) == list(best)
        assert (rows["probability"].to_numpy(np.float32) == scores[survey, best]).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,species_id,probability,rank\n", "header"),
        (RANKED + "7;10;0.5;1\n3;10;x;1\n", "Row #3.*invalid value 'x'"),
        (RANKED + "7;10;0.5;1\n3;10;0.5\n", "Expected 4 columns, got 3"),
        (RANKED + "7;10;0.5;1\n", "1 test occurrences are missing, 3 among them"),
        (RANKED + "7;10;0.5;1\n3;10;0.5;1\n4;10;0.5;1\n", "line 4: id 4 is not a test occurrence"),
        (RANKED + "7;10;0.5;1\n3;11;0.5;1\n", "line 3: species_id 11 is unknown"),
        (RANKED + "7;10;0.5;1\n3;10;0.5;1\n7;10;0.4;2\n", "species_id 10 appears twice"),
        (RANKED + "7;10;0.5;1\n3;10;nan;1\n", "line 3: probability is nan"),
        (RANKED + "7;10;0.5;1\n3;10;0;1\n", "line 3: probability is 0.0"),
        (RANKED + "7;10;0.5;1\n7;20;0.6;2\n3;10;0.5;1\n", "line 3: probability 0.6 is higher than that of a better"),
        (RANKED + "7;10;0.5;1\n7;20;0.4;3\n3;10;0.5;1\n", "line 3: rank is 3, expected 1, 2, 3"),
        (RANKED + "7;10;0.5;1\n7;20;0.4;1\n3;10;0.5;1\n", "line 3: rank is 1, expected 1, 2, 3"),
    ],
)
def test_an_invalid_ranked_file_is_refused_with_its_line(tmp_path, text, words):
    path = tmp_path / "submission.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        submission.validate_ranked(path, expected=EXPECTED, species=SPECIES)


def test_more_ranked_species_than_the_contest_takes_are_refused(tmp_path):
    path = tmp_path / "submission.csv"
    path.write_text(RANKED + "".join(f"7;{i};0.5;{i}\n" for i in range(1, 152)))
    with pytest.raises(DataError, match="line 152: rank is 151, expected at most 150"):
        submission.validate_ranked(path, expected=["7"], species=range(200))


def test_an_occurrence_without_any_score_leaves_no_submission(tmp_path):
    with pytest.raises(DataError, match="1 test occurrences are missing, 3 among them"):
        ranked(np.float32([[0.25, 0.5, 0], [0, 0, 0]]), tmp_path / "submission.csv")
    assert list(tmp_path.iterdir()) == []


def test_surveys_called_by_text_are_submitted_under_it():
    data = survey_data(n_test=3)
    ids = data.places["surveyId"].to_numpy()[data.test].tolist()
    names = {ids[0]: "plot a", ids[2]: "plot b"}
    needed = submission.expected(["plot b", "lost", "plot a"], data, names=names)
    assert needed.ids == ["plot b", "lost", "plot a"]
    assert needed.surveys == [str(ids[2]), "", str(ids[0])]
    assert needed.unread == ["lost"]
