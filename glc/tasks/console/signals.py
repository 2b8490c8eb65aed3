"""Ctrl-C and SIGTERM: the process unwinds, so that its scratch is removed and Java stops, and nothing else is started.

Both raise KeyboardInterrupt, the only exception that Luigi does not take for a task's failure. Libraries may turn it
into another (Lightning: SystemExit); `glc.tasks.console.task.ConsoleTask` then raises it again at the task's end.
"""

import os
import signal
from functools import cache
from types import FrameType

_received = 0


def code() -> int:
    """Exit code of an interrupted run, as shells have it: 130 after Ctrl-C, 143 after SIGTERM; 0: not interrupted."""
    return 128 + _received if _received else 0


def catch() -> None:
    """Have SIGINT and SIGTERM interrupt this process; processes that it forks take them as if this were not called."""
    _spare_children()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)


def check() -> None:
    """Raise KeyboardInterrupt if a signal was received, even if a library swallowed the first one."""
    if _received:
        raise KeyboardInterrupt


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _received
    if _received and number == signal.SIGTERM:
        return  # who sends it twice, or after Ctrl-C, would break off the cleaning up
    _received = _received or number
    raise KeyboardInterrupt


@cache
def _spare_children() -> None:
    """Give forked processes Python's own handlers.

    Python forgets a signal that comes between the fork and that; SIGTERM, of a pool that ends, waits until then.
    """
    os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_reset)


def _hold() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _let_go() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _reset() -> None:
    global _received
    _received = 0
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _let_go()
