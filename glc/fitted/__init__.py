"""A fitted experiment as one folder: written by the task `Model`, read and asked anywhere without Luigi and Spark."""

from glc.fitted.load import FittedExperiment, load

__all__ = ["FittedExperiment", "load"]
