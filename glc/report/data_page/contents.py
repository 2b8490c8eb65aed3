"""What the survey tables of a dataset contain, counted batch by batch, and a random sample of their surveys."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.compute as pc
import pyarrow.dataset

from glc import storage
from glc.types import Facts, StrPath

SAMPLE, GRAPH_MOST = 40_000, 200_000
"""Surveys of a dataset on a map; most surveys of which a graph is made."""
CANDIDATES = 40
"""Surveys of each dataset among which the one shown is chosen."""
LEAST = 20
"""Surveys that a group which is shown has at least."""
PLACE = ("dataset", "surveyId", "lon", "lat", "crs", "year", "country", "region", "geoUncertaintyInM", "areaInM2")
"""Columns of the surveys table that say where, when and how a survey was made."""


@dataclass
class Part:
    """What is counted of a dataset's part, such as po.

    surveys : number of surveys; occurrences : of (survey, species)
    species : species -> its surveys; sizes : number of species -> surveys that have as many
    sample : frame of places and metadata, and `species` (lists), a random part of the surveys
    nodes : of the training and test surveys all places, unless they are more than `GRAPH_MOST`; else None
    """

    surveys: int
    occurrences: int
    species: Counter[int]
    sizes: Counter[int]
    sample: pd.DataFrame
    nodes: pd.DataFrame | None


@dataclass(frozen=True)
class Contents:
    """What the page shows of the survey tables; manifest : of `glc.storage`."""

    manifest: Facts
    parts: dict[str, Part]

    def role(self, name: str) -> Part | None:
        """The part that the edition trains ('train') or tests ('test') on, if it has surveys."""
        return self.parts.get(self.manifest[name])


def scan(surveys: StrPath, survey: int | None = None, seed: int = 0) -> Contents:
    """Count and sample the survey tables of a finished output, batch by batch; the survey `survey` is in the sample."""
    manifest = storage.manifest(surveys)
    sizes = {name: counts["surveys"] for name, counts in manifest["datasets"].items() if counts.get("surveys")}
    rng = np.random.default_rng(seed)
    whole = {manifest[role] for role in ("train", "test")}
    parts: dict[str, Part] = {}
    samples: dict[str, list[pd.DataFrame]] = {name: [] for name in sizes}
    nodes: dict[str, list[pd.DataFrame]] = {name: [] for name in sizes if name in whole and sizes[name] <= GRAPH_MOST}
    table = pyarrow.dataset.dataset(Path(surveys) / "surveys", format="parquet")
    for batch in table.to_batches(columns=[*PLACE, "species"]):
        names = batch["dataset"].to_numpy(zero_copy_only=False)
        for name in dict.fromkeys(names):
            rows = batch.filter(pc.equal(batch["dataset"], name))
            part = parts.setdefault(name, Part(0, 0, Counter(), Counter(), pd.DataFrame(), None))
            lengths = pc.fill_null(pc.list_value_length(rows["species"]), 0).to_numpy(zero_copy_only=False)
            part.surveys += rows.num_rows
            part.occurrences += int(lengths.sum())
            for counter, numbers in ((part.species, rows["species"].flatten().to_numpy()), (part.sizes, lengths)):
                counter.update(dict(zip(*(x.tolist() for x in np.unique(numbers, return_counts=True)), strict=True)))
            if name in nodes:
                nodes[name].append(rows.select(PLACE).to_pandas())
            taken = rng.random(rows.num_rows) < SAMPLE / max(sizes.get(name, 1), 1)
            if survey is not None:
                taken |= rows["surveyId"].to_numpy() == survey
            samples[name].append(rows.filter(pyarrow.array(taken)).to_pandas())
    for name, part in parts.items():
        part.sample = pd.concat(samples[name], ignore_index=True)
        part.nodes = pd.concat(nodes[name], ignore_index=True) if name in nodes else None
    order = [manifest["train"], manifest["test"], *sizes]
    return Contents(manifest, {name: parts[name] for name in dict.fromkeys(order) if name in parts})


def candidates(contents: Contents, survey: int | None = None) -> pd.DataFrame:
    """Surveys of which one is shown: of each part a random few, the training surveys first; or those with an id."""
    frames = []
    for part in contents.parts.values():
        few = part.sample.sample(min(CANDIDATES, len(part.sample)), random_state=0)
        frames.append(few if survey is None else part.sample[part.sample["surveyId"] == survey])
    return pd.concat(frames, ignore_index=True)[["dataset", "surveyId", "lon", "lat"]]


def grouping(frame: pd.DataFrame) -> str | None:
    """The column that tells regions apart: region, else country, or None."""
    return next((name for name in ("region", "country") if frame[name].notna().any()), None)
