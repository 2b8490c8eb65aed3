"""GeoLifeCLEF 2022: single-label presence-only occurrences of France and the USA, undated, each with its own CRS."""

from glc.editions._areas import tables
from glc.editions._base import Contest, Edition
from glc.references import Reference
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
        contest=Contest("geolifeclef-2022-lifeclef-2022-fgvc9"),
        references=(
            Reference(
                "conference",
                "Lorieul, Titouan; Cole, Elijah; Deneu, Benjamin; Servajean, Maximilien; Bonnet, Pierre; Joly, Alexis",
                "Overview of GeoLifeCLEF 2022: Predicting species presence from multi-modal remote sensing, "
                "bioclimatic and pedologic data",
                2022,
                "Working Notes of CLEF 2022, CEUR Workshop Proceedings 3180",
                url="https://ceur-ws.org/Vol-3180/paper-155.pdf",
            ),
        ),
    )
)
