"""A submission sent to its contest, once, and its scores."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from glc import storage
from glc.editions import Contest
from glc.errors import DataError
from glc.remote import contest_scores, kaggle
from glc.remote.contest_scores import ContestScore
from glc.types import Say

if TYPE_CHECKING:
    from kaggle.api.kaggle_api_extended import KaggleApi
    from kagglesdk.competitions.types.competition_api_service import ApiSubmission

LONGEST_MESSAGE = 500
"""Characters of a message at Kaggle."""


@dataclass(frozen=True)
class Shipment:
    """What is submitted.

    file : the validated CSV; record : JSON file that gets the scores, see `glc.remote.contest_scores`
    predictions : identity of what it was written from; experiment : its name, for the message
    """

    file: Path
    record: Path
    predictions: str
    experiment: str

    @property
    def sha256(self) -> str:
        """Of the bytes that are sent."""
        return storage.file_digest(self.file)

    @property
    def mark(self) -> str:
        """Part of the message by which these bytes are found again among the submissions of the team."""
        return f"sha256 {self.sha256[:16]}"

    @property
    def message(self) -> str:
        """Experiment, commit and mark."""
        checkout = storage.checkout()
        commit = "no commit known"
        if checkout:
            commit = f"commit {checkout['commit'][:12]}{' with later changes' if checkout['dirty'] else ''}"
        end = f"; {commit}; {self.mark}"
        return f"{self.experiment[: LONGEST_MESSAGE - len(end)]}{end}"


def submit(
    api: "KaggleApi",
    contest: Contest,
    shipment: Shipment,
    *,
    again: bool = False,
    seconds: float = 600.0,
    every: float = 10.0,
    say: Say = lambda text, percent=0.0: None,
    note: Callable[[str], object] = lambda text: None,
) -> ContestScore:
    """Submit a file unless its bytes were submitted before, and wait for the scores.

    again : submit although they were
    seconds : to wait for the scores at most; every : between two looks
    say, note : called with what is being done, and with lines that are to stay
    returns : what the contest says, which is also in the record; pending where it takes longer
    raises : ConfigError where the contest is over or not joined; DataError where the file was refused
    """
    before = None if again else _submitted_before(api, contest, shipment)
    if before is None:
        late = kaggle.refuse_closed(kaggle.competition(api, contest.slug, contest.page), contest.slug, contest.page)
        if late:
            note(late)
        say("uploading")
        ref = kaggle.upload(api, contest.slug, contest.page, shipment.file, shipment.message)
        note(f"{shipment.file.name} was submitted to {contest.slug}: number {ref}")
    else:
        ref = before
        note(f"{shipment.file.name} was submitted to {contest.slug} before: number {ref}; --again submits it once more")
    score = ContestScore(
        contest=contest.slug,
        file=shipment.file.name,
        sha256=shipment.sha256,
        predictions=shipment.predictions,
        message=shipment.message,
        ref=ref,
        date="",
        status="pending",
    )
    score.write(shipment.record)  # before the wait, so that a broken-off run does not submit twice
    judged = kaggle.await_score(api, contest.slug, contest.page, ref, seconds=seconds, say=say, every=every)
    if judged is not None:
        score = _with(score, judged)
        score.write(shipment.record)
    if score.status == "error":
        raise DataError(
            f"{shipment.file}: {contest.slug} refused submission {ref} ({score.error or 'no reason given'}); see "
            f"{contest.page}/submissions"
        )
    return score


def _submitted_before(api: "KaggleApi", contest: Contest, shipment: Shipment) -> int | None:
    """Number of an earlier submission of the same bytes, from here or from another machine; None if there is none."""
    known = contest_scores.same_bytes(shipment.record.parent, contest.slug, shipment.sha256)
    if known is not None:
        return known.ref
    entries = kaggle.submissions(api, contest.slug, contest.page)
    return next(
        (e.ref for e in entries if shipment.mark in (e.description or "") and e.status.name != "ERROR"),
        None,
    )


def _with(score: ContestScore, entry: "ApiSubmission") -> ContestScore:
    return replace(
        score,
        status=entry.status.name.lower(),
        error=entry.error_description or "",
        date=f"{entry.date:%Y-%m-%d %H:%M}" if entry.date else "",
        message=entry.description or score.message,
        public=_number(entry.public_score),
        private=_number(entry.private_score),
    )


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:  # as of a submission that is not scored yet
        return None
