"""What a block of DCT coefficients costs and keeps: bytes, fidelity of the tiles, and the F1 of a net that reads them.

(Miyaguchi et al. 2024, section 4.2, where 8 x 8 of 128 x 128 coefficients are kept without such a measurement.)
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from glc import dct, storage
from glc.errors import DataError
from glc.report.figures import PICTURE_WIDTH, picture, plain_numbers
from glc.report.palette import BASELINE, MODEL
from glc.results import read_metrics
from glc.types import Facts

_ROWS = 512


def size_on_disk(folder):
    """(bytes, surveys) of a finished table of tiles."""
    parts = sorted(Path(folder).glob("part-*.parquet"))
    if not parts:
        raise DataError(f"{folder}: no part of a table of tiles; run the task Tiles")
    return sum(path.stat().st_size for path in parts), sum(pq.read_metadata(path).num_rows for path in parts)


def squared_error(folder, full, surveys=2_000):
    """How far the pixels of `folder`, expanded, are from those in `full`: (sum of mean squared errors, tiles).

    folder, full : tables of the same surveys, of DCT coefficients and of pixels
    surveys : at most so many are compared, evenly spread over the table
    Tiles of all bands whose pixels are all valid count; an error is in units of its band's peak, 255 for bytes and else
    the range of the band's valid pixels.
    """
    facts, full_facts = storage.manifest(folder), storage.manifest(full)
    if facts["size"] != full_facts["size"] or facts["block"] == "full" or full_facts["block"] != "full":
        raise DataError(
            f"{folder}, {full}: found size {facts['size']}, block {facts['block']} and size {full_facts['size']}, "
            f"block {full_facts['block']}; expected DCT coefficients and pixels of one size"
        )
    size, block = facts["size"], int(facts["block"])
    wanted = _spread(full, surveys)
    squared, count = 0.0, 0
    for name in facts["bands"]:
        terms, pixels = (_column(table, name, wanted) for table in (folder, full))
        both = terms.index.intersection(pixels.index)
        peak = _peak(pixels)
        for start in range(0, len(both), _ROWS):
            keys = both[start : start + _ROWS]
            made = dct.expand(np.stack(terms.loc[keys].to_numpy()).reshape(-1, block, block).astype(float), size)
            true = np.stack(pixels.loc[keys].to_numpy()).reshape(-1, size, size).astype(float)
            squared += float((((made - true) / peak) ** 2).mean(axis=(1, 2)).sum())
        count += len(both)
    if not count:
        raise DataError(f"{folder}, {full}: no tile that is wholly valid in both; nothing to compare")
    return squared, count


def psnr(squared, count):
    """Peak signal-to-noise ratio, decibels, of `squared_error` (pooled, for several tables); infinite for none."""
    return 10 * np.log10(count / squared) if squared else np.inf


_KEYS = ["dataset", "surveyId"]


def _spread(folder, surveys):
    """Keys of `surveys` rows of the flag ok, evenly spread over the sorted table."""
    frame = pd.read_parquet(folder, columns=[*_KEYS, "flag"]).query("flag == 'ok'").sort_values(_KEYS)
    rows = np.unique(np.linspace(0, len(frame) - 1, min(surveys, len(frame))).round().astype(int))
    return pd.MultiIndex.from_frame(frame[_KEYS].iloc[rows])


def _column(folder, name, wanted):
    """Wholly valid tiles of a band of the surveys `wanted`, a Series of arrays by (dataset, surveyId)."""
    parts = []
    for path in sorted(Path(folder).glob("part-*.parquet")):
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=[*_KEYS, name, f"{name}_valid"])
            keys = pd.MultiIndex.from_frame(table.select(_KEYS).to_pandas())
            rows = np.flatnonzero(keys.isin(wanted) & (table[f"{name}_valid"].to_numpy() == 1))
            parts.append(pd.Series(list(table[name].take(rows).to_pandas()), index=keys[rows], dtype=object))
    return pd.concat(parts).sort_index()


def _peak(pixels):
    if not len(pixels) or pixels.iloc[0].dtype == np.uint8:
        return 255.0
    return float(max(map(np.max, pixels)) - min(map(np.min, pixels))) or 1.0


def row(block: int, folders: list[Path], full: list[Path], metrics: Path, sample: int) -> Facts:
    """A block's line: bytes, PSNR, and the F1 of the net that reads it.

    block : coefficients per axis, 0 for the pixels
    folders : its tables of tiles
    full : those of the pixels
    metrics : folder of `glc.evaluation.evaluate`
    sample : surveys whose tiles are compared with their pixels
    """
    sizes = [size_on_disk(folder) for folder in folders]
    pairs = zip(folders, full, strict=True) if block else ()
    errors = [squared_error(folder, pixels, sample) for folder, pixels in pairs]
    stored, surveys = sum(size for size, _ in sizes), max(count for _, count in sizes)
    splits = read_metrics(metrics)
    return {
        "block": str(block or "pixels"),
        "surveys": surveys,
        "bytes": stored,
        "bytes_per_survey": stored / surveys,
        "psnr_db": psnr(*map(sum, zip(*errors, strict=True))) if errors else None,
        "f1": splits["valid"]["sample_f1"],
        "low": splits["valid"]["sample_f1_low"],
        "high": splits["valid"]["sample_f1_high"],
        "test_f1": splits.get("test", {}).get("sample_f1"),
    }


def frame_of(rows: list[Facts]) -> pd.DataFrame:
    """The lines of `row` as a frame."""
    frame = pd.DataFrame(rows)
    return frame.assign(psnr_db=frame["psnr_db"].astype(float))


def draw(frame: pd.DataFrame, out: Path) -> None:
    """Draw fidelity and F1 against bytes a survey.

    frame : rows in order of size with block (text), bytes_per_survey, psnr_db (NaN of the pixels), f1, low, high
    """
    x = frame["bytes_per_survey"].to_numpy(float)
    with picture(out, (1.6 * PICTURE_WIDTH, 3.2)) as figure:
        left, right = figure.subplots(1, 2)
        left.plot(x, frame["psnr_db"], "o-", color=MODEL)
        left.set_ylabel("PSNR of the tiles, dB")
        right.errorbar(
            x,
            frame["f1"],
            [frame["f1"] - frame["low"], frame["high"] - frame["f1"]],
            fmt="o-",
            color=MODEL,
            ecolor=BASELINE,
        )
        right.set_ylabel("F1 on validation, with 95% interval")
        right.set_ylim(bottom=0)
        for ax, column in ((left, "psnr_db"), (right, "f1")):
            ax.set_xscale("log")
            plain_numbers(ax.xaxis)
            ax.margins(x=0.12, y=0.12)
            ax.grid(axis="y")
            ax.set_xlabel("bytes a survey on disk")
            for at, y, block in zip(x, frame[column], frame["block"], strict=True):
                if y == y:
                    label = block if block == "pixels" else f"{block} × {block}"
                    ax.annotate(label, (at, y), (0, 7), textcoords="offset points", ha="center", fontsize=8)
