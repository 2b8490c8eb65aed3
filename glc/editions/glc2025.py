"""GeoLifeCLEF 2025: the layout of 2024 with new surveys; its sample is told by the folders of its modalities."""

from glc.editions.glc2024 import europe, extracted
from glc.registry import editions

editions.register("glc2025")(europe("GeoLifeCLEF 2025", 25))
editions.register("glc2025_extracted")(
    extracted("GeoLifeCLEF 2025, pre-extracted sample", markers=("Satel*Patches/PA-t*",))
)
