"""The set size that maximises a survey's expected F1, exactly, for independent presences.

With presence probabilities p sorted downwards and S = sum of the Bernoullis, the expected F1 of the best k species is

    E[F1(k)] = 2 sum_{i<=k} p_i E[1 / (k + 1 + S without i)],   and   E[1/(c + S)] = int_0^1 t^(c-1) E[t^S] dt,

where E[t^S] = prod_j (1 - p_j + p_j t). The integral over t is Gauss-Legendre quadrature: exact for polynomials of a
degree below twice the nodes, and close beyond. (The cubic-time recursion of Ye et al. 2012 gives the same numbers.)

Surveys are richer and poorer than independent presences would be: an hour finds more or less of what is there.
`spread` is that unevenness, the coefficient of variation of a common factor on all of a survey's probabilities; the
expectation is then also over a gamma distribution of the factor, of mean 1.

A map asks for millions of sizes. The factors 1 - p_j (1 - t) of the likely species are divided out of the product one
by one, and are therefore multiplied as they are; those of the thousands of unlikely ones are a power series, whose
sums over species are the same for all nodes and, since a common factor only scales them, for all factors.
"""

import numpy as np
from scipy.special import gammaincinv

_CERTAIN = 0.99
"""A factor raises no probability above this."""
_FACTORS = 5
"""Equally likely values that stand for the gamma distribution of the common factor."""
_SERIES = ((0.1, 12), (0.01, 6))
"""Below a probability, the terms of the power series of log(1 - p u): off by less than 1e-13 a species."""
_ROWS = 8
"""Surveys taken together: what is held of them stays in the processor's cache."""
_USUAL = 56
"""Sizes that are tried first."""
_ROUNDING = 1e-12
"""By how much a sum may be off."""


def curve(probabilities: np.ndarray, largest: int, nodes: int = 48, spread: float = 0.0) -> np.ndarray:
    """Expected F1 of the best 1..largest species of each survey.

    probabilities : (n, m) float, each row sorted downwards; spread : see above, 0 for independent presences
    returns : (n, min(largest, m)) float64
    """
    p = np.asarray(probabilities, float)
    largest = min(largest, p.shape[1])
    quadrature = _Quadrature(largest, nodes, spread)
    curves = np.empty((len(p), largest))
    for start in range(0, len(p), _ROWS):
        curves[start : start + _ROWS] = quadrature.curves(p[start : start + _ROWS])
    return curves


def factors(spread: float) -> np.ndarray:
    """Equally likely values of a gamma distribution of mean 1 and this coefficient of variation."""
    values = gammaincinv(1 / spread**2, (np.arange(_FACTORS) + 0.5) / _FACTORS)
    return values / values.mean()


