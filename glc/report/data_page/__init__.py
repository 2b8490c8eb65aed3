"""A dataset's page to look at before any model: one module per section, the survey tables' contents, the page."""
