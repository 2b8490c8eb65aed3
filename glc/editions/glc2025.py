"""GeoLifeCLEF 2025: the layout of 2024 with new surveys."""

from glc.editions.glc2024 import europe
from glc.registry import editions

editions.register("glc2025")(europe("GeoLifeCLEF 2025", 25))
