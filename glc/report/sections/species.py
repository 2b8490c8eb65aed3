"""Species: how well each is predicted, by frequency and by name, example surveys, and whether probabilities hold."""

import pandas as pd

from glc.evaluation import species as results
from glc.evaluation.species import Example, SpeciesResults
from glc.report import species_figures as figures
from glc.report.sections.section import Section, section
from glc.report.story import Story
from glc.types import Facts

PAIRS = 20
"""Pairs of survey and species from which a bin of probability is drawn: of fewer the share says nothing."""
SHOWN = 30
"""Species of an example survey that are shown; the rest is counted."""


def species(story: Story) -> Section | None:
    """None of presence-only records alone, where no set is decided."""
    known = story.species
    if known is None:
        return None
    classes = results.by_class(known.table)
    drawn = known.reliability[known.reliability["pairs"] >= PAIRS]
    best, worst = results.extremes(known.table)
    alt = "F1 of each species by the number of training surveys with it; mean of each class: " + ", ".join(
        f"{row.surveys} surveys {row.f1:.3f}" for row in classes.itertuples()
    )
    return section(
        "species",
        "Species",
        "Species",
        named=int(known.table["name"].notna().sum()),
        count=len(known.table),
        least=results.LEAST,
        classes=list(classes.itertuples()),
        figure_species=figures.by_frequency(alt, known.table) if len(known.table) else None,
        best=_rows(known, best),
        worst=_rows(known, worst),
        examples=[_example(story, known, example) for example in known.examples],
        reliability=list(known.reliability.itertuples()),
        reliability_figure=figures.reliability(_reliability_alt(drawn), drawn) if len(drawn) else None,
        pairs=PAIRS,
        likely=results.LIKELY,
        by_class=list(known.by_class.itertuples()),
    )


def _rows(known: SpeciesResults, frame) -> list[Facts]:
    return [
        {"name": known.name(row.speciesId), "id": row.speciesId, "f1": row.f1, "present": row.present}
        | {"predicted": row.predicted, "correct": row.correct, "surveys": row.surveys}
        for row in frame.itertuples()
    ]


def _example(story: Story, known: SpeciesResults, example: Example) -> Facts:
    frame = story.per_survey
    place = frame[(frame["split"] == "valid") & (frame["surveyId"] == example.survey)].iloc[0]
    rows = []
    for rank, row in enumerate(example.species.itertuples(), 1):
        verdict = "missed" if not row.predicted else "found" if row.present else "not recorded"
        facts = {"predicted": row.predicted, "present": row.present, "verdict": verdict}
        rows.append({"rank": rank, "name": known.name(row.speciesId), "chance": row.probability, **facts})
    common = int((example.species["predicted"] & example.species["present"]).sum())
    kept = _most_telling(rows)
    return {
        "title": example.title,
        "survey": example.survey,
        "f1": example.f1,
        "lon": place["lon"],
        "lat": place["lat"],
        "region": next((str(place[key]) for key in ("region", "country") if isinstance(place[key], str)), ""),
        "km": place["nearest_train_m"] / 1000,
        "predicted": int(example.species["predicted"].sum()),
        "present": int(example.species["present"].sum()),
        "found": common,
        "rows": kept,
        "left": len(rows) - len(kept),
    }


def _most_telling(rows: list[Facts]) -> list[Facts]:
    """At most `SHOWN` rows in their order: the found ones first, then missed ones, then those not recorded."""
    order = sorted(rows, key=lambda row: (("found", "missed", "not recorded").index(row["verdict"]), row["rank"]))
    third = SHOWN // 3
    kept = [
        row
        for verdict in ("found", "missed", "not recorded")
        for row in [r for r in order if r["verdict"] == verdict][:third]
    ]
    kept += [row for row in order if row not in kept][: SHOWN - len(kept)]
    return sorted(kept, key=lambda row: row["rank"])


def _reliability_alt(drawn: pd.DataFrame) -> str:
    return "Share present by predicted probability: " + ", ".join(
        f"{row.rate:.3f} at {row.probability:.3f}" for row in drawn.itertuples()
    )
