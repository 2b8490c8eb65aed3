"""Geo-localisation from imagery and a pair of encoders: errors of held-out tiles, and the best places of one tile."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from glc import storage
from glc.location.localisation import gallery, search
from glc.location.pretraining import patches
from glc.training.lightning import torch_threads
from glc.types import Facts, StrPath


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
        storage.write_csv(self.metrics, out / "metrics.csv")
        lon, lat = self.gallery
        places = pd.DataFrame({"lon": lon, "lat": lat, "land": self.land})
        places.to_parquet(out / "gallery.parquet", index=False)


@dataclass(frozen=True)
class Located:
    """The best places for one tile.

    best : frame of `search.ranked`
    held_out : whether the tile lies in a square that the pre-training did not see; None: nobody says where it is
    gallery_on_land : (lon, lat) of the gallery's places on land
    title : of a picture
    """

    best: pd.DataFrame
    held_out: bool | None
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

    imagery : the raster of the pre-training, or what `patches.prepare` wrote of its patches
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
            draw = search.queries if pair.source == "raster" else search.patch_queries
            asked, squares, lost = draw(imagery, pair, count)
        with stage("embedding the gallery", 20):
            land = pair.on_land(imagery)
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
    pair = search.Pair.load(checkpoint)
    tile = pair.tile(imagery, *place)
    return _located(pair, tile, errors, place, best=best, refined=refined, threads=threads)


def locate_image(
    image: StrPath,
    checkpoint: Path,
    errors: Path,
    place: tuple[float, float] | None,
    *,
    best: int,
    refined: bool,
    threads: int | None,
) -> Located:
    """The best places for an image of a user (experiment D of the poster).

    image : GeoTIFF, PNG or JPEG with the bands of the encoder, see `patches.read_image`
    place : where it is (lon, lat), for the distances; None: nobody knows
    The other parameters are those of `locate`.
    """
    pair = search.Pair.load(checkpoint)
    tile = patches.read_image(image, pair.image.bands, pair.image.size)
    return _located(pair, tile, errors, place, best=best, refined=refined, threads=threads)


def _located(pair, tile, errors, place, *, best, refined, threads):
    facts, gallery_places = storage.manifest(errors), pd.read_parquet(errors / "gallery.parquet")
    at = gallery_places[["lon", "lat"]].to_numpy().T
    with torch_threads(threads):
        images = pair.image.embed(tile)
        candidates = search.search(images, pair.location.embed(*at), *at, best, progress=False)
        if refined:
            candidates = search.refine(pair.location, images, candidates, facts["gallery_spacing_km"], progress=False)
    ranked = search.ranked(place, candidates)
    title = f"The {len(ranked)} best of {at.shape[1]:,} places{', refined' if refined else ''}"
    held_out = None
    if place:
        held_out = int(pair.square(*([degrees] for degrees in place))[0]) in facts["held_out_squares"]
        title += f"; {'in a held-out square' if held_out else 'not held out'}"
    land = gallery_places["land"].to_numpy()
    return Located(ranked, held_out, [degrees[land] for degrees in at], title)
