"""The command ``glc``; `commands` says what there is, the other modules what each prints."""

import sys

from glc.cli.commands import app
from glc.errors import GlcError

UNHANDLED = 40
"""Exit code of an error before any task has run, as in ``[retcode]`` of luigi.cfg."""


def main() -> None:
    """The command ``glc``."""
    try:
        app(prog_name="glc")
    except GlcError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(UNHANDLED)
