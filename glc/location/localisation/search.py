"""Geo-localisation: the tile of an unknown place is matched with the embeddings of many known ones.

Xiong 2024 (poster), experiment D, after GeoCLIP (Vivanco Cepeda et al. 2024): the image's vector is compared with those
of a gallery of 100,000 places, and the place with the highest cosine is the answer. The refinement is ours.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.spatial import cKDTree

from glc import config, geo
from glc.config import EncoderPretraining
from glc.errors import ConfigError, DataError
from glc.location.encoder import LocationEncoder
from glc.location.localisation import gallery
from glc.location.pretraining import patches, sampling, scenes, train
from glc.location.pretraining.image_encoder import ImageEncoder
from glc.progress import tqdm

WITHIN_KM = (25, 200, 750, 2500)
"""Distances that accuracy is told for: city, region, country, continent (GeoCLIP, without its 1 km)."""
HELD_OUT, TRAINED = "held out", "trained on"
ROUNDS, POINTS = 5, 16
"""Of a refinement: its rounds, and the points that each lays around a candidate."""
_CHANCE = 100
_AT_ONCE = 200_000
_FARTHEST_KM = 100


@dataclass(frozen=True)
class Pair:
    """Both encoders of one pre-training, and its options."""

    location: LocationEncoder
    image: ImageEncoder
    options: EncoderPretraining
    source: str = "raster"
    """What it was pre-trained on: raster or patches."""

    @classmethod
    def load(cls, path):
        """The pair of a location encoder's file; the image encoder's is next to it."""
        path = Path(path)
        location, image = LocationEncoder.load(path), ImageEncoder.load(path.with_name(train.IMAGE))
        if location.facts != image.facts or "options" not in location.facts:
            raise DataError(
                f"{path}: does not belong to the same pre-training as {train.IMAGE} next to it; pre-train again: "
                "make location-encoder"
            )
        source = location.facts.get("source", "raster")
        if source not in ("raster", "patches"):
            raise DataError(
                f"{path}: found a pre-training on {source}, expected one on a raster or patches, whose places can be "
                "drawn again; give an encoder that was pre-trained on these: make location-encoder GLOBE=FILE"
            )
        try:
            options = config.value_of(EncoderPretraining, location.facts["options"], "options")
        except ConfigError as error:
            raise DataError(f"{path}: {error}; give an encoder of this version") from None
        return cls(location, image, options, source)

    def stack(self, path):
        """The rasters at `path` as the image encoder sees them, a `scenes.Stack`; a DataError tells of other bands."""
        stack = scenes.Stack(path, self.options.leave_out, self.options.size)
        self.refuse_other_bands(path, stack.bands)
        return stack

    def refuse_other_bands(self, path, bands):
        """A DataError for imagery at `path` of other `bands` than the encoder's."""
        if bands != self.image.bands:
            raise DataError(
                f"{path}: found the bands {', '.join(bands)}, expected those of the encoder, "
                f"{', '.join(self.image.bands)}; give the imagery of its pre-training"
            )

    def on_land(self, path):
        """A function of lon, lat (n,) to whether places are on the land of a raster, or near one of the patches.

        path : the raster of the pre-training, or what `patches.prepare` wrote
        """
        if self.source == "raster":
            return on_land(self.stack(path), self.options)
        seen = patches.scenes(path, self.options)
        return patches.Near(seen.lon, seen.lat)

    def tile(self, path, lon, lat):
        """The tile (1, band, row, col) of one place, or the patch nearest to it; a DataError where there is none."""
        if self.source == "raster":
            return tile(self.stack(path), lon, lat)
        seen = patches.scenes(path, self.options)
        km = geo.great_circle_m(lon, lat, seen.lon, seen.lat) / 1000
        if km.min() > _FARTHEST_KM:
            raise DataError(
                f"{path}: the patch nearest to lon {lon:g}, lat {lat:g} is {km.min():,.0f} km away, expected one "
                f"within {_FARTHEST_KM} km; give another place, or an image of it: --image FILE"
            )
        return seen.tiles[np.array([km.argmin()])]

    def square(self, lon, lat):
        """Numbers (n,) of the squares of places: those that pre-training holds out whole."""
        return sampling.squares(lon, lat, self.options.holdout_deg)


@dataclass(frozen=True)
class Queries:
    """Places whose tiles are to be found: lon, lat (n,) degrees, their tiles, and km (n,) to the nearest trained on."""

    lon: np.ndarray
    lat: np.ndarray
    tiles: np.ndarray
    trained_km: np.ndarray


@dataclass(frozen=True)
class Found:
    """What was found for n queries, the best of k candidates first: lon, lat (degrees) and similarity, all (n, k)."""

    lon: np.ndarray
    lat: np.ndarray
    similarity: np.ndarray


