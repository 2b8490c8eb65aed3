"""The virtual worlds stay as they are: results on them are published, and compared from one version to the next.

`frozen.json` holds numbers of every file. When a world is changed on purpose: python -m tests.world.test_frozen
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import torch

from glc import world

FROZEN = Path(__file__).with_name("frozen.json")
NAMES = ("tiny", "glc20-tiny", "geoplant-tiny")
FEW = 8


def numbers(path):
    """What is kept of a file: its columns' or bands' means and spreads, and how many values they have."""
    if path.suffix in (".csv", ".parquet"):
        csv = path.suffix == ".csv"
        frame = pd.read_csv(path, sep=None, engine="python") if csv else pd.read_parquet(path)
        values = frame.select_dtypes("number").to_numpy(float).T
        words = {name: frame[name].fillna("").str.len().sum() for name in frame.select_dtypes("object")}
        return [*_moments(values), *map(int, words.values())]
    if path.suffix in (".tif", ".jpeg", ".jpg", ".png"):
        with rasterio.open(path) as file:
            return _moments(file.read(masked=True).astype(float).filled(np.nan).reshape(file.count, -1))
    if path.suffix == ".npy":
        return _moments(np.load(path).reshape(1, -1).astype(float))
    if path.suffix == ".pt":
        return _moments(torch.load(path).numpy().reshape(1, -1).astype(float))
    return []


def _moments(values):
    return [
        float(f"{part:.9g}") for row in values for part in (np.isfinite(row).sum(), np.nanmean(row), np.nanstd(row))
    ]


def facts(name, folder):
    """Numbers of the files of a world; of many files of one kind in a folder, of the first few."""
    world.write(world.SIZES[name], folder, parts=world.SIZES[name].modules)
    known, made = {}, {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            relative = path.relative_to(folder)
            kind = (relative.parts[:-1][:1], path.suffix)
            known[kind] = known.get(kind, 0) + 1
            if known[kind] <= FEW:
                made[relative.as_posix()] = numbers(path)
    return made | {f"{'/'.join(parts)} {suffix}": [count] for (parts, suffix), count in known.items()}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("name", NAMES)
def test_a_world_stays_as_it_is(name, tmp_path):
    expected, made = json.loads(FROZEN.read_text())[name], facts(name, tmp_path)
    assert list(made) == list(expected)
    for path, values in expected.items():
        # libraries compress JPEG a little differently; on another processor one pixel in 65,536 rounds the other way
        tolerance = {"atol": 0.5} if path.endswith(("jpeg", "jpg")) else {"rtol": 1e-4, "atol": 1e-5}
        np.testing.assert_allclose(made[path], values, **tolerance, err_msg=path)


def _lines(made):
    """A line per file."""
    return "{\n" + ",\n".join(f"{json.dumps(path)}: {json.dumps(values)}" for path, values in made.items()) + "\n}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        FROZEN.write_text(
            "{" + ",\n".join(f'"{name}": {_lines(facts(name, Path(scratch) / name))}' for name in NAMES) + "}\n"
        )
