"""GeoLifeCLEF 2024: presence-absence surveys and presence-only occurrences of Europe, tested on PA surveys.

Both spellings of the file names, flat or in sub-folders.
"""

from glc.editions._base import Edition, Table
from glc.registry import editions

PLACE = {"surveyId": "surveyId", "lon": "lon", "lat": "lat", "year": "year"}
LABELLED = PLACE | {"speciesId": "speciesId"}
OPTIONAL = {name: name for name in ("geoUncertaintyInM", "country", "region", "areaInM2")}


def patterns(year, kind, split):
    """Globs of a metadata file of GeoLifeCLEF `year`, flat first, then one folder down (P0 is the organisers' slip)."""
    name = f"GLC{year}[-_]{kind}[-_]metadata[-_]{split}.csv"
    return name, f"*/{name}"


def europe(title, year):
    """The edition layout that 2024 and 2025 share."""
    return Edition(
        title,
        tables=(
            Table("pa_train", patterns(year, "PA", "train"), LABELLED, OPTIONAL),
            Table("pa_test", patterns(year, "PA", "test"), PLACE, OPTIONAL, one_row_per_survey=True),
            Table("po", patterns(year, "P[0O]", "train"), LABELLED, OPTIONAL),
        ),
    )


editions.register("glc2024")(europe("GeoLifeCLEF 2024", 24))
