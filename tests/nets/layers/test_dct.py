import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from glc import dct as numpy_dct
from glc.errors import ConfigError, DataError
from glc.nets.layers import dct


@pytest.fixture
def tiles():
    return np.random.default_rng(0).normal(5, 2, (3, 2, 24, 32))


@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-10), (torch.float32, 1e-3)])
def test_compress_and_expand_are_those_of_numpy(tiles, dtype, close):
    coeffs = dct.compress(torch.tensor(tiles, dtype=dtype), 6)
    assert coeffs.dtype == dtype
    assert_allclose(coeffs.numpy(), numpy_dct.compress(tiles, 6), rtol=0, atol=close)
    for options in ({"size": 20}, {"size": 128, "from_size": 24}):
        found = dct.expand(coeffs, **options)
        assert found.dtype == dtype
        assert_allclose(found.numpy(), numpy_dct.expand(coeffs.numpy(), **options), rtol=0, atol=close)


def test_gradients():
    x = torch.randn(2, 6, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: dct.compress(x, 3), x)
    assert torch.autograd.gradcheck(lambda x: dct.expand(x, 9, from_size=12), x)
    y = torch.randn(8, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda y: dct.symmetries(y, torch.arange(8)), y)
    assert torch.autograd.gradcheck(lambda y: dct.symmetry(y, "rotate_90"), y)


def test_training_follows_validation_and_autocast_keeps_precision(tiles):
    dct._tensor.cache_clear()
    x = torch.tensor(tiles, dtype=torch.float32)
    with torch.inference_mode():
        wanted = dct.compress(x, 8)
    x.requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = dct.compress(x, 8)
    found.square().sum().backward()
    assert_array_equal(found.detach().numpy(), wanted.numpy())
    assert_allclose(x.grad.numpy(), 2 * numpy_dct.expand(wanted.numpy(), (24, 32)), atol=1e-3)


@pytest.mark.parametrize("name", dct.SYMMETRIES)
def test_symmetries_are_those_of_numpy(name):
    coeffs = torch.randn(3, 2, 8, 8)
    wanted = numpy_dct.symmetry(coeffs.numpy(), name)
    assert_array_equal(dct.symmetry(coeffs, name).numpy(), wanted)
    which = torch.full((3,), dct.SYMMETRIES.index(name))
    assert_array_equal(dct.symmetries(coeffs, which).numpy(), wanted)


def test_each_sample_has_its_own_symmetry_and_its_bands_share_it():
    coeffs = torch.randn(16, 3, 5, 5)
    which = torch.arange(16) % 8
    for sample, number, found in zip(coeffs, which, dct.symmetries(coeffs, which), strict=True):
        assert_array_equal(found.numpy(), numpy_dct.symmetry(sample.numpy(), dct.SYMMETRIES[number]))


def test_random_symmetries_are_all_equally_likely_and_follow_the_generator():
    one = torch.arange(1, 17, dtype=torch.float32).view(4, 4)
    images = torch.stack([dct.symmetry(one, name) for name in dct.SYMMETRIES])
    batch = one.expand(8_000, 1, 4, 4)
    found = dct.random_symmetry(batch, torch.Generator().manual_seed(1))
    same = (found == images).all(dim=(2, 3))
    assert (same.sum(dim=1) == 1).all()
    # 1,000 expected of each, standard deviation 30
    assert (same.sum(dim=0) - 1_000).abs().max() < 150
    assert torch.equal(found, dct.random_symmetry(batch, torch.Generator().manual_seed(1)))
    assert not torch.equal(found, dct.random_symmetry(batch, torch.Generator().manual_seed(2)))


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (lambda: dct.compress(torch.ones(2, 6, 16), 8), ConfigError, "block=8: found tiles of 6 x 16.*1 to 6"),
        (lambda: dct.compress(torch.ones(16), 8), DataError, r"shape \(16,\)"),
        (
            lambda: dct.compress(torch.ones(16, 16, dtype=torch.uint8), 8),
            DataError,
            r"uint8, expected float32.*float\(\)",
        ),
        (lambda: dct.expand(torch.ones(8, 8), 4), ConfigError, "size=4: smaller"),
        (lambda: dct.expand(torch.ones(8, 8), 16, from_size=0), ConfigError, "from_size=0: smaller"),
        (lambda: dct.symmetry(torch.ones(8, 8), "flip"), ConfigError, "unknown symmetry 'flip'"),
        (lambda: dct.random_symmetry(torch.ones(2, 8, 6)), ConfigError, "8 x 6.*square"),
        (lambda: dct.random_symmetry(torch.ones(8, 8)), DataError, r"shape \(8, 8\).*batch"),
        (lambda: dct.symmetries(torch.ones(2, 1, 8, 8), torch.zeros(3, dtype=int)), DataError, r"found \(3,\) numbers"),
    ],
)
def test_errors_say_what_and_the_remedy(call, error, told):
    with pytest.raises(error, match=told):
        call()
