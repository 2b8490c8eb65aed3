"""What a competition year, or one's own data, is: its files, their columns, what it trains and tests on.

One module per edition.

``recognise(folder)`` finds the edition that a folder's files belong to; ``check(dataset)`` refuses unusable files from
their headers and first rows, before anything slow starts.
"""

from glc.editions._base import ABSENT, EMPTY, FAULT, Contest, Dataset, Edition, Rules, Table, recognise
from glc.editions._check import check, header, test_ids
from glc.editions._odd import Oddity
from glc.editions._sample import coordinates
from glc.editions._source import PLAIN, Lines, Source
from glc.editions._text import MOST_FIELDS, Encoding, encoding, plain_id

__all__ = [
    "ABSENT",
    "EMPTY",
    "FAULT",
    "MOST_FIELDS",
    "PLAIN",
    "Contest",
    "Dataset",
    "Edition",
    "Encoding",
    "Lines",
    "Oddity",
    "Rules",
    "Source",
    "Table",
    "check",
    "coordinates",
    "encoding",
    "header",
    "plain_id",
    "recognise",
    "test_ids",
]
