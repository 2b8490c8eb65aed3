"""Tables of the commands: fitted to a terminal, one line per row in a pipe."""

import sys

from rich.console import Console
from rich.table import Table

PIPE_WIDTH = 500


def screen() -> Console:
    """Where commands print."""
    return Console(highlight=False) if sys.stdout.isatty() else Console(width=PIPE_WIDTH, highlight=False)


def table(*headers: str, **kwargs) -> Table:
    """A table without lines."""
    made = Table(box=None, pad_edge=False, show_edge=False, header_style="bold", **kwargs)
    for header in headers:
        made.add_column(header, overflow="fold")
    return made
