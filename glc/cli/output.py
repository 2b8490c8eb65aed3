"""Tables of the commands: fitted to a terminal, one line per row in a pipe."""

import sys
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table

from glc.errors import visible

PIPE_WIDTH = 500


class _Screen(Console):
    """Prints text as it is: names from data are no markup, and none of them steers the terminal."""

    def __init__(self) -> None:
        width = None if sys.stdout.isatty() else PIPE_WIDTH
        super().__init__(width=width, highlight=False, markup=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Segments of text and style; Rich adds the codes of styles to them when it writes."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))


def screen() -> Console:
    """Where commands print."""
    return _Screen()


def table(*headers: str, **kwargs) -> Table:
    """A table without lines."""
    made = Table(box=None, pad_edge=False, show_edge=False, header_style="bold", **kwargs)
    for header in headers:
        made.add_column(header, overflow="fold")
    return made
