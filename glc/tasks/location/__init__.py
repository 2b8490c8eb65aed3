"""Tasks of the location encoder: pre-training, geo-localisation, downstream tasks."""
