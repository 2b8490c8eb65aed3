"""Satellite patches around the globe with an index CSV, the layout of S2-100K: checked, averaged down, kept on disk.

    FOLDER or ARCHIVE.zip or .tar/index.csv    fn, lon, lat: file name and place (degrees) of each patch
                             /<fn>             GeoTIFF, PNG or JPEG, square; or
                             /images/<fn>

All patches must have the same bands. What is missing, damaged or has other bands is left out, and listed; above
`MOST_LEFT_OUT` of the patches it is an error.
"""

import hashlib
import io
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from rasterio.errors import RasterioError
from scipy.spatial import cKDTree

from glc import geo, storage
from glc.errors import ConfigError, DataError
from glc.location.pretraining.scenes import Scenes, kept_bands
from glc.progress import tqdm
from glc.rasters import archives, images
from glc.types import Facts, StrPath

COLUMNS = ("fn", "lon", "lat")
MOST_LEFT_OUT = 0.05
TILES, PLACES, LEFT_OUT = "tiles.npy", "places.parquet", "left_out.csv"
_ARCHIVES = (".zip", ".tar")
_INDEX_BYTES, _FILE_BYTES = 1 << 30, 1 << 28
_SAMPLE = 32
_NAMED = 5
_REACH = 3
_RGB = ("red", "green", "blue")
_UNREADABLE = (OSError, ValueError, RasterioError)


@dataclass(frozen=True)
class Layout:
    """What all patches of a folder share.

    bands : their names, of the files' descriptions; otherwise red, green, blue of three, or band_1, band_2, …
    side : pixels
    """

    bands: tuple[str, ...]
    side: int


class Folder:
    """A folder or archive of patches, with its index read and its columns checked.

    index : frame of fn, lon, lat, one row per patch
    """

    def __init__(self, path: StrPath) -> None:
        self.path = Path(path)
        self.source = archives.opened(self.path)
        name = _index_name(self.path, self.source.top)
        self.index_path = self.path / name
        self.index = _read_index(self.index_path, self.source.read(name, _INDEX_BYTES))

    def name(self, fn: str) -> str | None:
        """Where the file of a row lies in the folder or archive; None: nowhere."""
        return next((name for name in (fn, f"images/{fn}") if self.source.has(name)), None)

    def names(self) -> list[str | None]:
        """`name` of each row; a DataError tells of too many that are missing."""
        names = [self.name(fn) for fn in self.index["fn"]]
        _refuse_many(self, [(fn, "missing") for fn, name in zip(self.index["fn"], names, strict=True) if name is None])
        return names

    def read(self, name: str) -> bytes:
        """The bytes of a file; an OSError tells of one that is damaged."""
        return self.source.read(name, _FILE_BYTES)

    def layout(self, size: int) -> Layout:
        """Bands and side of the first patches that can be read, checked against the `size` that is wanted of them."""
        seen: dict[str, Layout] = {}
        for fn in self.index["fn"]:
            name = self.name(fn)
            if name is None:
                continue
            try:
                seen[fn] = layout_of(self.read(name), str(self.path / name))
            except _UNREADABLE:
                continue
            if len(seen) == _SAMPLE:
                break
        if not seen:
            raise DataError(
                f"{self.path}: none of {len(self.index):,} patches can be read, such as {self.index['fn'].iloc[0]}; "
                "expected GeoTIFF, PNG or JPEG files"
            )
        shapes = Counter((len(layout.bands), layout.side) for layout in seen.values())
        (bands, side), count = shapes.most_common(1)[0]
        if count < (1 - MOST_LEFT_OUT) * len(seen):
            fn, other = next((fn, x) for fn, x in seen.items() if (len(x.bands), x.side) != (bands, side))
            raise DataError(
                f"{self.path}: {fn} has {len(other.bands)} bands of {other.side} x {other.side} pixels, expected "
                f"{bands} of {side} x {side} as of {count} of the first {len(seen)} patches; keep patches of one kind "
                "in one folder"
            )
        if size > side:
            raise ConfigError(
                f"location.size: found {size}, expected at most {side}, the side of the patches in {self.path}; append "
                f"+location.size={side} to the experiment's name"
            )
        return next(layout for layout in seen.values() if (len(layout.bands), layout.side) == (bands, side))


