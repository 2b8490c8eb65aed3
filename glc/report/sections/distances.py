"""F1 by the distance to the nearest training survey."""

from glc.evaluation import evaluate
from glc.report import distance, figures
from glc.report.sections.section import Section, section
from glc.report.story import Story, split, splits, tests


def distances(story: Story) -> Section:
    """A figure and a table of F1 in bins of distance, of each split with labels."""
    frames = {name: frame for name in splits(story) if len(frame := split(story, name).dropna(subset="f1"))}
    labels, series, lacking = distance.by_distance(frames, story.experiment.validation.size_m)
    alt = "F1 by distance to the nearest training survey: " + "; ".join(
        f"{evaluate.title(name)} "
        + ", ".join(f"{point[1]:.3f} at {label} km" for label, point in zip(labels, points, strict=True) if point)
        for name, points in series.items()
    )
    return section(
        "distance",
        "Distance",
        "F1 by distance to the nearest training survey",
        distance_labels=labels,
        distance_series={evaluate.title(name): points for name, points in series.items()},
        distance_lacking=lacking,
        distance_figure=figures.by_distance(alt, labels, series) if series else None,
        tests=tests(story),
    )
