"""What a contest said of a submission, in a JSON file next to it, for reports and tables."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from glc import storage
from glc.errors import DataError
from glc.types import StrPath

SUFFIX = ".kaggle.json"
"""Ending of the file, behind the submission's name without ``.csv``."""


@dataclass(frozen=True)
class ContestScore:
    """A submission to a contest.

    contest : slug; file : name of the submission; sha256 : of its bytes
    predictions : identity of the predictions it was written from; empty for a file of another origin
    message : as sent; ref : number of the submission at the contest; date : day and time at the contest
    status : pending, complete or error; error : the contest's reason
    public, private : scores on the leaderboard; None while not known
    """

    contest: str
    file: str
    sha256: str
    predictions: str
    message: str
    ref: int
    date: str
    status: str
    error: str = ""
    public: float | None = None
    private: float | None = None

    @property
    def scores(self) -> dict[str, float]:
        """``public`` and ``private``, as far as they are known."""
        both = {"public": self.public, "private": self.private}
        return {name: value for name, value in both.items() if value is not None}

    @property
    def sentence(self) -> str:
        """The scores, for a page."""
        scores = ", ".join(f"{name} {value:.5f}" for name, value in self.scores.items())
        return f"Leaderboard of {self.contest}: {scores} (submission {self.ref} of {self.date} UTC)."

    def write(self, path: StrPath) -> None:
        """Write it to a file, whole or not at all."""
        with storage.atomic_file(path) as file:
            file.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def read(path: StrPath) -> ContestScore | None:
    """What was written; None where nothing was submitted."""
    path = Path(path)
    if not path.is_file():
        return None
    try:
        return ContestScore(**json.loads(path.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, TypeError) as error:
        raise DataError(f"{path}: {error}; expected what glc kaggle submit writes; remove the file") from None


def of_predictions(path: StrPath, predictions: str) -> ContestScore | None:
    """The score of a submission that was written from these predictions; None where there is none."""
    score = read(path)
    return score if score is not None and score.scores and score.predictions == predictions else None


def same_bytes(folder: StrPath, contest: str, sha256: str) -> ContestScore | None:
    """What was submitted to the contest with these bytes, from any experiment's file in the folder; or None."""
    for path in sorted(Path(folder).glob(f"*{SUFFIX}")):
        score = read(path)
        if score is not None and (score.contest, score.sha256) == (contest, sha256) and score.status != "error":
            return score
    return None
