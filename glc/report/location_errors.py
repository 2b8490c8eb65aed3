"""Where predictions of places err: maps of absolute error, and wrong countries by coast, border and continent."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from glc import geo
from glc.location.downstream.problems import Problem
from glc.rasters.files import opened
from glc.report import location, papers
from glc.report.figures import for_page
from glc.types import Facts, StrPath

POSTER = "Poster, (B): largest error below 500 mm, truth up to nearly 6,000 mm."


def draw(problem: Problem, held_out: StrPath, raster: StrPath | None, out: Path) -> dict[str, list[Facts]]:
    """Draw ``error_<target>`` of all values, ``country_map`` and ``country_errors`` into `out`, as .png and .svg.

    problem : `glc.location.downstream.problems.Problem` with countries and continents
    held_out : parquet of predictions of all its places, in order
    raster : GeoTIFF with a band of the percentage of land, or nothing: then distances to the coast are left out
    returns : values, a list of dicts by target; country, a list of dicts by panel and part
    """
    predicted, places = pd.read_parquet(held_out), problem.places
    lon, lat = places["lon"].to_numpy(), places["lat"].to_numpy()
    values = []
    for target in problem.targets:
        if target.kind == "value":
            path, truth = for_page(out / f"error_{target.name}.png"), places[target.name].to_numpy(np.float64)
            own = predicted[target.name].to_numpy()
            largest, most = location.error_map(path, lon, lat, truth, own, target.title.capitalize(), target.unit)
            row = {"target": target.title, "unit": target.unit, "largest error": largest, "99 % below": most}
            row |= {"mean": float(np.abs(truth - own).mean()), "largest truth": float(truth.max())}
            poster = POSTER if target.name == "prec_annual_mm" else ""
            values.append(row | {"paper": poster, "compared": papers.OTHER_DATA if poster else ""})
    country = places["country_code"].to_numpy()
    right = country == predicted["country_code"].to_numpy()
    location.class_map(for_page(out / "country_map.png"), lon, lat, right, "Country")
    coast = coast_km(lon, lat, raster) if raster else None
    km = {} if coast is None else {"km to the coast": coast}
    km["km to the nearest place of another country"] = border_km(lon, lat, country)
    groups = {"continent": places["continent"].to_numpy()}
    parts = location.class_errors(for_page(out / "country_errors.png"), right, km, groups, "Wrong countries")
    return {"values": values, "country": parts}


def border_km(lon, lat, country):
    """Great-circle km (n,) from each place to the nearest place of another country, inf where there is but one."""
    points, country = geo.unit_sphere(lon, lat), np.asarray(country)
    chord = np.full(len(points), np.inf)
    for code in np.unique(country):
        own = country == code
        if not own.all():
            chord[own] = cKDTree(points[~own]).query(points[own])[0]
    return np.where(np.isinf(chord), np.inf, geo.arc(np.minimum(chord, 2)) / 1000)


def coast_km(lon, lat, raster, band="land_percent"):
    """Great-circle km (n,) from each place to the centre of the nearest pixel that is mostly water, or None.

    raster : GeoTIFF in EPSG:4326 whose `band` is the percentage of land; None where it has no such band, or no water
    """
    with opened(raster) as source:
        if band not in source.descriptions:
            return None
        row, column = np.nonzero(source.read(source.descriptions.index(band) + 1) < 50)
        if not len(row):
            return None
        water = source.transform @ (column + 0.5, row + 0.5)
    return geo.arc(cKDTree(geo.unit_sphere(*water)).query(geo.unit_sphere(lon, lat))[0]) / 1000
