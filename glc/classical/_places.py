"""Features of a survey's coordinates for the regressions: the coordinates, alone or with plane waves of them."""

from typing import Annotated, Literal

import numpy as np

from glc.config import SOME, Count, Positive, Seed, section


@section
class PlaceOptions:
    """Features of a survey's coordinates."""

    features: Literal["coordinates", "fourier"] = "coordinates"
    """coordinates, standardised; or fourier: with sines and cosines of plane waves appended to them, the features of
    the geolocation net."""
    wavelengths_km: Annotated[tuple[Positive, ...], SOME] = (50, 100, 200, 400, 800)
    """Lengths of the plane waves, kilometres."""
    waves: Count = 16
    """Plane waves of each wavelength, in random directions with random phases."""
    waves_seed: Seed = 0
    """Seed of the directions and phases."""


def place_features(places, train, options):
    """Features (n, d) float64 of the surveys `places`, standardised by those of the training surveys `train`.

    places, train : frames with `easting` and `northing`, metres of the projected `crs`; options : `PlaceOptions`
    Where the training surveys lie in several CRSs, each but the first has a column of ones and zeros of its own.
    """
    columns = ["easting", "northing"]
    known = train[columns].to_numpy(float)
    centred = places[columns].to_numpy(float) - known.mean(axis=0)
    std = known.std(axis=0)
    coordinates = centred / np.where(std > 0, std, 1.0)  # all surveys on one line
    further = np.unique(train["crs"])[1:]
    coordinates = np.hstack([coordinates, places["crs"].to_numpy()[:, None] == further])
    if options.features == "coordinates":
        return coordinates
    angle = centred @ _wave_vectors(options) + _phases(options)
    return np.hstack([coordinates, np.sin(angle), np.cos(angle)])


def _wave_vectors(options):
    """Wave vectors (2, wave), radians per metre."""
    direction = np.random.default_rng([options.waves_seed, 0]).uniform(0, 2 * np.pi, _count(options))
    number = 2 * np.pi / (1000 * np.repeat(np.asarray(options.wavelengths_km, float), options.waves))
    return np.stack([np.cos(direction), np.sin(direction)]) * number


def _phases(options):
    return np.random.default_rng([options.waves_seed, 1]).uniform(0, 2 * np.pi, _count(options))


def _count(options):
    return options.waves * len(options.wavelengths_km)
