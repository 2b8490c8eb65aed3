"""Predictions compared with what is known: metrics, baselines, gains."""
