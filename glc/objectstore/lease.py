"""One machine at a time makes an output: an object that says who, renewed while that machine lives."""

import contextlib
import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator

from glc.objectstore.store import Store, StoreError

log = logging.getLogger(__name__)
RENEW = 30.0
"""Seconds between two renewals."""
EXPIRES = 180.0
"""Seconds without a renewal after which the machine is taken to be gone."""
POLL = 5.0
"""Seconds between two looks at another machine's lease."""


@contextlib.contextmanager
def held(store: Store, path: str, finished: Callable[[], bool], waiting: Callable[[str], object]) -> Iterator[None]:
    """Hold the lease at `path`, or return without it once `finished` says that another machine is done.

    waiting : called with the other machine's name, once
    A machine that stops renewing loses its lease. Should it live after all, two machines do the same work; the outputs
    stay whole, because only the first manifest counts.
    """
    mine = {"host": socket.gethostname(), "process": os.getpid(), "token": uuid.uuid4().hex}
    if not _take(store, path, mine, finished, waiting):
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_renew, args=(store, path, mine, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with contextlib.suppress(StoreError):  # it expires
            if _token(store.read(path)) == mine["token"]:
                store.remove(path)


def _take(
    store: Store,
    path: str,
    mine: dict[str, object],
    finished: Callable[[], bool],
    waiting: Callable[[str], object],
) -> bool:
    """Wait for the lease; False when the output was finished meanwhile."""
    seen, since, reported = None, 0.0, False
    while not store.write_new(path, _text(mine)):
        if finished():
            return False
        content = store.read(path)
        if content is None:
            continue
        if content != seen:
            seen, since = content, time.monotonic()
        elif time.monotonic() - since > EXPIRES:
            log.warning("%s: not renewed for %d s; its machine is taken to be gone", store.place(path), EXPIRES)
            store.remove(path)
            continue
        if not reported:
            waiting(_host(content))
            reported = True
        time.sleep(POLL)
    return True


def _renew(store: Store, path: str, mine: dict[str, object], ended: threading.Event) -> None:
    count = 0
    while not ended.wait(RENEW):
        count += 1
        try:
            if _token(store.read(path)) != mine["token"]:
                return  # another machine took it: it must not be taken back
            store.write(path, _text(mine | {"renewed": count}))
        except StoreError as error:
            log.warning("the lease could not be renewed: %s", error)


def _text(content: dict[str, object]) -> bytes:
    return json.dumps(content).encode()


def _token(content: bytes | None) -> object:
    return _parsed(content).get("token")


def _host(content: bytes) -> str:
    return str(_parsed(content).get("host", "unknown"))


def _parsed(content: bytes | None) -> dict[str, object]:
    with contextlib.suppress(ValueError):
        facts = json.loads(content or b"{}")
        if isinstance(facts, dict):
            return facts
    return {}
