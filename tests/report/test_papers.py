"""A paper's figures next to ours: MATCH, CLOSE, DIFFERS or other data, by known answers."""

import math

import pytest

from glc.errors import DataError
from glc.report import leaderboard, papers
from glc.report.papers import Paper, Reported

TIGHNARI = Paper(
    name="Liu et al. 2024",
    data="GeoLifeCLEF 2024",
    split="ten random folds",
    score="F1",
    editions=("glc2024",),
    surveys=88_987,
    validation={"scheme": "random", "count": 10, "run": 10},
)


@pytest.mark.parametrize(
    ("paper", "ours", "interval", "expected"),
    [
        (0.42, 0.45, (0.41, 0.49), "MATCH"),  # 7 % off, but within the interval
        (0.41, 0.45, (0.41, 0.49), "MATCH"),
        (0.40, 0.419, (0.41, 0.43), "CLOSE"),
        (0.40, 0.42, (), "CLOSE"),  # exactly 5 %
        (0.40, 0.4201, (), "DIFFERS"),
        (0.40, 0.379, (0.37, 0.39), "DIFFERS"),
        (0.40, 0.40, (), "CLOSE"),  # without an interval nothing is called a match
    ],
)
def test_known_verdicts(paper, ours, interval, expected):
    assert papers.verdict(paper, ours, *interval) == expected


def test_figures_are_compared_on_the_papers_data_alone():
    reported = Reported(".42110 / .32774", {"validation F1": 0.42110, "public": 0.32774})
    ours = {"validation F1": 0.40, "public": 0.45}
    intervals = {"validation F1": (0.39, 0.43)}
    both = "validation F1 MATCH, public DIFFERS"
    assert papers.compare(reported, ours, intervals, same_data=True) == both
    assert papers.compare(reported, ours, intervals, same_data=False) == "other data"
    assert papers.compare(reported, {"public": 0.33}, intervals, same_data=True) == "public CLOSE"
    assert papers.compare(reported, {"public": math.nan}, intervals, same_data=True) == "other data"


def test_a_single_figure_is_compared_without_its_column_and_text_alone_not_at_all():
    single = Reported(".15", {"public": 0.15})
    assert papers.compare(single, {"public": 0.152}, {}, same_data=True) == "CLOSE"
    assert papers.compare(single, {"public": None}, {}, same_data=True) == "other data"
    assert papers.compare(Reported("no better than BCE"), {}, {}, same_data=True) == ""
    assert papers.compare(Reported("no better than BCE"), {}, {}, same_data=False) == "other data"
    assert papers.compare(Reported(""), {"public": 0.1}, {}, same_data=False) == ""


def test_a_papers_data_are_known_by_edition_and_size_and_its_split_by_settings():
    assert TIGHNARI.has_data("glc2024", 88_950)
    assert not TIGHNARI.has_data("glc2024", 5_000)
    assert not TIGHNARI.has_data("glc2025", 88_987)
    same = {"scheme": "random", "count": 10, "run": 10, "seed": 3}
    assert TIGHNARI.has_split(same)
    assert not TIGHNARI.has_split(same | {"run": 1})
    assert TIGHNARI.other_split(same | {"run": 1}) == "validation.run 1 (published: 10)"
    assert not Paper("", "", "a hidden test", "F1", ("glc2024",), 88_987).has_split(same)


def test_scores_of_a_leaderboard_are_read_by_row(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text('\ufeffrow,public,private\n"+ GFV, of other blocks",.32251,0.32543\nbaseline,,.3\n\n', "utf-8")
    scores = leaderboard.read(path, ["baseline", "+ GFV, of other blocks"])
    assert scores == {"+ GFV, of other blocks": {"public": 0.32251, "private": 0.32543}, "baseline": {"private": 0.3}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,public\n", "found the columns label, public, expected row, public, private"),
        ("", r"found the columns \(none\)"),
        ("row,public,private\nbasline,.1,.2\n", "line 2: found the row 'basline', .*; did you mean 'baseline'"),
        ("row,public,private\nbaseline,.1,.2,.3\n", "line 2: found 4 columns, expected 3; quote labels"),
        ("row,public,private\nbaseline,.1,.2\nbaseline,.1,.2\n", "line 3: row 'baseline' is there twice"),
        (
            "row,public,private\nbaseline,32.7,\n",
            "line 2, column public: found '32.7', expected a score between 0 and 1",
        ),
        ("row,public,private\nbaseline,,nan\n", "line 2, column private: found 'nan'"),
        ('row,public,private\n"baseline,.1,.2\n', "expected a CSV"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path, text, message):
    path = tmp_path / "scores.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        leaderboard.read(path, ["baseline"])
