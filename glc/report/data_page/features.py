"""The section on features: their correlations, and how they differ by region and year."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from glc import registry
from glc.errors import GlcError, MissingError
from glc.etl import tabular
from glc.report.data_page import figures
from glc.report.data_page.contents import LEAST, Contents, grouping
from glc.report.data_page.section import Picture, Section, part_name

SAMPLE = 5_000
"""Surveys whose features are read."""
CORRELATED, BOXED, GROUPS = 12, 6, 8
"""Features in a correlation matrix and in box plots; groups shown."""
_METADATA = ("year", "geoUncertaintyInM", "areaInM2", "lon", "lat")


def section_of(contents: Contents, folders: Sequence[Path]) -> Section:
    """Correlations and box plots of the training surveys' features; `folders` are searched for rasters and tables."""
    section = Section("Features", "features")
    part = contents.role("train")
    if part is None or part.sample.empty:
        section.absent.append("There are no training surveys, so there are no features to show.")
        return section
    places = part.sample.head(SAMPLE).reset_index(drop=True)
    frame, order, faults = features(places, folders)
    section.absent += faults
    if len(part.sample) > len(places) or part.surveys > len(part.sample):
        section.texts.append(
            f"Features of {len(places):,} of {part.surveys:,} {part_name(places['dataset'][0])} surveys."
        )
    section.texts.append(
        "Values of rasters and tables are cleaned as for the models: outliers count as missing. Metadata (year, "
        "uncertainty, area, coordinates) count as features."
    )
    lacking = [name for name in _METADATA if name not in order]
    if lacking:
        section.absent.append(f"Not shown, because all values are equal or missing: {', '.join(lacking)}.")
    if not any(name not in _METADATA for name in order):
        section.absent.append(
            "The dataset's folders hold no rasters and no tables of environmental values; name their folder (IMAGERY=)."
        )
    order, left = order[:CORRELATED], order[CORRELATED:]
    if left:
        more = f" and {len(left) - CORRELATED} more" if len(left) > CORRELATED else ""
        section.absent.append(f"Left out for lack of space: {', '.join(left[:CORRELATED])}{more}.")
    if len(order) < 2:
        section.absent.append("Fewer than two features have values, so there are no correlations.")
        return section
    panels = {"all": frame[order].corr()}
    section.pictures.append(Picture(
        figures.correlations("Correlations of the features in all surveys", panels, order),
        "Pearson's correlation of the features, all surveys. Grey: one of the two does not vary.",
    ))  # fmt: skip
    years = frame["year"].where(frame["year"].notna()) if "year" in frame else pd.Series(dtype=float)
    column = grouping(places)
    groupings = {}
    if column is None:
        section.absent.append("Nothing is shown by region: no training survey has a region or country.")
    else:
        groupings[column] = places[column]
    if years.notna().any():
        groupings["year"] = years
    else:
        section.absent.append("Nothing is shown by year: no training survey has a year.")
    for name, values_of in groupings.items():
        counts = values_of.value_counts()
        chosen = counts[counts >= LEAST].index[:GROUPS]
        if name == "year":
            chosen = sorted(chosen)
        if len(chosen) < 2:
            section.absent.append(f"Nothing is shown by {name}: fewer than two have {LEAST} training surveys.")
            continue
        label = {group: f"{group:g}" if name == "year" else str(group) for group in chosen}
        own = [feature for feature in order if feature != name]
        spread = (
            list(chosen)
            if len(chosen) <= 4
            else [chosen[i] for i in np.linspace(0, len(chosen) - 1, 4).round().astype(int)]
        )
        if name != "year":
            spread = list(chosen[:4])
        panels = {f"{label[group]} ({counts[group]:,})": frame.loc[values_of == group, own].corr() for group in spread}
        section.pictures.append(Picture(
            figures.correlations(f"Correlations of the features by {name}", panels, own),
            f"Correlations by {name}, with the number of surveys (Tighnari, Figure 3).",
            new_row=True,
        ))  # fmt: skip
        # a feature that does not vary within the groups shown has no box
        boxes = {
            feature: {label[group]: frame.loc[values_of == group, feature].dropna().to_numpy() for group in chosen}
            for feature in own[:BOXED]
        }
        section.pictures.append(Picture(
            figures.boxes(f"Box plots of features by {name}", boxes),
            f"Features by {name}: median, quartiles, and from 5 to 95 % of the surveys (Tighnari, Figure 4).",
        ))  # fmt: skip
    return section


def features(places: pd.DataFrame, folders: Sequence[Path]) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Values at `places`: (frame, columns that vary, of each source in turn, sentences on what cannot be read).

    places : frame of schema ``surveys`` without or with labels
    folders : searched for rasters and the contest's tables
    """
    frame, sources, faults = places[list(_METADATA)].astype(float), [], []
    for name in registry.covariates.choices():
        covariate = registry.covariates.get(name)
        if covariate.kind != "rasters":
            continue
        try:
            made = tabular.numbers(places[["dataset", "surveyId", "lon", "lat"]], covariate, folders)
        except MissingError:
            continue
        except GlcError as error:
            faults.append(f"{covariate.title}: {error}.")
            continue
        own = [column for column in made if column not in frame]
        frame[own] = made[own].astype(float)
        sources.append(own)
    sources.append(list(_METADATA))
    varies = frame.nunique() > 1
    ranks = [[column for column in own if varies[column]] for own in sources]
    order = [own[rank] for rank in range(max(map(len, ranks))) for own in ranks if rank < len(own)]
    return frame, order, faults
