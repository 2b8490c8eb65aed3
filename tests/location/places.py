"""Made-up places for the tests: values that the place itself decides, in the layout of the downstream tables."""

import numpy as np
import pandas as pd
import rasterio
import rasterio.transform

BANDS = ("altitude_m", "tmean_01_x10_degC", "land_percent")


def tasks(n=400, seed=0):
    """Frame of `n` labelled places over the whole Earth, some of them in Namibia, some without a class."""
    rng = np.random.default_rng(seed)
    lat = np.degrees(np.arcsin(rng.uniform(-0.95, 0.95, n)))
    lon = rng.uniform(-180, 180, n)
    frame = pd.DataFrame({"lat": lat, "lon": lon})
    frame["continent"] = np.where(lon < 0, "NA", "AS")
    frame["country_code"] = np.select([(lon < 0) & (lat < 0), lon < 0, lat < 0], ["BR", "US", "NA"], "CN")
    frame["tmean_annual_c"] = (30 - 0.5 * np.abs(lat)).astype(np.float32)
    frame["prec_annual_mm"] = (1000 + 900 * np.cos(np.radians(lon))).astype(np.float32)
    frame["altitude_m"] = altitude(lon, lat).astype(np.int16)
    frame["koeppen_main"] = np.where(np.abs(lat) < 25, "A", "D")
    frame.loc[::40, "koeppen_main"] = None
    frame["fold_random"] = (np.arange(n) % 5).astype(np.int8)
    frame["fold_block10"] = ((np.floor(lat / 10) + np.floor(lon / 10)) % 4).astype(np.int8)
    return frame


def altitude(lon, lat):
    """Metres that a place has, those of `raster` too."""
    return 1000 + 500 * np.sin(np.radians(2 * lon)) * np.cos(np.radians(lat))


def write_location(folder, n=400, query=30):
    """Write both tables; return the labelled places."""
    frame = tasks(n)
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(folder / "location_tasks.parquet", index=False)
    tasks(query, seed=1)[["lat", "lon"]].to_parquet(folder / "location_query.parquet", index=False)
    return frame


def write_habitats(folder, n=300, query=20, seed=0):
    """Write both tables of surveys: six habitats in stripes of longitude; return the labelled ones."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame({"surveyId": np.arange(n + query), "lon": rng.uniform(0, 6, n + query)})
    frame["lat"] = rng.uniform(44, 46, n + query)
    frame["habitatId"] = np.array(["NA", "R1A", "T21", "MA225", "Q24", "N1G"])[frame["lon"].astype(int)]
    frame[:n].to_csv(folder / "surveys_train.csv", index=False)
    frame[n:].drop(columns="habitatId").to_csv(folder / "surveys_test.csv", index=False)
    return frame[:n]


def write_raster(path, crs="EPSG:4326"):
    """Write a raster of 5° pixels with `BANDS`: altitude, ten times the mean temperature, land but east of 150°."""
    lon, lat = np.meshgrid(np.arange(-177.5, 180, 5), np.arange(87.5, -90, -5))
    bands = np.stack([altitude(lon, lat), 10 * (30 - 0.5 * np.abs(lat)), np.where(lon > 150, 0, 100)])
    transform = rasterio.transform.from_origin(-180, 90, 5, 5)
    with rasterio.open(
        path, "w", driver="GTiff", width=72, height=36, count=3, dtype="int16", crs=crs, transform=transform
    ) as out:
        out.write(bands.astype(np.int16))
        out.descriptions = BANDS
    return bands
