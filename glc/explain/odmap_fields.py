"""The fields of ODMAP v1.0, the reporting protocol of species distribution models (Zurell et al. 2020).

Names and order are those of the dictionary of its web application, whose CSV files have the columns section,
subsection, element and Value.
"""

from typing import TypeAlias

Field: TypeAlias = tuple[str, str, str]
"""Section, subsection, element."""
VERSION = "ODMAP v1.0 (Zurell et al. 2020, https://doi.org/10.1111/ecog.04960)"
SECTIONS = {
    "Overview": {
        "Authorship": ("Study title", "Author names", "Contact", "Study link"),
        "Model objective": ("Model objective", "Target output"),
        "Focal Taxon": ("Focal Taxon",),
        "Location": ("Location",),
        "Scale of Analysis": (
            "Spatial extent", "Spatial resolution", "Temporal extent", "Temporal resolution", "Boundary",
        ),
        "Biodiversity data": ("Observation type", "Response data type"),
        "Predictors": ("Predictor types",),
        "Hypotheses": ("Hypotheses",),
        "Assumptions": ("Model assumptions",),
        "Algorithms": ("Modelling techniques", "Model complexity", "Model averaging"),
        "Workflow": ("Model workflow",),
        "Software": ("Software", "Code availability", "Data availability"),
    },
    "Data": {
        "Biodiversity data": (
            "Taxon names", "Taxonomic reference system", "Ecological level", "Data sources", "Sampling design",
            "Sample size", "Clipping", "Scaling", "Cleaning", "Absence data", "Background data", "Errors and biases",
        ),
        "Data partitioning": ("Training data", "Validation data", "Test data"),
        "Predictor variables": (
            "Predictor variables", "Data sources", "Spatial extent", "Spatial resolution",
            "Coordinate reference system", "Temporal extent", "Temporal resolution", "Data processing",
            "Errors and biases", "Dimension reduction",
        ),
        "Transfer data": (
            "Data sources", "Spatial extent", "Spatial resolution", "Temporal extent", "Temporal resolution",
            "Models and scenarios", "Data processing", "Quantification of Novelty",
        ),
    },
    "Model": {
        "Variable pre-selection": ("Variable pre-selection",),
        "Multicollinearity": ("Multicollinearity",),
        "Model settings": ("Model settings (fitting)", "Model settings (extrapolation)"),
        "Model estimates": ("Coefficients", "Parameter uncertainty", "Variable importance"),
        "Model selection - model averaging - ensembles": ("Model selection", "Model averaging", "Model ensembles"),
        "Analysis and Correction of non-independence": (
            "Spatial autocorrelation", "Temporal autocorrelation", "Nested data",
        ),
        "Threshold selection": ("Threshold selection",),
    },
    "Assessment": {
        "Performance statistics": (
            "Performance on training data", "Performance on validation data", "Performance on test data",
        ),
        "Plausibility check": ("Response shapes", "Expert judgement"),
    },
    "Prediction": {
        "Prediction output": ("Prediction unit", "Post-processing"),
        "Uncertainty quantification": (
            "Algorithmic uncertainty", "Input data uncertainty", "Parameter uncertainty", "Scenario uncertainty",
            "Novel environments",
        ),
    },
}  # fmt: skip
"""Section -> subsection -> elements."""
FIELDS = tuple(
    (section, subsection, element)
    for section, subsections in SECTIONS.items()
    for subsection, elements in subsections.items()
    for element in elements
)
