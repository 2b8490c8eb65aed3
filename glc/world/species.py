"""Virtual species: niches on the environment, log-normal prevalence, imperfect detection, popularity with observers.

The log-odds that species s occupies a place with environment e is quadratic,

    height_s - sum_k weight_sk (e_k - optimum_sk)^2 / 2,

where the last two columns of e are the place itself: a species has a range as well as a niche. The probability of a
record in a presence-absence survey is detection x occupancy, of larger plots a little more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from glc.world import environment, places
from glc.world.fields import generator

if TYPE_CHECKING:
    from glc.world import World


_STRENGTH = np.array([1.0, 0.9, 0.9, 0.8, 0.8, 1.0, 0.9, 0.8, 0.9])
"""How strongly species tell apart the environment's columns, before the two of place."""
REFERENCE = 2_048
"""Places over which prevalence is calibrated."""
_BREADTH = 0.35, 3.0
_HEIGHT = -8.0, 5.0


@dataclass(frozen=True)
class Niches:
    """The species of a world, ordered from 0; `ids` are their speciesId. All arrays are (species,) or (species, k)."""

    ids: np.ndarray
    optimum: np.ndarray
    weight: np.ndarray
    height: np.ndarray
    detection: np.ndarray
    popularity: np.ndarray
    """How much more often than its share presence-only observers report a species."""
    in_pa: np.ndarray
    """Whether it is ever recorded in presence-absence surveys."""

    def subset(self, mask: np.ndarray) -> "Niches":
        """The species where `mask` holds."""
        return Niches(**{name: value[mask] for name, value in vars(self).items()})

    def log_odds(self, e: np.ndarray) -> np.ndarray:
        """(n, species) float32 log-odds of occupancy at places with environment `e` (n, k)."""
        terms = np.hstack([e * e, e, np.ones((len(e), 1), np.float32)])
        constant = self.height - (self.weight * self.optimum**2).sum(axis=1) / 2
        factors = np.hstack([-self.weight / 2, self.weight * self.optimum, constant[:, None]])
        return terms @ factors.astype(np.float32).T

    def log_odds_of(self, e: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """(n, m) float32 log-odds at places `e` (n, k) of the species `chosen` (n, m) only."""
        distance = e[:, None, :] - self.optimum[chosen]
        return self.height[chosen] - np.einsum("nmk,nmk,nmk->nm", distance, distance, self.weight[chosen]) / 2

    def probability(self, e: np.ndarray, effort: np.ndarray) -> np.ndarray:
        """(n, species) float32 probability of a record in a presence-absence survey; `effort` is of `efforts`."""
        return sigmoid(self.log_odds(e) + effort[:, None]) * self.detection


def efforts(area: Sequence[float | None] | np.ndarray) -> np.ndarray:
    """Added log-odds for the plot areas (m2, None where not known): (n,) float32."""
    area = np.array([100.0 if a is None else a for a in area], float)
    return (0.25 * np.log(area / 100)).astype(np.float32)


def sigmoid(x):
    """Logistic function, in place and in the input's own type."""
    return expit(x, out=x)


@lru_cache(maxsize=2)
def niches(world: "World") -> Niches:
    """The species of `world`, calibrated so that expected prevalence in its surveys is log-normal."""
    rng = generator(world.seed, "species")
    n = world.n_species
    train, _ = places.pa(world)
    sample = train.iloc[:REFERENCE]
    e = environment.at(world.seed, sample.lon, sample.lat)

    ids = rng.permutation(n)
    in_pa = np.zeros(n, bool)
    spread = rng.normal(0, 1.0, n)
    # presence-only species are mostly the rare ones
    in_pa[np.argsort(-(spread + rng.normal(0, 1.2, n)))[: world.n_pa_species]] = True
    prevalence = np.exp(spread)
    prevalence *= world.n_pa_rows / world.n_pa / prevalence[in_pa].sum()
    return drawn(rng, ids, in_pa, e, efforts(sample.areaInM2), prevalence)


def drawn(rng, ids, in_pa, e, effort, prevalence):
    """`Niches` around the environments `e` (places, k), calibrated to the mean `prevalence` (n,) over these places.

    ids, in_pa : (n,) of the species; effort : (places,) of `efforts`
    """
    n, k = len(ids), len(environment.ENVIRONMENT)
    optimum = e[rng.integers(0, len(e), n)] + rng.normal(0, 0.2, (n, k))
    width = rng.lognormal(0, 0.45, (n, len(_STRENGTH))) / _STRENGTH
    reach = rng.lognormal(0, 0.6, (n, 1))
    weight = np.hstack([1 / width**2, np.repeat(1 / reach**2, 2, axis=1)])
    detection = rng.beta(9, 1.6, n)
    popularity = rng.lognormal(0, 0.9, n)
    traits = [optimum, weight, rng.normal(2.2, 0.7, n), detection, popularity]
    calibrated = Niches(ids, *(z.astype(np.float32) for z in traits), in_pa)
    _calibrate(calibrated, e, effort, prevalence)
    return calibrated


def _calibrate(drawn, e, effort, prevalence):
    """Set weights and heights, in place, so that mean probability over the places `e` is `prevalence`.

    A common species has a broad niche and a rare one a narrow one, within bounds; height gives the rest.
    """
    wanted = prevalence / drawn.detection
    for start in range(0, len(wanted), 512):
        part = slice(start, start + 512)
        height, effort_ = drawn.height[part], effort[:, None]
        misfit = height - drawn.subset(part).log_odds(e)
        breadth = _bisect(lambda b, h=height + effort_, m=misfit: h - m / b**2, *_BREADTH, wanted[part])
        drawn.weight[part] /= breadth[:, None] ** 2
        drawn.height[part] = _bisect(lambda h, m=misfit / breadth**2 - effort_: h - m, *_HEIGHT, wanted[part])


def _bisect(log_odds, low, high, wanted, steps=14):
    """The float32 parameter of each species in low..high at which mean occupancy is `wanted`; it must grow with it."""
    low, high = np.full(len(wanted), low, np.float32), np.full(len(wanted), high, np.float32)
    for _ in range(steps):
        middle = (low + high) / 2
        over = sigmoid(log_odds(middle)).mean(axis=0) > wanted
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    return (low + high) / 2
