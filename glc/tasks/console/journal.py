"""Notes from the processes of a run to the one that prints."""

import json
import os
import tempfile

from glc.errors import visible
from glc.types import JSON, Facts


class Journal:
    """A file that only grows: with several workers tasks run in forked processes, which share it, and nothing else.

    Each note is one line, written by one call, so notes of different processes do not mix.
    """

    def __init__(self) -> None:
        fd, path = tempfile.mkstemp(prefix="glc-")
        os.close(fd)
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND)
        os.unlink(path)
        self._read = 0
        self._rest = b""

    def note(self, kind: str, **facts: JSON) -> None:
        """Add a note, from any process; its texts will be printed, so none may steer the terminal."""
        shown = {name: visible(value) if isinstance(value, str) else value for name, value in facts.items()}
        os.write(self._fd, json.dumps({"kind": kind} | shown).encode() + b"\n")

    def read(self) -> list[Facts]:
        """Notes since the last call, in the process that prints."""
        piece = os.pread(self._fd, 1 << 24, self._read)
        self._read += len(piece)
        *lines, self._rest = (self._rest + piece).split(b"\n")
        return [json.loads(line) for line in lines]
