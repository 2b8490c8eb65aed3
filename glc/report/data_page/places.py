"""The section on places: what there is, and where."""

import pandas as pd

from glc import geo
from glc.report.data_page import figures
from glc.report.data_page.contents import Contents
from glc.report.data_page.section import Picture, Section, Table, part_name

AREAS = {3035: "Europe", 5070: "the contiguous USA"}


def section_of(contents: Contents) -> Section:
    """What there is, and maps of it."""
    section = Section("Places", "places")
    rows = [
        [
            part_name(name),
            f"{part.surveys:,}",
            f"{part.occurrences:,}" if part.species else "–",  # of a test without labels nothing is known
            f"{len(part.species):,}" if part.species else "–",
            _range(part.sample["year"]),
        ]
        for name, part in contents.parts.items()
    ]
    section.tables.append(Table("What there is", ("Part", "Surveys", "Occurrences", "Species", "Years"), rows))
    sampled = [name for name, part in contents.parts.items() if len(part.sample) < part.surveys]
    if sampled:
        numbers = ", ".join(f"{len(contents.parts[name].sample):,} of {part_name(name)}" for name in sampled)
        section.texts.append(f"Maps show a random sample where there are more surveys: {numbers}.")
    everywhere = pd.concat([part.sample[["lon", "lat", "crs"]] for part in contents.parts.values()])
    for crs in sorted(everywhere["crs"].unique()):
        groups = {
            part_name(name): part.sample.loc[part.sample["crs"] == crs, ["lon", "lat"]].to_numpy()
            for name, part in contents.parts.items()
        }
        groups = {name: places for name, places in groups.items() if len(places)}
        area = AREAS.get(int(crs), f"EPSG:{crs}")
        svg = figures.places(f"Places in {area}: {', '.join(groups)}", groups)
        section.pictures.append(Picture(svg, f"Where the surveys are in {area} (Tighnari, Figure 5)."))
        if crs == 3035:
            section.pictures.append(Picture(
                figures.area("The area's polygon on a map of Europe, with the places", groups),
                "The same in the area's polygon of GeoLifeCLEF 2024, projected to EPSG:3035 (DS@GT, Figures 1 and 2). "
                f"Corners: {geo.EUROPE[0]:.2f}°, {geo.EUROPE[1]:.2f}° and {geo.EUROPE[2]:.2f}°, {geo.EUROPE[3]:.2f}°.",
            ))  # fmt: skip
    if 3035 not in set(everywhere["crs"]):
        section.absent.append("The area's polygon is not drawn: no survey is in Europe.")
    return section


def _range(column):
    known = column.dropna()
    return f"{known.min():.0f} to {known.max():.0f}" if len(known) else "not known"
