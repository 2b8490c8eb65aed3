"""GeoLifeCLEF 2024: presence-absence surveys and presence-only occurrences of Europe, tested on PA surveys.

Both spellings of the file names, flat or in sub-folders.
"""

from glc.editions._base import Contest, Edition, Table
from glc.references import Reference
from glc.registry import editions

PLACE = {"surveyId": "surveyId", "lon": "lon", "lat": "lat", "year": "year"}
LABELLED = PLACE | {"speciesId": "speciesId"}
OPTIONAL = {name: name for name in ("geoUncertaintyInM", "country", "region", "areaInM2")}


def patterns(year, kind, split):
    """Globs of a metadata file of GeoLifeCLEF `year`, flat first, then one folder down (P0 is the organisers' slip)."""
    name = f"GLC{year}[-_]{kind}[-_]metadata[-_]{split}.csv"
    return name, f"*/{name}"


OVERVIEW = Reference(
    "conference",
    "Picek, Lukas; Botella, Christophe; Servajean, Maximilien; Leblanc, César; Palard, Rémi; Larcher, Théo; "
    "Deneu, Benjamin; Marcos, Diego; Estopinan, Joaquim; Bonnet, Pierre; Joly, Alexis",
    "Overview of GeoLifeCLEF 2024: Species Composition Prediction with High Spatial Resolution at Continental Scale "
    "using Remote Sensing",
    2024,
    "Working Notes of CLEF 2024, CEUR Workshop Proceedings 3740",
    url="https://ceur-ws.org/Vol-3740/paper-186.pdf",
)
GEOPLANT = Reference(
    "preprint",
    "Picek, Lukas; Botella, Christophe; Servajean, Maximilien; Leblanc, César; Palard, Rémi; Larcher, Théo; "
    "Deneu, Benjamin; Marcos, Diego; Bonnet, Pierre; Joly, Alexis",
    "GeoPlant: Spatial Plant Species Prediction Dataset",
    2024,
    "arXiv:2408.13928",
    "10.48550/arXiv.2408.13928",
)


def europe(title: str, year: int, references: tuple[Reference, ...], contest: Contest) -> Edition:
    """The edition layout that 2024 and 2025 share."""
    return Edition(
        title,
        tables=(
            Table("pa_train", patterns(year, "PA", "train"), LABELLED, OPTIONAL),
            Table("pa_test", patterns(year, "PA", "test"), PLACE, OPTIONAL, one_row_per_survey=True),
            Table("po", patterns(year, "P[0O]", "train"), LABELLED, OPTIONAL),
        ),
        references=references,
        contest=contest,
    )


editions.register("glc2024")(europe("GeoLifeCLEF 2024", 24, (OVERVIEW, GEOPLANT), Contest("geolifeclef-2024")))
