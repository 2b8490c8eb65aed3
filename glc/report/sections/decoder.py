"""From scores to species sets: what the decoder learned, and how large its sets are."""

import dataclasses

import numpy as np

from glc import config
from glc.evaluation import evaluate
from glc.registry import decoders
from glc.report import figures, species_figures
from glc.report.sections.section import Section, section
from glc.report.sections.words import DECODER_FACTS, DECODER_OPTIONS, DECODERS, plain
from glc.report.story import Story, split, splits

READINGS = {
    "union": "the k best species and those above the threshold are predicted together",
    "intersection": "those of the k best species that are above the threshold are predicted",
}
"""What the grid of `threshold_top_k` is of, by its option `reading`."""
_DRAWN = ("calibration", "grid", "reading")
"""Facts of a decoder that are in a figure or its caption."""


def decoder(story: Story) -> Section:
    """Its options and what it fitted, the sizes of the sets, and why they may be larger than what is present."""
    sizes = {}
    for name in splits(story):
        frame, title = split(story, name), evaluate.title(name)
        predicted, actual = frame["predicted"], frame["actual"][frame["actual"] >= 0]
        sizes |= {("predicted", title): predicted} if len(predicted) else {}
        sizes |= {("present", title): actual} if len(actual) and name == "valid" else {}
    limit = int(max(1, *(np.ceil(np.quantile(values, 0.99)) for values in sizes.values())))
    options = config.options(decoders.get(story.experiment.decode.name), story.experiment.decode, "decoder")
    alt = "Species per survey: " + ", ".join(
        f"{what} on {title} mean {values.mean():.1f}, median {values.median():.0f}"
        for (what, title), values in sizes.items()
    )
    learned = {key: value for key, value in story.decoder.items() if key not in _DRAWN}
    grid, points = story.decoder.get("grid"), story.decoder.get("calibration") or []
    return section(
        "decoder",
        "Species sets",
        "From scores to species sets",
        name=plain(story.experiment.decode.name, DECODERS),
        identifier=story.experiment.decode.name,
        empty="empty_below" in story.decoder,
        without=[
            f"{(values == 0).sum():,} of {len(values):,}" for (what, _), values in sizes.items() if what == "present"
        ],
        larger=story.metrics["valid"]["mean_set"] > story.metrics["valid"]["mean_species"],
        means=(story.metrics["valid"]["mean_set"], story.metrics["valid"]["mean_species"]),
        learned={plain(key, DECODER_FACTS): value for key, value in learned.items()},
        options={plain(key, DECODER_OPTIONS): value for key, value in dataclasses.asdict(options).items()},
        grid_figure=figures.heat(_grid_alt(grid), grid) if grid else None,
        grid_reading=READINGS.get(story.decoder.get("reading"), ""),
        calibration_figure=species_figures.calibration(_curve_alt(points), points) if points else None,
        sizes_figure=species_figures.set_sizes(alt, sizes, limit),
        size_rows=[
            (", ".join(name), values.mean(), values.min(), values.median(), values.max())
            for name, values in sizes.items()
        ],
        size_limit=limit,
    )


def _grid_alt(grid):
    f1 = np.array(grid["f1"], float)
    row, column = np.unravel_index(f1.argmax(), f1.shape)
    return (
        f"F1 on validation by k and threshold: from {f1.min():.4f} to {f1.max():.4f}, the best at k {grid['k'][row]:g} "
        f"and threshold {grid['threshold'][column]:g}"
    )


def _curve_alt(points):
    picked = [points[at] for at in np.unique(np.linspace(0, len(points) - 1, 4).astype(int))]
    return "Presence rate by score: " + ", ".join(f"{rate:.3f} at {score:.3g}" for score, rate in picked)