def queries(path, pair, n, seed=0, progress=True):
    """Places to find: new ones in the squares held out of pre-training, and the same number from the training squares.

    path : the raster of the pre-training, whose places are drawn again; other pixels are a DataError
    returns : {HELD_OUT: `Queries`, TRAINED: `Queries`}; the numbers of the held-out squares; counts of lost tiles
    A tile near a square's border overlaps with tiles trained on; ``trained_km`` tells how near these are.
    """
    options, stack, square = pair.options, pair.stack(path), pair.square
    drawn = scenes.draw(path, options, progress)
    rows, valid = train.split(drawn, options)
    _check_drawn(path, pair, drawn, rows, valid)
    squares, land = np.unique(square(drawn.lon[valid], drawn.lat[valid])), on_land(stack, options)

    def wanted(lon, lat):
        good = np.isin(square(lon, lat), squares)
        good[good] = land(lon[good], lat[good])
        return good

    rng = np.random.default_rng([options.seed, 2, seed])
    lon, lat = sampling.on_land(n, wanted, stack.inner(options.bounds), rng, f"{path}, held-out squares")
    tiles, flags = stack.cut(lon, lat, progress)
    good = np.isin(flags, ["ok", "edge"])
    if not good.any():
        raise DataError(f"{path}: none of {n:,} tiles of held-out places can be read; repair the raster")
    some = np.sort(rng.choice(rows, min(n, len(rows)), replace=False))
    tree = cKDTree(geo.unit_sphere(drawn.lon[rows], drawn.lat[rows]))
    parts = {HELD_OUT: (lon[good], lat[good], tiles[good])}
    parts[TRAINED] = drawn.lon[some], drawn.lat[some], drawn.tiles[some]
    made = {name: Queries(*part, _nearest_km(tree, *part[:2])) for name, part in parts.items()}
    return made, squares, {"left_out": int((~good).sum()), "trained_on_fewer": n - len(some)}


def patch_queries(folder, pair, n, seed=0):
    """As `queries`, of what `patches.prepare` wrote to `folder`: patches of the squares that pre-training held out."""
    drawn = patches.scenes(folder, pair.options)
    pair.refuse_other_bands(folder, drawn.bands)
    rows, valid = train.split(drawn, pair.options)
    _check_drawn(folder, pair, drawn, rows, valid)
    squares = np.unique(pair.square(drawn.lon[valid], drawn.lat[valid]))
    rng = np.random.default_rng([pair.options.seed, 2, seed])
    tree = cKDTree(geo.unit_sphere(drawn.lon[rows], drawn.lat[rows]))
    made, fewer = {}, {}
    for name, part in ((HELD_OUT, valid), (TRAINED, rows)):
        some = np.sort(rng.choice(part, min(n, len(part)), replace=False))
        lon, lat = drawn.lon[some], drawn.lat[some]
        made[name] = Queries(lon, lat, drawn.tiles[some], _nearest_km(tree, lon, lat))
        fewer[f"{name.replace(' ', '_')}_fewer"] = n - len(some)
    return made, squares, fewer


def on_land(stack, options):
    """A function of lon, lat (n,) to whether pre-training with `options` may draw the places."""
    west, south, east, north = options.bounds
    land = stack.land(options.land_band, options.land_least)

    def drawn(lon, lat):
        good = (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)
        good[good] = land(lon[good], lat[good])
        return good

    return drawn


def search(images, vectors, lon, lat, k=10, batch=128, progress=True):
    """The `k` places of a gallery whose vectors are the most similar to those of images: a `Found`.

    images : unit vectors (n, dim); vectors : (m, dim), of the places lon, lat (m,)
    batch : images that are compared with the whole gallery at once
    """
    if not 1 <= k <= len(vectors):
        raise ConfigError(f"found {len(vectors):,} places in the gallery, expected at least {k}; raise --gallery")
    at, best = np.empty((len(images), k), np.int64), np.empty((len(images), k), np.float32)
    known = torch.from_numpy(np.ascontiguousarray(vectors)).T
    for start in tqdm(range(0, len(images), batch), "searching", disable=not progress, leave=False, unit="batch"):
        part = slice(start, start + batch)
        values, rows = (torch.from_numpy(images[part]) @ known).topk(k)
        at[part], best[part] = rows.numpy(), values.numpy()
    return Found(lon[at], lat[at], best)


