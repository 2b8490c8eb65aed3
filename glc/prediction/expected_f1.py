"""The set size that maximises a survey's expected F1, exactly, for independent presences.

With presence probabilities p sorted downwards and S = sum of the Bernoullis, the expected F1 of the best k species is

    E[F1(k)] = 2 sum_{i<=k} p_i E[1 / (k + 1 + S without i)],   and   E[1/(c + S)] = int_0^1 t^(c-1) E[t^S] dt,

where E[t^S] = prod_j (1 - p_j + p_j t). The integral over t is Gauss-Legendre quadrature: exact for polynomials of a
degree below twice the nodes, and close beyond. (The cubic-time recursion of Ye et al. 2012 gives the same numbers.)

Surveys are richer and poorer than independent presences would be: an hour finds more or less of what is there.
`spread` is that unevenness, the coefficient of variation of a common factor on all of a survey's probabilities; the
expectation is then also over a gamma distribution of the factor, of mean 1.
"""

import numpy as np
from scipy.special import gammaincinv

_CERTAIN = 0.99
"""A factor raises no probability above this."""
_SMALL = 0.02
"""Below this probability log(1 - p u) is summed through its power series, off by less than p^4 / 4 a species."""


_FACTORS = 5
"""Equally likely values that stand for the gamma distribution of the common factor."""


def curve(probabilities: np.ndarray, largest: int, nodes: int = 48, spread: float = 0.0) -> np.ndarray:
    """Expected F1 of the best 1..largest species of each survey.

    probabilities : (n, m) float, each row sorted downwards; spread : see above, 0 for independent presences
    returns : (n, min(largest, m)) float64
    """
    p = np.asarray(probabilities, float)
    if spread <= 0:
        return _independent(p, largest, nodes)
    curves = (_independent(np.minimum(p * factor, _CERTAIN), largest, nodes) for factor in factors(spread))
    return np.asarray(sum(curves) / _FACTORS)


def factors(spread: float) -> np.ndarray:
    """Equally likely values of a gamma distribution of mean 1 and this coefficient of variation."""
    values = gammaincinv(1 / spread**2, (np.arange(_FACTORS) + 0.5) / _FACTORS)
    return values / values.mean()


def _independent(p: np.ndarray, largest: int, nodes: int) -> np.ndarray:
    largest = min(largest, p.shape[1])
    t, weight = np.polynomial.legendre.leggauss(nodes)
    t, weight = (t + 1) / 2, weight / 2
    u = 1 - t
    log_g = _log_generating(p, u)
    # 2 p_i / (1 - p_i u): the factor of i is divided out of the generating function
    head = p[:, :largest, None]
    gain = np.cumsum(2 * head / (1 - head * u), axis=1)
    sizes = np.arange(1, largest + 1)
    kernel = np.exp(log_g[:, None, :] + sizes[None, :, None] * np.log(t)) * weight
    return np.einsum("nkq,nkq->nk", gain, kernel)


def best_sizes(
    probabilities: np.ndarray,
    smallest: int = 1,
    largest: int = 150,
    block: int = 256,
    nodes: int = 48,
    spread: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Size in smallest..largest with the highest expected F1 for each row, and that F1: two (n,) arrays."""
    sizes, values = [], []
    for start in range(0, len(probabilities), block):
        expected = curve(probabilities[start : start + block], largest, nodes, spread)[:, smallest - 1 :]
        best = expected.argmax(axis=1)
        sizes.append(best + smallest)
        values.append(expected[np.arange(len(best)), best])
    return np.concatenate(sizes), np.concatenate(values)


def _log_generating(p: np.ndarray, u: np.ndarray) -> np.ndarray:
    """log prod_j (1 - p_j u) for each row of p and each u, (n, q)."""
    large = int((p > _SMALL).sum(axis=1).max(initial=0))  # rows are sorted: the large ones come first
    total = np.log1p(-p[:, :large, None] * u).sum(axis=1)
    rest = p[:, large:]
    for power in (1, 2, 3):
        total -= (rest**power).sum(axis=1)[:, None] * u**power / power
    return total
