"""A survey's quarterly satellite series, and what the first coefficients of its DCT keep (the paper's Figure 6).

(a) all six bands as they are, gaps open; (b) one band and its approximation by 64 coefficients, as published, and by
fewer.
Missing values count as zero in the transform, as published, so that an early end of a series is a step.

python -m glc.report.series FOLDER OUT.png --id ID [--dataset D --band B --terms T --fewer F]
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator

from glc import dct
from glc.errors import ConfigError, DataError, run_command
from glc.etl import series
from glc.report.figures import picture
from glc.report.palette import MODEL, OTHER

BAND_COLOURS = {
    "red": "#C1272D",
    "green": "#3B8B3B",
    "blue": "#2F6DB5",
    "nir": "#7A5230",
    "swir1": "#B05C9E",
    "swir2": "#7F7F7F",
}


def read(folder, series_id, dataset=None):
    """The series of one id from the six CSVs below `folder`: (values (6, quarters) NaN where missing, first year).

    dataset : whose tables, where each dataset has its own (default: those that have the id, alone)
    """
    by_dataset = series.find(folder)
    if dataset is not None and dataset not in by_dataset:
        raise DataError(f"{folder}: no tables of {dataset}; found those of {', '.join(map(str, by_dataset))}")
    hits = {}
    for name, tables in by_dataset.items():
        if dataset in (None, name):
            quarters = series.header(tables["red"])[2]
            values = np.full((len(series.BANDS), 1, len(quarters)), np.nan, np.float32)
            seen, corrupt, faults, _ = series.read(tables, np.array([series_id]), values)
            if corrupt.any():
                fault = next(fault for fault in faults if fault["reason"])
                raise DataError(f"{fault['file']}: line {fault['line']}: {fault['reason']}; choose another --id")
            if np.isfinite(values).any() and seen.any():
                hits[name] = values[:, 0], min(quarters)[0]
    if len(hits) != 1:
        remedy = f"it is in {', '.join(map(str, hits))}: choose --dataset" if hits else "choose another --id"
        raise DataError(
            f"{folder}: series {series_id} is found with values in {len(hits)} sets, expected one; {remedy}"
        )
    return next(iter(hits.values()))


def approximate(values, terms):
    """Low-pass of zero-padded series (..., quarters): the first `terms` of the DCT, expanded; the same shape."""
    filled = np.nan_to_num(values, nan=0.0)
    return dct.expand_1d(dct.compress_1d(filled, terms), values.shape[-1])


def draw(values, first_year, out, band="blue", terms=(64, 16), title=""):
    """Draw the picture to `out` (.png, .svg or .pdf); return the root mean square error of each of `terms`.

    values : (6, quarters), NaN where missing. Errors are over the zero-padded series, in the CSV's own units
    """
    out = Path(out)
    if band not in series.BANDS:
        raise ConfigError(f"band={band!r}: expected one of: {', '.join(series.BANDS)}")
    time = first_year + (np.arange(values.shape[1]) + 0.5) / 4
    own = values[series.BANDS.index(band)]
    kept = [approximate(own, count) for count in terms]
    errors = [float(np.sqrt(np.mean((near - np.nan_to_num(own)) ** 2))) for near in kept]
    with picture(out, (10.5, 3.4)) as figure:
        left, right = figure.subplots(1, 2, sharex=True)
        for name, line in zip(series.BANDS, values, strict=True):
            left.plot(time, line, color=BAND_COLOURS[name], linewidth=1, label=name)
        left.set_title(f"(a) {title or 'six bands'}")
        left.set_ylabel("value of the series")
        right.plot(time, own, color="black", marker="o", markersize=2.5, linewidth=0, label=f"{band}, as it is")
        gaps = np.isnan(own)
        if gaps.any():
            right.plot(time[gaps], np.zeros(gaps.sum()), "x", color="black", markersize=4, label="missing, taken for 0")
        for near, count, error, colour in zip(kept, terms, errors, (MODEL, OTHER), strict=False):
            label = f"{count} of {len(own)} coefficients, RMSE {error:.3g}"
            right.plot(time, near, color=colour, linewidth=1, label=label)
        right.set_title(f"(b) {band} band approximated by its DCT")
        for ax in (left, right):
            ax.set_xlabel("year")
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
            ax.grid(alpha=0.4)
            ax.spines[["top", "right"]].set_visible(False)
        left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=6, frameon=False)
        right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, frameon=False)
    return errors


def main(arguments=None):
    """Draw the picture and print the errors."""
    parser = argparse.ArgumentParser(prog="python -m glc.report.series", description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="where the six CSVs are, at any depth")
    parser.add_argument("out", help="the picture: .png, .svg or .pdf")
    parser.add_argument("--id", type=int, required=True, help="timeSerieID (2023) or surveyId")
    parser.add_argument("--dataset", help="pa_train, pa_test or po, if each has its own tables")
    parser.add_argument("--band", default="blue", choices=series.BANDS, help="of the right side (default: %(default)s)")
    parser.add_argument("--terms", type=int, default=64, help="coefficients kept (default: the paper's %(default)s)")
    parser.add_argument("--fewer", type=int, default=16, help="coefficients of a smoother curve (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    values, first_year = read(chosen.folder, chosen.id, chosen.dataset)
    terms = (chosen.terms, chosen.fewer)
    errors = draw(values, first_year, chosen.out, chosen.band, terms, f"series {chosen.id}")
    print(f"{np.isnan(values).mean():.0%} of the values are missing")
    for count, error in zip(terms, errors, strict=True):
        print(f"{chosen.band}: {count} of {values.shape[1]} coefficients, RMSE {error:.3g}")
    print(chosen.out)


if __name__ == "__main__":
    run_command(main)
