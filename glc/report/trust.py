"""Where a map may be trusted: the error profile and the scores inside and outside the area of applicability."""

import numpy as np
import pandas as pd

from glc import geo
from glc.applicability.area import Applicability
from glc.applicability.profile import DISSIMILARITY, ErrorProfile
from glc.applicability.space import COORDINATES
from glc.evaluation import evaluate
from glc.report import figures
from glc.report.figures import drawn
from glc.report.palette import AXIS, INK, MAP, MODEL

UNKNOWN = "no predictor known"
AREAS = ("inside", "outside", UNKNOWN)
_BINS = 12


def rows(surveys: pd.DataFrame) -> list[dict[str, float | str | None]]:
    """What is expected of surveys inside and outside the area of applicability, and what they show.

    surveys : of the task `Applicability`: split, block, score, dissimilarity, inside, expected
    returns : dicts of split, area, surveys, blocks, expected and observed (means over the `covered` ones), low and high
        (95 % interval of what is observed, by the bootstrap over blocks; None of a single block), covered (surveys of
        which anything is expected), and beyond (what the others show)
    """
    table = []
    for split in ["valid", *(name for name in surveys["split"].unique() if name != "valid")]:
        scored = surveys[(surveys["split"] == split) & surveys["score"].notna()]
        area = np.where(scored["inside"], "inside", "outside").astype(object)
        area[scored["dissimilarity"].isna()] = UNKNOWN
        for name in AREAS:
            part = scored[area == name]
            if not len(part):
                continue
            covered = part[part["expected"].notna()]
            row = {"split": split, "area": name, "surveys": len(part), "covered": len(covered)}
            row |= {"blocks": part["block"].nunique(), "low": None, "high": None, "expected": None, "observed": None}
            row["beyond"] = None if len(covered) == len(part) else part.loc[part["expected"].isna(), "score"].mean()
            if len(covered):
                row |= {"expected": covered["expected"].mean(), "observed": covered["score"].mean()}
            if covered["block"].nunique() > 1:
                values = covered["score"].to_numpy(), covered["block"].to_numpy()
                row["low"], row["high"] = evaluate.bootstrap(*values)
            table.append(row)
    return table


def parts(profile: ErrorProfile) -> list[dict[str, float]]:
    """The surveys behind each part of the profile, distances in km."""
    frame = profile.parts.assign(
        distance_low=profile.parts["distance_low"] / 1000, distance_high=profile.parts["distance_high"] / 1000
    )
    return frame.to_dict("records")


def radius_m(applicability: Applicability) -> float:
    """Metres from a training survey at which the area of applicability ends, for dissimilarity by coordinates."""
    index = applicability.dissimilarity
    return float(geo.arc(index.threshold * index.mean_distance / geo.EARTH_RADIUS_M))


def _values(applicability: Applicability) -> str:
    """The parts of the profile as text, nearest first, for readers who cannot see it."""
    return ", ".join(
        f"{part['expected']:.3f} at {part['distance_low']:.2g} to {part['distance_high']:.2g} km"
        for part in parts(applicability.profile)
    )


def figure(applicability: Applicability, surveys: pd.DataFrame) -> str:
    """The error profile as SVG text: over distance and dissimilarity, or over distance alone if one gives the other."""
    valid = surveys[(surveys["split"] == "valid") & surveys["score"].notna() & surveys["dissimilarity"].notna()]
    measure = applicability.profile.measure.upper() if applicability.profile.measure == "f1" else "score"
    if applicability.kind == COORDINATES:
        return _line(f"Expected {measure} by distance: {_values(applicability)}", applicability, valid, measure)
    alt = f"Expected {measure} by distance and dissimilarity, over {len(valid)} surveys: {_values(applicability)}"
    return _surface(alt, applicability, valid, measure)


@drawn
def _line(applicability, valid, measure):
    """Expected score over the distance, with the observed means of bins of equal numbers of surveys."""
    profile = applicability.profile
    drawing, ax = figures.axes(3.4)
    km, score, block = (valid[name].to_numpy() for name in ("nearest_train_m", "score", "block"))
    km = km / 1000
    ends = np.unique(np.quantile(km, np.linspace(0, 1, _BINS + 1)))
    place = np.clip(np.searchsorted(ends, km, side="right") - 1, 0, max(0, len(ends) - 2))
    for number in np.unique(place):
        inside = place == number
        mean, at = score[inside].mean(), np.median(km[inside])
        low, high = evaluate.bootstrap(score[inside], block[inside]) if len(set(block[inside])) > 1 else (mean, mean)
        label = "observed, with 95% interval" if number == place.max() else None
        error = [[mean - low], [high - mean]]
        ax.errorbar(at, mean, error, color=INK, fmt="o", markersize=4, elinewidth=1, capsize=2, label=label)
    far = max(profile.facts["farthest_m"] / 1000, km.max())
    line = np.geomspace(max(km.min(), 0.01) / 3, far * 1.5, 400)
    index = geo.chord(line * 1000) * geo.EARTH_RADIUS_M / applicability.dissimilarity.mean_distance
    expected = profile.expected(np.minimum(index, profile.facts["most_dissimilar"]), line * 1000)
    validated = line >= profile.facts["nearest_m"] / 1000
    ax.plot(line[validated], expected[validated], color=MODEL, linewidth=1.8, label="expected")
    ax.plot(line[~validated], expected[~validated], ":", color=MODEL, linewidth=1.4, label="expected at least")
    ax.axvline(
        radius_m(applicability) / 1000,
        color=AXIS,
        linestyle="--",
        linewidth=1.1,
        label="end of the area of applicability",
    )
    ax.set_xscale("log")
    figures.plain_numbers(ax.xaxis)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("distance to the nearest training survey, km")
    ax.set_ylabel(f"{measure}, mean over surveys")
    drawing.legend(loc="outside lower center", ncols=2)
    return drawing


@drawn
def _surface(applicability, valid, measure):
    """Expected score over distance and dissimilarity, blank where validation covers nothing, with its surveys."""
    profile = applicability.profile
    drawing, ax = figures.axes(3.9)
    ax.grid(visible=False)
    ax.set_facecolor(MAP)
    km = np.maximum(valid["nearest_train_m"].to_numpy() / 1000, 1e-3)
    unlike = valid["dissimilarity"].to_numpy()
    across = np.geomspace(km.min(), km.max(), 160)
    up = np.linspace(0, max(unlike.max(), applicability.dissimilarity.threshold) * 1.05, 160)
    grid = np.meshgrid(up, across * 1000, indexing="ij")
    expected = profile.expected(grid[0].ravel(), grid[1].ravel()).reshape(grid[0].shape)
    # from 0, so that a profile that is all but flat looks flat
    top = max(float(np.nanmax(expected, initial=0)), 1e-3)
    shown = ax.pcolormesh(across, up, expected, shading="nearest", cmap="viridis", vmin=0, vmax=top, rasterized=True)
    size = float(np.clip(120 / np.sqrt(len(km)), 1.2, 4))
    ax.plot(km, unlike, "o", color=INK, alpha=0.4, markeredgewidth=0, markersize=size, rasterized=True)
    ax.axhline(
        applicability.dissimilarity.threshold, color=INK, linestyle="--", linewidth=1.1,
        label="end of the area of applicability",
    )  # fmt: skip
    ax.set_xscale("log")
    figures.plain_numbers(ax.xaxis)
    ax.set_xlabel("distance to the nearest training survey, km")
    ax.set_ylabel(DISSIMILARITY)
    drawing.colorbar(shown, label=f"expected {measure}", aspect=28, pad=0.02)
    drawing.legend(loc="outside lower center")
    return drawing
