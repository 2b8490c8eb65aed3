"""Bytes and fidelity of tables of tiles, against a computation by hand."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from glc import dct, schema, storage
from glc.errors import DataError
from glc.report import budget

SIDE = 16
RNG = np.random.default_rng(2)


def table(folder, values, block, dtype, flags=None, valid=None):
    """A table of tiles: values, band -> (survey, ...) array."""
    n = len(next(iter(values.values())))
    frame = pd.DataFrame({"dataset": "pa_train", "surveyId": np.arange(n)[::-1], "flag": flags or ["ok"] * n})
    for name, value in values.items():
        frame[name] = list(value.reshape(n, -1).astype(dtype))
        frame[f"{name}_valid"] = np.float32(1)
    if valid is not None:
        frame.loc[valid, f"{name}_valid"] = np.float32(0.5)
    with storage.atomic_directory(folder, task="Tiles") as out:
        wanted = schema.tiles(dict.fromkeys(values, dtype))
        pq.write_table(pa.Table.from_pandas(frame, wanted, preserve_index=False), out / "part-00000.parquet")
        storage.note(out, bands=list(values), size=SIDE, block=block)
    return folder


@pytest.fixture
def tables(tmp_path):
    pixels = {"a": RNG.integers(0, 256, (5, SIDE, SIDE)).astype(np.uint8)}
    pixels["b"] = RNG.integers(0, 256, (5, SIDE, SIDE)).astype(np.uint8)
    terms = {name: dct.compress(value.astype(np.float32), 4) for name, value in pixels.items()}
    flags = ["ok", "ok", "edge", "ok", "missing"]
    return (
        table(tmp_path / "terms", terms, 4, np.float32, flags),
        table(tmp_path / "pixels", pixels, "full", np.uint8, flags, valid=[0]),
        pixels,
    )


def test_psnr_is_that_of_the_expanded_tiles_against_the_pixels(tables):
    terms, full, pixels = tables
    squared, count = budget.squared_error(terms, full)
    assert count == 3 + 2, "wholly valid ones of each band; band b of the first survey is not"
    wanted = 0
    for name, rows in (("a", [0, 1, 3]), ("b", [1, 3])):
        true = pixels[name][rows].astype(float)
        wanted += ((dct.low_pass(true, 4) - true) ** 2).mean(axis=(1, 2)).sum() / 255**2
    assert squared == pytest.approx(wanted, rel=1e-4)
    assert budget.psnr(squared, count) == pytest.approx(10 * np.log10(count / wanted), rel=1e-4)
    assert budget.psnr(0.0, 3) == np.inf


def test_the_peak_of_a_measurement_is_the_range_of_its_pixels(tmp_path):
    pixels = {"height": RNG.normal(100, 50, (4, SIDE, SIDE)).astype(np.float32)}
    full = table(tmp_path / "full", pixels, "full", np.float32)
    terms = table(tmp_path / "terms", {"height": dct.compress(pixels["height"], 8)}, 8, np.float32)
    squared, _ = budget.squared_error(terms, full)
    error = ((dct.low_pass(pixels["height"], 8) - pixels["height"]) ** 2).mean(axis=(1, 2)).sum()
    assert squared == pytest.approx(error / np.ptp(pixels["height"]) ** 2, rel=1e-3)


def test_bytes_are_those_of_the_parts(tables):
    terms, _, _ = tables
    assert budget.size_on_disk(terms) == ((terms / "part-00000.parquet").stat().st_size, 5)
    with pytest.raises(DataError, match="no part of a table of tiles"):
        budget.size_on_disk(terms.parent)


def test_tables_that_cannot_be_compared_are_refused(tables):
    terms, full, _ = tables
    with pytest.raises(DataError, match="expected DCT coefficients and pixels of one size"):
        budget.squared_error(full, terms)


def test_the_plot_is_drawn_with_pixels_at_the_right(tmp_path):
    frame = pd.DataFrame(
        {
            "block": ["4", "8", "pixels"],
            "bytes_per_survey": [250.0, 900.0, 70_000.0],
            "psnr_db": [22.0, 24.0, np.nan],
            "f1": [0.15, 0.16, 0.17],
            "low": [0.14, 0.15, 0.16],
            "high": [0.16, 0.17, 0.18],
        }
    )
    budget.draw(frame, tmp_path / "plot.png")
    assert Image.open(tmp_path / "plot.png").width > 800
