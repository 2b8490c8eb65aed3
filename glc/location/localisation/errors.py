"""Geo-localisation from imagery and a pair of encoders: errors of held-out tiles, and the best places of one tile."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from glc import storage
from glc.location.localisation import gallery, search
from glc.training.lightning import torch_threads
from glc.types import Facts


@dataclass(frozen=True)
class Errors:
    """How far from the truth tiles are placed.

    queries : frame of `search.results`, one row per query (and another where refined), with the column ``queries``
    metrics : frame of `search.metrics`
    gallery : (lon, lat), (n,) degrees each, of the places that tiles are matched with
    land : (n,) bool, gallery places on land
    spacing_km : mean distance of neighbouring gallery places
    facts : for the manifest
    """

    queries: pd.DataFrame
    metrics: pd.DataFrame
    gallery: tuple[np.ndarray, np.ndarray]
    land: np.ndarray
    spacing_km: float
    facts: Facts

    @property
    def gallery_on_land(self) -> list[np.ndarray]:
        """(lon, lat) of the gallery's places on land."""
        return [degrees[self.land] for degrees in self.gallery]

    def save(self, out: Path) -> None:
        """Write ``queries.parquet``, ``metrics.csv`` and ``gallery.parquet``."""
        self.queries.to_parquet(out / "queries.parquet", index=False)
        self.metrics.to_csv(out / "metrics.csv", index=False)
        pd.DataFrame(dict(zip(("lon", "lat"), self.gallery, strict=True))).to_parquet(
            out / "gallery.parquet", index=False
        )


@dataclass(frozen=True)
class Located:
    """The best places for one tile.

    best : frame of `search.ranked`
    held_out : whether the tile lies in a square that the pre-training did not see
    gallery_on_land : (lon, lat) of the gallery's places on land
    title : of a picture
    """

    best: pd.DataFrame
    held_out: bool
    gallery_on_land: list[np.ndarray]
    title: str


Stage = Callable[[str, float], contextlib.AbstractContextManager[None]]


def localise(
    imagery: str | Path,
    checkpoint: Path,
    *,
    gallery_size: int,
    on_sphere: bool,
    count: int,
    best: int,
    refined: bool,
    threads: int | None,
    stage: Stage,
) -> Errors:
    """Match tiles of held-out places, and of places trained on, with a gallery of coordinates.

    imagery : the raster of the pre-training
    checkpoint : its location encoder, with the image encoder next to it
    gallery_size : places that a tile is matched with, on land or, `on_sphere`, everywhere
    count : queries of either kind
    best : candidates per query
    refined : climb from the candidates too
    threads : of torch; 0 or None: all
    stage : context manager of a stage's name and the share of the work that is done before it, percent
    """
    pair, frames = search.Pair.load(checkpoint), []
    with torch_threads(threads):
        with stage("cutting tiles", 5):
            asked, squares, lost = search.queries(imagery, pair, count)
        with stage("embedding the gallery", 20):
            land = search.on_land(pair.stack(imagery), pair.options)
            at = gallery.spiral(gallery_size, None if on_sphere else land)
            vectors, spacing = pair.location.embed(*at, progress=True), gallery.spacing_km(*at)
        for kind, queries in asked.items():
            with stage(f"searching, {kind}", 40):
                images = pair.image.embed(queries.tiles)
                candidates = search.search(images, vectors, *at, best)
                frames.append(search.results(queries, candidates, at, False).assign(queries=kind))
            if refined:
                with stage(f"refining, {kind}", 60):
                    candidates = search.refine(pair.location, images, candidates, spacing)
                    frames.append(search.results(queries, candidates, at, True).assign(queries=kind))
    frame = pd.concat(frames, ignore_index=True)
    facts = {"held_out_squares": squares.tolist(), "lost": lost, "gallery_spacing_km": spacing}
    metrics = search.metrics(frame, at, pair.options.holdout_deg)
    return Errors(frame, metrics, at, land(*at), spacing, facts)


def locate(
    imagery: str | Path,
    checkpoint: Path,
    errors: Path,
    place: tuple[float, float],
    *,
    best: int,
    refined: bool,
    threads: int | None,
) -> Located:
    """The best places for the tile at `place` (lon, lat), degrees, among the gallery of the folder `errors`.

    The other parameters are those of `localise`.
    """
    facts, pair = storage.manifest(errors), search.Pair.load(checkpoint)
    stack, at = pair.stack(imagery), pd.read_parquet(errors / "gallery.parquet").to_numpy().T
    with torch_threads(threads):
        images = pair.image.embed(search.tile(stack, *place))
        candidates = search.search(images, pair.location.embed(*at), *at, best, progress=False)
        if refined:
            candidates = search.refine(pair.location, images, candidates, facts["gallery_spacing_km"], progress=False)
    ranked = search.ranked(place, candidates)
    held_out = int(pair.square(*([degrees] for degrees in place))[0]) in facts["held_out_squares"]
    land = search.on_land(stack, pair.options)(*at)
    title = (
        f"The {len(ranked)} best of {at.shape[1]:,} places{', refined' if refined else ''}; "
        f"{'in a held-out square' if held_out else 'not held out'}"
    )
    return Located(ranked, held_out, [degrees[land] for degrees in at], title)
