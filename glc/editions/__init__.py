"""What a competition year is: its files, their columns, what it trains and tests on. One module per edition.

``recognise(folder)`` finds the edition that a folder's files belong to; ``check(dataset)`` refuses unusable files from
their headers, before anything slow starts.
"""

from glc.editions._base import Dataset, Edition, Table, check, header, recognise

__all__ = ["Dataset", "Edition", "Table", "check", "header", "recognise"]
