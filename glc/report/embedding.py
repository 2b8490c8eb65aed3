"""A map of species vectors in the plane, coloured by where the species grow: what an embedding has learned of space."""

from pathlib import Path

import numpy as np

from glc.errors import ConfigError, DataError
from glc.report.figures import picture
from glc.report.maps import PALETTE
from glc.report.palette import AXIS
from glc.surveys import SurveyData

METHODS = ("pca", "tsne")
_LEGEND = (1, 10, 100, 1_000, 10_000, 100_000)


def project(vectors, method="pca", seed=0):
    """Vectors (n, dim) in the plane: (points (n, 2), share of the variance or None).

    method : ``pca`` of vectors of length 1, whose distances follow the cosine, or ``tsne`` by the cosine, which keeps
        who is near whom at the cost of distances
    """
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    if method == "pca":
        from sklearn.decomposition import PCA

        pca = PCA(2, svd_solver="full").fit(unit)
        return pca.transform(unit), float(pca.explained_variance_ratio_.sum())
    from sklearn.manifold import TSNE

    perplexity = min(30, (len(unit) - 1) / 3)
    points = TSNE(2, metric="cosine", init="random", perplexity=perplexity, random_state=seed).fit_transform(unit)
    return points, None


def species_map(vectors, place, counts, path, method="pca", label="mean latitude of the surveys", seed=0):
    """Draw the species that have a vector to `path` (.png, .svg or .pdf); return facts: species drawn and left out.

    vectors : (n, dim), zeros where a species has none; place : (n,) colour, such as degrees of latitude; counts : (n,)
        surveys that hold the species, which says the size of its point
    """
    path = Path(path)
    if method not in METHODS:
        raise ConfigError(f"method: found {method!r}, expected one of: {', '.join(METHODS)}")
    drawn = np.flatnonzero(np.any(vectors != 0, axis=1) & np.isfinite(place))
    if len(drawn) < 4:
        raise DataError(f"{path}: found {len(drawn)} species with a vector, expected at least 4; use more surveys")
    points, share = project(vectors[drawn], method, seed)
    place, counts = np.asarray(place, float)[drawn], np.asarray(counts)[drawn]
    low, high = np.quantile(place, [0.02, 0.98])
    order = np.argsort(-counts, kind="stable")  # rare species lie on top of frequent ones, which are larger
    with picture(path, (7.2, 5.6)) as figure:
        ax = figure.add_subplot()
        colours = ax.scatter(
            *points[order].T,
            c=place[order],
            s=_area(counts[order]),
            cmap=PALETTE,
            vmin=low,
            vmax=high,
            alpha=0.75,
            linewidths=0.2,
            edgecolors="white",
        )
        figure.colorbar(colours, label=label, extend="both", shrink=0.85, aspect=28, pad=0.02)
        sizes = [size for size in _LEGEND if counts.min() <= size <= counts.max()]
        for size in sizes:
            ax.scatter([], [], s=_area(size), color=AXIS, linewidths=0, label=f"{size:,}")
        if sizes:
            figure.legend(loc="outside lower center", ncols=len(sizes), frameon=False, title="surveys with the species")
        variance = f", {share:.0%} of the variance" if share is not None else ""
        ax.set_title(f"{len(drawn):,} species, {'t-SNE' if method == 'tsne' else 'PCA'}{variance}")
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines[["top", "right", "left", "bottom"]].set_visible(False)
    return {"drawn": len(drawn), "left_out": len(vectors) - len(drawn)}


def species_map_by_latitude(vectors: np.ndarray, data: SurveyData, path: Path, method: str) -> dict[str, int]:
    """`species_map` of vectors (species, dim), coloured by the mean latitude of the training surveys that have it."""
    train = data.train()
    labels = data.labels_of(train).astype(np.float64)
    counts = np.asarray(labels.sum(axis=0)).ravel()
    latitude = labels.T @ data.places["lat"].to_numpy()[train]
    with np.errstate(invalid="ignore"):  # a species of presence-only surveys alone has no latitude here, and no point
        latitude /= counts
    label = "mean latitude of the surveys, degrees north"
    return species_map(vectors, latitude, counts, path, method, label)


def _area(counts):
    return 4 + 3 * np.sqrt(np.maximum(counts, 1))
