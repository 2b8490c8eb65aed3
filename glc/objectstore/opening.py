"""From a URL to the local folder that mirrors it."""

import fcntl
import importlib.util
import logging
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse

from glc import storage
from glc.errors import ConfigError
from glc.objectstore import cache
from glc.objectstore.mirror import RECORDS, Mirror
from glc.objectstore.store import Store

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

log = logging.getLogger(__name__)
EXTRAS = {"s3": ("s3fs", "s3"), "gs": ("gcsfs", "gcs")}
"""Scheme -> the package that it needs, and the extra of glc that brings it."""
REFRESHED = "metrics"
"""Products of other machines that comparisons and reports look at without being asked for them."""

_opened: dict[Path, Mirror] = {}
_held: list[int] = []
"""Locks of caches that this process uses; they end with it."""


def local_root(url: str, cache_folder: Path, cache_gb: float, source: str) -> Path:
    """The local folder of a root in an object store.

    url : such as s3://bucket/folder
    cache_folder : folder of the caches of all roots; cache_gb : bound of this one's, in GB
    source : the option or key that the URL was read from, for errors
    The first call of a process reaches for the store, which it only reads: a ConfigError or StoreError says what is
    wrong with it. Then it removes what is too much for the bound, and gets the metrics that other machines have
    published.
    """
    parsed = urlparse(checked_url(url, source))
    below = [part for part in parsed.path.split("/") if part]
    root = cache_folder.resolve().joinpath(parsed.scheme, parsed.netloc, *below)
    if root not in _opened:
        store = Store("/".join([f"{parsed.scheme}://{parsed.netloc}", *below]), partial(connect, parsed.scheme))
        mirror = Mirror(root, store)
        store.sizes(f"{RECORDS}/{REFRESHED}")  # says what is wrong with it before anything is made here
        root.mkdir(parents=True, exist_ok=True)
        lock = os.open(root / cache.LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        cache.trim(mirror, lock, int(cache_gb * 2**30))
        _use(lock)
        mirror.refresh(REFRESHED)
        _opened[root] = storage.mirrors[root] = mirror
    return root


def checked_url(url: str, source: str) -> str:
    """The URL, if it is one of a store that can be used here; otherwise a ConfigError.

    source : the option or key that it was read from
    """
    parsed = urlparse(url)
    if parsed.scheme not in EXTRAS:
        raise ConfigError(
            f"{source}: found {url!r}, expected a folder, or a URL that begins with one of: "
            f"{', '.join(f'{scheme}://' for scheme in EXTRAS)}"
        )
    parts = {parsed.netloc, *parsed.path.split("/")}
    if not parsed.netloc or {".", ".."} & parts or parsed.query or parsed.fragment:
        raise ConfigError(f"{source}: found {url!r}, expected {parsed.scheme}://BUCKET/FOLDER")
    package, extra = EXTRAS[parsed.scheme]
    if importlib.util.find_spec(package) is None:
        raise ConfigError(
            f"{source}: found {url!r}, but the package {package} is not installed; try: pip install -e '.[{extra}]'"
        )
    return url


def url_of(folder: Path, cache_folder: Path) -> str:
    """The URL whose local folder this is; empty for any other folder."""
    if not folder.is_relative_to(cache_folder.resolve()):
        return ""
    scheme, *below = [*folder.relative_to(cache_folder.resolve()).parts, ""]
    return f"{scheme}://{'/'.join(below)}".rstrip("/") if scheme in EXTRAS and len(below) > 1 else ""


def opened(path: Path) -> Mirror | None:
    """The mirror of the root that a path is below; None where that is no object store's."""
    return next((mirror for root, mirror in _opened.items() if path.is_relative_to(root)), None)


def connect(scheme: str) -> "AbstractFileSystem":
    """The file system of a scheme, with new connections."""
    from glc.objectstore import connection  # fsspec, only where there is a store

    return connection.connect(scheme)


def _use(lock: int) -> None:
    """Hold a cache's lock with others until this process ends, so that nobody trims it meanwhile."""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
    except OSError:
        log.warning("the cache's disk has no locks: two runs must not share it")
    _held.append(lock)
