"""The kinds of covariates, as declarations.

Rasters cover the surveys, patches are one file per survey, metadata are what the survey files themselves say.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import inf
from pathlib import Path
from typing import ClassVar, NoReturn

from glc.errors import ConfigError, MissingError
from glc.types import StrPath

CLASSES_AS = ("onehot", "fractions", "centre", "pixels")
_FULL_NAME = re.compile(r"\W+")


@dataclass(eq=False)
class Raster:
    """GeoTIFFs of one source, one or several bands each.

    patterns : globs relative to a dataset's folder, or tuples of globs taken together; the first with a match wins, and
        all its matches are files of the covariate, in natural order (bio2 before bio10)
    whole : whether each glob of a tuple needs a match: a tuple with one that has none counts as having none at all
    monthly : regular expression, with groups ``variable``, ``year`` and ``month``, of names (without their ends) of
        files that hold one month each. The twelve of a variable and year are one band, their mean, ``tas_2001``
    areas : last words of file names that tell the area, ``FR`` of bio_1_FR.tif. Files that are called the same but for
        them are one variable, bio_1, of which a place has the value of the first area that knows one there
    bands : their names where the files' own are not good; as many as all files have bands. Otherwise a band is called
        by its description, else by its file
    classes : for categorical bands, number of the band among all bands (from 1) -> codes of its classes. Pixels of any
        other code count as nodata
    classes_as : what becomes of a categorical band. ``onehot``: each class a band of zeros and ones, so that its DCT is
        a map of the class's share; ``fractions``: one column with each class's share of the tile; ``centre``: the class
        at the survey; ``pixels``: class numbers as they are, which have no DCT
    nodata : where the files do not tell; or glob of file names, without their end -> that of those files
    crs : the grid that tiles are cut from; files in another are warped on reading (bilinear; categorical bands
        nearest). None cuts each file in its own
    limits : glob of column names -> (lowest, highest) that is physically possible, of the first glob that fits;
        infinite where nothing is known or files are of several units. Values and pixels beyond them are nodata
    beyond : values that take the place of those below and above the limits; None: they are nodata
    tables : kinds of the contest's CSVs with its values at the surveys, ``soilgrids`` in GLC24-PA-train-soilgrids.csv
    table_name : what such a file is called, for errors
    vector : its columns in the one CSV of environmental vectors that GeoLifeCLEF 2020 to 2022 have
    name : given by the registry
    """

    kind: ClassVar[str] = "rasters"
    """Which folder of a virtual world has its files, and that a survey's tile is cut from them."""
    title: str
    patterns: tuple[str | tuple[str, ...], ...]
    whole: bool = False
    monthly: str = ""
    bands: tuple[str, ...] = ()
    classes: dict[int, tuple[int, ...]] = field(default_factory=dict)
    classes_as: str = "onehot"
    nodata: float | dict[str, float] | None = None
    crs: str | None = "EPSG:4326"
    limits: dict[str, tuple[float, float]] = field(default_factory=dict)
    beyond: tuple[float, float] | None = None
    tables: tuple[str, ...] = ()
    table_name: str = "EnvironmentalRasters/**/GLC24-PA-train-{kind}.csv"
    areas: tuple[str, ...] = ()
    vector: tuple[str, ...] = ()
    name: str = ""

    def __post_init__(self):
        if self.classes_as not in CLASSES_AS:
            raise ConfigError(f"classes_as: found {self.classes_as!r}, expected one of: {', '.join(CLASSES_AS)}")

    @property
    def declared(self) -> tuple[str, ...]:
        """Names of the bands where they do not depend on the files; else empty."""
        return self.bands

    def find(self, folders: Iterable[StrPath]) -> list[Path]:
        """Paths of the files below the first of `folders` that has any; a MissingError says what was looked for."""
        for folder in folders:
            for pattern in self.patterns:
                if self._has(folder, pattern):
                    paths = {path for glob in _together(pattern) for path in _files(folder, glob)}
                    return sorted(paths, key=natural)
        globs = [f"{group[0]} and the like" if len(group) > 1 else group[0] for group in map(_together, self.patterns)]
        raise MissingError(_nothing(self, folders, globs))

    def there(self, folder: StrPath) -> bool:
        """Whether `folder` has any of the files."""
        return any(self._has(folder, pattern) for pattern in self.patterns)

    def _has(self, folder, pattern):
        """Whether `folder` has a file of any, or where they are `whole` of each, glob of a pattern."""
        has = (any(_files(folder, glob)) for glob in _together(pattern))
        return all(has) if self.whole else any(has)

    def area_of(self, path: StrPath) -> tuple[str, str]:
        """(name without its end and area, area) of a file; the area is empty where its name tells none."""
        name, _, area = Path(path).stem.rpartition("_")
        return (name, area) if name and area in self.areas else (Path(path).stem, "")

    def nodata_of(self, path: StrPath) -> float | None:
        """What counts as nodata in a file that does not tell, or None."""
        if not isinstance(self.nodata, dict):
            return self.nodata
        return next((value for glob, value in self.nodata.items() if fnmatchcase(Path(path).stem, glob)), None)


