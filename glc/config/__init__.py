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
from glc.config.load import CONF, experiment_names, experiment_path, load, parts

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
    "build",
    "canonical",
    "experiment_names",
    "experiment_path",
    "load",
    "options",
    "parts",
    "prediction",
    "require",
    "to_dict",
    "value_of",
]
