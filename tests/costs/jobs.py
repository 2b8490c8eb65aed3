"""Jobs of tasks."""

from glc.cli.costs import Jobs


def job_of(task):
    """The job of a task that was not run."""
    return Jobs().of(task)
