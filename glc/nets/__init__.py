"""Nets for species: architectures, their layers and inputs, training, checkpoints, prediction."""

import glc.training  # noqa: F401 - makes torchvision, which timm and Lightning import, importable
