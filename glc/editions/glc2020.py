"""GeoLifeCLEF 2020: single-label presence-only occurrences of France and the USA, with column names of their own.

The occurrences are those of the later 2022 edition, and so are the patches in id-based folders: ``CD/AB/XXXXABCD_*``
below ``patches-fr`` and ``patches-us``.
"""

from glc.editions._base import Edition, Table
from glc.registry import editions

PLACE = {"surveyId": "id", "lon": "lon", "lat": "lat"}
AREAS = {"fr": ("France", 3035), "us": ("United States", 5070)}


def table(dataset, area, split, columns, **options):
    """One of the four files; `area` is fr or us, `split` train or test."""
    name = f"occurrences_{area}_{split}.csv"
    country, crs = AREAS[area]
    return Table(
        dataset,
        (f"occurrences/{name}", name),
        columns,
        separator=";",
        constants={"country": country},
        crs=crs,
        **options,
    )


editions.register("glc2020")(
    Edition(
        "GeoLifeCLEF 2020",
        tables=(
            *(table("po", area, "train", PLACE | {"speciesId": "species_id"}) for area in AREAS),
            *(table("po_test", area, "test", PLACE, one_row_per_survey=True) for area in AREAS),
        ),
        train="po",
        test="po_test",
        submission="ranked",
    )
)
