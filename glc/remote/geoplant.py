"""GeoPlant v2 at its host: which files there are, by part, and where."""

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import requests

from glc import registry, schema
from glc.errors import ConfigError, DataError, did_you_mean
from glc.remote import competition_files, download
from glc.remote.download import Open, Remote
from glc.remote.wanted import Wanted

URL = "https://lab.plantnet.org/seafile/d/59325675470447b38add/files/?p=/{path}&dl=1"
"""The share that the dataset's own downloader reads (plantnet/GeoPlant, dataset/config.py)."""
EDITION = "geoplant"
SURVEYS, LABELS, VALUES = "surveys", "labels", "values"
DEFAULT = (SURVEYS, VALUES)
SPLITS = ("PO-train", "PA-train", *(f"PA-test-{name}" for name in schema.TESTS))
"""How file names begin."""


def _values() -> list[str]:
    kinds = {
        "Climate": "bioclimatic",
        "Elevation": "elevation",
        "LandCover": "landcover",
        "SoilGrids/v2": "soilgrids",
        "HumanFootprint/v2": "human_footprint",
    }
    names = [f"EnvironmentalValues/{kind}/{split}-{end}.csv" for kind, end in kinds.items() for split in SPLITS]
    iid = "EnvironmentalValues/HumanFootprint/v2/PA-test-iid-human_footprint.csv"
    return [name.replace("-iid", "") if name == iid else name for name in names]  # the host's name of this one


def _images(folder: str, ends: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"SatelliteData/{folder}/{end}.zip" for end in ends)


PARTS: dict[str, tuple[str, ...]] = {
    SURVEYS: (
        "PresenceAbsenceSurveys/PA_metadata_train.csv",
        *(f"PresenceAbsenceSurveys/PA_metadata_test_{name}.csv" for name in schema.TESTS),
        "PresenceOnlyOccurrences/PO_metadata_train.csv",
    ),
    LABELS: ("PresenceAbsenceSurveys/test_labels.csv",),
    VALUES: tuple(_values()),
    "rasters": tuple(
        f"EnvironmentalRasters/{name}"
        for name in (
            "BiogeographicalRegions/Bioregions-Europe-2016-v1.geojson",
            "Climate/BioClimatic_Average_1981-2010.zip",
            "Climate/Climatic_Monthly_1979-2019.zip",
            "Elevation/ASTER_Elevation.tif",
            "HumanFootprint/v2/OSM_detailed.zip",
            "LandCover/LandCover_MODIS_Terra-Aqua_500m.tif",
            "Soilgrids/soilgrids.zip",
        )
    ),
    "climate": tuple(f"TimeSeries/Bioclim/values/{split}-bioclimatic_time_series.zip" for split in SPLITS),
    "climate-cubes": tuple(f"TimeSeries/Bioclim/cubes/{split}-bioclimatic-monthly.zip" for split in SPLITS),
    "landsat": tuple(f"TimeSeries/Landsat/values/{split}-landsat_time_series.zip" for split in SPLITS),
    "landsat-cubes": tuple(f"TimeSeries/Landsat/cubes/{split}-landsat-time-series.zip" for split in SPLITS),
    "images": _images(
        "Sentinel2Patches-jpeg",
        (
            "PO-Train-Sentinel2Patches-RGB",
            "PO-Train-Sentinel2Patches-NIR",
            "PA-Train-Sentinel2Patches-RGB+NIR",
            "PA-Test-IID-Sentinel2Patches",
        ),
    ),
    "alphaearth": tuple(f"SatelliteData/AlphaEarth/{split}-alphaearth.parquet" for split in SPLITS),
}
"""Part -> paths at the host, which are those in the dataset's folder. Archives stay zipped."""


def paths(parts: Sequence[str]) -> list[str]:
    """Paths of the files of some parts, the surveys always with them; a ConfigError for an unknown part."""
    for part in parts:
        if part not in PARTS:
            raise ConfigError(f"--part: found {part!r}, expected one of: {', '.join(PARTS)}{did_you_mean(part, PARTS)}")
    return list(dict.fromkeys(path for part in (SURVEYS, *parts) for path in PARTS[part]))


def key(parts: Sequence[str]) -> str:
    """Name of the selection in the folder's record."""
    return json.dumps(sorted({SURVEYS, *parts}))


def opener(url: str, path: str) -> Open:
    """Asks for a file.

    url : address with ``{path}``, or a folder of the host
    raises : ConfigError for an address that is none
    """
    if not url.startswith(("http://", "https://")):
        raise ConfigError(
            f"--url ([geoplant] url): found {url!r}, expected the address of GeoPlant's files, such as {URL}"
        )
    template = url if "{path}" in url else f"{url.rstrip('/')}/{{path}}"
    ask = download.plain(template.replace("{path}", quote(path)))

    def ask_for_file() -> requests.Response:
        response = ask()
        if response.ok and response.headers.get("Content-Type", "").startswith("text/html"):
            response.close()
            raise DataError(
                f"{path}: found a web page at {response.url}, expected the file; give the address that leads to files "
                "by --url or [geoplant] url"
            )
        return response

    return ask_for_file


def fetch(folder: Path, parts: Sequence[str], url: str, say: Callable[[str], object]) -> list[Path]:
    """Fetch parts of the dataset into a folder; sizes are stated, and the disk's room compared, first.

    folder : of the dataset; parts : of `PARTS`; url : see `opener`; say : called with lines that are to stay
    returns : the files; those that are there with the host's size are not fetched again
    raises : DataError for a file that the host does not have
    """
    chosen = [Wanted(Remote(path, _size(url, path)), path) for path in paths(parts)]
    competition_files.state(chosen, [], folder, say)
    stage = competition_files.stage_of(folder)
    missing = [each for each in chosen if not competition_files.is_there(folder, each, {})]
    for each in missing:
        place = stage / each.place
        if not place.is_file():
            with _explained(url, each.place):
                competition_files.fetch_one(opener(url, each.place), each.remote, place)
    places = [each.place for each in chosen]
    edition = registry.editions.get(EDITION)
    return competition_files.finish(edition, folder, stage, [each.place for each in missing], places, key(parts))


def _size(url: str, path: str) -> int | None:
    with _explained(url, path):
        return download.size_of(opener(url, path))


@contextlib.contextmanager
def _explained(url: str, path: str) -> Iterator[None]:
    """Errors of a request as our own."""
    try:
        yield
    except requests.HTTPError as error:
        raise DataError(
            f"{path}: the host answered {error.response.status_code}, expected the file; if it has moved, give its "
            "address by --url or [geoplant] url"
        ) from None
    except requests.RequestException as error:
        raise DataError(
            f"{path}: no answer from {url} ({type(error).__name__}); check the network, and --url"
        ) from None
