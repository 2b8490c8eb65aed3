"""A dataset to look at before any model: places, species, features, the ecological graph, and one survey's imagery.

What Tighnari 2024 (section 2, Figures 1 to 7), Miyaguchi et al. 2024 (Figures 2, 4 to 6) and Estopinan et al. 2020
(Figure 2) show of their data. Presence-only tables of millions of rows are read in batches: counts are of all rows,
maps and features of a random sample, whose size the page says.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from glc.report.data_page import features, graph, places, species, survey
from glc.report.data_page.contents import Contents
from glc.report.data_page.section import part_name
from glc.report.templates import template
from glc.types import Facts


def render(
    dataset: str, contents: Contents, folders: Sequence[Path], shown: pd.DataFrame, survey_id: int | None = None
) -> tuple[str, Facts]:
    """The page as HTML text: no file or address outside of it is asked for; and facts for the manifest.

    dataset : its name
    folders : searched for rasters, images, series and cubes
    shown : `glc.report.data_page.contents.candidates`, with image_id and series_id where the edition has them
    survey_id : the one that was asked for; None: the candidate with most modalities
    """
    graph_section, graph_facts = graph.section_of(contents)
    survey_section, survey_facts = survey.section_of(contents, folders, shown, survey_id)
    sections = [
        places.section_of(contents),
        species.section_of(contents),
        features.section_of(contents, folders),
        graph_section,
        survey_section,
    ]
    counts = ", ".join(
        f"{part.surveys:,} {'survey' if part.surveys == 1 else 'surveys'} ({part_name(name)})"
        for name, part in contents.parts.items()
    )
    every_species = set().union(*(part.species for part in contents.parts.values()))
    html = template("data.html.j2").render(
        dataset=dataset,
        edition=f"Edition {contents.manifest['edition']}",
        summary=f"{counts}; {len(every_species):,} species.",
        sections=sections,
        links=[(section.anchor, section.title) for section in sections],
    )
    return html, graph_facts | survey_facts
