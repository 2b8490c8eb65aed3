import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.special import sph_harm_y

from glc.errors import ConfigError
from glc.location.harmonics import count, harmonics


def places(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-180, 180, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))


def values(lon, lat, degree, **kwargs):
    return harmonics(lon, lat, degree, dtype=torch.float64, **kwargs).numpy()


def of_scipy(lon, lat, degree):
    """Real harmonics from scipy's complex ones, which carry the Condon-Shortley sign."""
    columns = []
    for l in range(degree + 1):  # noqa: E741
        for m in range(-l, l + 1):
            z = (-1) ** m * sph_harm_y(l, abs(m), np.radians(90 - lat), np.radians(lon))
            columns.append(z.real if m == 0 else np.sqrt(2) * (z.real if m > 0 else z.imag))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("degree", [1, 2, 10, 40])
def test_equal_to_scipy(degree):
    lon, lat = places(200)
    assert_allclose(values(lon, lat, degree), of_scipy(lon, lat, degree), atol=1e-10)


def test_the_first_four_are_the_constant_and_the_axes():
    lon, lat = np.array([0, 90, 37.0]), np.array([0, 0, 90.0])
    got = values(lon, lat, 1)
    y, z, x = np.sqrt(3 / (4 * np.pi)) * np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]]).T
    assert_allclose(got, np.stack([np.full(3, np.sqrt(1 / (4 * np.pi))), y, z, x], axis=1), atol=1e-15)


@pytest.mark.parametrize("degree", [20, 40, 150])
def test_addition_theorem(degree):
    """The sum over m of Y(a) Y(b) is (2l + 1) / 4π P_l(cos of the angle between a and b)."""
    first, second = values(*places(50, 1), degree), values(*places(50, 2), degree)
    a, b = (np.radians(x) for x in (places(50, 1), places(50, 2)))
    cosine = np.sin(a[1]) * np.sin(b[1]) + np.cos(a[1]) * np.cos(b[1]) * np.cos(a[0] - b[0])
    starts = np.arange(degree + 1) ** 2
    sums = np.add.reduceat(first * second, starts, axis=1)
    legendre = np.polynomial.legendre.legvander(cosine, degree)
    assert_allclose(sums, (2 * np.arange(degree + 1) + 1) / (4 * np.pi) * legendre, atol=1e-9)


def test_orthonormal_by_quadrature():
    degree = 12
    nodes, weights = np.polynomial.legendre.leggauss(degree + 1)
    lon = np.arange(2 * degree + 2) * 360 / (2 * degree + 2)
    lon_, z = np.meshgrid(lon, nodes)
    weight = np.repeat(weights, len(lon)) * 2 * np.pi / len(lon)
    Y = values(lon_.ravel(), np.degrees(np.arcsin(z.ravel())), degree)
    assert_allclose((Y * weight[:, None]).T @ Y, np.eye(count(degree)), atol=1e-12)


def test_poles_have_only_the_order_zero_whatever_the_longitude():
    degree = 40
    l = np.arange(degree + 1)  # noqa: E741
    for lat, sign in ((90.0, np.ones(degree + 1)), (-90.0, (-1.0) ** l)):
        Y = values(np.array([-180, 0, 77.0]), np.full(3, lat), degree)
        wanted = np.zeros(count(degree))
        wanted[l * l + l] = sign * np.sqrt((2 * l + 1) / (4 * np.pi))
        assert_allclose(Y, np.tile(wanted, (3, 1)), atol=1e-13)


def test_no_digits_are_lost_beside_a_pole():
    """Of order m the harmonic goes as the m-th power of the distance to the pole: told to all digits."""
    away = 2.0**-30  # degrees that 90 - away holds exactly
    Y = values(np.zeros(1), np.array([90 - away]), 10)[0]
    for m in (1, 2, 3):
        ring = np.sin(np.radians(away)) ** m
        assert_allclose(Y[m * m + m + m] / ring, of_scipy_edge(m), rtol=1e-12)


def of_scipy_edge(m):
    """Y_m^m over the m-th power of the cosine of the latitude: its value at the equator and longitude 0."""
    return of_scipy(np.zeros(1), np.zeros(1), m)[0, -1]


def test_degree_is_inclusive_or_not():
    lon, lat = places(7)
    assert [count(10), count(10, False), count(40)] == [121, 100, 1681]
    assert_allclose(harmonics(lon, lat, 10)[:, :100], harmonics(lon, lat, 10, inclusive=False))
    for degree in (0, 201, 2.5, True):
        with pytest.raises(ConfigError, match="degree: found"):
            count(degree)


def test_chunks_give_what_one_call_gives_and_float32_is_rounded_float64():
    lon, lat = places(5000)
    got = harmonics(lon, lat, 25)
    assert got.dtype == torch.float32
    assert got.shape == (5000, 676)
    some = np.arange(0, 5000, 97)
    assert_allclose(got[some], harmonics(lon[some], lat[some], 25, dtype=torch.float64).float(), rtol=0)
    assert harmonics(lon[:0], lat[:0], 3).shape == (0, 16)
