"""What a modality is: its files, bands, classes and nodata. One module per covariate.

A covariate is a `Raster` (GeoTIFFs that cover the surveys, cut around each of them) or `Patches` (an image file of
each survey's own). A new one is one new file here that registers its declaration.
"""

from glc.covariates._base import Layer, Patches, Raster, places

__all__ = ["Layer", "Patches", "Raster", "places"]
