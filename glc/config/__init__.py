"""Experiments: their sections, loading and checking (`load`), and the frozen sections that they are made of."""

from glc.config.experiment import (
    CrossFusion,
    EncoderFile,
    Experiment,
    Input,
    Neighbours,
    Po,
    Scores,
    Surveys,
    Train,
    Validation,
)
from glc.config.fields import Choice, build, canonical, options, prediction, require, to_dict, value_of
from glc.config.load import CONF, base_of, experiment_names, experiment_path, load, read
from glc.config.variant import Variant, file_name, to_toml

__all__ = [
    "CONF",
    "Choice",
    "CrossFusion",
    "EncoderFile",
    "Experiment",
    "Input",
    "Neighbours",
    "Po",
    "Scores",
    "Surveys",
    "Train",
    "Validation",
    "Variant",
    "base_of",
    "build",
    "canonical",
    "experiment_names",
    "experiment_path",
    "file_name",
    "load",
    "options",
    "prediction",
    "read",
    "require",
    "to_dict",
    "to_toml",
    "value_of",
]
