"""Predictions to a validated submission: a CSV of species sets (Kaggle), or one of ranked species with scores (2020).

A set's line is ``surveyId,predictions`` (2022 and 2023: ``Id,Predicted``), the ids of its species separated by spaces.
A ranked species' line is ``id;species_id;probability;rank``.
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from glc import scores, storage
from glc.errors import DataError
from glc.surveys import SurveyData
from glc.types import Facts

HEADER = ("surveyId", "predictions")
RANKED_HEADER = ["id", "species_id", "probability", "rank"]
MOST_RANKED = 150
"""Species that are ranked for an occurrence: five times the 30 that pass on average by the adaptive measure."""


def write(
    surveys: Iterable[int],
    lists: Iterable[Iterable[int]],
    path: Path,
    *,
    expected: Iterable[int],
    species: Iterable[int],
    header: Sequence[str] = HEADER,
) -> Facts:
    """Write a submission and validate it by reading it back; nothing is left at `path` when it is not valid.

    surveys : (n,) ids; lists : n sequences of species ids, best first
    expected : ids of exactly the test surveys; species : ids that may be predicted
    header : names of the two columns, `glc.editions` knows each edition's
    """
    with storage.atomic_file(path) as scratch:
        with open(scratch, "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(
                [int(survey), " ".join(str(int(s)) for s in chosen)]
                for survey, chosen in zip(surveys, lists, strict=True)
            )
        return validate(scratch, expected=expected, species=species, header=header, name=str(path))


def write_sets(predictions: Path, data: SurveyData, path: Path, header: tuple[str, str]) -> Facts:
    """`write` the test's sets of a predictions folder, for the test surveys and the species of `data`."""
    table = storage.read_table(predictions / "test", "predictions")
    surveys, lists = table["surveyId"].to_pylist(), table["species"].to_pylist()
    return write(surveys, lists, path, header=header, **_known(data))


def write_ranked_scores(scores_folder: Path, data: SurveyData, path: Path) -> Facts:
    """`write_ranked` the test's scores of a scores folder, for the test surveys and the species of `data`."""
    return write_ranked(scores.read(scores_folder / "test"), path, **_known(data))


def _known(data: SurveyData) -> Facts:
    return {"expected": data.places["surveyId"].to_numpy()[data.test], "species": data.species}


def validate(
    path: Path,
    *,
    expected: Iterable[int],
    species: Iterable[int],
    header: Sequence[str] = HEADER,
    name: str | None = None,
) -> Facts:
    """Check a submission file; return its facts (surveys, mean, smallest and largest set), or raise a DataError.

    The first line that is wrong is named: header, survey ids (missing, unknown, twice), species ids (not integral,
    twice in a set, unknown to the training data), empty sets.
    """
    name = name or str(path)
    wanted = {int(i) for i in expected}
    known = {int(i) for i in species}
    sizes, seen = [], set()
    with open(path, newline="") as file:
        reader = csv.reader(file)
        fields = next(reader, None)
        if fields != list(header):
            raise DataError(f"{name}: header is {fields}, expected {','.join(header)}")
        id_column, set_column = header
        for line, row in enumerate(reader, start=2):
            where = f"{name}: line {line}"
            if len(row) != 2:
                raise DataError(f"{where}: {len(row)} fields, expected 2")
            survey = _integer(row[0], f"{where}: column {id_column}")
            if survey in seen:
                raise DataError(f"{where}: {id_column} {survey} appears twice")
            if survey not in wanted:
                raise DataError(f"{where}: {id_column} {survey} is not a test survey")
            seen.add(survey)
            chosen = [_integer(text, f"{where}: column {set_column}") for text in row[1].split()]
            if not chosen:
                raise DataError(f"{where}: column {set_column} is empty; predict at least one species")
            if len(set(chosen)) < len(chosen):
                raise DataError(f"{where}: column {set_column} names a species twice")
            unknown = set(chosen) - known
            if unknown:
                raise DataError(
                    f"{where}: column {set_column} has species {min(unknown)}, unknown to the training data"
                )
            sizes.append(len(chosen))
    missing = wanted - seen
    if missing:
        raise DataError(f"{name}: {len(missing)} test surveys are missing, {min(missing)} among them")
    return _facts(np.array(sizes, int))


