"""GeoLifeCLEF 2022: single-label presence-only occurrences of France and the USA, undated, each with its own CRS."""

from glc.editions._areas import tables
from glc.editions._base import Edition
from glc.registry import editions

PLACE = {"surveyId": "observation_id", "lon": "longitude", "lat": "latitude"}

editions.register("glc2022")(
    Edition(
        "GeoLifeCLEF 2022",
        tables=tables("observations", PLACE, "species_id"),
        train="po",
        test="po_test",
        single_label=True,
        set_columns=("Id", "Predicted"),  # Kaggle's
    )
)
