"""Contrastive pre-training of a location encoder on imagery."""
