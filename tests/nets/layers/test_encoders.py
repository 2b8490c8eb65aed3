"""Nets of images and series at reduced sizes: widths that follow `scale`, coefficients expanded where they end up."""

import pytest
import torch

from glc import dct
from glc.nets.inputs.features import Layout
from glc.nets.layers.encoders import Images, Series, Vision

CUBES = {"bioclim_cube": Layout("cube", tuple("abcd"), 19, 12), "landsat_cube": Layout("cube", tuple("abcdef"), 4, 21)}


@pytest.mark.parametrize(
    ("name", "width"), [("swin_tiny_patch4_window7_224", 192), ("convnext_base", 256), ("efficientnet_b0", 320)]
)
def test_scaled_images(name, width):
    layouts = {"tiles": Layout("coeffs", ("red", "nir"), 8, 8, 64)}
    torch.manual_seed(0)
    net = Images(layouts, name, 32, scale=0.25)
    with torch.no_grad():
        found = net.eval()({"tiles": torch.randn(2, 2, 8, 8)})
    assert net.width == found.pooled.shape[1] == found.tokens.shape[2] == width
    assert found.known.all()


@pytest.mark.parametrize(("name", "width"), [("resnet18", 128), ("xception41", 512)])
def test_scaled_series(name, width):
    net = Series(CUBES, name, scale=0.25).eval()
    with torch.no_grad():
        found = net({key: torch.randn(2, *layout.shape) for key, layout in CUBES.items()})
    assert net.width == found.pooled.shape[1] == 2 * width


def test_the_first_layer_of_a_scaled_resnet_of_cubes_fits_the_next():
    net = Vision("resnet18", 4, 19, 12, small=True, scale=0.25)
    assert net.net.conv1.out_channels == net.net.bn1.num_features == 64
    assert net(torch.randn(2, 4, 19, 12))[0].shape == (2, 6, 128)


def test_a_swin_of_a_small_map_still_attends_to_neighbours():
    net = Vision("swin_tiny_patch4_window7_224", 4, 32, 32)
    assert [stage.blocks[0].window_size for stage in net.net.layers] == [(2, 2), (2, 2), (2, 2), (1, 1)]


@pytest.mark.parametrize(("resize", "side"), [(16, 16), (4, 64), (0, 64), (96, 64)])
def test_coefficients_become_the_smaller_map_at_once_and_lose_nothing(resize, side):
    rng = torch.Generator().manual_seed(0)
    coeffs = torch.randn(2, 2, 8, 8, generator=rng)
    net = Images({"tiles": Layout("coeffs", ("red", "nir"), 8, 8, 64)}, "resnet10t", resize).eval()
    maps = net.maps({"tiles": coeffs})
    assert maps.shape == (2, 2, side, side)
    back = dct.compress(maps.numpy(), 8) * (64 / side)  # orthonormal terms grow with the side
    torch.testing.assert_close(torch.as_tensor(back), coeffs, rtol=1e-4, atol=1e-4)
