import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from glc import registry
from glc.config import Choice
from glc.errors import ConfigError
from glc.location import networks


def test_a_sine_layer_is_its_equation():
    layer = networks.Sine(3, 2, omega=30.0, first=True)
    x = torch.randn(5, 3)
    wanted = torch.sin(30 * (x @ layer.linear.weight.T + layer.linear.bias))
    assert_allclose(layer(x).detach(), wanted.detach(), atol=1e-5)


def test_siren_starts_within_its_bounds_and_fills_them():
    net = networks.make(Choice("siren", {"hidden": 300, "layers": 3, "omega": 5.0}), 100, 64)
    for number, bound in enumerate([1 / 100, np.sqrt(6 / 300) / 5, np.sqrt(6 / 300) / 5, np.sqrt(6 / 300) / 5]):
        weight = (net[number].linear if number < 3 else net[number]).weight.detach().abs()
        assert weight.max() <= bound
        assert weight.max() > 0.99 * bound


def test_before_each_sine_values_have_deviation_one_whatever_the_depth():
    """Sitzmann et al. 2020, theorem 1.8: what makes deep SIRENs train."""
    torch.manual_seed(0)
    net = networks.make(Choice("siren", {"hidden": 512, "layers": 6, "omega": 30.0}), 16, 8)
    x = torch.rand(2000, 16) * 2 - 1
    for layer in list(net)[:-1]:
        before = layer.omega * (x @ layer.linear.weight.T)
        x = layer(x)
        last = before.std().item()
    assert last == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("name", registry.networks.choices())
def test_shapes_and_that_every_weight_learns(name):
    net = networks.make(Choice(name, {"hidden": 32, "layers": 2}), 10, 4)
    out = net(torch.randn(7, 10))
    assert out.shape == (7, 4)
    out.square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in net.parameters())


def test_unknown_networks_and_options_are_refused():
    with pytest.raises(
        ConfigError, match="unknown network 'sirens'; expected one of: mlp, siren; did you mean 'siren'"
    ):
        networks.make(Choice("sirens"), 2, 2)
    with pytest.raises(ConfigError, match="unknown key 'omega'"):
        networks.make(Choice("mlp", {"omega": 1.0}), 2, 2)
    with pytest.raises(ConfigError, match="layers: found 0"):
        networks.make(Choice("siren", {"layers": 0}), 2, 2)


def test_dropout_of_siren_is_in_front_of_the_sine_and_only_while_training():
    x = torch.randn(64, 3)
    net = networks.make(Choice("siren", {"hidden": 32, "dropout": 0.5}), 3, 4)
    assert not torch.equal(net(x), net(x))
    hidden = net[0](x)
    assert 0.3 < float((hidden == 0).float().mean()) < 0.7  # sin(0): what is dropped before the sine is 0 behind it
    net.eval()
    assert torch.equal(net(x), net(x))
    plain = networks.make(Choice("siren", {"hidden": 32}), 3, 4)
    plain.load_state_dict(net.state_dict())
    assert torch.equal(plain(x), net(x))