def write_ranked(ranked: scores.Scores, path: Path, *, expected: np.ndarray, species: np.ndarray) -> Facts:
    """Write the best `MOST_RANKED` species of each test occurrence with their scores, and validate what was written.

    ranked : `glc.scores.Scores` of the test; species without a positive score are left out
    expected, species : as of `write`; nothing is left at `path` when the submission is not valid

    The contest's own page is no longer to be had. LifeCLEF 2020's run files are semicolon-separated, one prediction a
    line: occurrence, class, probability, and the rank, which tells equal probabilities apart. Here a header names
    the columns as the occurrence files do.
    """
    matrix = ranked.matrix.tocsr()
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((matrix.indices, -matrix.data, row))
    rank = np.arange(len(order)) - matrix.indptr[row] + 1
    kept = (rank <= MOST_RANKED) & (matrix.data[order] > 0)
    order, rank = order[kept], rank[kept]
    columns = (ranked.surveys[row[order]], ranked.species[matrix.indices[order]], matrix.data[order], rank)
    table = pa.table(dict(zip(RANKED_HEADER, columns, strict=True)))
    with storage.atomic_file(path) as scratch:
        with open(scratch, "wb") as file:  # pyarrow would quote the header
            file.write((";".join(RANKED_HEADER) + "\n").encode())
            pa_csv.write_csv(table, file, pa_csv.WriteOptions(include_header=False, delimiter=";"))
        return validate_ranked(scratch, expected=expected, species=species, name=str(path))


def validate_ranked(path: Path, *, expected: np.ndarray, species: np.ndarray, name: str | None = None) -> Facts:
    """Check a ranked submission; return its facts (surveys, mean, smallest and largest list), or raise a DataError.

    The first line that is wrong is named: header, ids (missing, unknown), species (unknown to the training data, twice
    for an occurrence), probabilities (not a number above 0, rising with the rank), ranks (not 1, 2, ... `MOST_RANKED`).
    """
    name = name or str(path)
    with open(path) as file:
        header = file.readline().rstrip("\n")
    if header != ";".join(RANKED_HEADER):
        raise DataError(f"{name}: header is {header!r}, expected {';'.join(RANKED_HEADER)}")
    types = dict(zip(RANKED_HEADER, (pa.int64(), pa.int64(), pa.float64(), pa.int64()), strict=True))
    try:
        table = pa_csv.read_csv(
            path,
            pa_csv.ReadOptions(use_threads=False),  # only then does it tell the line
            parse_options=pa_csv.ParseOptions(delimiter=";", ignore_empty_lines=False),
            convert_options=pa_csv.ConvertOptions(column_types=types, null_values=[]),
        )
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{name}: {error} (row 1 is the header); expected an id, a species, a number and a rank"
        ) from None
    survey, chosen, probability, rank = (table[column].to_numpy() for column in RANKED_HEADER)
    order = np.lexsort((rank, survey))
    follows = np.zeros(len(order), bool)  # whether a line continues the occurrence of the one before, in this order
    follows[1:] = survey[order][1:] == survey[order][:-1]
    place = np.arange(len(order)) - np.maximum.accumulate(np.where(follows, 0, np.arange(len(order)))) + 1
    before = np.concatenate([[np.inf], probability[order][:-1]])
    pairs = np.lexsort((chosen, survey))
    twice = np.zeros(len(order), bool)
    twice[pairs[1:]] = (survey[pairs][1:] == survey[pairs][:-1]) & (chosen[pairs][1:] == chosen[pairs][:-1])
    rising, misplaced = np.zeros((2, len(order)), bool)
    rising[order] = follows & (probability[order] > before)
    misplaced[order] = rank[order] != place
    rules = (
        (~np.isin(survey, expected), survey, "id {} is not a test occurrence"),
        (~np.isin(chosen, species), chosen, "species_id {} is unknown to the training data"),
        (twice, chosen, "species_id {} appears twice for its occurrence"),
        (~(np.isfinite(probability) & (probability > 0)), probability, "probability is {}, expected a number above 0"),
        (misplaced, rank, "rank is {}, expected 1, 2, 3 and so on, each once for an occurrence"),
        (rising, probability, "probability {} is higher than that of a better rank"),
        (rank > MOST_RANKED, rank, f"rank is {{}}, expected at most {MOST_RANKED}"),
    )
    for bad, values, message in rules:
        if bad.any():
            line = int(bad.argmax())
            raise DataError(f"{name}: line {line + 2}: {message.format(values[line])}")
    missing = np.setdiff1d(expected, survey)
    if len(missing):
        raise DataError(f"{name}: {len(missing)} test occurrences are missing, {missing[0]} among them")
    return _facts(np.unique(survey, return_counts=True)[1])


def _facts(sizes):
    mean, smallest, largest = (sizes.mean(), sizes.min(), sizes.max()) if len(sizes) else (0, 0, 0)
    return {"surveys": len(sizes), "mean_size": float(mean), "smallest": int(smallest), "largest": int(largest)}


def _integer(text, where):
    try:
        return int(text)
    except ValueError:
        raise DataError(f"{where}: found {text!r}, expected an integer") from None
