"""Where it does well: the surveys of each split on a map, all of the same extent."""

from glc.evaluation import evaluate
from glc.report import maps
from glc.report.sections.section import Section, section
from glc.report.story import Story, split, splits


def surveys(story: Story) -> Section:
    """Maps of F1, or of predicted richness where labels are not known."""
    limits = maps.colour_limits(story.per_survey["f1"])
    bounds = maps.bounds_of(story.per_survey["lon"], story.per_survey["lat"])
    drawn = []
    for name in splits(story):
        frame, title = split(story, name), evaluate.title(name)
        known = frame["f1"].notna()
        if len(frame) and known.any():
            frame, value, label, ends = frame[known], "f1", "F1 of the survey", limits
        else:
            value, label, ends = "predicted", "species predicted", maps.colour_limits(frame["predicted"])
        facts = {"name": title, "by": value, "count": len(frame), "high": ends[1], "svg": None}
        if len(frame):
            form = ".2f" if value == "f1" else ".0f"
            numbers = ", ".join(
                f"{what} {frame[value].quantile(at):{form}}"
                for what, at in (("lower quarter", 0.25), ("median", 0.5), ("upper quarter", 0.75))
            )
            alt = f"Map of {len(frame):,} {title} surveys by {label}: {numbers}; {maps.in_words(bounds)}"
            facts["svg"] = maps.surveys(alt, frame["lon"], frame["lat"], frame[value], label, ends, bounds=bounds)
        drawn.append(facts)
    shared = sum(facts["by"] == "f1" for facts in drawn) > 1
    return section("map", "Maps", "Where predictions are good", maps=drawn, shared=shared)


def relative(story: Story) -> Section:
    """Maps of the recall of presence-only records."""
    bounds = maps.bounds_of(story.per_survey["lon"], story.per_survey["lat"])
    drawn = []
    for name in splits(story):
        frame, title = split(story, name).dropna(subset="recall_at_25"), evaluate.title(name)
        if len(frame):
            label = "share of the species among the 25 best"
            alt = (
                f"Map of {len(frame):,} {title} places by the {label}: mean {frame['recall_at_25'].mean():.2f}; "
                f"{maps.in_words(bounds)}"
            )
            values = frame["recall_at_25"]
            svg = maps.surveys(alt, frame["lon"], frame["lat"], values, "share found", (0, 1), bounds=bounds)
            drawn.append({"name": title, "by": "recall", "count": len(frame), "high": 1.0, "svg": svg})
    return section("map", "Maps", "Where records are found again", maps=drawn, shared=False)
