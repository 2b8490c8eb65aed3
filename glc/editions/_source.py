"""How the rows of a table's file are reached: a plain text, or something that has to be unpacked into one first."""

from collections.abc import Iterator
from pathlib import Path

from glc.editions import _text
from glc.editions._odd import Oddity
from glc.types import StrPath


class Source:
    """A plain text file with one line per row; other sources override what differs.

    Checks read `first_line` and `lines` as they are; Spark reads the file that `unpack` returns.

    member : file inside an archive, as quarantine and errors name it after the archive; empty for a plain file
    numbered : every unpacked line begins with the number of its row in the original, and a tab; there is no header then
    """

    member: str = ""
    numbered: bool = False

    def size(self, path: StrPath) -> int:
        """Bytes that `unpack` writes; a DataError says why the file cannot be unpacked."""
        return 0

    def unpack(self, path: StrPath, folder: StrPath) -> Path:
        """The text file that Spark reads: `path` itself, or a file made in the existing `folder`."""
        return Path(path)

    def oddities(self) -> list[Oddity]:
        """What is odd about the texts that it reads, such as their encoding."""
        return []

    def first_line(self, path: StrPath) -> str:
        """The first line, without its end."""
        return _text.first_line(path)

    def lines(self, path: StrPath, header_lines: int = 1) -> Iterator[tuple[int, str]]:
        """(number, text) of the lines after the header that are not blank; the first line of the file is 1."""
        return _text.lines(path, header_lines)


class Lines(Source):
    """A source whose lines a program makes, such as those of a parquet file or of two joined tables.

    A subclass has `size`, `first_line` and `lines`; numbers of lines are those of the original, and may repeat.
    """

    numbered = True

    def unpack(self, path: StrPath, folder: StrPath) -> Path:
        """Write ``lines.txt`` with all lines behind their numbers."""
        made = Path(folder) / "lines.txt"
        with open(made, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{number}\t{text}\n" for number, text in self.lines(path))
        return made


PLAIN = Source()
