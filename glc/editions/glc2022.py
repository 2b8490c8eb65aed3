"""GeoLifeCLEF 2022: single-label presence-only occurrences of France and the USA, undated, each with its own CRS."""

from glc.editions._base import Edition, Table
from glc.registry import editions

PLACE = {"surveyId": "observation_id", "lon": "longitude", "lat": "latitude"}


def table(dataset, area, split, columns, **options):
    """One of the four files; `area` is fr or us."""
    name = f"observations_{area}_{split}.csv"
    country, crs = {"fr": ("France", 3035), "us": ("United States", 5070)}[area]
    return Table(
        dataset,
        (f"observations/{name}", name),
        columns,
        separator=";",
        constants={"country": country},
        crs=crs,
        **options,
    )


editions.register("glc2022")(
    Edition(
        "GeoLifeCLEF 2022",
        tables=(
            *(table("po", area, "train", PLACE | {"speciesId": "species_id"}) for area in ("fr", "us")),
            *(table("po_test", area, "test", PLACE, one_row_per_survey=True) for area in ("fr", "us")),
        ),
        train="po",
        test="po_test",
    )
)
