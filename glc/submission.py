"""Species sets to a validated Kaggle CSV: ``surveyId,predictions``, the ids of a set separated by spaces."""

import csv

import numpy as np

from glc import storage
from glc.errors import DataError

HEADER = ["surveyId", "predictions"]


def write(surveys, lists, path, *, expected, species):
    """Write a submission and validate it by reading it back; nothing is left at `path` when it is not valid.

    surveys : (n,) ids; lists : n sequences of species ids, best first
    expected : ids of exactly the test surveys; species : ids that may be predicted
    """
    with storage.atomic_file(path) as scratch:
        with open(scratch, "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(HEADER)
            writer.writerows(
                [int(survey), " ".join(str(int(s)) for s in chosen)]
                for survey, chosen in zip(surveys, lists, strict=True)
            )
        return validate(scratch, expected=expected, species=species, name=str(path))


def validate(path, *, expected, species, name=None):
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
        header = next(reader, None)
        if header != HEADER:
            raise DataError(f"{name}: header is {header}, expected {','.join(HEADER)}")
        for line, row in enumerate(reader, start=2):
            where = f"{name}: line {line}"
            if len(row) != 2:
                raise DataError(f"{where}: {len(row)} fields, expected 2")
            survey = _integer(row[0], f"{where}: column surveyId")
            if survey in seen:
                raise DataError(f"{where}: surveyId {survey} stands twice")
            if survey not in wanted:
                raise DataError(f"{where}: surveyId {survey} is not a test survey")
            seen.add(survey)
            chosen = [_integer(text, f"{where}: column predictions") for text in row[1].split()]
            if not chosen:
                raise DataError(f"{where}: column predictions is empty; predict at least one species")
            if len(set(chosen)) < len(chosen):
                raise DataError(f"{where}: column predictions names a species twice")
            unknown = set(chosen) - known
            if unknown:
                raise DataError(f"{where}: column predictions has species {min(unknown)}, unknown to the training data")
            sizes.append(len(chosen))
    missing = wanted - seen
    if missing:
        raise DataError(f"{name}: {len(missing)} test surveys are missing, {min(missing)} among them")
    return {
        "surveys": len(sizes),
        "mean_size": float(np.mean(sizes)) if sizes else 0.0,
        "smallest": min(sizes, default=0),
        "largest": max(sizes, default=0),
    }


def _integer(text, where):
    try:
        return int(text)
    except ValueError:
        raise DataError(f"{where}: found {text!r}, expected an integer") from None
