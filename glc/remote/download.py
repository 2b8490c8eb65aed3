"""Files over HTTP: continued where a connection broke, verified, and whole or absent."""

import base64
import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests

from glc import storage
from glc.errors import DataError
from glc.progress import tqdm
from glc.types import JSON

TRIES = 6
"""Connections in a row that may break without a new byte."""
LONGEST_WAIT = 60.0
"""Seconds before another try; a server that asks for more is asked again by the person."""
TIMEOUT = 60.0
"""Seconds without a byte after which a connection counts as broken."""
BLOCK = 1 << 14
"""Bytes read at once; what has arrived of a block is lost where the connection breaks."""
BROKEN = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
BUSY = (429, 500, 502, 503, 504)
"""Status of a server that may answer later."""

Open = Callable[[], requests.Response]
"""Asks for a file from its first byte; the response is a stream, its body not read yet."""


@dataclass(frozen=True)
class Remote:
    """A file of a host.

    name : its path at the host, with forward slashes
    bytes : its size; None where the host does not say
    """

    name: str
    bytes: int | None


def plain(url: str) -> Open:
    """Asks for the file at an address, which may lead to another."""

    def ask() -> requests.Response:
        return requests.get(url, headers={"Accept-Encoding": "identity"}, stream=True, timeout=TIMEOUT)

    return ask


def fetch(ask: Open, path: Path, *, title: str = "", wait: float = 1.0) -> Path:
    """Fetch a file to `path`, whole or not at all.

    ask : asks for it from its first byte; called again after a connection broke, as addresses may expire
    path : what has arrived is in ``<path>.part`` until it is complete; a later call continues it if the host's file is
        still the same, by its ETag or date
    title : of the file, for progress and errors
    wait : seconds before the second try, doubled for each further one
    returns : `path`
    raises : DataError if the connection keeps breaking, or the size or checksum is not what the host says;
        `requests.HTTPError` for an answer that another try would not change
    """
    title = title or path.name
    path.parent.mkdir(parents=True, exist_ok=True)
    part, known = path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.part.json")
    failures = 0
    while True:
        before = _size(part)
        try:
            _continue(ask, part, known, title)
            break
        except BROKEN as error:
            failures = 1 if _size(part) > before else failures + 1
            delay, reason = wait * 2 ** (failures - 1), f"the connection broke ({type(error).__name__})"
        except requests.HTTPError as error:
            if error.response.status_code not in BUSY:
                raise
            failures += 1
            delay = max(_retry_after(error.response), wait * 2 ** (failures - 1))
            reason = f"the host answered {error.response.status_code}"
        if failures >= TRIES or delay > LONGEST_WAIT:
            raise DataError(
                f"{title}: {reason}, {_size(part):,} bytes have arrived; run the same command again later: it continues"
            )
        time.sleep(delay)
    os.replace(part, path)
    known.unlink(missing_ok=True)
    return path


def _continue(ask: Open, part: Path, known: Path, title: str) -> None:
    """Fetch what `part` lacks, and compare size and checksum with what the host says."""
    with ask() as first:
        first.raise_for_status()
        length = first.headers.get("Content-Length")
        encoded = first.headers.get("Content-Encoding", "identity") != "identity"
        total = int(length) if length is not None and not encoded else None
        facts = {"validator": first.headers.get("ETag") or first.headers.get("Last-Modified"), "bytes": total}
        have = _size(part) if _same(known, facts) and (total is None or _size(part) <= total) else 0
        if have and have == total:
            _verify(first, part, known, title)
            return
        if have and first.headers.get("Accept-Ranges") == "bytes":
            first.close()
            with _rest(first, have, facts["validator"]) as rest:
                rest.raise_for_status()
                if rest.status_code == 206 and rest.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                    _save(rest, part, have, total, title)
                    _verify(first, part, known, title)
                    return
            part.unlink()  # the file has changed meanwhile, or the host does not give parts of it
            raise requests.ConnectionError(f"{title} has changed")
        known.write_text(json.dumps(facts), encoding="utf-8")
        _save(first, part, 0, total, title)
        _verify(first, part, known, title)


