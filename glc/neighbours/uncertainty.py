"""Records of uncertain place, as many records drawn around them.

A record of Darwin Core is somewhere within ``coordinateUncertaintyInMeters`` of its place; nothing says where, so it
counts as the mean over the circle. The mean of a Gaussian of scale s over a circle of radius u is a sum over points of
Gauss-Legendre rings (Cools & Rabinowitz 1993): the weights at these are those of the circle's area.
"""

from typing import Literal

import numpy as np
import pandas as pd

from glc import geo
from glc.surveys import SurveyData

Uncertainty = Literal["edition", "widen", "ignore"]
"""Whether a record adds over all of its uncertainty: as the edition has it (`glc.editions.Edition.widens`), or not."""
LEAST = 0.1
"""Scales; a radius below this changes a weight by less than 1 % and is a point."""


def widened(data: SurveyData, wanted: Uncertainty) -> bool:
    """Whether records of `data` add over all of their uncertainty under the option `wanted`."""
    return data.widens if wanted == "edition" else wanted == "widen"


def spread(places: pd.DataFrame, scale_m: float) -> tuple[np.ndarray, pd.DataFrame, np.ndarray]:
    """Points for the records of `places` under a Gaussian of `scale_m` metres.

    places : frame (n) with lon, lat (degrees), easting, northing, crs and geoUncertaintyInM (metres; missing is 0)
    returns : row of the record (k,), frame (k) with lon, lat, easting, northing, crs, and weights (k,) float32, which
        sum to 1 for each record
    """
    radius = places["geoUncertaintyInM"].fillna(0).to_numpy(float)
    ratio = radius / scale_m
    rings = np.where(ratio < LEAST, 0, np.maximum(np.ceil(2 * ratio), 2)).astype(int)
    columns = ["lon", "lat", "easting", "northing", "crs"]
    certain = np.flatnonzero(rings == 0)
    owners, parts = [certain], [places[columns].iloc[certain]]
    weights = [np.ones(len(certain), np.float32)]
    for count in np.unique(rings[rings > 0]):
        rows = np.flatnonzero(rings == count)
        away, angle, weight = _circle(count, max(8, int(np.ceil(6 * np.pi * ratio[rows].max()))))
        lon, lat = _moved(places.iloc[rows], radius[rows, None] * away, angle)
        crs = np.repeat(places["crs"].to_numpy()[rows], len(away))
        easting, northing = np.empty(len(lon)), np.empty(len(lon))
        for code in np.unique(crs):
            mine = crs == code
            easting[mine], northing[mine] = geo.project(lon[mine], lat[mine], int(code))
        owners.append(np.repeat(rows, len(away)))
        parts.append(pd.DataFrame(dict(zip(columns, (lon, lat, easting, northing, crs), strict=True))))
        weights.append(np.tile(weight, len(rows)))
    owner, points, weight = np.concatenate(owners), pd.concat(parts, ignore_index=True), np.concatenate(weights)
    on_map = np.isfinite(points["easting"].to_numpy() + points["northing"].to_numpy())
    order = np.flatnonzero(on_map)[np.argsort(owner[on_map], kind="stable")]
    return owner[order], points.iloc[order].reset_index(drop=True), weight[order]


def _circle(rings: int, angles: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points of the unit circle: distance, angle (radians) and weight, each (rings * angles,)."""
    nodes, weights = np.polynomial.legendre.leggauss(rings)
    distance = np.sqrt((nodes + 1) / 2)  # evenly by area
    # each ring is turned against the one inside it, so that points do not line up
    turn = np.arange(rings)[:, None] * np.pi / angles
    angle = 2 * np.pi * np.arange(angles) / angles + turn
    share = np.repeat(weights / 2 / angles, angles)
    return np.repeat(distance, angles), angle.ravel(), share.astype(np.float32)


def _moved(places: pd.DataFrame, distance_m: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Degrees lon, lat (n * k,) at distances (n, k) and angles (k,) from north of `places` (n), on the sphere."""
    lon, lat = np.radians(places["lon"].to_numpy(float))[:, None], np.radians(places["lat"].to_numpy(float))[:, None]
    arc = distance_m / geo.EARTH_RADIUS_M
    sine = np.sin(lat) * np.cos(arc) + np.cos(lat) * np.sin(arc) * np.cos(angle)
    east = np.sin(angle) * np.sin(arc) * np.cos(lat)
    moved = lon + np.arctan2(east, np.cos(arc) - np.sin(lat) * sine)
    turned = (np.degrees(moved) + 180) % 360 - 180
    return turned.ravel(), np.degrees(np.arcsin(np.clip(sine, -1, 1))).ravel()
