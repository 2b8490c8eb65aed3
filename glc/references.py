"""Works to cite: the papers whose methods experiments use, this software, and what editions say of their data."""

import re
import unicodedata
from dataclasses import dataclass

from glc import __version__

_KINDS = {"conference": "inproceedings", "preprint": "misc", "poster": "misc", "dataset": "misc", "software": "misc"}
_CONTAINERS = {"inproceedings": "booktitle", "misc": "howpublished"}
_WORDS = {"\\": "backslash", "{": "braceleft", "}": "braceright", "~": "asciitilde", "^": "asciicircum"}
_SPECIAL = str.maketrans(
    {letter: f"\\{letter}" for letter in "&%$#_"} | {letter: f"\\text{word}{{}}" for letter, word in _WORDS.items()}
)
"""LaTeX's own letters; braces as words, because BibTeX counts one behind a backslash, too."""


@dataclass(frozen=True)
class Reference:
    """A work to cite.

    kind : conference, preprint, poster, dataset or software
    authors : ``Family, Given; Family, Given``, or the name of an institution
    title, year : of the work; year 0: not known
    container : proceedings, series or publisher; empty: none
    doi, url : where it is; licence : of the data or software; version : of the software; empty: not known
    """

    kind: str
    authors: str
    title: str
    year: int = 0
    container: str = ""
    doi: str = ""
    url: str = ""
    licence: str = ""
    version: str = ""

    @property
    def key(self) -> str:
        """Its name in BibTeX: first author's family name, year and the title's first long word."""
        author = self.authors.partition(",")[0]
        word = next((word for word in re.findall(r"\w{5,}", self.title)), self.title or "work")
        return "_".join(filter(None, (_plain(author), str(self.year or ""), _plain(word)))).lower()

    def _names(self) -> list[tuple[str, str]]:
        """(family, given) of each author."""
        parts = (name.partition(", ") for name in self.authors.split("; ") if name)
        return [(family, given) for family, _, given in parts]

    def text(self) -> str:
        """One line for a list of references."""
        names = [f"{family} {_initials(given)}".strip() for family, given in self._names()]
        head = ", ".join(names) + (f" ({self.year})" if self.year else "")
        version = f", version {self.version}" if self.version else ""
        where = f"https://doi.org/{self.doi}" if self.doi else self.url
        licence = f"Licence: {self.licence}" if self.licence else ""
        parts = (head.strip(), f"{self.title}{version}", self.container, where, licence)
        return " ".join(f"{part.rstrip('.')}." for part in parts if part)

    def bibtex(self) -> str:
        """Its BibTeX entry."""
        entry = _KINDS[self.kind]
        fields = {
            "author": " and ".join(
                f"{family}, {given}" if given else f"{{{family}}}"
                for family, given in ((_tex(family), _tex(given)) for family, given in self._names())
            ),
            "title": f"{{{_tex(self.title)}}}",
            "year": str(self.year or ""),
            _CONTAINERS[entry]: _tex(self.container),
            "doi": _address(self.doi),
            "url": _address(self.url),
            "version": _tex(self.version),
            "note": f"Licence: {_tex(self.licence)}" if self.licence else "",
        }
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
        return "\n".join([f"@{entry}{{{self.key},", *lines, "}"])


def _tex(text: str) -> str:
    return " ".join(text.split()).translate(_SPECIAL)


def _address(text: str) -> str:
    """An address, which no LaTeX may change: what could end its field, or begin a command, as its code."""
    return re.sub(r"[{}\\\s]", lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), text)


def _plain(text: str) -> str:
    """Letters and digits of ASCII alone."""
    return re.sub(r"[^A-Za-z0-9]", "", unicodedata.normalize("NFKD", text))


def _initials(given: str) -> str:
    return "".join(name[0] for name in given.replace("-", " ").split())


SOFTWARE = Reference(
    "software",
    "The glc developers",
    "glc: from species surveys and rasters to predictions of which plants grow where",
    licence="Apache-2.0",
    version=__version__,
)
"""This program, as in CITATION.cff."""

PAPERS = {
    "DS@GT 2024": Reference(
        "conference",
        "Miyaguchi, Anthony; Aphiwetsa, Patcharapong; McDuffie, Mark",
        "Tile Compression and Embeddings for Multi-Label Classification in GeoLifeCLEF 2024",
        2024,
        "Working Notes of CLEF 2024",
    ),
    "Liu et al. 2024": Reference(
        "conference",
        "Liu, Haixu; Jiang, Penghao; Tao, Zerui; Wan, Muyan; Sun, Qiu Zhuang",
        "Tighnari: Multi-modal Plant Species Prediction Based on Hierarchical Cross-Attention Using Graph-Based and "
        "Vision Backbone-Extracted Features",
        2024,
        "Working Notes of CLEF 2024",
    ),
    "LIRMM / Inria 2020": Reference(
        "conference",
        "Deneu, Benjamin; Servajean, Maximilien; Bonnet, Pierre; Munoz, François; Joly, Alexis",
        "Participation of LIRMM / Inria to the GeoLifeCLEF 2020 challenge",
        2020,
        "Working Notes of CLEF 2020",
    ),
    "Xiong 2024": Reference(
        "poster",
        "Xiong, Hanyi",
        "Geographic information analysis and prediction based on machine learning",
        2024,
        "Poster A15 of the Summer Research Fellowship 2024, supervised by Kai Han",
    ),
}
"""The papers as descriptions of experiments name them in brackets; those of CITATION.cff."""

_PAPER = re.compile(r"\((?:after )?([A-Z][^()]*?\b\d{4})\b[^()]*\)")
"""A paper at the end of a description: (DS@GT 2024, section 5), (after Liu et al. 2024)."""


def paper_named(description: str) -> str:
    """The paper that an experiment's description names last in brackets, such as ``DS@GT 2024``; '' if none."""
    names = _PAPER.findall(description)
    return names[-1] if names else ""
