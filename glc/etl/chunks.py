"""A text file in chunks of whole lines, so that each can be read by another process and knows its line numbers."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

_BLOCK = 16 * 2**20


@dataclass(frozen=True)
class Chunk:
    """Some lines of a text file.

    path : the file
    start, stop : first byte, and the byte after the last
    line : number of the first line; the first of the file is 1
    lines : how many they are, blank ones too
    """

    path: Path
    start: int
    stop: int
    line: int
    lines: int

    def read(self) -> bytes:
        """The bytes; the last line of a file may lack its end."""
        with open(self.path, "rb") as file:
            file.seek(self.start)
            return file.read(self.stop - self.start)


def of_file(path: Path, header_lines: int, size: int = _BLOCK) -> list[Chunk] | None:
    """Chunks of all lines after the header; None where a carriage return alone ends a line, as on old Macs.

    header_lines : lines that are no rows
    size : bytes of a chunk; a longer line is a chunk by itself
    """
    chunks: list[Chunk] = []
    with open(path, "rb") as file:
        for _ in range(header_lines):
            file.readline()
        start, line = file.tell(), header_lines + 1
        while block := file.read(size):
            if not block.endswith(b"\n"):
                block += file.readline()
            if b"\r" in block and block.count(b"\r") != block.count(b"\r\n"):
                return None
            count = block.count(b"\n") + (not block.endswith(b"\n"))
            chunks.append(Chunk(path, start, start + len(block), line, count))
            start, line = start + len(block), line + count
    return chunks


def line_starts(text: bytes) -> np.ndarray:
    """Where the lines of `text` begin, and its end: (lines + 1,) int64."""
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n")) + 1
    last = [] if text.endswith(b"\n") else [len(text)]
    return np.concatenate([[0], ends, last]).astype(np.int64)