def best_sizes(
    probabilities: np.ndarray, smallest: int = 1, largest: int = 150, nodes: int = 48, spread: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Size in smallest..largest with the highest expected F1 for each row, and that F1: two (n,) arrays.

    Most rows are best at a few dozen species. The sizes up to `_USUAL` are tried first; where a bound says that no
    larger one can be better, they are enough.
    """
    p = np.asarray(probabilities, float)
    largest = min(largest, p.shape[1])
    usual = min(max(_USUAL, smallest), largest)
    quadrature = _Quadrature(usual, nodes, spread)
    expected, above = np.empty((len(p), usual)), np.zeros(len(p))
    for start in range(0, len(p), _ROWS):
        rows = slice(start, start + _ROWS)
        expected[rows] = quadrature.curves(p[rows])
        if usual < largest:
            above[rows] = quadrature.bounds(p[rows], largest).max(axis=1)
    expected = expected[:, smallest - 1 :]
    sizes = expected.argmax(axis=1)
    best = expected[np.arange(len(p)), sizes]
    open_rows = np.flatnonzero(above > best - _ROUNDING)
    if len(open_rows):
        expected = curve(p[open_rows], largest, nodes, spread)[:, smallest - 1 :]
        sizes[open_rows] = expected.argmax(axis=1)
        best[open_rows] = expected[np.arange(len(open_rows)), sizes[open_rows]]
    return sizes + smallest, best


class _Quadrature:
    """The integrals of a few surveys at a time, for every factor and node at once: f x q of them, one axis.

    largest : sizes that are tried; nodes, spread : as of `curve`
    """

    def __init__(self, largest: int, nodes: int, spread: float) -> None:
        t, weight = np.polynomial.legendre.leggauss(nodes)
        t, weight = (t + 1) / 2, weight / 2
        scale, self.certain = (factors(spread), _CERTAIN) if spread > 0 else (np.ones(1), 1.0)
        self.largest, self.scale, self.highest = largest, np.repeat(scale, nodes), float(scale.max())
        self.u = np.tile(1 - t, len(scale))
        self.scaled_u = self.scale * self.u
        self.weight = 2 * self.scale * np.tile(weight, len(scale)) / len(scale)
        self.t = np.tile(t, len(scale))
        self.t_to_size = self.t ** np.arange(1, largest + 1)[:, None, None]
        most = max(terms for _, terms in _SERIES)
        self.series = -(self.scaled_u ** np.arange(1, most + 1)[:, None]) / np.arange(1, most + 1)[:, None]
        # kept, because new memory would take longer than the sums
        self.space = np.empty((largest, _ROWS, len(self.u)))

    def bounds(self, p: np.ndarray, larger: int) -> np.ndarray:
        """What the expected F1 of more than `largest`, up to `larger`, species cannot exceed, (n, larger - largest).

        Called after `curves` of the same surveys. Of a species that comes later, p_i / (1 - p_i u) is at most p_i times
        what the next one has there.
        """
        k = np.arange(self.largest + 1, larger + 1)
        powers = self.t ** k[:, None]
        following = 1 / self._divisors(p.T[self.largest, :, None][None], np.empty((1, len(p), len(self.u))))[0]
        more = np.cumsum(p[:, self.largest : larger], axis=1)
        return self.inside @ powers.T + more * ((self.weighted * following) @ powers.T)

    def curves(self, p: np.ndarray) -> np.ndarray:
        """`curve` of at most `_ROWS` surveys."""
        best = p.T[: self.largest, :, None]
        terms = self._divisors(best, self.space[:, : len(p)])  # species by survey by factor and node
        generating = terms.prod(axis=0) * self._others(p)
        clipped = self._clipped(best)
        np.divide(best[clipped:], terms[clipped:], out=terms[clipped:])
        np.divide(np.minimum(best[:clipped], self.certain / self.scale), terms[:clipped], out=terms[:clipped])
        for i in range(1, self.largest):  # np.cumsum along the first axis is several times as slow
            terms[i] += terms[i - 1]
        self.weighted = generating * self.weight
        self.inside = terms[-1] * self.weighted
        terms *= self.t_to_size
        return np.einsum("knq,nq->nk", terms, self.weighted)

    def _clipped(self, p: np.ndarray) -> int:
        """Number of the first species of p (k, n, 1) that a factor would raise above `certain`."""
        return int((p * self.highest > self.certain).any(axis=1).sum())

    def _divisors(self, p: np.ndarray, out: np.ndarray) -> np.ndarray:
        """1 - p u of the scaled p (k, n, 1), in `out` (k, n, q)."""
        np.multiply(p, self.scaled_u, out=out)
        np.subtract(1, out, out=out)
        clipped = self._clipped(p)
        np.maximum(out[:clipped], 1 - self.certain * self.u, out=out[:clipped])
        return out

    def _others(self, p: np.ndarray) -> np.ndarray:
        """The product of 1 - p u of all but the `largest` best species, (n, q)."""
        # rows are sorted: what is above a bound comes first
        ends = [max(self.largest, int((p * self.highest > bound).sum(axis=1).max())) for bound, _ in _SERIES]
        product = np.ones((len(p), len(self.u)))
        for start in range(self.largest, ends[0], self.largest):
            part = p.T[start : min(start + self.largest, ends[0]), :, None]
            product *= self._divisors(part, np.empty((len(part), len(p), len(self.u)))).prod(axis=0)
        log = np.zeros(product.shape)
        for (_, terms), start, stop in zip(_SERIES, ends, [*ends[1:], p.shape[1]], strict=True):
            rest = p[:, start:stop]
            sums, power = np.empty((len(p), terms)), rest.copy()
            for term in range(terms):
                sums[:, term] = power.sum(axis=1)
                power *= rest
            log += sums @ self.series[:terms]
        product *= np.exp(log)
        return product
