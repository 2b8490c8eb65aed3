"""GeoLifeCLEF 2025: the layout of 2024 with new surveys."""

from glc.editions._base import Contest
from glc.editions.glc2024 import GEOPLANT, europe
from glc.references import Reference
from glc.registry import editions

OVERVIEW = Reference(
    "conference",
    "Picek, Lukas; Leblanc, César; Larcher, Théo; Servajean, Maximilien; Bonnet, Pierre; Joly, Alexis",
    "Overview of GeoLifeCLEF 2025: Plant Species Presence Prediction with Environmental and High-resolution Remote "
    "Sensing Data",
    2025,
    "Working Notes of CLEF 2025, CEUR Workshop Proceedings 4038",
    url="https://ceur-ws.org/Vol-4038/paper_234.pdf",
)

editions.register("glc2025")(europe("GeoLifeCLEF 2025", 25, (OVERVIEW, GEOPLANT), Contest("geolifeclef-2025")))
