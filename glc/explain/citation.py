"""What to cite: the data with their DOI and licences, this software, and the paper whose methods are used."""

from collections.abc import Sequence
from dataclasses import dataclass

from glc import registry
from glc.references import PAPERS, SOFTWARE, Reference, paper_named
from glc.types import Facts

AUTHOR = "to be completed by the author"
"""The value of a field that the run does not know."""
VIRTUAL = "virtual:"


@dataclass(frozen=True)
class Citation:
    """What a report, a map or a paper that uses an experiment should cite.

    data, software, methods : references
    notes : what is not known, or holds only under a condition, as sentences
    licences : licence of records -> number of records
    """

    data: tuple[Reference, ...]
    software: tuple[Reference, ...]
    methods: tuple[Reference, ...]
    notes: tuple[str, ...]
    licences: dict[str, int]

    def groups(self) -> dict[str, tuple[Reference, ...]]:
        """Heading -> references, of headings that have any."""
        groups = {"Data": self.data, "Software": self.software, "Methods": self.methods}
        return {heading: references for heading, references in groups.items() if references}

    def text(self) -> str:
        """Markdown, with a heading per group."""
        lines = ["# How to cite", ""]
        for heading, references in self.groups().items():
            lines += [f"## {heading}", "", *(f"- {reference.text()}" for reference in references), ""]
        if self.licences:
            lines += ["## Licences of the records", ""]
            lines += [f"- {name}: {count:,} records" for name, count in self.licences.items()] + [""]
        if self.notes:
            lines += ["## Notes", "", *(f"- {note}" for note in self.notes), ""]
        return "\n".join(lines)

    def bibtex(self) -> str:
        """BibTeX entries of all references."""
        entries = {reference.key: reference.bibtex() for group in self.groups().values() for reference in group}
        return "\n\n".join(entries.values()) + "\n"


def citation(dataset: str, surveys: Facts, descriptions: Sequence[str]) -> Citation:
    """What to cite of an experiment on a dataset.

    dataset : its name
    surveys : manifest of the survey tables; its `citation` (doi, title, rights, licences) is what the data say of
        themselves, its `edition` the layout of the files
    descriptions : of the experiment, and of those that it joins; each may name a paper in brackets
    """
    data, notes = _data(dataset, surveys)
    methods, unknown = [], []
    for name in dict.fromkeys(filter(None, map(paper_named, descriptions))):
        methods += [PAPERS[name]] if name in PAPERS else []
        unknown += [] if name in PAPERS else [name]
    notes += [f"The experiment names the paper {name}; its reference is {AUTHOR}." for name in unknown]
    if surveys.get("glc") and surveys["glc"] != SOFTWARE.version:
        notes.append(f"The survey tables were made by glc {surveys['glc']}.")
    licences = dict((surveys.get("citation") or {}).get("licences") or {})
    return Citation(tuple(data), (SOFTWARE,), tuple(methods), tuple(notes), licences)


def _data(dataset: str, surveys: Facts) -> tuple[list[Reference], list[str]]:
    """References of the data, and what they leave open."""
    origin = str(surveys.get("parameters", {}).get("dataset", ""))
    if origin.startswith(VIRTUAL):
        note = f"The data are simulated: the virtual world {origin.removeprefix(VIRTUAL)} of glc, which has no source."
        return [], [note]
    own = surveys.get("citation")
    if own and (own.get("doi") or own.get("title")):
        lines = [] if own.get("rights") or own.get("licences") else [f"The licence of the data is {AUTHOR}."]
        lines += [] if own.get("doi") else [f"The DOI of the data is {AUTHOR}."]
        licence = own.get("rights") or "; ".join(own.get("licences") or {})
        title = own.get("title") or f"Dataset {dataset}"
        return [Reference("dataset", "", title, doi=_bare_doi(own.get("doi")), licence=licence or "")], lines
    edition = surveys.get("edition", "")
    known = registry.editions.get(edition) if edition in registry.editions.choices() else None
    note = f"The source, version and licence of the dataset {dataset} are {AUTHOR}."
    if known is None or not known.references:
        return [], [note]
    condition = f"The files have the layout of {known.title}: its references hold if they are the contest's own. {note}"
    return list(known.references), [condition]


def _bare_doi(doi: str | None) -> str:
    """10.15468/dl.x of https://doi.org/10.15468/dl.x."""
    text = (doi or "").strip()
    for start in ("https://doi.org/", "http://doi.org/", "https://dx.doi.org/", "http://dx.doi.org/", "doi:"):
        text = text.removeprefix(start)
    return text
