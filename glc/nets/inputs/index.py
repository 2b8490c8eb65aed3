"""Where surveys are in a table."""

import numpy as np


class Index:
    """Rows of (dataset, survey) pairs; -1 for a pair that is not there."""

    def __init__(self, pairs):
        order = np.lexsort((pairs[:, 1], pairs[:, 0]))
        self._parts = {}
        for number in np.unique(pairs[:, 0]):
            rows = order[pairs[order, 0] == number]
            self._parts[int(number)] = (pairs[rows, 1], rows)

    def __call__(self, dataset, survey):
        rows = np.full(len(survey), -1, np.int64)
        for number, (ids, at) in self._parts.items():
            mine = np.flatnonzero(dataset == number)
            place = np.minimum(np.searchsorted(ids, survey[mine]), len(ids) - 1)
            rows[mine] = np.where(ids[place] == survey[mine], at[place], -1)
        return rows
