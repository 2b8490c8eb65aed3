"""Building blocks that the architectures share."""
