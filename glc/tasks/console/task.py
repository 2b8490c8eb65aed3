"""What a task reports to the person who runs it."""

import logging
from typing import ClassVar

import luigi

from glc.tasks.console import signals
from glc.types import JSON

log = logging.getLogger(__name__)
NOTICE = "event.glc.notice"
"""Luigi's event of a task that has something to say, a line."""


class ConsoleTask(luigi.Task):
    """A task that shows its progress, and whose results are printed at the end of a run."""

    only_reads: ClassVar[bool] = False
    """Whether it writes nothing below ROOT: then its log goes there neither."""
    _found: "ClassVar[list[tuple[str, luigi.Parameter[JSON]]]]"

    @classmethod
    def get_params(cls) -> "list[tuple[str, luigi.Parameter[JSON]]]":
        """Name and parameter of each: Luigi's, which looks at every attribute, once a class and not once a task."""
        if "_found" not in vars(cls):
            cls._found = super().get_params()
        return cls._found

    def status(self, message: str, percentage: float | None = None) -> None:
        """Show what is being done, in the run's table and on the scheduler's page.

        message : a few words
        percentage : of the task that is done, None leaves it
        """
        self.trigger_event(luigi.Event.PROGRESS, self, message)
        self.set_status_message(message)  # type: ignore[misc]  # Luigi's worker sets it before a task runs
        if percentage is not None:
            self.set_progress_percentage(percentage)  # type: ignore[misc]

    def notice(self, text: str) -> None:
        """Show a line that stays on the screen, and is in the run's log.

        text : what a person wants to know before the task goes on
        """
        self.trigger_event(NOTICE, self, text)
        log.info("%s", text)

    def on_success(self) -> str | None:
        """Called by Luigi when the task is done: an interrupt that a library swallowed ends the run here."""
        signals.check()
        return super().on_success()

    def on_failure(self, exception: BaseException) -> str:
        """Called by Luigi when the task has failed: not of itself, where a library turned an interrupt into an error.

        exception : what the task raised
        """
        signals.check()
        return super().on_failure(exception)

    def bring(self) -> None:
        """Have on this disk what `results` shows; called before it."""

    def results(self) -> list[str]:
        """Lines that say where the results are, and the scores; printed when the task is complete."""
        return []
