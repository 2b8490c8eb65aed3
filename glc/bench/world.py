"""Is the virtual world's signal real? Oracle, baselines and the gain of each modality, with intervals.

A probe (ridge regression of every species on features read back from the files) is fitted on coordinates alone and on
coordinates with one modality, cross-validated over whole blocks. A modality's gain is the difference of their
sample-averaged F1 with the best fixed set size, and its interval a bootstrap over blocks. The exit status is 1 unless
every interval lies above zero. Features are the probe's own and simple: a good net should gain more.
"""

import argparse
import dataclasses
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from rasterio.transform import rowcol
from scipy.fft import dctn

from glc import geo, world
from glc.errors import run_command
from glc.prediction.expected_f1 import best_sizes
from glc.progress import tqdm
from glc.rasters.files import opened
from glc.world import cubes, environment, images, metadata, places, rasters, series, species
from glc.world.fields import generator

FOLDS = 5
_SIZES = (5, 8, 12, 16, 20, 25, 30)
_RIDGE = 30.0


def main(arguments=None):
    """Print the table of ``python -m glc.bench.world``; return 0 if every gain is clearly above zero, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = [name for name, size in world.SIZES.items() if size.edition == world.World.edition]
    parser.add_argument("--size", default="small", choices=sizes)
    parser.add_argument("--folder", help="write the world here; default: a temporary folder")
    parser.add_argument("--seed", type=int, help="another seed than the size's own")
    chosen = parser.parse_args(arguments)
    size = world.SIZES[chosen.size]
    if chosen.seed is not None:
        size = dataclasses.replace(size, seed=chosen.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(chosen.folder or scratch)
        world.write(size, folder, world.PARTS)
        table = measure(size, folder)
    print(table.to_string(index=False, float_format="{:.4f}".format))
    weak = table[table.low <= 0]
    print("every gain is clearly above zero" if weak.empty else f"not clearly above zero: {', '.join(weak.what)}")
    return 0 if weak.empty else 1


def measure(size, folder):
    """The table of what, f1, gain, low, high (a 95 % interval of the gain over blocks)."""
    train, _ = places.pa(size)
    labels = read_labels(size, folder)
    block = geo.block_ids(*geo.project(train.lon, train.lat), size.block_m)
    oracle = oracle_f1(size)
    floor = _best_size(_fold_means(labels, block), labels)
    base = coordinates(size, train)
    plain = _best_size(cross_validated(base, labels, block), labels)
    rows = [row("oracle (over the floor)", oracle, floor, block), row("floor: global frequency", floor, None, block)]
    rows.append(row("coordinates (over the floor)", plain, floor, block))
    for name, read in MODALITIES.items():
        features = read(size, Path(folder), train)
        f1 = _best_size(cross_validated(np.hstack([base, features]), labels, block), labels)
        rows.append(row(f"{name} (over coordinates)", f1, plain, block))
    return pd.DataFrame(rows)


def row(what, f1, against, block, draws=2_000):
    """One line of the table: `f1` of each survey, its gain over `against`, bootstrapped over blocks."""
    if against is None:
        return {"what": what, "f1": f1.mean(), "gain": np.nan, "low": np.nan, "high": np.nan}
    gain = f1 - against
    _, member = np.unique(block, return_inverse=True)
    total, count = np.bincount(member, gain), np.bincount(member)
    picked = np.random.default_rng(0).integers(0, len(total), (draws, len(total)))
    means = total[picked].sum(axis=1) / count[picked].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {"what": what, "f1": f1.mean(), "gain": gain.mean(), "low": low, "high": high}


def oracle_f1(size, chunk=256):
    """Expected F1 of the best species set of each training survey, given the true probabilities: (n,)."""
    train, _ = places.pa(size)
    niches = species.niches(size)
    known = niches.subset(niches.in_pa)
    e, effort = environment.at(size.seed, train.lon, train.lat), species.efforts(train.areaInM2)
    values = []
    for i in tqdm(range(0, len(e), chunk), desc="oracle", unit="chunk"):
        p = -np.sort(-known.probability(e[i : i + chunk], effort[i : i + chunk]), axis=1)
        values.append(best_sizes(p)[1])
    return np.concatenate(values)


def read_labels(size, folder):
    """(survey, species) 0/1 float32 of the training CSV, rows in the order of `places.pa`."""
    path = Path(folder) / metadata.TRAIN
    frame = pd.read_csv(path, usecols=["surveyId", "speciesId"])
    train, _ = places.pa(size)
    labels = np.zeros((len(train), size.n_species), np.float32)
    labels[pd.Index(train.surveyId).get_indexer(frame.surveyId), frame.speciesId.astype(int)] = 1
    return labels[:, labels.any(axis=0)]


def cross_validated(features, labels, block):
    """Scores of ridge regression, each survey by the model that saw none of its block's fold: (n, species) float32."""
    scores = np.empty_like(labels)
    fold = _folds(block)
    for f in range(FOLDS):
        train, held = fold != f, fold == f
        mean, spread = features[train].mean(axis=0), features[train].std(axis=0) + 1e-6
        x = ((features - mean) / spread).clip(-5, 5)
        centre = labels[train].mean(axis=0)
        gram = x[train].T @ x[train] + _RIDGE * np.eye(x.shape[1])
        weights = np.linalg.solve(gram, x[train].T @ (labels[train] - centre))
        scores[held] = x[held] @ weights + centre
    return scores


