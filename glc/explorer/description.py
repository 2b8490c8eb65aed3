"""What the page gets to know of a map: its cells, its layers, colours, and where everything comes from."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

from glc import __version__, geo
from glc.explorer import geography
from glc.explorer.finished import FinishedMap, Species
from glc.types import Facts

PALETTE = "viridis"
"""Colours of all layers: equal steps look equal, in colour-blind eyes and in grey too."""
_DOI = re.compile(r"10\.\d{4,9}/\S+")
_LAYERS = {
    "expected": ("Expected number of species", "species"),
    "decided": ("Species in the decided set", "species"),
    "expected_f1": ("Expected F1", ""),
    "dissimilarity": ("Dissimilarity index", ""),
    "distance_to_training_m": ("Distance to nearest survey", "m"),
}


def describe(
    finished: FinishedMap, species: Sequence[Species], highest: Sequence[int], side: int, scales: Mapping[str, float]
) -> Facts:
    """The facts of the page, as JSON can hold it.

    species : those that are shown
    highest : the highest stored integer of each
    side : cells along a side of a block
    scales : value of one step of each layer that has values, by its band's description
    """
    grid, properties = finished.grid, finished.item["properties"]
    known = {name: text for name, text in _LAYERS.items() if name in scales}
    return {
        "title": properties["title"],
        "relative": finished.relative,
        "values": "relative suitability" if finished.relative else "probability of occurrence",
        "rows": grid.shape[0],
        "cols": grid.shape[1],
        "stretch": geography.stretch(grid),
        "cell_m": grid.cell_m,
        "lattice": geography.lattice(grid),
        "radius_m": geo.EARTH_RADIUS_M,
        "side": side,
        "scale": finished.scale,
        "species": [
            {"id": entry.speciesId, "name": entry.name, "highest": high * finished.scale}
            for entry, high in zip(species, highest, strict=True)
        ],
        "layers": [
            {"key": key, "title": title, "unit": unit, "scale": scales[key]} for key, (title, unit) in known.items()
        ],
        "colours": [to_hex(colour) for colour in colormaps[PALETTE](np.linspace(0, 1, 256))],
        "surveys": len(finished.training),
        "about": _about(finished, properties),
        "notes": list(properties.get("glc:messages", [])),
        "credits": _credits(finished, properties),
    }


def _about(finished, properties):
    """(what, value) pairs of the map and of the model."""
    rows, cols = finished.grid.shape
    years = [str(properties[key])[:4] for key in ("start_datetime", "end_datetime") if properties.get(key)]
    pairs = [
        ("Dataset", properties["glc:dataset"]),
        ("Experiment", properties["glc:experiment"]),
        ("Validation", finished.facts.get("scores")),
        ("Cells", f"{rows:,} x {cols:,}, {finished.grid.cell_m / 1000:.3g} km wide"),
        ("Projection", properties.get("proj:code") or "that of the file"),
        ("Training surveys", f"{len(finished.training):,}"),
        ("Years", " to ".join(dict.fromkeys(years))),
        ("Map", properties.get("glc:map")),
        ("Made by", f"glc {properties['processing:software']['glc']}, this page by glc {__version__}"),
    ]
    return [[name, str(value)] for name, value in pairs if value]


def _credits(finished, properties):
    """Lines of what is to be cited, each with the address of its source or an empty text."""
    citation = finished.facts.get("citation") or {}
    doi = _DOI.search(str(properties.get("sci:doi") or citation.get("doi") or ""))
    title = citation.get("title") or properties.get("sci:citation") or f"Dataset {properties['glc:dataset']}"
    lines = [[f"Surveys: {title}{f', doi:{doi[0]}' if doi else ''}", f"https://doi.org/{doi[0]}" if doi else ""]]
    licences = citation.get("licences") or {}
    counted = ", ".join(f"{name} ({count:,} records)" for name, count in licences.items())
    licence = counted or properties.get("glc:licence") or citation.get("rights")
    lines += [[f"Licence: {licence}" if licence else "Licence of the surveys: not stated by the dataset", ""]]
    lines += [["Coasts and borders: Natural Earth, public domain", ""]]
    lines += [["Map library: Leaflet 1.9.4, BSD-2-Clause", "leaflet/LICENSE"]]
    return lines
