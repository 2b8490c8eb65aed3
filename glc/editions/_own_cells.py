"""What a cell of a species' column, or of an abundance, says: the species is there, it is not, or nobody can tell.

Tables of vegetation write absence as 0, as nothing, as a dot, a dash or a word; a sign that is not known must not
become a presence unnoticed.
"""

import re
from collections import Counter
from collections.abc import Sequence
from statistics import median

from glc.errors import DataError

EMPTY, ZERO, PRESENT, NEGATIVE, SIGN, WORD = "empty", "zero", "present", "negative", "sign", "word"
"""What a cell says: nothing, absent, present, an amount below zero, a sign such as ``-`` that is no known presence, or
a word that is not known either, which is taken for a presence unless most cells have such words."""

NULLS = frozenset(["", "na", "nan", "n/a", "n.a.", "#n/a", "<na>", "null", "none", "\\n", "missing"])
"""Lower case texts of a value that is missing, as databases, R, pandas and Excel write it."""

_ABSENT = frozenset(["absent", "absence", "no", "false", "not found", "not present", "not detected", "not observed"])
_PRESENT = frozenset(["present", "presence", "yes", "true", "r", "found", "detected", "observed"])
_NUMBER = re.compile(r"([+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?)\s*%?", re.ASCII)
_MARK = re.compile("[x+*✓✔√●•■]+")  # of a presence, in any number; codes of cover have digits
_SIGN = re.compile(r"""[-.–—−_/\\?·:;,'"=~\s]+""")
_KEPT = 1 << 16  # texts whose meaning is kept
_COUNTED = 1_000  # texts that are counted
_FEW = 0.05
_MOST = 0.5
_FULL = 0.9

Column = tuple[int, str]
"""Place of a column in the file, and the species that it is of."""


class Meanings(dict[str, str]):
    """Text of a cell -> what it says; texts are read when they are first asked for.

    absent : texts that say absent, as the description names them; none (), where any text is a presence
    """

    def __init__(self, absent: Sequence[str] | None = None) -> None:
        super().__init__()
        self._absent = {text.strip().casefold() for text in absent or ()}
        self._unknown = (PRESENT, PRESENT) if absent is not None and not self._absent else (SIGN, WORD)

    def __missing__(self, text: str) -> str:
        meaning = self._read(text)
        if len(self) < _KEPT:
            self[text] = meaning
        return meaning

    def _read(self, text: str) -> str:
        word = text.strip().casefold()
        if word in self._absent:
            return ZERO
        if word in NULLS:
            return EMPTY
        if number := _NUMBER.fullmatch(word.replace("−", "-")):
            value = float(number[1].replace(",", "."))
            return ZERO if value == 0 else PRESENT if value > 0 else NEGATIVE
        if word in _ABSENT:
            return ZERO
        if word.strip("()[]") in _PRESENT or _MARK.fullmatch(word.strip("()[]")):
            return PRESENT
        sign, other = self._unknown
        if _SIGN.fullmatch(word):
            return sign
        return PRESENT if any(digit in word for digit in "123456789") else other


class Count:
    """Cells of species' columns, or of one column of abundances, that were read as presences, and those nobody knows.

    Call `row` once a row, and `add` for each of its cells that is neither empty nor absent.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns, self.rows = columns, 0
        self.present, self.unknown = [0] * len(columns), [0] * len(columns)
        self.signs = 0
        self.texts: Counter[str] = Counter()
        self.first: dict[str, tuple[int, str]] = {}

    def add(self, at: int, text: str, meaning: str, line: int) -> None:
        """Count a cell of the column with that number."""
        self.present[at] += 1
        if meaning not in (SIGN, WORD):
            return
        self.unknown[at] += 1
        self.signs += meaning == SIGN
        if text in self.texts or len(self.texts) < _COUNTED:
            self.texts[text] += 1
            self.first.setdefault(text, (line, self.columns[at]))

    @property
    def commonest(self) -> str:
        """The commonest of the texts that are not known, with their numbers of cells."""
        return ", ".join(f"{text!r} ({number:,} cells)" for text, number in self.texts.most_common(3))

    def refuse(self, where: str, file: str, stated: bool, long: bool) -> None:
        """Raise a DataError when texts that are not known fill so many cells that they may be signs of absence.

        where : the description and its section
        stated : whether the description says which texts are absences, so that all words are presences
        long : whether the cells are abundances of a long table, which are all filled
        """
        n_present = sum(self.present)
        if self.signs > _FEW * n_present:
            signs = [text for text in self.texts if _SIGN.fullmatch(text)]
            self._refuse(where, file, signs[:5], "are neither numbers nor known signs of a presence")
        if stated or not self.texts:
            return
        if long:
            suspicious = sum(self.unknown) > _FEW * n_present
        else:
            full = [
                unknown > _MOST * self.rows or (unknown > _FEW * self.rows and present > _FULL * self.rows)
                for unknown, present in zip(self.unknown, self.present, strict=True)
            ]
            suspicious = sum(full) > _MOST * len(full)
        if suspicious:
            top = [text for text, _ in self.texts.most_common(1)]
            cells = "many abundances" if long else "most cells of most columns of species"
            self._refuse(where, file, top, f"are no numbers and fill {cells}, so that they may mean absent")

    def _refuse(self, where, file, signs, why):
        line, column = self.first[signs[0]]
        named = ", ".join(f'"{sign}"' for sign in signs)
        raise DataError(
            f"{where}.absent: {file} has texts that {why}: {self.commonest}, the first in line {line}, column "
            f"{column!r}; name those that mean absent, such as absent = [{named}]; absent = [] if none does"
        )


def covariates(rows: Sequence[Sequence[str]], columns: Sequence[Column], meanings: Meanings) -> list[tuple[str, str]]:
    """(column, a few of its values) of columns that look like a covariate or an id, and not like a species.

    rows : some rows of a file
    columns : those that are taken for species
    Such a column is filled in nearly every row with large or unique numbers, or while most others are not; or it has
    texts that no other one has.
    """
    if len(rows) < 20 or len(columns) < 2:
        return []
    cells = [[text for row in rows if meanings[text := row[at]] not in (EMPTY, ZERO)] for at, _ in columns]
    texts = [{text for text in own if not _NUMBER.fullmatch(text)} for own in cells]
    columns_with = Counter(text for own in texts for text in own)
    usual = median(len(own) for own in cells) / len(rows)
    odd = []
    for (_, name), own, own_texts in zip(columns, cells, texts, strict=True):
        alone = {text for text in own_texts if columns_with[text] == 1 and not _MARK.fullmatch(text)}
        in_words = sum(text in alone for text in own) > _MOST * len(own)
        numbers = [abs(float(number[1].replace(",", "."))) for text in own if (number := _NUMBER.fullmatch(text))]
        full = len(own) >= _FULL * len(rows)
        large = len(numbers) > _MOST * len(own) and (
            median(numbers) > 100 or len(set(numbers)) > max(_MOST * len(own), 20)
        )
        alike = len(own) >= 0.98 * len(rows) and usual < _MOST
        if (in_words and (full or len(alone) > 2)) or (full and large) or alike:
            odd.append((name, ", ".join(dict.fromkeys(own[:3]))))
    return odd
