"""GeoTIFFs and images as windows and values at places; a library that knows no Spark."""
