"""The command ``glc``; `commands` says what there is, the other modules what each prints."""

from glc import errors
from glc.cli.commands import app


def main() -> None:
    """The command ``glc``."""
    errors.run_command(lambda: app(prog_name="glc"))
