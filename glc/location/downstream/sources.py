"""What describes coordinates in downstream tasks: features, rasters, encoders."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from glc.config import NONE, Choice, Member, NotNegative, require, section
from glc.errors import ConfigError
from glc.location.downstream.problems import Target

PLACES_ALONE = ("nearest", "inverse-distance", "kriging")
"""Kinds of sources that labelled places tell by themselves: no features, and no head to learn from them."""
SOURCES = (*PLACES_ALONE, "features", "raster", "encoder")
LEFT_OUT = ("", "own", "climate")
ALL = "*"
"""Of a path: for all targets that have none of their own."""
DEGREES = (10, 20, 40)
"""Of the harmonics that are compared; the first is the control."""


@section
class Source:
    """What describes a place."""

    kind: Literal[SOURCES]
    """nearest, inverse-distance (nearest places, whose number and `power` the training folds choose) and kriging (the
    references, no features), features (a feature map of `glc.location.features`), raster (bands of the nearest pixel;
    only of labelled places) or encoder (a pre-trained `LocationEncoder`)."""
    features: Annotated[Choice, Member("locations", ("none",))] = NONE
    """Of the kind features; of an encoder, what is appended to its embedding."""
    left_out: Literal[LEFT_OUT] = ""
    """Of a raster, bands that are not used: each target's own, or temperatures for altitude and altitude for
    temperatures (climate)."""
    power: NotNegative = 0.0
    """Of the kind nearest: a place counts 1 / (1 + km) ** power; 0: all alike."""

    def __post_init__(self) -> None:
        possible = self.kind in ("features", "encoder")
        require(
            possible or self.features.name == "none", "features", self, "none but of the kinds features and encoder"
        )
        require(self.kind == "nearest" or not self.power, "power", self, "0 unless the kind is nearest")


def references(benchmark: str) -> dict[str, tuple[Source, dict[str, str]]]:
    """The rows of nearest places, as of `rows`; the first is what all others are compared with."""
    alike = f"{20 if benchmark == 'habitats' else 10} nearest places"
    return {
        alike: (Source("nearest"), {}),
        f"{alike}, weighted by 1/(1 + km)": (Source("nearest", power=1.0), {}),
        "nearest places, k and power chosen": (Source("inverse-distance"), {}),
    }


def compared_with(benchmark: str) -> list[str]:
    """Rows that all are compared with: the first reference, kriging and the control."""
    return [next(iter(references(benchmark))), "kriging", f"harmonics, L = {DEGREES[0]}"]


def rows(
    benchmark: str, targets: Sequence[Target], raster: str, encoders: Mapping[str, Mapping[str, str]]
) -> dict[str, tuple[Source, dict[str, str]]]:
    """What is compared on a benchmark: label -> (source, target or ``*`` -> file of its raster or encoder).

    raster : a GeoTIFF for the raster-read rows, or empty
    encoders : label -> target or ``*`` -> checkpoint
    """
    habitats = benchmark == "habitats"
    compared = references(benchmark) | {
        "kriging": (Source("kriging"), {}),
    }
    maps = {"raw coordinates": Choice("raw"), "xyz": Choice("xyz"), "sphereC+": Choice("spherec_plus")}
    if habitats:  # they change within kilometres
        maps["sphereC+, finer"] = Choice("spherec_plus", {"shortest": 0.001})
    harmonics = {degree: Choice("harmonics", {"degree": degree}) for degree in DEGREES}
    maps |= {f"harmonics, L = {degree}": features for degree, features in harmonics.items()}
    compared |= {label: (Source("features", features), {}) for label, features in maps.items()}
    if raster:
        left_out = {"all bands": ""}
        if not habitats:
            left_out |= {"without the target's bands": "own", "without temperature and altitude": "climate"}
        for label, without in left_out.items():
            compared[f"raster-read, {label}"] = Source("raster", left_out=without), {ALL: raster}
    for label, paths in encoders.items():
        if label in compared:
            raise ConfigError(f"encoder {label!r}: another row has that label; choose a different one")
        own = {name: paths[name] for name in (ALL, *(target.name for target in targets)) if name in paths}
        if own:
            compared[label] = Source("encoder"), own
            # the control and the embedding together: what pre-training adds to it
            control = f"harmonics, L = {DEGREES[0]}"
            compared[f"{label} + {control}"] = Source("encoder", harmonics[DEGREES[0]]), own
    return compared
