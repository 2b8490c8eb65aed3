"""Predictions to a validated submission: a CSV of species sets (Kaggle), or one of ranked species with scores (2020).

A set's line is ``surveyId,predictions`` (2022 and 2023: ``Id,Predicted``), the ids of its species separated by spaces.
A ranked species' line is ``id;species_id;probability;rank``. The surveys are exactly those of the test file, their ids
as it writes them; those that could not be read get the most frequent species of the training data.
"""

import csv
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from glc import editions, scores, storage
from glc.errors import DataError
from glc.surveys import SurveyData
from glc.types import Facts

log = logging.getLogger(__name__)

HEADER = ("surveyId", "predictions")
RANKED_HEADER = ["id", "species_id", "probability", "rank"]
FREQUENT = 25
"""Species of a test survey that could not be read."""
MOST_RANKED = 150
"""Species that are ranked for an occurrence: five times the 30 that pass on average by the adaptive measure."""


@dataclass(frozen=True)
class Expected:
    """What a submission has to hold.

    ids : (n,) text, the test surveys as the test file names them, in its order
    surveys : (n,) text, their ids as the tables have them; empty for surveys that could not be read
    species : (m,) ids that may be predicted
    frequent : (`FREQUENT`,) ids of the most frequent species of the training surveys, the commonest first
    shares : (`FREQUENT`,) share of the training surveys that has each of them
    """

    ids: Sequence[str]
    surveys: Sequence[str]
    species: np.ndarray
    frequent: np.ndarray
    shares: np.ndarray

    @property
    def unread(self) -> list[str]:
        """Ids of the test surveys that could not be read."""
        return [name for name, survey in zip(self.ids, self.surveys, strict=True) if not survey]


def expected(
    test_ids: Sequence[str], data: SurveyData, split: str = "test", names: Mapping[int, str] | None = None
) -> Expected:
    """What a submission for `data` has to hold.

    test_ids : ids of the dataset's own test, as its file writes them; a held-out test has those of its surveys
    split : which of ``data.tests``
    names : surveyId -> id as the files write it, where that is text
    """
    known = [str(survey) for survey in data.places["surveyId"].to_numpy()[data.test[data.tests[split]]]]
    ids = known if data.held_out else list(test_ids)
    if names is None:
        plain = [editions.plain_id(name) for name in ids]
    else:
        ids = [names[int(survey)] for survey in ids] if data.held_out else ids
        numbers = {name: str(survey) for survey, name in names.items()}
        plain = [numbers.get(name, "") for name in ids]
    read = set(known)
    labels_of_training = data.labels_of(data.train())
    counts = np.asarray(labels_of_training.sum(axis=0)).ravel()
    best = np.lexsort((data.species, -counts))[:FREQUENT]
    best = best[counts[best] > 0]
    shares = counts[best] / max(labels_of_training.shape[0], 1)
    surveys = [survey if survey in read else "" for survey in plain]
    return Expected(ids, surveys, data.species, data.species[best], shares)


