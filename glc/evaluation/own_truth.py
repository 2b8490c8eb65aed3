"""Labels of a test whose surveys and species are text: their numbers in the store."""

import numpy as np
import pandas as pd

from glc import storage
from glc.editions import Dataset
from glc.errors import DataError, one_line
from glc.surveys import read_species, read_survey_names
from glc.types import StrPath


def read(dataset: Dataset, surveys_folder: StrPath) -> pd.DataFrame | None:
    """Labels that an edition keeps in its own form, as `numbered` returns them; None where it has none."""
    labels = dataset.edition.labels(dataset)
    if labels is None:
        return None
    names = read_survey_names(surveys_folder)
    return numbered(
        labels,
        read_species(surveys_folder),
        dataset.edition.species(dataset),
        None if names is None else names[names["dataset"] == dataset.edition.test],
        "speciesId" in storage.manifest(surveys_folder)["species"]["text_ids"],
        ", ".join(map(dataset.relative, dataset.edition.label_files(dataset))),
    )


def numbered(
    labels: pd.DataFrame, species: pd.DataFrame, listed: pd.DataFrame | None, surveys: pd.DataFrame | None,
    text_species: bool, where: str,
) -> pd.DataFrame:  # fmt: skip
    """Labels with the numbers that ids have in the store.

    labels : frame surveyId, speciesId, text as the files write it (`glc.editions.Edition.labels`)
    species : of `glc.surveys.read_species`
    listed : frame speciesId (as the files write it), name, key of the species that a file names, or None
    surveys : of `glc.surveys.read_survey_names`, of the test; None where ids are numbers
    text_species : whether species are text in the files
    where : names the file in errors
    returns : frame surveyId, speciesId, int64; a species that no record of the store has gets a number beyond theirs,
        as no model can predict it. Rows of surveys that the store lacks, because they could not be used, are left out
    """
    if surveys is None:
        survey = _integers(labels["surveyId"], f"{where}: surveys")
    else:
        survey = labels["surveyId"].map(surveys.drop_duplicates("name").set_index("name")["surveyId"])
    if not text_species:
        number = _integers(labels["speciesId"], f"{where}: species")
    else:
        known = _by_text(species, listed, where)
        texts = labels["speciesId"].map(lambda text: text if text in known else one_line(text))
        fresh = sorted(set(texts) - set(known))
        beyond = int(species["speciesId"].max()) + 1
        number = texts.map(known | {text: beyond + at for at, text in enumerate(fresh)})
    frame = pd.DataFrame({"surveyId": survey, "speciesId": number}).dropna()
    return frame.astype(np.int64).drop_duplicates().reset_index(drop=True)


def _by_text(species: pd.DataFrame, listed: pd.DataFrame | None, where: str) -> dict[str, int]:
    """Text of a species in the files -> its number."""
    known: dict[str, int] = {}
    for column in ("key", "name"):  # of a species that is listed the text is its key, of others its name
        own = species.dropna(subset=column)
        known |= dict(zip(own[column], own["speciesId"].astype(int), strict=True))
    if listed is None:
        return known
    pairs = species.assign(key=species["key"].fillna("")).groupby(["name", "key"])["speciesId"].agg(list)
    for text, written, key in listed[["speciesId", "name", "key"]].itertuples(index=False):
        name = one_line(written) if isinstance(written, str) else written
        numbers: list[int] = next((pairs[pair] for pair in ((name, key), (name, text)) if pair in pairs.index), [])
        if len(numbers) > 1:
            raise DataError(
                f"{where}: species {text!r} of the labels has the name {name!r}, which {len(numbers)} species have; "
                "give them different names or keys"
            )
        if numbers:
            known[text] = int(numbers[0])
    return known


def _integers(values: pd.Series, what: str) -> pd.Series:
    """Text as integers; a DataError names one that is none."""
    numbers = pd.to_numeric(values, errors="coerce")
    wrong = values[numbers.isna() | (numbers % 1 != 0)]
    if len(wrong):
        raise DataError(
            f"{what}: found {wrong.tolist()[0]!r}, expected integers, as the ids of the training surveys are"
        )
    return numbers
