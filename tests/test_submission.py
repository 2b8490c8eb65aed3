import pytest

from glc import submission
from glc.errors import DataError

EXPECTED, SPECIES = [7, 3], [10, 20, 30]


def test_what_is_written_is_what_kaggle_wants(tmp_path):
    path = tmp_path / "deep" / "submission.csv"
    facts = submission.write([7, 3], [[20, 10], [30]], path, expected=EXPECTED, species=SPECIES)
    assert path.read_text() == "surveyId,predictions\n7,20 10\n3,30\n"
    assert facts == {"surveys": 2, "mean_size": 1.5, "smallest": 1, "largest": 2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("surveyId;predictions\n7;10\n", "header"),
        ("surveyId,predictions\n7,10\n7,20\n3,10\n", "line 3: surveyId 7 stands twice"),
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


def test_nothing_is_left_of_an_invalid_submission(tmp_path):
    with pytest.raises(DataError):
        submission.write([7], [[10]], tmp_path / "submission.csv", expected=EXPECTED, species=SPECIES)
    assert list(tmp_path.iterdir()) == []
