"""Feature maps of coordinates: from raw degrees to spherical harmonics.

A feature map is a class registered in `glc.registry.locations` with a frozen ``Options`` dataclass, a `width`, and a
call that takes float64 tensors (n,) of lon and lat in degrees to (n, width) float32. None of them learns anything.
"""

import math
from typing import Annotated, Protocol

import numpy as np
import torch
from annotated_types import Ge, Le
from numpy.typing import ArrayLike

from glc import config
from glc.config import OpenShare, section
from glc.errors import DataError
from glc.location import harmonics
from glc.registry import locations
from glc.types import JSON, MemberOptions


class FeatureMap(Protocol):
    """Float64 tensors (n,) of lon and lat in degrees to (n, `width`) float32; nothing of it is learnt."""

    width: int

    def __call__(self, lon: torch.Tensor, lat: torch.Tensor) -> torch.Tensor: ...


def features(name: str, lon: ArrayLike, lat: ArrayLike, **options: JSON) -> np.ndarray:
    """Features (n, width) float32 of places by the feature map `name`, without any training.

    name : of `glc.registry.locations`: harmonics, raw, xyz or spherec_plus
    lon, lat : (n,) degrees
    options : of its ``Options``, as ``degree=40`` of harmonics
    """
    made = make(config.Choice(name, options))
    return made(*(torch.from_numpy(x) for x in degrees(lon, lat))).numpy()


def make(choice: config.Choice) -> FeatureMap:
    """The feature map that `choice`, a config.Choice, names."""
    member = locations.get(choice.name)
    return member(config.options(member, choice, "features"))


def degrees(lon, lat):
    """`lon`, `lat` as float64 arrays (n,); a DataError names what is no place on Earth."""
    axes = {"lon": lon, "lat": lat}
    for name, limit in (("lon", 360.0), ("lat", 90.0)):
        try:
            axes[name] = np.atleast_1d(np.asarray(axes[name], np.float64))
        except (TypeError, ValueError) as error:
            raise DataError(f"{name}: {error}; expected numbers in degrees") from None
        if axes[name].ndim != 1:
            raise DataError(f"{name}: found an array of shape {axes[name].shape}, expected (n,); try: .ravel()")
        wrong = np.flatnonzero(~(np.abs(axes[name]) <= limit))
        if len(wrong):
            raise DataError(
                f"{name}: found {axes[name][wrong[0]]} at row {wrong[0]} ({len(wrong)} such rows), expected degrees "
                f"within ±{limit:g}; leave such places out, or give lon first and lat second, in EPSG:4326"
            )
    if len(axes["lon"]) != len(axes["lat"]):
        raise DataError(f"found {len(axes['lon'])} lon and {len(axes['lat'])} lat, expected the same number of each")
    return axes["lon"], axes["lat"]


@locations.register("harmonics")
class Harmonics:
    """Real spherical harmonics (Rußwurm et al. 2023; the poster's basis), see `glc.location.harmonics`."""

    @section
    class Options:
        degree: Annotated[int, Ge(1), Le(harmonics.HIGHEST)] = 40
        """Highest degree L; the finest pattern is 180° / L wide."""
        inclusive: bool = True
        """(L + 1)² functions; without the highest degree L², as SatCLIP counts."""

    def __init__(self, options: MemberOptions) -> None:
        self.options = options
        self.width = harmonics.count(options.degree, options.inclusive)

    def __call__(self, lon: torch.Tensor, lat: torch.Tensor) -> torch.Tensor:
        return harmonics.harmonics(lon, lat, self.options.degree, self.options.inclusive)


@locations.register("raw")
class Raw:
    """Longitude and latitude themselves, over 180 and 90 degrees."""

    @section
    class Options:
        pass

    width = 2

    def __init__(self, options: MemberOptions) -> None:
        self.options = options

    def __call__(self, lon: torch.Tensor, lat: torch.Tensor) -> torch.Tensor:
        return torch.stack([_wrapped(lon) / 180, lat / 90], dim=1).float()


@locations.register("xyz")
class Xyz:
    """The place on the unit sphere."""

    @section
    class Options:
        pass

    width = 3

    def __init__(self, options: MemberOptions) -> None:
        self.options = options

    def __call__(self, lon: torch.Tensor, lat: torch.Tensor) -> torch.Tensor:
        lon, lat = torch.deg2rad(lon), torch.deg2rad(lat)
        return torch.stack([lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()], dim=1).float()


@locations.register("spherec_plus")
class SphereCPlus:
    """sphereC+ (Mai et al. 2023, Sphere2Vec): sphereC and grid at several scales, six functions a scale.

    At the scale s, with λ = lon / α_s and φ = lat / α_s in radians: sin φ, cos φ, sin λ, cos λ, cos φ cos λ,
    cos φ sin λ. The α_s go from `shortest` to 1 in equal ratios. Places at -180 and 180 degrees differ, but for the
    scale 1.
    """

    @section
    class Options:
        scales: Annotated[int, Ge(2)] = 16
        """Scales, from the finest to 1 in equal ratios."""
        shortest: OpenShare = 0.01
        """α of the finest scale: its waves are 360° times as long."""

    def __init__(self, options: MemberOptions) -> None:
        self.options = options
        self.width = 6 * options.scales

    def __call__(self, lon: torch.Tensor, lat: torch.Tensor) -> torch.Tensor:
        options = self.options
        alpha = torch.logspace(math.log10(options.shortest), 0, options.scales, dtype=torch.float64, device=lon.device)
        lon, lat = (torch.deg2rad(x)[:, None] / alpha for x in (_wrapped(lon), lat))
        parts = [lat.sin(), lat.cos(), lon.sin(), lon.cos(), lat.cos() * lon.cos(), lat.cos() * lon.sin()]
        return torch.cat(parts, dim=1).float()


def _wrapped(lon):
    """Longitudes in [-180, 180]: those within stay as they are."""
    return torch.where(lon.abs() <= 180, lon, torch.remainder(lon + 180, 360) - 180)
