"""Patches that a broken archive has spoilt: what the authors of run 4 of 2020 had to predict with (Deneu et al. 2020).

A damaged patch is whole down to a row drawn for its survey, and 0 below, as of a file that was cut off.
"""

import numpy as np

from glc import schema
from glc.errors import ConfigError


class Damaged:
    """`glc.nets.inputs.features.Features` with the pixels of some surveys damaged; used in prediction alone.

    features : what is damaged; keys : (k, 2) int64, number of the dataset and surveyId of the surveys
    """

    def __init__(self, features, keys):
        self.features, self.layouts = features, features.layouts
        self.keys = {tuple(pair) for pair in keys.tolist()}

    def of(self, dataset, survey):
        """As `Features.of`."""
        imagery = self.features.of(dataset, survey)
        for row, key in enumerate(zip(np.asarray(dataset).tolist(), np.asarray(survey).tolist(), strict=True)):
            if key in self.keys:
                share = np.random.default_rng(key).random()
                for name, layout in self.layouts.items():
                    if layout.kind == "pixels":
                        lost = imagery[name][row, :, int(share * layout.rows) :]
                        lost[~lost.isnan()] = 0  # what a survey does not have stays missing
        return imagery


def chosen(data, country, share, seed=0):
    """Keys of a share of all surveys of a country, (k, 2) int64; a ConfigError tells of one without any."""
    rows = np.flatnonzero((data.places["country"] == country).to_numpy())
    if not len(rows):
        known = sorted(set(data.places["country"].dropna()))
        raise ConfigError(f"predict.damaged_country: found {country!r}, expected one of: {', '.join(known)}")
    rows = np.random.default_rng(seed).permutation(rows)[: round(share * len(rows))]
    places = data.places.iloc[rows]
    return np.column_stack([schema.dataset_numbers(places["dataset"]), places["surveyId"]]).astype(np.int64)
