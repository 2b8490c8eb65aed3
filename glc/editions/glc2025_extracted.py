"""The small sample of GeoLifeCLEF 2025: the layout of 2024's, distinguished by the folders of its modalities."""

from glc.editions.glc2024_extracted import extracted
from glc.registry import editions

editions.register("glc2025_extracted")(
    extracted("GeoLifeCLEF 2025, pre-extracted sample", markers=("Satel*Patches/PA-t*",))
)
