"""Plain words for the identifiers of tables, decoders and neighbour tables."""

from glc import schema

LEVELS = {
    "global": "of all surveys",
    "country": "of the country",
    "region": "of the region",
    "district": "of the district",
}
DATASETS = {
    "po": "presence-only",
    "pa_train": "presence-absence, training",
    "pa_test": "presence-absence, test",
    **{f"pa_test_{name}": f"presence-absence, test {name}" for name in schema.TESTS},
}
COLUMNS = {
    "areaInM2": "area (areaInM2)",
    "geoUncertaintyInM": "uncertainty of the coordinates (geoUncertaintyInM)",
    "lon": "longitude (lon)",
    "lat": "latitude (lat)",
    "speciesId": "species (speciesId)",
    "surveyId": "survey (surveyId)",
    "year": "year",
}
NEIGHBOURS = {
    "queries": "surveys whose neighbours were sought",
    "rows": "neighbours found",
    "without_neighbours": "surveys without any neighbour",
    "bucket_length": "bucket length used, m",
    "method": "search",
    "k": "neighbours per survey, at most",
    "radius_m": "radius, m",
    "sources": "neighbours are sought among",
    "tables": "hash tables",
    "hashes": "hashes per table",
    "seed": "seed",
}
SOURCES = {"train": "training surveys", "po": "presence-only records"}
METHODS = {"exact": "exact", "lsh": "approximate (locality-sensitive hashing)"}
DECODERS = {
    "expected_f1": "highest expected F1",
    "threshold_top_k": "threshold and number of species",
    "threshold": "threshold",
    "top_k": "fixed number of species",
    "all": "all species with a score",
}
DECODER_FACTS = {
    "validation_pairs": "pairs of survey and species it learned from",
    "spread": "how unevenly rich surveys are, beyond their probabilities (0 to 1)",
    "k": "number of species",
    "threshold": "threshold of the score",
    "validation_f1": "F1 on all of validation",
    "empty_below": "evidence of any species below which a set is empty (0: none is)",
    "raised_by_empty": "what empty sets add to the F1 on validation",
}
DECODER_OPTIONS = {
    "largest": "most species in a set",
    "bins": "bins of the calibration",
    "k": "number of species",
    "threshold": "threshold of the score",
    "lowest": "lowest threshold tried",
    "highest": "highest threshold tried",
    "step": "step between thresholds",
    "reading": "how number and threshold combine",
    "empty": "whether sets may be empty",
}


def plain(name: str, known: dict[str, str]) -> str:
    """The words for `name`, or the name with spaces for underscores."""
    return known.get(name, name.replace("_", " "))
