"""The small sample of GeoLifeCLEF 2024: one ``metadata.csv`` whose column `subset` tells training from test.

Its test rows carry labels, which are not read.
"""

from glc.editions._base import Edition, Table
from glc.editions.glc2024 import GEOPLANT, LABELLED, OPTIONAL, OVERVIEW, PLACE
from glc.references import Reference
from glc.registry import editions


def extracted(title: str, references: tuple[Reference, ...], markers: tuple[str, ...] = ()) -> Edition:
    """The sample layout that 2024 and 2025 share."""
    return Edition(
        title,
        tables=(
            Table("pa_train", ("metadata.csv",), LABELLED, OPTIONAL, where=("subset", "train")),
            Table("pa_test", ("metadata.csv",), PLACE, OPTIONAL, where=("subset", "test")),
        ),
        markers=markers,
        references=references,
    )


editions.register("glc2024_extracted")(extracted("GeoLifeCLEF 2024, pre-extracted sample", (OVERVIEW, GEOPLANT)))
