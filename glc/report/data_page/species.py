"""The section on species: how frequent they are, how many a survey has, and where the leading ones are."""

import numpy as np

from glc.report.data_page import figures
from glc.report.data_page.contents import LEAST, Contents, Part, grouping
from glc.report.data_page.section import Picture, Section, Table, part_name


def section_of(contents: Contents) -> Section:
    """Frequencies, sizes of surveys, and shares of the leading species by region."""
    section = Section("Species", "species")
    known = {part_name(name): part for name, part in contents.parts.items() if part.species}
    if not known:
        section.absent.append("No survey has a species.")
        return section
    ranked = {name: np.sort(np.fromiter(part.species.values(), int))[::-1] for name, part in known.items()}
    section.pictures.append(Picture(
        figures.ranked("Surveys of each species, from the most frequent to the rarest", ranked),
        "Surveys of each species, from the most frequent to the rarest; both axes logarithmic (Tighnari, Figure 6).",
    ))  # fmt: skip
    section.pictures.append(Picture(
        figures.sizes("Distribution of the number of species per survey", {n: p.sizes for n, p in known.items()}),
        "Species per survey; the last bar holds all larger numbers (Tighnari, Figure 6).",
    ))  # fmt: skip
    rows = []
    for name, part in known.items():
        sizes = np.repeat(list(part.sizes), list(part.sizes.values()))
        once = sum(count == 1 for count in part.species.values())
        rows.append(
            [name, f"{sizes.mean():.1f}", f"{np.median(sizes):.0f}", f"{np.quantile(sizes, 0.95):.0f}",
             f"{sizes.max():,}", f"{once:,} of {len(part.species):,}"]
        )  # fmt: skip
    header = ("Part", "Mean species per survey", "Median", "95 %", "Most", "Species seen once")
    section.tables.append(Table("Species per survey", header, rows))
    training = contents.role("train")
    if training is not None and training.species:
        _prevalence(section, training)
    unknown = [part_name(name) for name, part in contents.parts.items() if not part.species]
    if unknown:
        section.absent.append(f"Without labels: {', '.join(unknown)}.")
    return section


def _prevalence(section: Section, training: Part) -> None:
    column = grouping(training.sample)
    if column is None:
        section.absent.append("Shares by region are not shown: no training survey has a region or country.")
        return
    groups = training.sample[column].value_counts()
    groups = groups[groups >= LEAST].index[:4]
    groups = groups if len(groups) > 1 else groups[:0]  # a single one is nearly all
    by = f", by {column}" if len(groups) else ""
    leading = [species for species, _ in training.species.most_common(10)]
    rows = []
    for species in leading:
        has = training.sample["species"].map(lambda known, wanted=species: wanted in known)
        shares = [has[training.sample[column] == group].mean() for group in groups]
        rows.append([str(species), f"{has.mean():.1%}", *(f"{share:.1%}" for share in shares)])
    section.tables.append(
        Table(f"Share of training surveys that have the 10 leading species{by}",
              ("Species", "All", *map(str, groups)), rows)
    )  # fmt: skip
