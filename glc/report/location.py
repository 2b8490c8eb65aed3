"""Pictures of a location encoder: where its predictions err, what its vectors look like on land, who is like whom.

    python -m glc.report.location CHECKPOINT OUT.png [--at LON,LAT --points N]

draws the similarity of the whole Earth to one place (the poster's C).
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.ticker import FuncFormatter, MultipleLocator

from glc import geo
from glc.errors import ConfigError, run_command
from glc.location.downstream.problems import LANDMARKS, Problem
from glc.location.pretraining.sampling import POINTS, fibonacci
from glc.report.figures import for_page, picture
from glc.report.maps import PALETTE, coastline, colour_limits
from glc.report.palette import BASELINE, BORDER, INK, MAP, MODEL, OTHER
from glc.report.place import parse_place
from glc.types import StrPath

KM_EDGES = (0, 25, 50, 100, 250, 500, 1000, np.inf)
_SIZE = (9.0, 4.8)


def error_map(path, lon, lat, truth, predicted, title, unit):
    """Map of the absolute error of values (the poster's B); returns the largest error, and that of 99 % of places.

    lon, lat : (n,) degrees; truth, predicted : (n,) in `unit`
    """
    error = np.abs(np.asarray(truth, float) - predicted)
    largest, most = float(error.max()), float(np.quantile(error, 0.99))
    with picture(path, _SIZE) as figure:
        ax = world(figure.add_subplot())
        order = np.argsort(error, kind="stable")  # the largest errors lie on top: they are what is looked for
        drawn = points(ax, lon[order], lat[order], error[order], limits=colour_limits(error))
        figure.colorbar(drawn, ax=ax, label=f"absolute error, {unit}", extend="max", shrink=0.8, pad=0.02)
        ax.set_title(
            f"{title}: largest error {largest:,.0f} {unit}, 99 % below {most:,.0f} {unit}; "
            f"truth up to {np.max(truth):,.0f} {unit}"
        )
    return largest, most


def class_map(path, lon, lat, right, title):
    """Map of places whose class is predicted wrongly, over those where it is right; right : (n,) bool."""
    with picture(path, _SIZE) as figure:
        ax = world(figure.add_subplot())
        for chosen, colour, label in ((right, BASELINE, "right"), (~right, OTHER, "wrong")):
            points(ax, lon[chosen], lat[chosen], colour=colour, size=2, label=f"{label}: {chosen.sum():,}")
        ax.set_title(f"{title}: {right.mean():.1%} right")
        figure.legend(loc="outside lower center", ncols=2, markerscale=4)


def class_errors(path, right, km, groups, title):
    """Share of wrong places by distance and by group, a panel each, with counts; right : (n,) bool.

    km : title -> (n,) distances; groups : title -> (n,) names
    returns : list of dicts, panel, part, places and wrong (a share)
    """
    rows = []
    for name, distance in km.items():
        at = np.searchsorted(KM_EDGES, distance, side="right") - 1
        for i, low in enumerate(KM_EDGES[:-1]):
            high = KM_EDGES[i + 1]
            part = f"{low:g}–{high:g}" if np.isfinite(high) else f"≥ {low:g}"
            _add(rows, name, part, right[np.minimum(at, len(KM_EDGES) - 2) == i])
    for name, member in groups.items():
        for part in np.unique(member):
            _add(rows, name, part, right[member == part])
    panels = [*km, *groups]
    with picture(path, (4.0 * len(panels), 3.6)) as figure:
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for ax, name in zip(axes, panels, strict=True):
            own = [row for row in rows if row["panel"] == name]
            x = np.arange(len(own))
            ax.bar(x, [row["wrong"] for row in own], 0.7, color=MODEL)
            for at, row in zip(x, own, strict=True):
                text = f"{row['places']:,}"
                ax.annotate(text, (at, row["wrong"]), (0, 2), textcoords="offset points", ha="center")
            ax.set_xticks(x, [row["part"] for row in own], rotation=35, ha="right")
            ax.set_xlabel(name)
            ax.grid(axis="y")
        axes[0].set_ylabel("share of wrong places")
        figure.suptitle(f"{title}; numbers are places", fontsize=9)
        parts = (f"{row['panel']} {row['part']}: {row['wrong']:.0%} of {row['places']:,}" for row in rows)
        figure.set_label(f"{title}, by {', '.join(parts)}")
    return rows


def rgb_map(path, lon, lat, vectors, title):
    """Map of vectors (n, d), their first three principal components as red, green and blue; returns their variance.

    Each component is drawn by its ranks, so that few far-off places do not take all the colours.
    """
    from sklearn.decomposition import PCA

    pca = PCA(min(3, vectors.shape[1]), svd_solver="full").fit(vectors)
    part = pca.transform(vectors)
    colour = np.full((len(part), 3), 0.5)
    colour[:, : part.shape[1]] = part.argsort(axis=0).argsort(axis=0) / max(len(part) - 1, 1)
    share = float(pca.explained_variance_ratio_.sum())
    with picture(path, _SIZE) as figure:
        ax = world(figure.add_subplot())
        points(ax, lon, lat, colour=colour)
        ax.set_title(f"{title}: first three principal components, {share:.0%} of the variance")
    return share


def similarity_map(path, lon, lat, vectors, reference, at, title):
    """Map of the cosine similarity of vectors (n, d) to the vector `reference` (d,) of the place `at` (lon, lat).

    returns : (n,) similarities
    """
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(reference)
    similarity = vectors @ reference / np.maximum(norms, 1e-12)
    with picture(path, _SIZE) as figure:
        ax = world(figure.add_subplot())
        drawn = points(ax, lon, lat, similarity, limits=(float(similarity.min()), 1.0), size=6, cmap="inferno")
        ax.grid(visible=False)
        ax.plot(*at, "*", color=MODEL, markeredgecolor="white", markersize=13)
        figure.colorbar(drawn, ax=ax, label="cosine similarity", shrink=0.8, pad=0.02)
        ax.set_title(
            f"{title}: {len(lon):,} places and ({geo.degree_label(at[1], 'NS')}, {geo.degree_label(at[0], 'EW')})"
        )
    return similarity


def draw_encoder(checkpoint: StrPath, label: str, problem: Problem, folder: Path, name: str) -> None:
    """Draw the embedding of an encoder over all places of `problem`, and its similarity to each of `LANDMARKS`.

    Files: ``embedding_<name>.png`` and ``similarity_<name>_<place>.png`` in `folder`, each as .svg too.
    """
    from glc.location import LocationEncoder

    encoder = LocationEncoder.load(checkpoint)
    lon, lat = np.concatenate([frame[["lon", "lat"]].to_numpy() for frame in (problem.places, problem.query)]).T
    rgb_map(for_page(folder / f"embedding_{name}.png"), lon, lat, encoder.embed(lon, lat), label)
    sphere = fibonacci()
    vectors = encoder.embed(*sphere)
    for place, at in LANDMARKS.items():
        paths = for_page(folder / f"similarity_{name}_{place.lower().replace(' ', '-')}.png")
        reference = encoder.embed(*([coordinate] for coordinate in at))[0]
        similarity_map(paths, *sphere, vectors, reference, at, f"{label}, similarity to {place}{_at_sea(encoder)}")


def _at_sea(encoder):
    """What a title says of the sea, of which an encoder that learned from land knows nothing."""
    return " (at sea by chance: learned from land)" if encoder.facts.get("options", {}).get("land_band") else ""


def _add(rows, panel, part, right):
    if len(right):
        rows.append({"panel": panel, "part": str(part), "places": len(right), "wrong": float(1 - right.mean())})


def world(ax):
    """`ax` with the coasts of the whole Earth in degrees (EPSG:4326)."""
    coastline(ax, (-180, -90, 180, 90), borders=False)
    ax.set_xlim(-180, 180)
    ax.set_ylim(-90, 90)
    ax.set_aspect("equal")
    ax.set_facecolor(MAP)
    ax.grid(color=BORDER, linewidth=0.5)
    ax.tick_params(length=3, colors=INK)
    for axis, step, ends in ((ax.xaxis, 60, "EW"), (ax.yaxis, 30, "NS")):
        axis.set_major_locator(MultipleLocator(step))
        axis.set_major_formatter(FuncFormatter(lambda value, _, ends=ends: geo.degree_label(value, ends)))
    return ax


def points(ax, lon, lat, values=None, colour=None, limits=(None, None), cmap=PALETTE, size=1.5, label=None):
    """Places on `ax`, of one `colour`, or coloured by `values` between `limits`; what matplotlib drew of them."""
    kind = {"c": colour} if values is None else {"c": values, "cmap": cmap, "vmin": limits[0], "vmax": limits[1]}
    return ax.scatter(lon, lat, s=size, linewidths=0, rasterized=True, label=label, **kind)


def main(arguments=None):
    """Draw the similarity of the whole Earth to a place."""
    parser = argparse.ArgumentParser(prog="python -m glc.report.location", description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", help="a pre-trained location encoder")
    parser.add_argument("out", help="the picture: .png, .svg or .pdf")
    parser.add_argument(
        "--at",
        type=parse_place,
        metavar="LON,LAT",
        default=LANDMARKS["Hong Kong"],
        help="the reference place, degrees; in the west: --at=-3.7,40.4 (default: Hong Kong)",
    )
    parser.add_argument("--points", type=int, default=POINTS, help="places on the sphere (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    if not chosen.checkpoint:
        raise ConfigError(
            "CHECKPOINT: found nothing, expected the file of a pre-trained location encoder; try: make "
            "location-similarity ENCODER=FILE (make location-encoder makes one)"
        )
    from glc.location import LocationEncoder

    encoder = LocationEncoder.load(chosen.checkpoint)
    places = fibonacci(chosen.points)
    reference = encoder.embed(*([coordinate] for coordinate in chosen.at))[0]
    title = f"Cosine similarity of embeddings{_at_sea(encoder)}"
    similarity = similarity_map(chosen.out, *places, encoder.embed(*places), reference, chosen.at, title)
    print(f"similarity {similarity.min():.3f} to {similarity.max():.3f}, mean {similarity.mean():.3f}")
    print(chosen.out)


if __name__ == "__main__":
    run_command(main)
