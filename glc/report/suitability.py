"""The page of an experiment on presence-only records alone: relative suitability, and no F1, sets or decoder."""

from glc import config
from glc.evaluation import suitability
from glc.report import figures, maps, page
from glc.report.templates import shown
from glc.types import Facts

MEASURES = {
    "auc": ("AUC against target-group sites", "AUC", ".4f"),
    "boyce": ("Continuous Boyce index", "Boyce", ".4f"),
    **{f"recall_at_{k}": (f"Top-{k} recall", f"Top {k}", ".1%") for k in suitability.TOPS},
}
"""Measures of `glc.evaluation.suitability`: their name, a short one, and how they are rounded."""
READINGS = {
    "AUC against target-group sites": "The chance that a site where a species was recorded scores higher than a site "
    "where only other species were: 0.5 says nothing, 1 is perfect, and knowing where people look is no advantage.",
    "Continuous Boyce index": "Whether a species is recorded at a larger share of the sites the higher they score: 1 "
    "if always, 0 if scores say nothing, below 0 if they mislead; it is noisy for species of few sites, and not "
    "defined for scores that are the same everywhere.",
    "Top-k recall": "The share of held-out records whose species is among the k that score best at their place; the "
    "others of the k may grow there too, so it says how much is found and not how much is wrong.",
}
"""How each measure is read."""
LEVELS = {
    "global": "frequency everywhere",
    "country": "frequency in the country",
    "region": "frequency in the region",
    "district": "frequency in the district",
}
MOST = 20
"""Species in the table of those with the most sites."""


def render(story: page.Story) -> str:
    """The page of a `page.Story` of presence-only records alone, as HTML text; equal stories, equal bytes."""
    return page.rendered(
        "suitability.html.j2", story, (_measures, _species, _compared, _maps, page.common, _nothing_submitted)
    )


def _nothing_submitted(story: page.Story) -> Facts:
    return {"unscored": []}


def _measures(story: page.Story) -> Facts:
    valid, test = story.metrics["valid"], story.metrics.get("test")
    rows = [(story.experiment.name, valid, test)]
    rows += [(LEVELS.get(row["level"], row["level"]), row["valid"], row["test"]) for row in story.baselines]
    bars = [
        (label, of["auc"], of.get("auc_low"), of.get("auc_high"), (on_test or {}).get("auc"))
        for label, of, on_test in rows
        if of["auc"] is not None
    ]
    alt = "Bars of AUC with intervals: " + ", ".join(f"{label} {value:.3f}" for label, value, *_ in bars)
    best = max((row for row in rows[1:] if row[1]["auc"] is not None), key=lambda row: row[1]["auc"], default=None)
    return {
        "valid": valid,
        "test": test,
        "tests": {"test": test} if test else {},
        "caveat": config.caveat(story.metrics["scheme"], story.metrics["stop"]),
        "readings": READINGS.items(),
        "measures": [
            (title, form, *(valid[f"{key}{end}"] for end in ("", "_low", "_high")), (test or {}).get(key))
            for key, (title, _, form) in MEASURES.items()
        ],
        "titles": [short for _, short, _ in MEASURES.values()],
        "score_rows": [(label, [_shown(of, key) for key in MEASURES]) for label, of, _ in rows],
        "score_figure": figures.scores(alt, bars, "AUC, mean over species, then over folds") if bars else None,
        "best": best,
        "by_fold": [(row, [_shown(row, key) for key in MEASURES]) for row in valid["by_fold"]],
        "site_km": story.metrics["site_m"] / 1000,
        "least_sites": story.metrics["least_sites"],
    }


def _shown(values: Facts, key: str) -> str:
    return shown(values[key], MEASURES[key][2])


def _species(story: page.Story) -> Facts:
    table = story.per_species[story.per_species["split"] == "valid"]
    means = {"sites": ("sites", "sum"), "auc": ("auc", "mean"), "boyce": ("boyce", "mean")}
    grouped = table.groupby(["speciesId", "name"]).agg(**means)
    most = grouped.sort_values("sites", ascending=False, kind="stable").head(MOST)
    alt = f"AUC of {len(grouped):,} species by the number of their sites"
    return {
        "species_figure": figures.by_sites(alt, grouped["sites"].to_numpy(), grouped["auc"].to_numpy())
        if len(grouped)
        else None,
        "species_rows": [
            (f"{name} ({number})" if name else number, int(row["sites"]), row["auc"], row["boyce"])
            for (number, name), row in most.iterrows()
        ],
    }


def _compared(story: page.Story) -> Facts:
    rows = []
    for name, other in story.compared_species.items():
        facts = suitability.compare(story.per_species, other)
        if facts is None:
            verdict = "no species measured by both"
        elif facts["low"] > 0:
            verdict = "better"
        elif facts["high"] < 0:
            verdict = "worse"
        else:
            verdict = "no clear difference"
        rows.append((name, facts, verdict))
    for name, metrics in story.elsewhere.items():
        rows.append((name, None, f"on other folds ({metrics['scheme']}), so not compared"))
    return {"compared": rows}


def _maps(story: page.Story) -> Facts:
    drawn = []
    for split, name in (("valid", "validation"), ("test", "test")):
        frame = story.per_survey[story.per_survey["split"] == split].dropna(subset="recall_at_25")
        if len(frame):
            alt = f"Map of {len(frame)} {name} places by the share of their species among the 25 best"
            label = "share of the species among the 25 best"
            svg = maps.surveys(alt, frame["lon"], frame["lat"], frame["recall_at_25"], label, (0, 1))
            drawn.append((name, len(frame), svg))
    return {"recall_maps": drawn}