def refine(location, images, candidates, radius_km, rounds=ROUNDS, points=POINTS, progress=True):
    """Climb from each candidate to the highest cosine nearby, without gradients: a `Found`, the best first.

    location : a `LocationEncoder`; images : unit vectors (n, dim) of the queries of `candidates`
    Each round lays `points` evenly on a disc around every candidate and moves it to the best one, if that is better
    than where it is; the disc's radius starts at `radius_km`, the gallery's spacing, and halves. Several
    candidates may meet at one peak.
    """
    lon, lat, best = candidates.lon.copy(), candidates.lat.copy(), candidates.similarity.copy()
    n, k = best.shape
    size, dim = max(_AT_ONCE // (k * points), 1), images.shape[1]
    blocks = [slice(start, start + size) for start in range(0, n, size)]
    with tqdm(total=rounds * len(blocks), desc="refining", disable=not progress, leave=False, unit="batch") as bar:
        for part in blocks:
            for number in range(rounds):
                there = gallery.disc(lon[part], lat[part], radius_km / 2**number, points, turn=number)
                vectors = location.embed(*(x.ravel() for x in there)).reshape(-1, k * points, dim)
                similar = np.matmul(vectors, images[part, :, None]).reshape(-1, k, points)
                choice = similar.argmax(axis=2)[..., None]
                new = [np.take_along_axis(values, choice, axis=2)[..., 0] for values in (*there, similar)]
                better = new[2] > best[part]
                for own, there in zip((lon, lat, best), new, strict=True):
                    own[part] = np.where(better, there, own[part])
                bar.update()
    order = np.argsort(-best, axis=1, kind="stable")
    return Found(*(np.take_along_axis(values, order, axis=1) for values in (lon, lat, best)))


def results(asked, candidates, at, refined):
    """A frame, a row a query: its place, the best one found for it, and the error in great-circle km.

    asked : `Queries`; candidates : `Found`; at : (lon, lat) of the gallery; refined : whether `candidates` are
    """
    tree = cKDTree(geo.unit_sphere(*at))
    predicted = candidates.lon[:, 0], candidates.lat[:, 0]
    columns = {
        "query": np.arange(len(asked.lon)),
        "refined": refined,
        "lon": asked.lon,
        "lat": asked.lat,
        "predicted_lon": predicted[0],
        "predicted_lat": predicted[1],
        "error_km": geo.great_circle_m(asked.lon, asked.lat, *predicted) / 1000,
        "similarity": candidates.similarity[:, 0],
        "gallery_km": _nearest_km(tree, asked.lon, asked.lat),
        "trained_km": asked.trained_km,
    }
    return pd.DataFrame(columns)


def tile(stack, lon, lat):
    """The tile (1, band, row, col) of one place, cut from `stack`; a DataError tells that there is none."""
    tiles, flags = stack.cut([lon], [lat])
    if flags[0] not in ("ok", "edge"):
        raise DataError(f"{stack.path}: the tile at lon {lon:g}, lat {lat:g} is {flags[0]}; give another place")
    return tiles


def ranked(place, candidates):
    """The `candidates` of one query: a frame of rank, lon, lat, km to `place` (lon, lat; None: NaN) and similarity."""
    lon, lat, similarity = (values[0] for values in (candidates.lon, candidates.lat, candidates.similarity))
    km = geo.great_circle_m(*place, lon, lat) / 1000 if place else np.full(len(lon), np.nan)
    return pd.DataFrame({"rank": np.arange(1, len(km) + 1), "lon": lon, "lat": lat, "km": km, "similarity": similarity})


def metrics(frame, at, degrees, seed=0):
    """Errors of `results` (with a column ``queries``, their kind), and those of the best possible match and of chance.

    returns : frame with queries, line, places, squares (how many of `degrees` hold them), median_km, mean_km, and the
        shares within_25_km to within_2500_km
    The ceiling is the gallery's place nearest to the query; chance is a random one of it, `_CHANCE` draws a query.
    """
    rng, rows = np.random.default_rng(seed), []
    for kind, part in frame.groupby("queries", sort=False):
        unrefined = part[~part["refined"]]
        draws = rng.integers(len(at[0]), size=(_CHANCE, len(unrefined)))
        lines = {"gallery": unrefined["error_km"], "refined": part.loc[part["refined"], "error_km"]}
        lines["ceiling"] = unrefined["gallery_km"]
        lon, lat = unrefined["lon"].to_numpy(), unrefined["lat"].to_numpy()
        squares = len(np.unique(sampling.squares(lon, lat, degrees)))
        lines["chance"] = geo.great_circle_m(lon, lat, at[0][draws], at[1][draws]) / 1000
        for line, km in lines.items():
            if np.size(km):
                km = np.asarray(km)
                row = {"queries": kind, "line": line, "places": len(unrefined), "squares": squares}
                row |= {"median_km": float(np.median(km)), "mean_km": float(km.mean())}
                rows.append(row | {f"within_{limit}_km": float((km <= limit).mean()) for limit in WITHIN_KM})
    return pd.DataFrame(rows)


def _check_drawn(path, pair, scenes, rows, valid):
    """Refuse queries of other places than were held out: the pre-training's own must have been drawn again."""
    facts = pair.location.facts
    known, drawn = (facts["places"], facts["places_validated"]), (len(rows), len(valid))
    fresh = ImageEncoder(pair.image.bands, pair.image.size, config.Choice("cnn"), 1)
    fresh.prepare(scenes.tiles, rows)
    # in deviations of a band; as many other places of the same imagery would differ by more
    same = float(((fresh.mean - pair.image.mean) * pair.image.scale).abs().max()) < 1e-3
    if known != drawn or not same:
        raise DataError(
            f"{path}: found {drawn[0]:,} places to train on and {drawn[1]:,} held out, expected {known[0]:,} and "
            f"{known[1]:,}, and {'the same' if same else 'other'} means of bands; give the imagery of the encoder's "
            "pre-training, or pre-train again"
        )


def _nearest_km(tree, lon, lat):
    return geo.arc(tree.query(geo.unit_sphere(lon, lat))[0]) / 1000
