"""Several models' scores to one: stacking, blending, calibration."""
