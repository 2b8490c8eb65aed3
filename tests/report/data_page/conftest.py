import numpy as np
import pandas as pd
import pytest

from glc import geo, schema, storage


def surveys(name, count, seed=0, region="ATLANTIC", species=True):
    """Rows of the surveys table: clusters of 10 surveys within 3 km in two regions."""
    rng = np.random.default_rng(seed)
    centre = np.repeat(rng.uniform((0, 44), (6, 49), (-(-count // 10), 2)), 10, axis=0)[:count]
    lon, lat = (centre + rng.normal(0, 0.012, (count, 2))).T
    easting, northing = geo.project(lon, lat)
    frame = pd.DataFrame(
        {
            "dataset": name,
            "surveyId": np.arange(count, dtype=np.int64) + 1,
            "lon": lon,
            "lat": lat,
            "easting": easting,
            "northing": northing,
            "crs": 3035,
            "year": 2018 + np.arange(count) % 2,
            "geoUncertaintyInM": rng.uniform(1, 99, count),
            "country": "France",
            "region": np.where(np.arange(count) // 10 % 2, region, "ALPINE"),
            "areaInM2": rng.uniform(10, 400, count),
        }
    )
    frame["species"] = [sorted(rng.choice(40, rng.integers(1, 9), replace=False)) if species else [] for _ in lon]
    return frame


@pytest.fixture
def folder(tmp_path):
    """A finished surveys output of training, test and presence-only surveys."""
    parts = [surveys("pa_train", 120), surveys("pa_test", 30, 1, species=False), surveys("po", 300, 2)]
    counts = {part["dataset"][0]: {"surveys": len(part)} for part in parts}
    facts = {"edition": "glc2024", "train": "pa_train", "test": "pa_test", "datasets": counts}
    with storage.atomic_directory(tmp_path / "surveys", **facts) as out:
        storage.write_table(pd.concat(parts)[schema.TABLES["surveys"].names], "surveys", out / "surveys")
    return tmp_path / "surveys"
