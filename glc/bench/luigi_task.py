"""Tasks that a stage of the bench runs, as a user does: each in its own program."""

import subprocess
import sys

from glc.errors import DataError


def run(task: str, **options: str) -> None:
    """``python -m luigi --module glc.tasks TASK`` with its options; a DataError has the end of what a failure said."""
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    command = [sys.executable, "-m", "luigi", "--module", "glc.tasks", task, "--local-scheduler", *words]
    done = subprocess.run([*command, "--machine-wandb-mode", "disabled"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise DataError(f"{' '.join([task, *words])} ended with {done.returncode}:\n{done.stderr[-2000:]}")
