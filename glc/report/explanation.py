"""The ecologist's questions drawn for the report: response curves, importance of inputs, a species' map."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from glc.explain.explanation import Explanation
from glc.explain.importance import ALL, F1, PLACE, Importance
from glc.explain.response import BAND, Responses
from glc.explain.species_map import SpeciesMap
from glc.report.figures import WIDTH, axes, drawn
from glc.report.maps import coastline, frame_degrees
from glc.report.palette import AXIS, BASELINE, INK, MODEL, OTHER
from glc.types import Facts

MOST_CURVES = 9
"""Variables of which the report draws curves: the most important; the table of curves has all."""
_COLUMNS = 3
MOST_BARS = 24
"""Rows of the importance that are drawn."""
_MOST_NAMES = 3


def title(number: int, name: str) -> str:
    """How a species is called in figures and captions."""
    return f"{name} ({number})" if name else f"species {number}"


def by_importance(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per input and variable, the most important first, as of `glc.explain.importance`."""
    own = frame.drop_duplicates(["input", "variable"])
    return own.sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)


def sections(answers: Explanation) -> Facts:
    """What the template ``explanation.html.j2`` shows of the answers."""
    keys = shown_variables(answers.responses, answers.importance)
    relative = any(answer.relative for answer in answers.maps)
    species_rows = []
    for answer in answers.maps:
        name = title(answer.species, answers.names[answer.species])
        shapes = (
            curves(
                f"Response curves of {name} by {', '.join(variable for _, variable in keys)}",
                answers.responses,
                answer.species,
                keys,
                relative,
            )
            if keys
            else ""
        )
        records = f"{len(answer.training):,} training and {len(answer.held_out):,} held-out records"
        scores = answer.scores[np.isfinite(answer.scores)]
        spread = f"scores from {scores.min():.3g} to {scores.max():.3g}" if len(scores) else "no score"
        picture = species(f"Map of {name} with {records}; {spread}", answer)
        species_rows.append({"name": name, "curves": shapes, "map": picture, "fold": answer.fold})
    ranked = by_importance(answers.importance.frame)
    return {
        "species": species_rows,
        "variables": len(answers.responses.rug),
        "curves_shown": len(keys),
        "background": answers.responses.surveys,
        "band": BAND,
        "importance": answers.importance,
        "importance_figure": importance(_importance_alt(ranked), answers.importance) if len(ranked) else "",
        "importance_rows": [
            (label(row), row.mean, row.std, _listed(row.correlated_with)) for row in ranked.itertuples(index=False)
        ],
        "importance_left": max(0, len(ranked) - MOST_BARS),
        "measure": measure_name(answers.importance),
        "relative": relative,
    }


def _importance_alt(ranked: pd.DataFrame) -> str:
    first = ", ".join(f"{label(row)} {row.mean:+.4f}" for row in ranked.head(5).itertuples(index=False))
    return f"Importance of inputs, the drop when permuted: {first}"


def shown_variables(responses: Responses, importance: Importance) -> list[tuple[str, str]]:
    """(input, variable) whose curves the report draws: the most important ones."""
    keys = list(dict.fromkeys(zip(responses.curves["input"], responses.curves["variable"], strict=True)))
    ranked = by_importance(importance.frame)
    order = {(row.input, row.variable): at for at, row in enumerate(ranked.itertuples(index=False))}
    return sorted(keys, key=lambda key: order.get(key, len(order)))[:MOST_CURVES]


