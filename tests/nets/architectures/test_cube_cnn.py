"""The CNN of time series' DCT coefficients."""

import pytest
import torch

from glc.errors import ConfigError
from glc.nets.architectures.cube_cnn import CubeCnn
from glc.nets.architectures.tile_cnn import TileCnn
from glc.nets.inputs.features import Layout
from glc.registry import models

SERIES = Layout("series", ("blue", "green", "red", "nir", "swir1", "swir2"), 8, 8)


def make(layouts, **options):
    torch.manual_seed(0)
    return CubeCnn(CubeCnn.Options(**options), 7, layouts)


def test_it_is_the_registered_net():
    assert models.get("cube_cnn") is CubeCnn
    assert CubeCnn.kind == "net"


def test_it_is_the_tile_cnn_of_the_same_map():
    net = make({"series_cube": SERIES}).eval()
    torch.manual_seed(0)
    tile = TileCnn(TileCnn.Options(), 7, {"tiles": Layout("coeffs", SERIES.bands, 8, 8, 128)}).eval()
    x = torch.randn(3, *SERIES.shape)
    assert torch.equal(net({"series_cube": x}), tile({"tiles": x}))


def test_series_are_never_turned_in_training():
    net = make({"series_cube": SERIES}).train()
    batch = {"series_cube": torch.randn(4, *SERIES.shape)}
    torch.manual_seed(1)
    first = net(batch)
    torch.manual_seed(2)
    assert torch.equal(net(batch), first)


def test_inputs_other_than_series_are_refused():
    with pytest.raises(ConfigError, match=r"inputs: found none.*coeffs = true"):
        make({})
    with pytest.raises(ConfigError, match=r"found landsat_cube \(cube\).*coeffs = true"):
        make({"series_cube": SERIES, "landsat_cube": Layout("cube", ("red",), 4, 21)})


@pytest.mark.parametrize("options", [{"channels": 0}, {"reduced": 0}, {"latent": 0}, {"dropout": 1.0}])
def test_impossible_options_are_refused(options):
    with pytest.raises(ConfigError, match=f"{next(iter(options))}: found"):
        make({"series_cube": SERIES}, **options)
