"""The files of a competition of Kaggle, and submissions to it."""

import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import luigi

from glc import editions, registry, storage, submission
from glc.editions import Contest, Edition
from glc.errors import ConfigError, DataError, did_you_mean
from glc.remote import competition_files, contest_scores, kaggle
from glc.remote.contest_scores import SUFFIX, ContestScore
from glc.remote.submit import Shipment, submit
from glc.report import leaderboard
from glc.tasks.base import GlcTask, Outputs
from glc.tasks.console.task import ConsoleTask
from glc.tasks.experiment import ExperimentProduct
from glc.tasks.parameters import NamedParameter, RootParameter
from glc.tasks.scores import Predictions
from glc.tasks.submission import Submission
from glc.types import Keywords


class EditionParameter(NamedParameter[str]):
    """An edition of a contest."""

    def normalize(self, x: str) -> str:
        names = registry.editions.choices()
        known = [name for name in names if registry.editions.get(name).contest is not None]
        if x not in known:
            raise ConfigError(
                f"{self.called}: found {x or 'nothing'!r}, expected an edition of a contest: {', '.join(known)}"
                f"{did_you_mean(x, known)}"
            )
        return x


class KaggleDownload(ConsoleTask):
    """The survey tables of a competition, in a folder that its edition recognises; more files with ``--files``.

    Sizes are stated, and the disk's room compared, before anything is fetched. A connection that broke is continued by
    the same command; the folder gets the files when all have arrived.
    """

    edition = EditionParameter(description="edition of the contest, such as glc2024")
    folder = luigi.Parameter(default="", description="folder of the dataset (default: data/EDITION)")
    files = luigi.ListParameter(
        default=(), description="globs of further files, by their path at Kaggle; * is any text, also a slash"
    )
    all = luigi.BoolParameter(description="everything, as one archive that is unpacked")
    root = RootParameter(default="", significant=False, description="folder that the run's log goes to")

    @property
    def path(self) -> Path:
        """The dataset's folder."""
        return Path(self.folder or f"data/{self.edition}").resolve()

    @property
    def selection(self) -> competition_files.Selection:
        """What is fetched."""
        return competition_files.Selection(tuple(self.files), self.all)

    @property
    def layout(self) -> Edition:
        """The edition."""
        return registry.editions.get(self.edition)

    def complete(self) -> bool:
        competition_files.contest_at_kaggle(self.layout)
        return competition_files.is_complete(self.path, self.layout, self.selection)

    def run(self) -> None:
        api = kaggle.client()
        if self.all:
            competition_files.state_all(api, self.layout, self.path, self.notice)
            competition_files.fetch_all(api, self.layout, self.path)
            return
        self.status("reading the list of files")
        chosen, absent = competition_files.choose(api, self.layout, self.selection)
        competition_files.state(chosen, absent, self.path, self.notice)
        competition_files.fetch_chosen(api, self.layout, self.path, chosen, self.selection.key)

    def results(self) -> list[str]:
        sizes = competition_files.recorded(self.path)[self.edition][self.selection.key]
        size = sum(sizes.values())
        return [
            f"{self.path}: {len(sizes):,} files, {size:,} bytes, recognised as {self.layout.title}",
            f"  next: glc doctor --dataset {self.folder or f'data/{self.edition}'}",
        ]


