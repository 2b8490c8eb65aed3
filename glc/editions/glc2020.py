"""GeoLifeCLEF 2020: single-label presence-only occurrences of France and the USA, with their own column names.

The occurrences are those of the later 2022 edition, and so are the patches in id-based folders: ``CD/AB/XXXXABCD_*``
below ``patches-fr`` and ``patches-us``.
"""

from glc.editions._areas import tables
from glc.editions._base import Contest, Edition
from glc.references import Reference
from glc.registry import editions

PLACE = {"surveyId": "id", "lon": "lon", "lat": "lat"}

editions.register("glc2020")(
    Edition(
        "GeoLifeCLEF 2020",
        tables=tables("occurrences", PLACE, "species_id"),
        train="po",
        test="po_test",
        single_label=True,
        submission="ranked",
        contest=Contest("lifeclef-2020-geo", host="AIcrowd"),
        references=(
            Reference(
                "preprint",
                "Cole, Elijah; Deneu, Benjamin; Lorieul, Titouan; Servajean, Maximilien; Botella, Christophe; "
                "Morris, Dan; Jojic, Nebojsa; Bonnet, Pierre; Joly, Alexis",
                "The GeoLifeCLEF 2020 Dataset",
                2020,
                "arXiv:2004.04192",
                "10.48550/arXiv.2004.04192",
            ),
        ),
    )
)