def coordinates(size, train, terms=150):
    """Smooth functions of the place alone: (n, 2 terms + 2) random Fourier features of several lengths."""
    rng = generator(size.seed, "probe")
    place = np.column_stack(geo.project(train.lon, train.lat)) / 1e6
    waves = rng.normal(size=(2, terms)) / rng.choice([0.15, 0.4, 1.2], terms)
    return np.hstack([place, np.cos(place @ waves), np.sin(place @ waves)])


def climate(size, folder, train):
    """Bioclim rasters: the bands, their products with each other and squares of the main ones."""
    bands = _filled(sample(folder / rasters.CLIMATE, train))
    return _with_products(bands, 7)


def land_cover_and_soil(size, folder, train):
    """Soil bands and one column for each land cover class, with products."""
    kind = sample(folder / rasters.LAND_COVER, train)
    kinds = (kind == np.array(list(rasters.LAND_COVER_CLASSES))).astype(float)
    return np.hstack([_with_products(_filled(sample(folder / rasters.SOIL, train)), 4), kinds])


def sentinel(size, folder, train):
    """JPEG tiles: for each channel mean, spread, fine texture and the lowest frequencies, at the centre and overall."""
    made = []
    for survey in tqdm(train.surveyId, desc="reading tiles", unit="survey"):
        layers = []
        for kind in ("rgb", "nir"):
            path = images.path(folder, "pa_train", kind, survey)
            bands = 3 if kind == "rgb" else 1
            pixels = np.asarray(Image.open(path), np.float32) if path.exists() else np.full((128, 128, bands), np.nan)
            layers.append(pixels.reshape(128, 128, bands))
        tile = np.concatenate(layers, axis=2)
        centre = tile[48:80, 48:80].mean(axis=(0, 1))
        fine = np.abs(np.diff(tile, axis=0)).mean(axis=(0, 1))
        low = dctn(tile.reshape(16, 8, 16, 8, 4).mean(axis=(1, 3)), axes=(0, 1), norm="ortho")[:3, :3].reshape(-1)
        made.append(np.concatenate([centre, fine, tile.std(axis=(0, 1)), low]))
    return _with_products(_filled(np.array(made)), 12)


