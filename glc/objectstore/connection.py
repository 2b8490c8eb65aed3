"""Connections to object stores, and how long one may be silent.

The libraries of the stores repeat what fails, some within other repetitions, for many minutes. `patiently` gives up
once no byte has moved for `QUIET` seconds.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import fsspec
from fsspec.asyn import sync
from fsspec.callbacks import Callback

from glc.types import Keywords

if TYPE_CHECKING:
    import aiohttp
    from fsspec import AbstractFileSystem

QUIET = 60.0
"""Seconds without a byte after which a request or a transfer has failed."""
REFUSALS = 3
"""Answers 401 in succession after which the credentials are taken to be wrong; gcsfs repeats for half a minute."""
_CHUNK = 8 * 2**20
OPTIONS: Mapping[str, Mapping[str, dict[str, Keywords]]] = {
    "s3": {"get_file": {"max_concurrency": 1}, "put_file": {"max_concurrency": 2, "chunksize": _CHUNK}},
    "gs": {"get_file": {"concurrency": 1}, "put_file": {"chunksize": _CHUNK}},
}
"""Scheme -> options of a download, of which every block counts as progress only in one stream, and of an upload, in
parts that slow lines send in less than `QUIET`."""
P = ParamSpec("P")
T = TypeVar("T")


class SilenceError(ConnectionError):
    """A store that does not answer any more; a TimeoutError would lose its text in fsspec."""


class Progress(Callback):
    """Bytes of a transfer; `moved` is when it was last further than ever before."""

    def __init__(self) -> None:
        super().__init__()
        self.furthest, self.moved = 0, time.monotonic()

    def set_size(self, size: int) -> None:
        """Begin, maybe again after a failure.

        size : bytes
        """
        self.value = 0
        super().set_size(size)

    def call(self, hook_name: str | None = None, **kwargs: object) -> None:
        """Take note of what has been transferred."""
        if self.value > self.furthest:
            self.furthest, self.moved = self.value, time.monotonic()


def patiently(files: "AbstractFileSystem", method: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call an asynchronous method of a file system, and give up when nothing moves; a SilenceError says so.

    method : such as ``files._get_file``; its `callback`, if it takes one, is a `Progress`
    """
    progress = kwargs.get("callback")
    return sync(files.loop, _while_moving, method(*args, **kwargs), progress or Progress())


async def _while_moving(request: Awaitable[T], progress: Progress) -> T:
    task = asyncio.ensure_future(request)
    try:
        while not task.done():
            if time.monotonic() - progress.moved > QUIET:
                raise SilenceError(f"nothing was transferred for {QUIET:.0f} s")
            await asyncio.wait({task}, timeout=min(1.0, QUIET / 4))
        return task.result()
    finally:
        task.cancel()


def connect(scheme: str) -> "AbstractFileSystem":
    """The file system of a scheme, with new connections.

    A shared instance would keep connections over a fork, and remembered listings miss what other machines write.
    """
    options: dict[str, Keywords] = {"use_listings_cache": False, "skip_instance_cache": True}
    if scheme == "gs":
        return _google(options)
    if scheme == "s3":
        # s3fs retries what botocore does not: connections that break in the middle of a file
        options["config_kwargs"] = {"connect_timeout": 10, "read_timeout": 20, "retries": {"max_attempts": 2}}
    return fsspec.filesystem(scheme, **options)


def _google(options: dict[str, Keywords]) -> "AbstractFileSystem":
    import aiohttp

    # fsspec would choose the class for zonal buckets, which needs gRPC as well
    from gcsfs.core import GCSFileSystem  # type: ignore[import-untyped]

    limits = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=20)
    files = GCSFileSystem(requests_timeout=limits, session_kwargs={"trace_configs": [_refused()]}, **options)
    files.credentials.maybe_refresh()  # here once; in a request it would be repeated for half a minute
    return files


def _refused() -> "aiohttp.TraceConfig":
    """Ends a request that is answered 401 again and again, which gcsfs takes for a token that has just expired."""
    import aiohttp

    count = 0

    async def answered(session: object, context: object, facts: "aiohttp.TraceRequestEndParams") -> None:
        nonlocal count
        count = count + 1 if facts.response.status == 401 else 0
        if count >= REFUSALS:
            count = 0
            raise PermissionError(f"401: {' '.join((await facts.response.text()).split())[:200]}")

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(answered)
    return trace
