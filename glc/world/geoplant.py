"""The survey files of the virtual world in GeoPlant's layout: three tests, two of them with labels.

``iid`` are surveys among the training surveys, with labels in their own file; ``ood`` and ``glc25`` are in blocks
without any, the labels of ``ood`` in ``test_labels.csv``, those of ``glc25`` nowhere. Some surveys of ``ood`` and
``glc25`` are called as some of ``iid``: ids tell surveys apart within a test only.
"""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from glc.world import metadata, places, species
from glc.world.fields import generator

if TYPE_CHECKING:
    from glc.world import GeoPlantWorld

TRAIN = "PresenceAbsenceSurveys/PA_metadata_train.csv"
TEST = "PresenceAbsenceSurveys/PA_metadata_test_{}.csv"
LABELS = "PresenceAbsenceSurveys/test_labels.csv"
PO = "PresenceOnlyOccurrences/PO_metadata_train.csv"
SAME_IDS = 5
"""Surveys of ``ood`` and of ``glc25`` that are called as some of ``iid``."""

_PLACE = ["surveyId", "lon", "lat", "geoUncertaintyInM", "areaInM2", "year", "country", "region"]


def write(world: "GeoPlantWorld", folder: Path) -> None:
    """Write the CSVs of training surveys, tests, labels and presence-only occurrences below `folder`."""
    train, test = places.pa(world)
    niches = species.niches(world)
    own = surveys(world)
    rows, species_ids, limit = metadata.presences(world, train, niches)
    frame = train.iloc[rows].assign(speciesId=species_ids)
    for name, mine in (("train", own["pa_train"]), ("iid", own["pa_test_iid"])):
        part = frame[frame["surveyId"].isin(mine["surveyId"])]
        path = TRAIN if name == "train" else TEST.format(name)
        metadata.save(part[[*_PLACE, "speciesId"]], folder / path)
    rows, species_ids = metadata.test_presences(world, test, niches, limit)
    ood = rows < len(own["pa_test_ood"])
    labels = {"surveyId": own["pa_test_ood"]["surveyId"].to_numpy()[rows[ood]], "speciesId": species_ids[ood]}
    metadata.save(pd.DataFrame(labels), folder / LABELS, whole=("surveyId", "speciesId"))
    for name in ("ood", "glc25"):
        metadata.save(own[f"pa_test_{name}"][_PLACE], folder / TEST.format(name))
    po = places.po(world)
    rows, species_ids = metadata.po_records(world, po, niches)
    columns = ["surveyId", "lon", "lat", "geoUncertaintyInM", "year", "country", "speciesId"]
    metadata.save(po.iloc[rows].assign(speciesId=species_ids)[columns], folder / PO)


@lru_cache(maxsize=2)
def surveys(world: "GeoPlantWorld") -> dict[str, pd.DataFrame]:
    """The presence-absence surveys of each dataset, frames as of `glc.world.places.pa`. Do not change them."""
    train, test = places.pa(world)
    rng = generator(world.seed, "geoplant")
    among = np.zeros(len(train), bool)
    among[rng.choice(len(train), world.n_iid, replace=False)] = True
    iid, half = train[among].reset_index(drop=True), len(test) // 2
    ood, glc25 = test[:half].reset_index(drop=True), test[half:].reset_index(drop=True)
    for number, frame in enumerate((ood, glc25)):
        same = iid["surveyId"].to_numpy()[number * SAME_IDS : (number + 1) * SAME_IDS]
        frame.loc[: len(same) - 1, "surveyId"] = same
    return {
        "pa_train": train[~among].reset_index(drop=True),
        "pa_test_iid": iid,
        "pa_test_ood": ood,
        "pa_test_glc25": glc25,
    }
