"""Features of a survey's place for the regressions: its coordinates, or beside them plane waves of them."""

from dataclasses import dataclass

import numpy as np

from glc.config import require


@dataclass(frozen=True)
class PlaceOptions:
    """features : ``coordinates``, standardised, or ``fourier``: beside them sines and cosines of plane waves.

    wavelengths_km, waves : of each wavelength that many, in random directions with random phases (`waves_seed`), the
        features of the geolocation net
    """

    features: str = "coordinates"
    wavelengths_km: tuple[float, ...] = (50, 100, 200, 400, 800)
    waves: int = 16
    waves_seed: int = 0

    def __post_init__(self):
        require(self.features in ("coordinates", "fourier"), "features", self, "'coordinates' or 'fourier'")
        lengths = self.wavelengths_km
        require(len(lengths) > 0 and min(lengths) > 0, "wavelengths_km", self, "one or more lengths above 0")
        require(self.waves >= 1, "waves", self, "at least 1")


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
