"""Work that threads of this process share."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def cores() -> int:
    """Cores that this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)  # not on macOS
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def in_order(function: Callable[..., T], calls: Iterable[tuple[object, ...]], threads: int) -> Iterator[T]:
    """Yield the results of calls in their order; a few are made ahead by `threads`."""
    if threads == 1:
        for arguments in calls:
            yield function(*arguments)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque()
        try:
            for arguments in calls:
                waiting.append(pool.submit(function, *arguments))
                if len(waiting) > threads + 1:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for call in waiting:
                call.cancel()