@dataclass(eq=False)
class Metadata:
    """What the survey files themselves say of a survey: values and categories of the table ``surveys``, no tiles.

    values : name of a column of values -> the column of the ``surveys`` table that it is
    categories : the same for texts. Each becomes a column of zeros and ones per category of the training surveys; a
        category that no training survey has is null
    limits : glob of column names -> (lowest, highest) that is possible, as of a `Raster`; beyond them is null
    name : given by the registry
    """

    kind: ClassVar[str] = "metadata"
    """It has no files of its own."""
    declared: ClassVar[tuple[str, ...]] = ()
    """Names of bands: tiles have bands."""
    beyond: ClassVar[None] = None
    """What takes the place of values beyond the limits: null."""
    title: str
    values: dict[str, str] = field(default_factory=dict)
    categories: dict[str, str] = field(default_factory=dict)
    limits: dict[str, tuple[float, float]] = field(default_factory=dict)
    name: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the ``surveys`` table that are read."""
        return (*self.values.values(), *self.categories.values())

    def find(self, folders: Iterable[StrPath]) -> NoReturn:
        """Refuse to be cut into tiles."""
        raise ConfigError(
            f"covariate {self.name!r} ({self.title}) is read from the survey files and has no tiles; expected rasters "
            f'or images; read it in a table: table = ["{self.name}"]'
        )


@dataclass(frozen=True, eq=False)
class Layer:
    """An image file of a survey: its bands, its side in pixels and where it is.

    templates : dataset -> paths relative to a dataset's folder, tried in turn; ``{id}`` is the survey's id, ``{ab}``
        and ``{cd}`` its last four digits in twos. A folder of the path may also be a tar or zip of that name
    """

    bands: tuple[str, ...]
    side: int
    templates: dict[str, tuple[str, ...]]


@dataclass(eq=False)
class Patches:
    """Images already cut around the surveys, one file per survey and layer.

    layers : alternatives of a layer set, such as those of two editions: the first with a folder or archive is used
    classes : for categorical bands, name of the band -> codes of its classes. Pixels of any other code count as nodata
    classes_as : ``onehot`` or ``pixels``, as of a `Raster`
    nodata, name : as of a `Raster`
    """

    kind: ClassVar[str] = "images"
    """Which folder of a virtual world has its files, and that each survey has its own files."""
    title: str
    layers: tuple[tuple[Layer, ...], ...]
    classes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    classes_as: str = "onehot"
    nodata: float | None = None
    name: str = ""

    def __post_init__(self):
        if self.classes_as not in ("onehot", "pixels"):
            raise ConfigError(f"classes_as: found {self.classes_as!r}, expected one of: onehot, pixels")

    def planes(self, layer: Layer) -> list[tuple[str, int, int | None]]:
        """What becomes of the `layer`'s bands: [(name, number of the band in the layer, code or None)]."""
        return [
            (band, number, None) if code is None else (f"{band}_{code}", number, code)
            for number, band in enumerate(layer.bands)
            for code in (self.classes.get(band, (None,)) if self.classes_as == "onehot" else (None,))
        ]

    @property
    def declared(self) -> tuple[str, ...]:
        """Names of the bands of all layers."""
        return tuple(dict.fromkeys(band for layers in self.layers for layer in layers for band in layer.bands))

    def find(self, folders: Iterable[StrPath]) -> tuple[Path, tuple[Layer, ...]]:
        """(folder, layers) that are there, in the order of `folders`; a MissingError says what was looked for."""
        for folder in folders:
            for layers in self.layers:
                if any(places(folder, template) for layer in layers for template in _templates(layer)):
                    return Path(folder), layers
        wanted = [template for layers in self.layers for layer in layers for template in _templates(layer)]
        raise MissingError(_nothing(self, folders, wanted))


def places(folder: StrPath, template: str) -> list[tuple[Path, str]]:
    """Where files of `template` lie: ``[(folder or archive, template below it)]``; empty when there is none."""
    parts = Path(template).parts
    fixed = next(i for i, part in enumerate(parts) if "{" in part)
    below = Path(folder).joinpath(*parts[:fixed])
    if below.is_dir():
        return [(below, "/".join(parts[fixed:]))]
    for i in range(fixed, 0, -1):
        stem = Path(folder).joinpath(*parts[:i])
        archives = [path for end in (".zip", ".tar") if (path := stem.with_name(stem.name + end)).is_file()]
        if archives:
            return [(archives[0], "/".join(parts[i:]))]
    return []


def file_name(template: str, survey: int) -> str:
    """The template's path of one survey."""
    digits = f"{survey:04d}"
    return template.format(id=survey, ab=digits[-4:-2], cd=digits[-2:])


def limits_of(limits: dict[str, tuple[float, float]], name: str) -> tuple[float, float]:
    """(lowest, highest) that is possible of a column `name`, of the first glob of `limits` that fits; else infinite."""
    return next((pair for glob, pair in limits.items() if fnmatchcase(name, glob)), (-inf, inf))


def column_name(text: str) -> str:
    """A band's name as a column: word characters only."""
    return _FULL_NAME.sub("_", text).strip("_").lower()


def natural(path: StrPath) -> list[int | str]:
    """Sort key that puts bio2 before bio10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", str(path))]


def _files(folder, glob):
    return (path for path in Path(folder).glob(glob) if path.is_file())


def _together(pattern):
    return (pattern,) if isinstance(pattern, str) else pattern


def _templates(layer):
    return [template for group in layer.templates.values() for template in group]


def _nothing(covariate, folders, wanted):
    looked = ", ".join(str(folder) for folder in folders)
    return (
        f"{looked}: no file of covariate {covariate.name!r} ({covariate.title}); expected one of: "
        f"{', '.join(dict.fromkeys(wanted))}; put the files there, name their folder "
        "(IMAGERY=, --imagery-folder), or leave the covariate out (in [[inputs]]: without it, or optional = true)"
    )
