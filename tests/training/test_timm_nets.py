"""Backbones of timm: shapes and gradients."""

import subprocess
import sys

import pytest
import torch

from glc.errors import ConfigError
from glc.training import timm_nets


def test_efficientnet_gives_features_of_any_number_of_channels():
    torch.manual_seed(0)
    net, width = timm_nets.backbone("tf_efficientnetv2_s", 5)
    found = net(torch.randn(2, 5, 64, 64))
    assert found.shape == (2, width) == (2, 1280)
    found.square().sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in net.parameters())


def test_errors_say_what_and_the_remedy():
    with pytest.raises(ConfigError, match=r"unknown net 'tf_eficientnetv2_s'.*did you mean 'tf_efficientnetv2_s'"):
        timm_nets.backbone("tf_eficientnetv2_s", 3)


@pytest.mark.parametrize(
    "name",
    [
        "swin_tiny_patch4_window7_224",
        "vit_base_patch16_224",
        "convnext_base",
        "efficientnet_b0",
        "mobilenetv3_large_100",
        "resnet18",
        "resnet50",
        "xception41",
    ],
)
def test_a_scaled_net_has_the_published_layers_with_narrower_ones(name):
    with torch.device("meta"):  # shapes alone
        published, width = timm_nets.backbone(name, 4)
        narrow, own = timm_nets.backbone(name, 4, scale=0.25)
    assert own == width / 4
    layers = {key: weight.shape for key, weight in narrow.named_parameters() if weight.ndim > 1}
    wanted = {key: weight.shape for key, weight in published.named_parameters() if weight.ndim > 1}
    other = set(layers) ^ set(wanted)
    assert all("layer1.0.downsample" in key for key in other)  # the ResNets' first layer stays 64 wide
    wanted = {key: shape for key, shape in wanted.items() if key not in other}
    assert all(layers[key].numel() <= shape.numel() for key, shape in wanted.items())
    spatial = {key: shape[2:] for key, shape in wanted.items() if len(shape) == 4}
    assert {key: layers[key][2:] for key in spatial} == spatial
    assert sum(shape.numel() for shape in layers.values()) < 0.15 * sum(shape.numel() for shape in wanted.values())


def test_heads_stay_and_divide_the_widths():
    swin, _ = timm_nets.backbone("swin_tiny_patch4_window7_224", 4, scale=0.3, img_size=64, window_size=2)
    assert [len(stage.blocks) for stage in swin.layers] == [2, 2, 6, 2]
    assert [stage.blocks[0].attn.num_heads for stage in swin.layers] == [3, 6, 12, 24]
    assert [stage.blocks[0].attn.qkv.in_features for stage in swin.layers] == [30, 60, 120, 240]  # 28.8: 10 a head
    vit, _ = timm_nets.backbone("vit_base_patch16_224", 4, scale=0.3, img_size=64)
    assert (len(vit.blocks), vit.blocks[0].attn.num_heads, vit.embed_dim) == (12, 12, 228)  # 230.4: 19 a head
    convnext, _ = timm_nets.backbone("convnext_base", 4, scale=0.125)
    assert [len(stage.blocks) for stage in convnext.stages] == [3, 3, 27, 3]
    assert [stage["num_chs"] for stage in convnext.feature_info] == [16, 32, 64, 128]
    xception, _ = timm_nets.backbone("xception41", 4, scale=0.25)
    assert len(xception.blocks) == 13
    assert [block.out_channels for block in xception.blocks] == [32, 64, *[184] * 9, 256, 512]  # 182: to 8


def test_a_scaled_net_learns():
    torch.manual_seed(0)
    for name in ("xception41", "efficientnet_b0"):
        net, width = timm_nets.backbone(name, 4, scale=0.125)
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.ones_(module.weight)  # timm starts some at 0, behind which nothing has a slope
        found = net(torch.randn(2, 4, 64, 64))
        assert found.shape == (2, width)
        (found * torch.linspace(-1, 1, width)).sum().backward()
        assert all(weight.grad.isfinite().all() and weight.grad.any() for weight in net.parameters())


def test_what_cannot_be_scaled_is_refused():
    for name in ("tf_efficientnetv2_s", "wide_resnet50_2", "xception41p"):
        with pytest.raises(ConfigError, match=rf"scale: found 0\.5 for {name}, expected 1.*choose one of these"):
            timm_nets.backbone(name, 3, scale=0.5)


def test_timm_is_imported_only_when_a_backbone_is_made():
    code = "import glc.nets.architectures.tile_cnn, sys; assert 'timm' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
