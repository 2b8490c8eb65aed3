"""GeoLifeCLEF 2023: Europe, semicolons, and ids of occurrences instead of surveys.

A survey is what shares place and date. Dates are ISO days or the unix seconds of a French midnight, mixed in one
column. The sample has no test; the contest's blind test file is read where it is.
"""

from glc.editions._base import Contest, Edition, Table
from glc.references import Reference
from glc.registry import editions

COLUMNS = {"surveyId": "glcID", "lon": "lon", "lat": "lat", "year": "year", "date": "date", "speciesId": "speciesId"}
BLIND = {"surveyId": "Id", "lon": "lon", "lat": "lat", "year": "year"}
OPTIONAL = {"geoUncertaintyInM": "geoUncertaintyInM"}


def patterns(name):
    """Globs of the full file, then of its sample, in any folder of the dataset."""
    return tuple(f"{folder}{name}{end}.csv" for end in ("", "_sample") for folder in ("", "*/"))


editions.register("glc2023")(
    Edition(
        "GeoLifeCLEF 2023",
        tables=(
            Table(
                "pa_train",
                patterns("Presences_Absences_train"),
                COLUMNS,
                OPTIONAL,
                separator=";",
                by_place_and_date=True,
            ),
            Table("pa_test", patterns("test_blind"), BLIND, OPTIONAL, separator=";", one_row_per_survey=True),
            Table("po", patterns("Presences_only_train"), COLUMNS, OPTIONAL, separator=";", by_place_and_date=True),
        ),
        set_columns=("Id", "Predicted"),  # Kaggle's
        contest=Contest("geolifeclef-2023-lifeclef-2023-x-fgvc10"),
        references=(
            Reference(
                "preprint",
                "Botella, Christophe; Deneu, Benjamin; Marcos, Diego; Servajean, Maximilien; Estopinan, Joaquim; "
                "Larcher, Théo; Leblanc, César; Bonnet, Pierre; Joly, Alexis",
                "The GeoLifeCLEF 2023 Dataset to evaluate plant species distribution models at high spatial resolution "
                "across Europe",
                2023,
                "arXiv:2308.05121",
                "10.48550/arXiv.2308.05121",
            ),
        ),
    )
)
