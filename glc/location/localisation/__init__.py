"""Image tiles to the coordinates they were taken at (geo-localisation)."""
