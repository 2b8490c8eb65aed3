"""What is written: README, CONTRIBUTING, SECURITY and the pages of docs/, and the blocks of code in them."""

import re
from dataclasses import dataclass

from tests.test_makefile import CHECKOUT

WRITTEN = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    *sorted(path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "docs").rglob("*.md")),
)
TEXTS = {name: (CHECKOUT / name).read_text(encoding="utf-8") for name in WRITTEN}
NOT_RUN = "not run here"
"""What the title of a block begins with whose commands need data, a network, a GPU or hours."""


@dataclass(frozen=True)
class Block:
    """A block of code: its page and line, language, title and text."""

    page: str
    line: int
    language: str
    title: str
    text: str

    @property
    def is_run(self) -> bool:
        """Whether `make test-all` runs it."""
        return not self.title.startswith(NOT_RUN)

    @property
    def commands(self) -> list[str]:
        """Its lines, those that end with a backslash joined with the next, without comments and empty ones."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def blocks(page: str, *languages: str) -> list[Block]:
    """Blocks of a page in these languages; of none, all of them."""
    found = []
    pattern = r'^ *```(\w*)(?: title="([^"]*)")?\n(.*?)^ *```$'
    for match in re.finditer(pattern, TEXTS[page], re.MULTILINE | re.DOTALL):
        line = TEXTS[page].count("\n", 0, match.start()) + 1
        found.append(Block(page, line, match[1], match[2] or "", match[3]))
    return [block for block in found if not languages or block.language in languages]


EXAMPLES = {
    path: block
    for path, block in re.findall(
        r"^`([\w/.-]+)`[^\n]*\n(?:[^\n]+\n)*\n```\w+\n(.*?)^```", TEXTS["docs/extending.md"], re.MULTILINE | re.DOTALL
    )
}
"""Files that the page on adding members writes: a path, and the code below it."""