def landsat(size, folder, train):
    """Quarterly series: mean of each band and season, and the first frequencies of the near-infrared's years."""
    seasons, years = [], []
    for band in series.BANDS:
        frame = pd.read_csv(series.path(folder, "pa_train", band), na_values=["eos"], index_col="surveyId")
        values = frame.reindex(train.surveyId).to_numpy(float).reshape(len(train), 21, 4)
        seasons.append(_mean(values, 1))
        years.append(_mean(values, 2))
    seasons, years = _filled(np.hstack(seasons)), _filled(np.hstack(years))[:, :-1]
    years = years.reshape(len(train), len(series.BANDS), 21)
    years = years - years.mean(axis=2, keepdims=True)
    waves = dctn(years[:, [0, 3]], axes=2, norm="ortho")[:, :, 1:8].reshape(len(train), -1)
    return np.hstack([_with_products(seasons, 24), waves])


def climate_cubes(size, folder, train):
    """Monthly cubes: the mean of each variable and month over the years, with products of the yearly extremes."""
    made = []
    for survey in train.surveyId:
        path = cubes.path(folder, "pa_train", survey)
        made.append(np.load(path) if path.exists() else np.full((4, 19, 12), np.nan, np.float32))
    months = _filled(_mean(np.array(made), 2).reshape(len(train), -1))[:, :-1].reshape(len(train), 4, 12)
    rain, mean = months[:, 0], months[:, 1]
    yearly = np.column_stack([np.log(rain.sum(1)), rain.max(1), mean.mean(1), mean.max(1) - mean.min(1)])
    return np.hstack([_with_products(yearly, 4), months.reshape(len(train), -1)])


MODALITIES = {
    "climate rasters": climate,
    "land cover and soil rasters": land_cover_and_soil,
    "images": sentinel,
    "series": landsat,
    "cubes": climate_cubes,
}


def sample(path, places_):
    """Values of all bands of a raster at places: (n, band) float, NaN where nodata."""
    with opened(path) as raster:
        rows, columns = rowcol(raster.transform, places_.lon.to_numpy(), places_.lat.to_numpy())
        values = raster.read(masked=True)[:, np.asarray(rows, int), np.asarray(columns, int)]
    return values.astype(float).filled(np.nan).T


def _mean(values, axis):
    known = ~np.isnan(values)
    count = known.sum(axis=axis)
    return np.where(count > 0, np.where(known, values, 0).sum(axis=axis) / np.maximum(count, 1), np.nan)


def _filled(features):
    """NaN replaced by the column's mean, with one more column that says where."""
    missing = np.isnan(features)
    return np.hstack([np.where(missing, np.nanmean(features, axis=0), features), missing.any(axis=1, keepdims=True)])


def _with_products(features, n):
    """The standardised features with the squares and products of the first `n` principal components."""
    x = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-9)
    _, _, axes = np.linalg.svd(x, full_matrices=False)
    main = x @ axes[:n].T
    main /= main.std(axis=0) + 1e-9
    first, second = np.triu_indices(main.shape[1])
    return np.hstack([x, main[:, first] * main[:, second]])


def _folds(block):
    _, member = np.unique(block, return_inverse=True)
    return np.random.default_rng(0).permutation(member.max() + 1)[member] % FOLDS


def _fold_means(labels, block):
    fold = _folds(block)
    return np.stack([labels[fold != f].mean(axis=0) for f in range(FOLDS)])[fold]


def _best_size(scores, labels):
    """F1 of each survey with the fixed set size, of `_SIZES`, that is best on average."""
    order = np.argpartition(-scores, max(_SIZES), axis=1)[:, : max(_SIZES)] if scores.shape[1] > max(_SIZES) else None
    order = np.arange(scores.shape[1])[None, :].repeat(len(scores), 0) if order is None else order
    ranked = np.take_along_axis(order, np.argsort(-np.take_along_axis(scores, order, 1), axis=1), 1)
    hits = np.take_along_axis(labels, ranked, 1).cumsum(axis=1)
    size = labels.sum(axis=1)
    values = [2 * hits[:, k - 1] / (k + size) for k in _SIZES if k <= hits.shape[1]]
    return max(values, key=np.mean)


if __name__ == "__main__":
    run_command(lambda: sys.exit(main()))
