"""The section on one survey: what is known of it, and its imagery."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from glc import geo
from glc.report.data_page import imagery, pictures
from glc.report.data_page.contents import PLACE, Contents
from glc.report.data_page.section import Section, Table, part_name
from glc.types import Facts


def section_of(
    contents: Contents, folders: Sequence[Path], shown: pd.DataFrame, survey: int | None
) -> tuple[Section, Facts]:
    """One of the surveys `shown`, and facts for the manifest; as `glc.report.data_page.page.render`."""
    section = Section("One survey", "survey")
    there = imagery.find(folders)
    section.absent += there.absent
    if not len(shown):
        section.absent.append("There is no survey to show.")
        return section, {}
    how = "the survey that was asked for"
    row = 0
    if survey is None:
        row, how = imagery.choose(there, shown)
    chosen = shown.iloc[[row]].reset_index(drop=True)
    place = chosen.iloc[0]
    at = (geo.degree_label(round(place[name], 4), ends) for name, ends in (("lat", "NS"), ("lon", "EW")))
    section.texts.append(f"Survey {place['surveyId']} ({part_name(place['dataset'])}) at {', '.join(at)}: {how}.")
    if there.patches:
        section.texts.append("Images as in Tighnari, Figure 2; DS@GT, Figure 4; Inria, Figure 2.")
    part = contents.parts[place["dataset"]]
    known = part.sample[part.sample["surveyId"] == place["surveyId"]]
    if len(known):
        facts = known.iloc[0]
        rows = [[name, "–" if pd.isna(facts[name]) else str(facts[name])] for name in PLACE[5:]]
        rows.append(["species", ", ".join(map(str, facts["species"][:20])) or "not known"])
        section.tables.append(Table("What is known of it", ("Column", "Value"), rows, numbers=False))
    section.pictures, absent = pictures.pictures(there, chosen)
    section.absent += absent
    if not section.pictures:
        section.absent.append("Nothing of this survey can be shown; name the folder of its imagery (IMAGERY=).")
    return section, {"survey": int(place["surveyId"]), "survey_dataset": str(place["dataset"])}
