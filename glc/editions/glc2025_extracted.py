"""The small sample of GeoLifeCLEF 2025: the layout of 2024's, distinguished by the folders of its modalities."""

from glc.editions.glc2024 import GEOPLANT
from glc.editions.glc2024_extracted import extracted
from glc.editions.glc2025 import OVERVIEW
from glc.registry import editions

editions.register("glc2025_extracted")(
    extracted("GeoLifeCLEF 2025, pre-extracted sample", (OVERVIEW, GEOPLANT), markers=("Satel*Patches/PA-t*",))
)
