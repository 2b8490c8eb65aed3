"""A submission to a stand-in of Kaggle: sent once, judged, and its scores in the record, the table and the report."""

import json

import pytest

from glc import registry, storage
from glc.errors import ConfigError, DataError
from glc.remote import contest_scores, kaggle, submit
from glc.remote.submit import Shipment
from glc.report import leaderboard

CONTEST = registry.editions.get("glc2024").contest


@pytest.fixture
def shipment(tmp_path):
    file = tmp_path / "votes.csv"
    file.write_text("surveyId,predictions\n1,2 3\n")
    return Shipment(file, tmp_path / "votes.kaggle.json", "abc", "votes")


def send(shipment, notes=None, **options):
    notes = [] if notes is None else notes
    return submit.submit(kaggle.client(), CONTEST, shipment, every=0.001, note=notes.append, **options)


def test_a_submission_is_sent_judged_and_recorded(at_kaggle, shipment):
    at_kaggle.pending, notes = 2, []
    score = send(shipment, notes)
    assert at_kaggle.uploads == {"votes.csv": shipment.file.read_bytes()}
    assert (score.status, score.scores, score.ref) == ("complete", {"public": 0.36242, "private": 0.35111}, 1001)
    assert contest_scores.read(shipment.record) == score
    assert notes == ["votes.csv was submitted to geolifeclef-2024: number 1001"]
    (sent,) = at_kaggle.submissions
    assert sent["description"].startswith("votes; commit ")
    assert f"sha256 {storage.file_digest(shipment.file)[:16]}" in sent["description"]


def test_the_same_bytes_are_sent_once_unless_asked_for_again(at_kaggle, shipment, tmp_path):
    send(shipment)
    notes = []
    send(shipment, notes)
    assert "was submitted to geolifeclef-2024 before: number 1001; --again" in notes[0]
    other = Shipment(tmp_path / "twin.csv", tmp_path / "twin.kaggle.json", "def", "twin")
    other.file.write_bytes(shipment.file.read_bytes())
    assert send(other).ref == 1001
    shipment.record.unlink()  # as on another machine: found among the team's submissions
    other.record.unlink()
    assert send(shipment).ref == 1001
    assert len(at_kaggle.submissions) == 1
    assert send(shipment, again=True).ref == 1002
    shipment.file.write_text("surveyId,predictions\n1,4\n")
    assert send(shipment).ref == 1003


def test_scores_that_take_long_are_asked_for_by_the_next_call(at_kaggle, shipment):
    at_kaggle.pending = 10**6
    assert send(shipment, seconds=0.02).status == "pending"
    assert contest_scores.of_predictions(shipment.record, "abc") is None
    at_kaggle.pending = 0
    assert send(shipment).scores == {"public": 0.36242, "private": 0.35111}
    assert len(at_kaggle.submissions) == 1


def test_a_refused_file_is_named_with_the_reason_and_may_be_sent_again(at_kaggle, shipment):
    at_kaggle.judged = "ERROR"
    with pytest.raises(DataError, match=r"votes.csv: geolifeclef-2024 refused submission 1001 \(column is missing\)"):
        send(shipment)
    at_kaggle.judged = "COMPLETE"
    at_kaggle.submissions.clear()
    assert send(shipment).status == "complete"


def test_a_competition_that_is_over_or_not_joined_is_refused_before_the_upload(at_kaggle, shipment):
    at_kaggle.closed = True
    with pytest.raises(ConfigError, match="is over and takes no more submissions"):
        send(shipment)
    at_kaggle.closed, at_kaggle.joined = False, False
    with pytest.raises(ConfigError, match="geolifeclef-2024/rules and accept the rules"):
        send(shipment)
    assert at_kaggle.uploads == {}
    at_kaggle.joined, at_kaggle.deadline, notes = True, "2024-05-24T23:59:00Z", []
    send(shipment, notes)
    assert notes[0] == "geolifeclef-2024 ended on 2024-05-24: a late submission is scored, but not ranked"


def test_an_upload_that_fails_is_not_recorded(at_kaggle, shipment):
    at_kaggle.answers["PUT"] = [(400, "no")]
    with pytest.raises(DataError, match="could not be uploaded"):
        send(shipment)
    at_kaggle.answers["CreateSubmission"] = [(403, "daily limit reached")]
    with pytest.raises(ConfigError, match="daily limit reached"):
        send(shipment)
    assert not shipment.record.exists()


def test_a_score_belongs_to_the_predictions_that_were_sent(at_kaggle, shipment):
    score = send(shipment)
    assert contest_scores.of_predictions(shipment.record, "abc") == score
    assert contest_scores.of_predictions(shipment.record, "other") is None
    assert contest_scores.read(shipment.record.with_name("none.json")) is None
    assert score.sentence == (
        "Leaderboard of geolifeclef-2024: public 0.36242, private 0.35111 (submission 1001 of 2026-05-01 10:00 UTC)."
    )
    shipment.record.write_text(json.dumps({"ref": 1}))
    with pytest.raises(DataError, match="remove the file"):
        contest_scores.read(shipment.record)


def test_scores_come_into_the_csv_of_a_table(tmp_path):
    path, scores = tmp_path / "scores.csv", {"public": 0.32774, "private": 0.31}
    assert not leaderboard.has(path, "top 10", scores)
    leaderboard.add(path, "top 10", {"public": 0.1})
    leaderboard.add(path, "a, b", {"private": 0.2})
    leaderboard.add(path, "top 10", scores)
    assert leaderboard.read(path, ["top 10", "a, b"]) == {"a, b": {"private": 0.2}, "top 10": scores}
    assert leaderboard.has(path, "top 10", scores)
    assert not leaderboard.has(path, "a, b", scores)


def test_every_contest_has_an_address():
    contests = [registry.editions.get(name).contest for name in registry.editions.choices()]
    pages = [contest.page for contest in contests if contest is not None]
    assert len(set(pages)) == len(pages) == 5
    assert CONTEST.page == "https://www.kaggle.com/competitions/geolifeclef-2024"
