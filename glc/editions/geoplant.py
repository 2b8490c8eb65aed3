"""GeoPlant, version 2 (2026): presence-absence surveys and presence-only occurrences of Europe, and three tests.

The tests are ``iid`` (among the training surveys), ``ood`` (other places) and ``glc25`` (the contest's of 2025).
Labels may be in a test's own file, one row per survey and species, or together in ``test_labels.csv``.
"""

from glc import schema
from glc.editions._base import Edition, Table
from glc.editions.glc2024 import GEOPLANT
from glc.registry import editions

PLACE = {"surveyId": "surveyId", "lon": "lon", "lat": "lat"}
LABELLED = PLACE | {"speciesId": "speciesId"}
OPTIONAL = {name: name for name in ("year", "geoUncertaintyInM", "country", "region", "areaInM2")}


def patterns(kind: str, split: str) -> tuple[str, ...]:
    """Globs of a metadata file, in its folder first, then flat."""
    folder = {"PA": "PresenceAbsenceSurveys", "PO": "PresenceOnlyOccurrences"}[kind]
    return f"{folder}/{kind}_metadata_{split}.csv", f"{kind}_metadata_{split}.csv"


editions.register("geoplant")(
    Edition(
        "GeoPlant v2",
        tables=(
            Table("pa_train", patterns("PA", "train"), LABELLED, OPTIONAL),
            *(Table(f"pa_test_{name}", patterns("PA", f"test_{name}"), PLACE, OPTIONAL) for name in schema.TESTS),
            Table("po", patterns("PO", "train"), LABELLED, OPTIONAL),
        ),
        truth=(
            *((f"pa_test_{name}", path) for name in schema.TESTS for path in patterns("PA", f"test_{name}")),
            ("", "PresenceAbsenceSurveys/test_labels.csv"),
            ("", "test_labels.csv"),
        ),
        references=(GEOPLANT,),
    )
)