def write_sets(
    surveys: Iterable[int],
    lists: Iterable[Iterable[int]],
    path: Path,
    wanted: Expected,
    header: Sequence[str] = HEADER,
    empty: bool = False,
) -> Facts:
    """Write a submission of sets and validate it by reading it back; nothing is left at `path` when it is not valid.

    surveys : (n,) ids; lists : n sequences of species ids, best first
    wanted : what it has to hold; a test survey without a prediction gets the most frequent species
    header : names of the two columns, `glc.editions` knows each edition's
    empty : whether an empty set has an empty cell; a contest refuses that, and the most frequent species replaces it
    returns : the facts of `validate`
    """
    own = dict(zip(map(str, surveys), lists, strict=True))
    pairs, filled = _in_order(own, wanted, path), 0
    with storage.atomic_file(path) as scratch:
        with open(scratch, "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            for name, survey in pairs.itertuples(index=False):
                chosen = own[survey] if survey else wanted.frequent
                if not len(chosen) and not empty:
                    chosen, filled = wanted.frequent[:1], filled + 1
                writer.writerow([name, " ".join(str(int(species)) for species in chosen)])
        if filled:
            log.warning(
                "%d of %d sets are empty and have the most frequent species in the submission, as the contest takes no "
                "empty cell",
                filled, len(pairs),
            )  # fmt: skip
        return validate(
            scratch, expected=wanted.ids, species=wanted.species, header=header, name=str(path), empty=empty
        )


def _in_order(surveys: Iterable[str], wanted: Expected, path: Path) -> pd.DataFrame:
    """Frame (name, survey): the test file's ids of the predicted `surveys` in their order, then of those not read."""
    names: dict[str, list[str]] = {}
    for name, survey in zip(wanted.ids, wanted.surveys, strict=True):
        names.setdefault(survey, []).append(name)
    surveys = list(surveys)
    unknown = [survey for survey in surveys if survey not in names]
    if unknown:
        raise DataError(f"{path}: there is a prediction for {unknown[0]}, which is not a test survey")
    pairs = [(name, survey) for survey in [*surveys, ""] for name in names.get(survey, ())]
    return pd.DataFrame(pairs, columns=["name", "survey"])


def validate(
    path: Path,
    *,
    expected: Iterable[str],
    species: Iterable[int],
    header: Sequence[str] = HEADER,
    name: str | None = None,
    empty: bool = False,
) -> Facts:
    """Check a submission file; return its facts (surveys, mean, smallest and largest set), or raise a DataError.

    expected : ids of exactly the test surveys, as text; species : ids that may be predicted
    empty : whether sets may be empty
    The first line that is wrong is named: header, survey ids (missing, unknown, twice), species ids (not integral,
    twice in a set, unknown to the training data), empty sets.
    """
    name = name or str(path)
    wanted = set(expected)
    known = {int(i) for i in species}
    sizes: list[int] = []
    seen: set[str] = set()
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
            survey = row[0]
            if survey in seen:
                raise DataError(f"{where}: {id_column} {survey} appears twice")
            if survey not in wanted:
                raise DataError(f"{where}: {id_column} {survey} is not a test survey")
            seen.add(survey)
            chosen = [_integer(text, f"{where}: column {set_column}") for text in row[1].split()]
            if not chosen and not empty:
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


def write_ranked(ranked: scores.Scores, path: Path, wanted: Expected) -> Facts:
    """Write the best `MOST_RANKED` species of each test occurrence with their scores, and validate what was written.

    ranked : `glc.scores.Scores` of the test; species without a positive score are left out
    wanted : what it has to hold; an occurrence without scores gets the most frequent species with their shares
    returns : the facts of `validate_ranked`; nothing is left at `path` when the submission is not valid

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
    surveys = np.array([str(survey) for survey in ranked.surveys], object)
    pairs = _in_order(surveys, wanted, path)
    columns = (surveys[row[order]], ranked.species[matrix.indices[order]], matrix.data[order], rank)
    own = pd.DataFrame(dict(zip(["survey", *RANKED_HEADER[1:]], columns, strict=True)))
    frequent = pd.DataFrame(
        {"survey": "", "species_id": wanted.frequent, "probability": wanted.shares.astype(matrix.dtype)}
    )
    frequent["rank"] = np.arange(len(frequent)) + 1
    lists = [own, frequent] if wanted.unread else [own]
    frame = pairs.merge(pd.concat(lists), on="survey", sort=False).rename(columns={"name": "id"})[RANKED_HEADER]
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with storage.atomic_file(path) as scratch:
        with open(scratch, "wb") as file:  # pyarrow would quote the header
            file.write((";".join(RANKED_HEADER) + "\n").encode())
            pa_csv.write_csv(
                table, file, pa_csv.WriteOptions(include_header=False, delimiter=";", quoting_style="none")
            )
        return validate_ranked(scratch, expected=wanted.ids, species=wanted.species, name=str(path))


def validate_ranked(path: Path, *, expected: Sequence[str], species: np.ndarray, name: str | None = None) -> Facts:
    """Check a ranked submission; return its facts (surveys, mean, smallest and largest list), or raise a DataError.

    expected : ids of exactly the test occurrences, as text; species : ids that may be predicted
    The first line that is wrong is named: header, ids (missing, unknown), species (unknown to the training data, twice
    for an occurrence), probabilities (not a number above 0, rising with the rank), ranks (not 1, 2, ... `MOST_RANKED`).
    """
    name = name or str(path)
    with open(path) as file:
        header = file.readline().rstrip("\n")
    if header != ";".join(RANKED_HEADER):
        raise DataError(f"{name}: header is {header!r}, expected {';'.join(RANKED_HEADER)}")
    types = dict(zip(RANKED_HEADER, (pa.string(), pa.int64(), pa.float64(), pa.int64()), strict=True))
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
    _, chosen, probability, rank = (table[column].to_numpy() for column in RANKED_HEADER)
    survey, names = pd.factorize(table["id"].to_pandas())
    known = np.isin(names, list(expected))
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
        (~known[survey], names[survey], "id {} is not a test occurrence"),
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
    missing = set(expected) - set(names)
    if missing:
        raise DataError(f"{name}: {len(missing)} test occurrences are missing, {min(missing)} among them")
    return _facts(np.unique(survey, return_counts=True)[1])


def _facts(sizes):
    mean, smallest, largest = (sizes.mean(), sizes.min(), sizes.max()) if len(sizes) else (0, 0, 0)
    return {"surveys": len(sizes), "mean_size": float(mean), "smallest": int(smallest), "largest": int(largest)}


def _integer(text, where):
    try:
        return int(text)
    except ValueError:
        raise DataError(f"{where}: found {text!r}, expected an integer") from None
