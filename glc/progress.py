"""Progress of long work: a bar on a terminal, silence in a file or a pipe, or a report to whoever listens.

    for path in tqdm(paths, desc="reading tiles"):
        ...

A run's live table (`glc.tasks.console`) listens; then no bar is drawn and the table shows what the bars would.
"""

import sys
from collections.abc import Callable

from tqdm import tqdm as _Tqdm

from glc.types import Keywords

Listener = Callable[[str, float, float | None], None]
"""Called with what is being done, how much of it is done, and the total (None when it is not known)."""

_listeners: list[Listener] = []


def report_to(listener: Listener | None) -> None:
    """Report all bars of this process to `listener` instead of drawing them; None draws them again."""
    _listeners[:] = [listener] if listener else []


def listener() -> Listener | None:
    """Whom the bars of this process report to; None where they are drawn."""
    return _listeners[0] if _listeners else None


class _Nowhere:
    """A file that keeps nothing: a bar that reports must not write to the screen as well."""

    encoding = "utf-8"

    def write(self, text):
        return len(text)

    def flush(self):
        pass


class tqdm(_Tqdm):  # noqa: N801 - takes the place of tqdm.tqdm
    """`tqdm.tqdm` that reports to the listener if there is one, and is silent unless standard error is a terminal."""

    def __init__(self, *args: Keywords, disable: bool = False, **kwargs: Keywords) -> None:
        self._listener = listener()
        if self._listener:
            kwargs["file"] = _Nowhere()
        super().__init__(*args, disable=bool(disable) or not (self._listener or sys.stderr.isatty()), **kwargs)

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        """Draw the bar, or report it; tqdm calls this at most ten times a second."""
        if not self._listener:
            return super().display(msg, pos)
        if msg is None:  # an empty message wipes a bar from the screen
            self._listener(
                self.desc.removesuffix(": "), float(self.n), None if self.total is None else float(self.total)
            )
        return True
