"""Real spherical harmonics at any number of places, as polynomials of the place on the unit sphere.

With z = sin(lat) and (x + iy) = cos(lat) e^(i lon), the orthonormal harmonic of degree l and order m is

    Y_l^m = q_l^|m|(z) * sqrt(2) Re (x + iy)^m          m > 0
            q_l^0(z)                                    m = 0
            q_l^|m|(z) * sqrt(2) Im (x + iy)^|m|        m < 0

where q is the normalised associated Legendre function without its factor cos(lat)^|m|. Nothing is divided, so the
poles are places like any other. The posters' and papers' complex harmonics span the same functions; their λ is the
colatitude 90° - lat, their φ the longitude, and their sign (-1)^m (Condon-Shortley) is left out here.
"""

import math

import numpy as np
import torch

from glc.errors import ConfigError

HIGHEST = 200
_AT_ONCE = 2**21  # float64 values that are held beside the result


def count(degree, inclusive=True):
    """Number of functions: (degree + 1)² of the degrees 0 .. degree, or degree² without the last (not `inclusive`).

    SatCLIP's L is not inclusive (its L = 10 has 100 functions), the poster's sum to l is.
    """
    if isinstance(degree, bool) or not isinstance(degree, int) or not 1 <= degree <= HIGHEST:
        raise ConfigError(f"degree: found {degree!r}, expected a whole number, 1 to {HIGHEST}")
    return (degree + bool(inclusive)) ** 2


def harmonics(lon, lat, degree, inclusive=True, dtype=torch.float32):
    """Real orthonormal spherical harmonics of places: a tensor (n, functions) of `dtype`, computed in float64.

    lon, lat : (n,) degrees, arrays or tensors; the result is on their device
    degree, inclusive : see `count`. Column l² + l + m is the harmonic of degree l and order m, -l <= m <= l
    """
    functions = count(degree, inclusive)
    lon, lat = (torch.as_tensor(x, dtype=torch.float64) for x in (lon, lat))
    out = torch.empty((len(lon), functions), dtype=dtype, device=lon.device)
    step = max(1, _AT_ONCE // functions)
    for start in range(0, len(lon), step):
        part = slice(start, start + step)
        out[part] = _harmonics(lon[part], lat[part], degree if inclusive else degree - 1).T
    return out


def _harmonics(lon, lat, degree):
    """(functions, n) float64, degree inclusive."""
    z = torch.sin(torch.deg2rad(lat))
    # degrees are subtracted before they are turned: near a pole the cosine of the latitude keeps all its digits
    ring = torch.sin(torch.deg2rad(90 - lat.abs()))
    angle = torch.deg2rad(lon)
    step = torch.complex(ring * torch.cos(angle), ring * torch.sin(angle))
    powers = torch.ones((degree + 1, len(lon)), dtype=torch.complex128, device=lon.device)
    for m in range(1, degree + 1):
        torch.mul(powers[m - 1], step, out=powers[m])
    powers[1:] *= math.sqrt(2)
    east, north = powers.real.contiguous(), powers.imag.contiguous()

    out = torch.empty(((degree + 1) ** 2, len(lon)), dtype=torch.float64, device=lon.device)
    before = last = torch.empty((0, len(lon)), dtype=torch.float64, device=lon.device)
    diagonal = 1 / math.sqrt(4 * math.pi)
    for l in range(degree + 1):  # noqa: E741 - the field's own letter
        now = torch.empty((l + 1, len(lon)), dtype=torch.float64, device=lon.device)
        if l:
            diagonal *= math.sqrt((2 * l + 1) / (2 * l))
            now[l - 1] = math.sqrt(2 * l + 1) * z * last[l - 1]
        now[l] = diagonal
        if l > 1:
            a, b = (torch.as_tensor(x, device=lon.device)[:, None] for x in _recurrence(l))
            now[: l - 1] = a * (z * last[: l - 1] - b * before)
        row = l * l + l
        out[row] = now[0]
        torch.mul(now[1:], east[1 : l + 1], out=out[row + 1 : row + l + 1])
        out[row - l : row] = (now[1:] * north[1 : l + 1]).flip(0)
        before, last = last, now
    return out


def _recurrence(l):  # noqa: E741
    """Factors (l - 1,) of q_l^m = a (z q_(l-1)^m - b q_(l-2)^m), m = 0 .. l - 2: stable upwards in l.

    Holmes and Featherstone 2002, eq. 11 and 12, for harmonics whose square's mean over the sphere is 1 / 4π.
    """
    m = np.arange(l - 1.0)
    a = np.sqrt((4 * l * l - 1) / (l * l - m * m))
    b = np.sqrt(((l - 1) ** 2 - m * m) / (4 * (l - 1) ** 2 - 1))
    return a, b
