"""An examples table as arrays in memory, read by pyarrow; a batch is gathered from them."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch

from glc.errors import DataError


class Kept:
    """The rows of an examples table in the order of files and rows.

    Species lists are kept one behind the other, at their own lengths: of millions of presence-only surveys with a
    species or two that is a hundredth of the padded lists.

    columns : all other tensors by name
    """

    def __init__(self, files: list[Path], columns: list[str], width: int) -> None:
        """Read the files.

        files : parquet files of an examples table
        columns : names, the lists of `species` among them
        width : length to which a batch pads the lists of species
        """
        self.width = width
        numbers: dict[str, list[np.ndarray]] = {name: [] for name in columns if name != "species"}
        species, lengths = [], []
        for path in files:
            file = pq.ParquetFile(path)
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=columns)
                for name, parts in numbers.items():
                    parts.append(table[name].to_numpy())
                for lists in table["species"].chunks:
                    species.append(lists.flatten().to_numpy())
                    lengths.append(lists.value_lengths().to_numpy())
        self.columns = {name: torch.from_numpy(np.concatenate(parts)) for name, parts in numbers.items()}
        self._species = np.concatenate(species).astype(np.int32, copy=False)
        self._starts = np.concatenate([[0], *lengths]).cumsum(dtype=np.int64)
        longest = int(np.diff(self._starts).max(initial=0))
        if longest > width:
            raise DataError(
                f"{files[0].parent}: found a list of {longest} species, expected at most {width}; the table changed "
                "while it was read: run again"
            )

    def __len__(self) -> int:
        return len(self._starts) - 1

    def batch(self, rows: torch.Tensor | slice) -> dict[str, torch.Tensor]:
        """Some rows of the table.

        rows : row numbers, int64, or a slice of them
        returns : tensors by column, `species` (row, width) int32 padded by -1
        """
        numbers = {name: values[rows] for name, values in self.columns.items()}
        chosen = np.arange(*rows.indices(len(self))) if isinstance(rows, slice) else rows.numpy()
        starts = self._starts[chosen]
        lengths = self._starts[chosen + 1] - starts
        ends = lengths.cumsum()
        padded = np.full((len(chosen), self.width), -1, np.int32)
        padded[np.arange(self.width) < lengths[:, None]] = self._species[
            np.repeat(starts - ends + lengths, lengths) + np.arange(ends[-1] if len(ends) else 0)
        ]
        return numbers | {"species": torch.from_numpy(padded)}