def _rest(first: requests.Response, have: int, validator: str) -> requests.Response:
    """Ask for the bytes from `have` on, as the first request was asked, of the address that it was led to."""
    request = first.request
    headers = {**request.headers, "Range": f"bytes={have}-"}
    if not validator.startswith("W/"):
        headers["If-Range"] = validator
    return requests.request(
        request.method or "GET", first.url, headers=headers, data=request.body, stream=True, timeout=TIMEOUT
    )


def _save(response: requests.Response, part: Path, have: int, total: int | None, title: str) -> None:
    with (
        open(part, "r+b" if have else "wb") as file,
        tqdm(total=total, initial=have, desc=title, unit="B", unit_scale=True) as bar,
    ):
        file.truncate(have)
        file.seek(have)
        for block in response.iter_content(BLOCK):
            file.write(block)
            bar.update(len(block))
    if total is not None and _size(part) < total:  # an end that requests took for the whole
        raise requests.ConnectionError(f"{title}: {_size(part)} of {total} bytes")


def _verify(response: requests.Response, part: Path, known: Path, title: str) -> None:
    """Raise a DataError, and start again next time, unless the bytes are those that the host describes."""
    size, length = _size(part), response.headers.get("Content-Length")
    encoded = response.headers.get("Content-Encoding", "identity") != "identity"
    digest = _md5(response)
    actual, wanted = f"{size:,} bytes", f"{int(length):,} bytes" if length and not encoded else f"{size:,} bytes"
    if actual == wanted and digest is not None:
        with open(part, "rb") as file:
            actual, wanted = f"md5 {hashlib.file_digest(file, 'md5').hexdigest()}", f"md5 {digest}"
    if actual != wanted:
        part.unlink()
        known.unlink(missing_ok=True)
        raise DataError(f"{title}: found {actual}, expected {wanted}; it was removed, run the same command again")


def _md5(response: requests.Response) -> str | None:
    """The md5 that the host states, in hexadecimal: Content-MD5, or ``x-goog-hash`` of Google's stores."""
    stated = response.headers.get("Content-MD5", "")
    for word in response.headers.get("x-goog-hash", "").split(","):
        name, _, value = word.strip().partition("=")
        stated = value if name == "md5" else stated
    return base64.b64decode(stated).hex() if stated else None


def _same(known: Path, facts: JSON) -> bool:
    """Whether what has arrived is of the file that the host has now."""
    try:
        return facts["validator"] is not None and json.loads(known.read_text(encoding="utf-8")) == facts
    except (OSError, json.JSONDecodeError):
        return False


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _retry_after(response: requests.Response) -> float:
    """Seconds that the host asks to wait; 0 where it gives a date or nothing."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else 0.0


def size_of(ask: Open) -> int | None:
    """Bytes of a file, by asking for it and reading nothing; None where the host does not say."""
    with ask() as response:
        response.raise_for_status()
        length = response.headers.get("Content-Length")
        return int(length) if length is not None else None


def refuse_without_room(folder: Path, files: list[Remote], factor: float = 1.0) -> int:
    """Bytes of the files; a DataError if their disk has less free.

    factor : bytes on disk per byte fetched, such as 2 where archives are unpacked
    """
    size = sum(file.bytes or 0 for file in files)
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    remedy = "free some, or give another folder with --folder"
    storage.check_space(existing, int(size * factor), "the download", remedy)
    return size


def in_words(size: int | None) -> str:
    """A size such as 1.2 GB."""
    if size is None:
        return "size not stated"
    value, units = float(size), ["bytes", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        del units[0]
    return f"{value:,.0f} {units[0]}" if units[0] == "bytes" else f"{value:,.1f} {units[0]}"
