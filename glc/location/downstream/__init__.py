"""Downstream tasks of a location encoder: a small head per target, compared with nearest places and kriging."""
