"""Species distribution models on tables of covariates: a region, many species."""
