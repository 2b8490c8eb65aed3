"""Scores and species of presence-only records alone: relative suitability."""

from glc import config
from glc.evaluation import suitability
from glc.report import figures, species_figures
from glc.report.sections.section import Section, of_template
from glc.report.story import Story
from glc.report.templates import shown
from glc.types import Facts, Keywords

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


def scores(story: Story) -> Section:
    """AUC, Boyce index and recall with intervals, baselines, other experiments, folds."""
    return of_template(
        "relative_scores.html.j2",
        "scores",
        "Scores",
        "How well held-out records are ranked",
        story=story,
        experiment=story.experiment,
        compared=_compared(story),
        **head(story),
    )


def head(story: Story) -> Facts:
    """What the top of the page and the section say of the scores."""
    valid, test = story.metrics["valid"], story.metrics.get("test")
    rows = [(story.experiment.name, valid, test)]
    rows += [(LEVELS.get(row["level"], row["level"]), row["valid"], row["test"]) for row in story.baselines]
    bars = [
        (label, of["auc"], of.get("auc_low"), of.get("auc_high"), (on_test or {}).get("auc"))
        for label, of, on_test in rows
        if of["auc"] is not None
    ]
    alt = "AUC on validation: " + ", ".join(f"{label} {value:.3f}" for label, value, *_ in bars)
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
        "score_figure": figures.scores(alt, bars, "AUC, mean over species") if bars else None,
        "best": best,
        "by_fold": [(row, [_shown(row, key) for key in MEASURES]) for row in valid["by_fold"]],
        "site_km": story.metrics["site_m"] / 1000,
        "least_sites": story.metrics["least_sites"],
    }


def _shown(values: Facts, key: str) -> str:
    return shown(values[key], MEASURES[key][2])


def species(story: Story) -> Section:
    """AUC by the number of sites, and the species with the most sites."""
    table = story.per_species[story.per_species["split"] == "valid"]
    means = {"sites": ("sites", "sum"), "auc": ("auc", "mean"), "boyce": ("boyce", "mean")}
    grouped = table.groupby(["speciesId", "name"]).agg(**means)
    most = grouped.sort_values("sites", ascending=False, kind="stable").head(MOST)
    alt = (
        f"AUC of {len(grouped):,} species by the number of their sites: median {grouped['auc'].median():.3f}, "
        f"from {grouped['auc'].min():.3f} to {grouped['auc'].max():.3f}"
    )
    return of_template(
        "relative_species.html.j2",
        "species",
        "Species",
        "Species",
        least_sites=story.metrics["least_sites"],
        species_figure=species_figures.by_sites(alt, grouped["sites"].to_numpy(), grouped["auc"].to_numpy())
        if len(grouped)
        else None,
        species_rows=[
            (f"{name} ({number})" if name else number, int(row["sites"]), row["auc"], row["boyce"])
            for (number, name), row in most.iterrows()
        ],
    )


def _compared(story: Story) -> list[tuple[Keywords, ...]]:
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
    return rows