def is_patches(path: StrPath) -> bool:
    """Whether `path` is an archive, or a folder with a CSV at its top, rather than rasters."""
    path = Path(path)
    return path.suffix in _ARCHIVES if path.is_file() else any(path.glob("*.csv"))


def fingerprint(path: StrPath) -> list[str]:
    """What changes when patches do: names, sizes and times of all files, as one digest per folder or archive."""
    path = Path(path)
    if path.is_file():
        stat = path.stat()
        return [path.name, str(stat.st_size), str(stat.st_mtime_ns)]
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(path):
        folders.sort()
        for name in sorted(files):
            stat = os.stat(os.path.join(folder, name))
            below = os.path.relpath(os.path.join(folder, name), path)
            digest.update(f"{below} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return [path.name, digest.hexdigest()]


def check(path: StrPath, size: int) -> None:
    """Refuse what would fail later: no index, a missing column, too many missing files, other bands, too few pixels."""
    folder = Folder(path)
    folder.names()
    folder.layout(size)


def prepare(path: StrPath, out: Path, size: int, progress: bool = True) -> Facts:
    """Average all patches down to `size` pixels a side and write them to `out` as a file that is read in place.

    path : a folder or an archive, see the module
    out : gets ``tiles.npy`` (n, band, row, col) float32, ``places.parquet`` (row in it, fn, lon, lat) and
        ``left_out.csv`` (fn, reason)
    returns : facts for the manifest: bands, side, number of patches and of those left out by reason
    """
    folder = Folder(path)
    names, layout = folder.names(), folder.layout(size)
    shape = (len(names), len(layout.bands), size, size)
    remedy = "free space, or lower location.size"
    storage.check_space(out, 4 * int(np.prod(shape)), f"{len(names):,} patches of {size} x {size} pixels", remedy)
    tiles = np.lib.format.open_memmap(out / TILES, mode="w+", dtype=np.float32, shape=shape)
    weights, good, lost = averaging(layout.side, size), [], []
    for row, name in enumerate(tqdm(names, "reading patches", unit="patch", disable=not progress, leave=False)):
        fn = folder.index["fn"].iloc[row]
        if name is None:
            lost.append((fn, "missing"))
            continue
        try:
            pixels, valid = images.decode(folder.read(name), len(layout.bands), layout.side)
        except _UNREADABLE as error:
            lost.append((fn, str(error)))
            continue
        tiles[len(good)] = averaged(pixels, valid, weights)
        good.append(row)
    _refuse_many(folder, lost)
    tiles.flush()
    kept = folder.index.iloc[good].reset_index(drop=True)
    kept.insert(0, "row", np.arange(len(kept)))
    kept.to_parquet(out / PLACES, index=False)
    storage.write_csv(pd.DataFrame(lost, columns=["fn", "reason"]), out / LEFT_OUT)
    missing = sum(reason == "missing" for _, reason in lost)
    counts = {"patches": len(kept), "missing": missing, "unreadable": len(lost) - missing}
    return {"bands": list(layout.bands), "side": layout.side, "size": size, **counts}


def scenes(folder: StrPath, options) -> Scenes:
    """`Scenes` of the patches that `prepare` wrote to `folder`; tiles are read from disk batch by batch.

    options : `glc.config.EncoderPretraining`: `leave_out`, `bounds` and at most `places` of them, drawn by `seed`
    """
    folder, facts = Path(folder), storage.manifest(folder)
    bands = kept_bands(tuple(facts["bands"]), options.leave_out, folder)
    places = pd.read_parquet(folder / PLACES)
    west, south, east, north = options.bounds
    inside = places["lon"].between(west, east) & places["lat"].between(south, north)
    first = ~places.duplicated(["lon", "lat"])  # two patches of one place would be each other's contrast
    chosen = places[inside & first]
    causes = {"out_of_bounds": int((~inside).sum()), "same_place": int((inside & ~first).sum()), "not_drawn": 0}
    if len(chosen) > options.places:
        drawn = np.random.default_rng([options.seed, 2]).permutation(len(chosen)) < options.places
        causes["not_drawn"], chosen = int((~drawn).sum()), chosen[drawn]
    if chosen.empty:
        raise DataError(
            f"{folder}: found no patch within bounds {options.bounds} of {len(places):,}; give other bounds"
        )
    lost = {"left_out": sum(causes.values()), "causes": causes, "missing": facts["missing"]}
    lost["unreadable"] = facts["unreadable"]
    numbers = np.array([facts["bands"].index(band) for band in bands])
    tiles = Part(np.load(folder / TILES, mmap_mode="r"), chosen["row"].to_numpy(), numbers)
    return Scenes(chosen["lon"].to_numpy(), chosen["lat"].to_numpy(), tiles, bands, lost, "patches")


class Part:
    """Some rows and bands of an array (n, band, row, col) on disk: ``[rows]`` and ``[rows, band]`` read only these."""

    def __init__(self, array: np.ndarray, rows: np.ndarray, bands: np.ndarray) -> None:
        self.array, self.rows, self.bands = array, rows, bands
        self.shape = (len(rows), len(bands), *array.shape[2:])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: int | np.ndarray | tuple[int | np.ndarray, int]) -> np.ndarray:
        rows, bands = key if isinstance(key, tuple) else (key, slice(None))
        wanted, bands = np.asarray(self.rows[rows]), self.bands[bands]
        if wanted.ndim == 0 or np.ndim(bands) == 0:
            return np.asarray(self.array[wanted, bands])
        return np.asarray(self.array[wanted])[:, bands]


