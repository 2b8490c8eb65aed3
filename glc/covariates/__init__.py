"""What a modality is: its files, bands, classes and nodata. One module per covariate.

A covariate is a `Raster` (GeoTIFFs that cover the surveys, cut around each of them), `Patches` (an image file of
each survey's own) or `Metadata` (columns of the survey files). A new one is one new file here that registers its
declaration.
"""

from glc.covariates._base import Layer, Metadata, Patches, Raster, places

__all__ = ["Layer", "Metadata", "Patches", "Raster", "places"]
