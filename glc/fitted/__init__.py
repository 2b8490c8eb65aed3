"""A fitted experiment as one folder: written once, read anywhere, without Luigi and without Spark."""