@drawn
def curves(responses, species, keys, relative=False):
    """Curves of one species, a panel for each of `keys` (input, variable), with their bands and the data's rug."""
    rows = int(np.ceil(len(keys) / _COLUMNS))
    columns = min(len(keys), _COLUMNS)
    figure = Figure(figsize=(WIDTH, 0.55 + 1.62 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = np.atleast_1d(figure.subplots(rows, columns, sharey=True, squeeze=False)).ravel()
    own = responses.curves[responses.curves["species"] == species]
    for panel, (table, variable) in zip(panels, keys, strict=False):
        part = own[(own["input"] == table) & (own["variable"] == variable)]
        draw = _bars if part["category"].iloc[0] else _curve
        draw(panel, part, responses.rug[table, variable])
        panel.set_title(textwrap.shorten(variable.replace("_", " "), 26, placeholder=" …"), fontsize=8)
        panel.tick_params(labelsize=7.5, length=2)
        panel.grid(axis="y")
    for panel in panels[len(keys) :]:
        panel.set_visible(False)
    top = float(own["high"].max()) or 1.0  # scores of many species are small: the axis is that of this one
    panels[0].set_ylim(-0.06 * top, 1.08 * top)
    figure.supylabel("relative suitability" if relative else "score of the species")
    return figure


def _curve(panel, part, rug):
    values = part["value"].to_numpy(float)
    panel.fill_between(values, part["low"], part["high"], color=MODEL, alpha=0.16, linewidth=0)
    panel.plot(values, part["mean"], color=MODEL, linewidth=1.6, marker="." if len(values) < 8 else "")
    rug = rug[np.isfinite(rug) & (rug >= values.min()) & (rug <= values.max())]
    panel.plot(rug, np.zeros(len(rug)), "|", color=INK, alpha=0.35, markersize=4, transform=panel.get_xaxis_transform())
    panel.xaxis.set_major_locator(MaxNLocator(3))


def _bars(panel, part, shares):
    """Classes by their share of the surveys, the most frequent first."""
    order = np.argsort(-shares, kind="stable")[:8]
    part = part.iloc[order]
    x, mean = np.arange(len(part)), part["mean"].to_numpy()
    panel.bar(x, mean, 0.7, color=[MODEL if share > 0 else BASELINE for share in shares[order]])
    spread = np.abs(part[["low", "high"]].to_numpy().T - mean)
    panel.errorbar(x, mean, spread, fmt="none", ecolor=INK, elinewidth=0.9, capsize=2)
    names = [textwrap.shorten(name.replace("_", " "), 11, placeholder="…") for name in part["category"]]
    panel.set_xticks(x, names, rotation=60 if max(map(len, names)) > 2 else 0)


@drawn
def importance(answer):
    """Bars of the drop of the measure per input and variable, with one standard deviation."""
    ranked = by_importance(answer.frame).head(MOST_BARS)
    figure, ax = axes(0.8 + 0.24 * len(ranked))
    ax.grid(axis="y", visible=False)
    ax.grid(axis="x")
    y = np.arange(len(ranked))
    colours = [OTHER if column == ALL else MODEL for column in ranked["column"]]
    ax.barh(y, ranked["mean"], 0.66, color=colours)
    ax.errorbar(ranked["mean"], y, xerr=ranked["std"], fmt="none", ecolor=INK, elinewidth=1.1, capsize=2.5)
    ax.set_yticks(y, [label(row) for row in ranked.itertuples(index=False)], fontsize=8)
    ax.invert_yaxis()
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.set_xlabel(f"drop of {measure_name(answer)} on held-out surveys")
    for colour, text in ((OTHER, "a whole input"), (MODEL, "one variable of a table")):
        ax.barh([np.nan], [np.nan], color=colour, label=text)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def measure_name(answer: Importance) -> str:
    """What falls when values are permuted."""
    return f"F1 (sets of {answer.set_size} species)" if answer.measure == F1 else "AUC (mean over species)"


def _listed(names: str) -> str:
    """The first few of names that commas divide, and how many more there are."""
    listed = [name.replace("_", " ") for name in names.split(", ") if name]
    more = len(listed) - _MOST_NAMES
    return ", ".join(listed[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def label(row) -> str:
    """How a row of the importance is called: (input, column, variable)."""
    if row.input == PLACE:
        return "the place itself"
    return f"{row.input}: all of it" if row.column == ALL else row.variable.replace("_", " ")


@drawn
def species(answer: SpeciesMap):
    """A species' score on land, with its records over it."""
    bounds = (answer.west, answer.south, answer.east, answer.north)
    stretch = 1 / max(np.cos(np.radians((answer.south + answer.north) / 2)), 0.05)
    shape = stretch * (answer.north - answer.south) / (answer.east - answer.west)
    height = float(np.clip(0.7 * WIDTH * shape + 0.65, 2.2, 7.5))
    figure = Figure(figsize=(WIDTH, height), layout="constrained", dpi=200)
    FigureCanvasAgg(figure)
    ax = figure.add_subplot()
    top = float(np.nanquantile(answer.scores, 0.995)) if np.isfinite(answer.scores).any() else 0.0
    shown = ax.imshow(
        answer.scores,
        extent=(answer.west, answer.east, answer.south, answer.north),
        cmap="viridis",
        vmin=0,
        vmax=top or 1.0,
        interpolation="nearest",
        zorder=0.5,
        aspect="auto",
    )
    coastline(ax, bounds, above=True)
    groups = (
        (answer.presence_only, "presence-only", dict(marker=".", s=5, c="white", linewidths=0, alpha=0.8)),
        (answer.training, "training", dict(marker="o", s=11, c="white", edgecolors=INK, linewidths=0.6)),
        (answer.held_out, "held out", dict(marker="D", s=17, c=OTHER, edgecolors="white", linewidths=0.6)),
    )
    for points, name, look in groups:
        if len(points):
            ax.scatter(*points.T, label=f"{name} ({len(points):,})", rasterized=True, zorder=6, **look)
    frame_degrees(ax, bounds)
    ax.grid(visible=False)
    text = "relative suitability" if answer.relative else "score of the species"
    high = np.nanmax(answer.scores, initial=0) > (top or 1.0)
    figure.colorbar(shown, ax=ax, label=text, extend="max" if high else "neither", shrink=0.85, aspect=28, pad=0.02)
    if any(len(points) for points, *_ in groups):
        legend = figure.legend(loc="outside lower center", ncols=3, handletextpad=0.3, columnspacing=1.2)
        for handle in legend.legend_handles:
            if handle.get_label().startswith("presence-only"):
                handle.set_facecolor(AXIS)
                handle.set_sizes([14])
    return figure