class Near:
    """Whether places are near a patch: within three times the median distance from a patch to the next.

    Patches show where they are, not where land is: this is what a gallery "on land" means for them.
    """

    def __init__(self, lon: np.ndarray, lat: np.ndarray) -> None:
        points = geo.unit_sphere(lon, lat)
        self.tree = cKDTree(points)
        apart = self.tree.query(points, [2])[0] if len(points) > 1 else np.ones(1)
        self.chord = _REACH * float(np.median(apart))

    def __call__(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        return self.tree.query(geo.unit_sphere(lon, lat), distance_upper_bound=self.chord)[0] <= self.chord


def read_image(path: StrPath, bands: Sequence[str], size: int) -> np.ndarray:
    """One image of a user as an image encoder sees it: (1, band, row, col) float32.

    path : GeoTIFF, PNG or JPEG, square, of at least `size` pixels a side
    bands : of the encoder. A file whose bands are named may have more of them, in any order; otherwise it must have
        as many, in the encoder's order
    """
    path = Path(path)
    try:
        data = path.read_bytes()
        layout = layout_of(data, str(path))
        pixels, valid = images.decode(data, len(layout.bands), layout.side)
    except FileNotFoundError:
        raise DataError(f"{path}: no such image; give a GeoTIFF, PNG or JPEG") from None
    except _UNREADABLE as error:
        raise DataError(
            f"{path}: {error}; give a square GeoTIFF, PNG or JPEG of the bands {', '.join(bands)}"
        ) from None
    named = set(bands) <= set(layout.bands)
    if not named and len(layout.bands) != len(bands):
        raise DataError(
            f"{path}: found {len(layout.bands)} bands ({', '.join(layout.bands)}), expected the {len(bands)} of the "
            f"encoder, in this order: {', '.join(bands)}"
        )
    if layout.side < size:
        raise DataError(
            f"{path}: found {layout.side} x {layout.side} pixels, expected at least {size} x {size}, what the encoder "
            "sees; give a larger cut-out"
        )
    rows = [layout.bands.index(band) for band in bands] if named else list(range(len(bands)))
    return averaged(pixels[rows], valid[rows], averaging(layout.side, size))[None]


def layout_of(data: bytes, where: str) -> Layout:
    """Bands and side of an image file, of its header; a ValueError tells of one that is not square."""
    names, rows, cols = images.header(data)
    if rows != cols:
        raise ValueError(f"{where}: found {rows} x {cols} pixels, expected a square")
    if not all(names):
        names = _RGB if len(names) == 3 else tuple(f"band_{number + 1}" for number in range(len(names)))
    return Layout(tuple(names), rows)


def averaging(side: int, size: int) -> np.ndarray:
    """Weights (size, side) that average `side` pixels to `size` by the area they share."""
    edges = np.linspace(0, side, size + 1)
    left, right = np.arange(side), np.arange(side) + 1
    shared = np.minimum(edges[1:, None], right) - np.maximum(edges[:-1, None], left)
    return np.clip(shared, 0, None) * size / side


def averaged(pixels: np.ndarray, valid: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Pixels (band, row, col) averaged by `weights` over what is valid; NaN where nothing is. float32."""
    if valid.all():
        return (weights @ pixels.astype(np.float64) @ weights.T).astype(np.float32)
    total = weights @ np.where(valid, pixels, 0).astype(np.float64) @ weights.T
    known = weights @ valid.astype(np.float64) @ weights.T
    return np.divide(total, known, out=np.full_like(total, np.nan), where=known > 1e-9).astype(np.float32)


def _index_name(path, top):
    tables = [name for name in top if name.lower().endswith(".csv")]
    if "index.csv" in tables:
        return "index.csv"
    if len(tables) != 1:
        what = f"{len(tables)} CSV files ({', '.join(tables[:_NAMED])})" if tables else "no CSV file"
        raise DataError(
            f"{path}: found {what}, expected one index.csv with the columns {', '.join(COLUMNS)}: file name, longitude "
            "and latitude of each patch"
        )
    return tables[0]


def _read_index(path, data):
    try:
        table = pd.read_csv(
            io.BytesIO(data), dtype={"fn": str}, keep_default_na=False, na_values={"lon": [""], "lat": [""]}
        )
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read as a CSV ({error}); expected the columns {', '.join(COLUMNS)}"
        ) from None
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise DataError(
            f"{path}: column {missing[0]!r} is missing; found {', '.join(map(str, table.columns))}, expected "
            f"{', '.join(COLUMNS)}; rename the column"
        )
    if table.empty:
        raise DataError(f"{path}: found no rows, expected one per patch")
    for name, limit in (("lon", 180), ("lat", 90)):
        values = pd.to_numeric(table[name], errors="coerce")
        wrong = np.flatnonzero(~(values.abs() <= limit).to_numpy())
        if len(wrong):
            wrong_value = table[name].tolist()[wrong[0]]
            raise DataError(
                f"{path}: column {name!r}: found {wrong_value!r} in line {wrong[0] + 2} ({len(wrong):,} "
                f"such rows), expected degrees from -{limit} to {limit}; correct or remove these rows"
            )
        table[name] = values.astype(float)
    outside = [fn for fn in table["fn"] if fn.startswith("/") or ".." in Path(fn).parts]
    if outside:
        raise DataError(f"{path}: column 'fn': found {outside[0]!r}, expected a file below this folder")
    return table[list(COLUMNS)]


def _refuse_many(folder, lost):
    share = len(lost) / len(folder.index)
    if share > MOST_LEFT_OUT:
        listed = "; ".join(f"{fn}: {reason}" for fn, reason in lost[:_NAMED])
        raise DataError(
            f"{folder.index_path}: {len(lost):,} of {len(folder.index):,} patches are missing or cannot be used, more "
            f"than {MOST_LEFT_OUT:.0%}: {listed}{'; …' if len(lost) > _NAMED else ''}; fetch these files "
            "again, or remove their rows from the index"
        )