class KaggleSubmit(ExperimentProduct):
    """The experiment's submission sent to its competition, and the scores of the leaderboard.

    The file is validated again before it is sent; bytes that were submitted before are not sent twice without
    ``--again``. The scores are in ``ROOT/submissions/<dataset>/<experiment>.kaggle.json``; report and tables show them.
    """

    again = luigi.BoolParameter(significant=False, description="submit although the same bytes were submitted before")
    wait = luigi.FloatParameter(default=600.0, significant=False, description="seconds to wait for the scores at most")
    leaderboard = luigi.Parameter(
        default="", significant=False, description="CSV of a table (row,public,private) that gets the scores"
    )
    row = luigi.Parameter(default="", significant=False, description="label of the row in --leaderboard")

    def __init__(self, *args: Keywords, **kwargs: Keywords) -> None:
        super().__init__(*args, **kwargs)
        self._started = time.time()

    def requires(self) -> dict[str, GlcTask]:
        return {"submission": self.clone(Submission)}

    @cached_property
    def contest(self) -> Contest:
        """The competition of the dataset's edition; a ConfigError where it has none."""
        if self.virtual:
            raise ConfigError(f"{self.subject}: is a virtual world, expected the data of a competition")
        return competition_files.contest_at_kaggle(editions.recognise(self.dataset).edition)

    @property
    def record(self) -> Path:
        """File of the scores."""
        return self.stable("submissions", SUFFIX)

    @property
    def file(self) -> Path:
        """The submission."""
        return self.stable("submissions", ".csv")

    def check(self) -> None:
        super().check()
        if self.presence_only:
            raise ConfigError(f"{self.subject}: has presence-only records alone, so that there is no submission")
        if bool(self.row) != bool(self.leaderboard):
            raise ConfigError("found only one of --leaderboard and --row, expected both or neither")
        _ = self.contest
        kaggle.client()  # before hours of training

    def output(self) -> Outputs:
        return luigi.LocalTarget(str(self.record))

    def score(self) -> ContestScore | None:
        """What the contest said of the present file."""
        score = contest_scores.read(self.record)
        if score is None or not self.file.is_file() or score.sha256 != storage.file_digest(self.file):
            return None
        return score

    @property
    def judged(self) -> bool:
        """Whether the scores of the present file are known; with ``--again`` those that this task asked for."""
        score = self.score()
        if score is None or score.status != "complete" or not self._in_table(score):
            return False
        return not self.again or self.record.stat().st_mtime >= self._started

    def complete(self) -> bool:
        return self.judged and self.clone(Submission).complete()

    def run(self) -> Iterator[list[GlcTask]]:
        """Submit, and make the report again, which then shows the scores."""
        if not self.judged:
            self._submit()
        luigi.task_register.Register.clear_instance_cache()  # whose tasks know a report without scores
        yield [self.clone(Submission)]

    def _submit(self) -> None:
        self.validate()
        shipment = Shipment(self.file, self.record, self.clone(Predictions).identity, self.settings.name)
        score = submit(
            kaggle.client(),
            self.contest,
            shipment,
            again=self.again,
            seconds=self.wait,
            say=self.status,
            note=self.notice,
        )
        if score.status != "complete":
            raise DataError(
                f"{self.contest.slug}: submission {score.ref} is not judged after {self.wait:,.0f} seconds; the same "
                "command without --again asks for its scores later, and submits nothing"
            )
        if self.leaderboard:
            leaderboard.add(Path(self.leaderboard), self.row, score.scores)

    def validate(self) -> None:
        """Compare the file that is sent with the test file of the dataset, line by line."""
        dataset, data = editions.recognise(self.dataset), self.read_surveys()
        if data.held_out:
            raise ConfigError(
                f"{dataset.folder}: has no test file, so that the submission is of held-out surveys; expected "
                f"{dataset.edition.looks_for()}"
            )
        ids = [name for _, _, name in editions.test_ids(dataset)]
        if self.clone(Submission).ranked:
            submission.validate_ranked(self.file, expected=ids, species=data.species)
        else:
            header = dataset.edition.set_columns
            submission.validate(self.file, expected=ids, species=data.species, header=header)

    def _in_table(self, score: ContestScore) -> bool:
        return not self.leaderboard or leaderboard.has(Path(self.leaderboard), self.row, score.scores)

    def results(self) -> list[str]:
        score = self.score()
        if score is None:
            return []
        shown = ", ".join(f"{name} {value:.5f}" for name, value in score.scores.items()) or "no score yet"
        return [
            f"{self.settings.name} at {score.contest}: {shown} (number {score.ref}, {score.date})",
            f"  scores     {self.record}",
            f"  {self.contest.page}/leaderboard",
        ]
