"""Pictures of geo-localisation: how far from the truth tiles are placed, and the best places of one of them.

Land is drawn by the places of the gallery that lie on it; what is told is in `glc.location.localisation.search`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import ListedColormap
from matplotlib.ticker import FuncFormatter, MaxNLocator

from glc import geo
from glc.location.localisation.search import WITHIN_KM
from glc.report.figures import Files, picture
from glc.report.location import points, world
from glc.report.maps import coastline
from glc.report.palette import AXIS, INK, MAP, OTHER, VALIDATION

_COLOURS = ListedColormap(colormaps["plasma_r"](np.linspace(0.08, 0.92, len(WITHIN_KM) + 1)))
_LAND = "#d9d4c8"
"""A little darker than the ground of maps, and warmer than the lines on it."""
_NEAR_DEG = 7.0
"""Ranks whose places are nearer than this on the map of the world share one label."""
_ZOOM_KM = 1300


def error_map(path: Files, frame: pd.DataFrame, land: Sequence[np.ndarray], title: str) -> None:
    """Map of where queries are and how far from there they were found, a panel each kind of ``queries``.

    frame : of `glc.location.localisation.search.results`, with ``queries``; the refined rows are left out
    land : (lon, lat) of places on land, drawn behind
    """
    frame = frame[~frame["refined"]]
    kinds = list(dict.fromkeys(frame["queries"]))
    with picture(path, (9.0, 4.1 * len(kinds) + 0.3)) as figure:
        axes = figure.subplots(len(kinds), 1, squeeze=False)[:, 0]
        for ax, kind in zip(axes, kinds, strict=True):
            part = frame[frame["queries"] == kind].sort_values("error_km", kind="stable")
            points(world(ax), *land, colour=_LAND, size=0.5)
            step = np.searchsorted(WITHIN_KM, part["error_km"])
            drawn = points(
                ax, part["lon"], part["lat"], step, limits=(-0.5, len(WITHIN_KM) + 0.5), cmap=_COLOURS, size=5
            )
            ax.set_title(f"{kind}: {len(part):,} places, median error {part['error_km'].median():,.0f} km")
        bar = figure.colorbar(drawn, ax=axes, label="great-circle error", shrink=0.8 / len(kinds), pad=0.02)
        names = [f"≤ {limit:,} km" for limit in WITHIN_KM] + [f"> {WITHIN_KM[-1]:,} km"]
        bar.set_ticks(range(len(names)), labels=names)
        figure.suptitle(title, fontsize=9)


def top_map(
    path: Path, at: tuple[float, float] | None, best: pd.DataFrame, land: Sequence[np.ndarray], title: str
) -> None:
    """Map of the place `at` (lon, lat) and the best places for its tile (the poster's D), with ranks and distances.

    at : None where nobody knows it: then the first place is the middle of the enlarged part
    best : frame in order of rank with lon, lat (degrees), km (great-circle, to `at`) and similarity
    land : as of `error_map`
    """
    known = at is not None
    if known:
        head = [f"★   ({geo.degree_label(round(at[1], 2), 'NS')}, {geo.degree_label(round(at[0], 2), 'EW')})", ""]
        near = (best["km"] < _ZOOM_KM).to_numpy()
    else:
        head, at = [], (best["lon"].iloc[0], best["lat"].iloc[0])
        near = geo.great_circle_m(*at, best["lon"], best["lat"]) < 1000 * _ZOOM_KM
    head.append(f"rank, place, {'distance, ' if known else ''}cosine")
    lines = [
        f"{rank:>2}   {geo.degree_label(round(row.lat, 2), 'NS')}, {geo.degree_label(round(row.lon, 2), 'EW')}   "
        f"{f'{row.km:,.0f} km   ' if known else ''}{row.similarity:.3f}"
        for rank, row in enumerate(best.itertuples(), 1)
    ]
    with picture(path, (11.5, 4.6)) as figure:
        left, right = figure.subfigures(1, 2, width_ratios=(2.6, 1))
        ax = world(left.add_subplot())
        ax.set_title(title)
        _candidates(ax, at if known else None, best, land, _NEAR_DEG)
        table, zoom = right.subplots(2, 1, height_ratios=(1, 1.3))
        for panel in (table, zoom):
            panel.set_axis_off()
        text = "\n".join([*head, *lines])
        table.text(0, 1, text, transform=table.transAxes, va="top", fontsize=7.5)
        if near.any():
            shown = best.assign(lon=_beside(at[0], best["lon"]))
            wide = 1 / max(np.cos(np.radians(at[1])), 0.2)  # degrees of longitude of one of latitude
            half = max(1.3 * (np.abs(shown.loc[near, ["lon", "lat"]].to_numpy() - at) / (wide, 1)).max(), 1.0)
            zoom.set_axis_on()
            nearby = (_beside(at[0], land[0]), land[1])
            _candidates(zoom, at if known else None, shown, nearby, wide * half / 7, size=6, offset=0)
            west, east, south, north = (*(at[0] + wide * half * side for side in (-1, 1)), at[1] - half, at[1] + half)
            zoom.set_facecolor(MAP)
            coastline(zoom, (west, south, east, north))
            zoom.set_xlim(west, east)
            zoom.set_ylim(south, north)
            zoom.set_aspect(wide)
            zoom.tick_params(labelsize=7)
            for axis in (zoom.xaxis, zoom.yaxis):
                axis.set_major_locator(MaxNLocator(4))
            zoom.xaxis.set_major_formatter(FuncFormatter(lambda value, _: geo.degree_label(_beside(0, value), "EW")))
            zoom.yaxis.set_major_formatter(FuncFormatter(lambda value, _: geo.degree_label(value, "NS")))
            zoom.set_title(f"{near.sum()} of {len(best)}, within {_ZOOM_KM:,} km", fontsize=8)


def _beside(middle, lon):
    """`lon` (degrees), turned by 360 where it is then nearer to `middle`: across the date line, 180.5 for -179.5."""
    return middle + np.remainder(lon - middle + 180, 360) - 180


def _candidates(ax, at, best, land, near, size=0.5, offset=7):
    """Draw land, the true place and the best ones, the first of them larger, with their ranks."""
    points(ax, *land, colour=_LAND, size=size)
    if at is not None:
        ax.plot(*at, "*", color=OTHER, markeredgecolor="white", markersize=13, zorder=4)
    first = np.arange(len(best)) == 0
    ax.scatter(
        best["lon"],
        best["lat"],
        s=np.where(first, 45, 22),
        color=VALIDATION,
        edgecolors="white",
        linewidths=0.8,
        zorder=5,
    )
    for lon, lat, text in _labels(best["lon"].to_numpy(), best["lat"].to_numpy(), near):
        side = -1 if lon > 120 else 1  # towards the middle, where there is room
        ax.annotate(
            text,
            (lon, lat),
            (offset * side, offset),
            textcoords="offset points",
            ha="center" if not offset else "left" if side > 0 else "right",
            va="bottom" if offset else "center",
            fontsize=7.5,
            color=INK,
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": AXIS, "alpha": 0.85},
            clip_on=True,
            zorder=6,
        )


def _labels(lon, lat, near):
    """(lon, lat, text) of each group of places less than `near` degrees apart: the first one's place, and all ranks."""
    groups = []
    for rank, (x, y) in enumerate(zip(lon, lat, strict=True), 1):
        for east, north, ranks in groups:
            if np.hypot(x - east, y - north) < near:
                ranks.append(rank)
                break
        else:
            groups.append((x, y, [rank]))
    return [(x, y, _runs(ranks)) for x, y, ranks in groups]


def _runs(ranks):
    """``1, 3–5`` of [1, 3, 4, 5]."""
    parts = np.split(ranks, np.flatnonzero(np.diff(ranks) > 1) + 1)
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}–{part[-1]}" for part in parts)
