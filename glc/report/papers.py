"""A paper's figures next to ours: what they were measured on, and whether the two can be compared."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from glc.types import JSON, Facts

AS_PUBLISHED, OURS, OTHER_DATA = "as published", "ours", "other data"
"""Words of the columns ``setting`` and ``compared``."""
LEADERBOARD = ("public", "private")
"""Columns of scores that the contest measured on its own test."""
SAME_SIZE = 0.03
"""Share by which the number of training surveys may differ from the paper's: some are quarantined."""
CLOSE = 0.05
"""Largest difference of a figure that is CLOSE, as a share of the paper's."""
LEGEND = (
    "compared: MATCH, the paper's figure lies in our 95 % interval; CLOSE, ours is within 5 % of it; else DIFFERS. "
    "Only figures of the paper's data and split are compared; all others are of *other data*."
)


@dataclass(frozen=True)
class Paper:
    """What the figures of a paper's table were measured on; ours are compared with them on the same alone.

    name : as the descriptions of its experiments name it
    data, split, score : as the table prints them
    editions : names of the editions (`glc.editions`) that have these data
    surveys : training surveys of these data (occurrences, where each is a survey)
    validation : keys of [validation] and their values, which make the paper's split; empty: its surveys are not ours
    """

    name: str
    data: str
    split: str
    score: str
    editions: Sequence[str] = ()
    surveys: int = 0
    validation: Mapping[str, JSON] = field(default_factory=dict)

    def has_data(self, edition: str, surveys: int) -> bool:
        """Whether a dataset of an edition with so many training surveys is the paper's."""
        return edition in self.editions and abs(surveys - self.surveys) <= SAME_SIZE * self.surveys

    def has_split(self, validation: Mapping[str, JSON]) -> bool:
        """Whether the settings of [validation] split the training surveys as the paper does."""
        return bool(self.validation) and not self.other_split(validation)

    def other_split(self, validation: Mapping[str, JSON]) -> str:
        """The settings of [validation] that are not the paper's, as text; empty if all are."""
        return ", ".join(
            f"validation.{key} {validation[key]} (published: {value})"
            for key, value in self.validation.items()
            if validation[key] != value
        )


@dataclass(frozen=True)
class Reported:
    """What a paper reports of a row.

    text : its figures as printed
    values : column of our table -> the paper's figure that is comparable with it
    """

    text: str
    values: Mapping[str, float] = field(default_factory=dict)


def verdict(paper: float, ours: float, low: float = math.nan, high: float = math.nan) -> str:
    """MATCH, CLOSE or DIFFERS: a paper's figure compared with ours and its 95 % interval (NaN if there is none)."""
    if low <= paper <= high:
        return "MATCH"
    return "CLOSE" if abs(ours - paper) <= CLOSE * abs(paper) * (1 + 1e-9) else "DIFFERS"


def compare(reported: Reported, ours: Facts, intervals: Mapping[str, tuple[float, float]], *, same_data: bool) -> str:
    """The cell that says how a row's figures compare with the paper's; empty if the paper has no figure of it.

    ours : column -> our figure, of the columns that are of the paper's data and split; None or NaN if there is none
    intervals : column -> its 95 % interval
    same_data : whether the dataset is the paper's
    """
    if not reported.text or (same_data and not reported.values):
        return ""
    verdicts = {}
    for column, figure in reported.values.items():
        own = ours.get(column)
        if same_data and own is not None and own == own:
            verdicts[column] = verdict(figure, own, *intervals.get(column, (math.nan, math.nan)))
    if len(reported.values) == 1:
        return "".join(verdicts.values()) or OTHER_DATA
    return ", ".join(f"{column} {text}" for column, text in verdicts.items()) or OTHER_DATA
