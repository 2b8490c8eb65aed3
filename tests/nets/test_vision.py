"""Backbones of timm: shapes, gradients, and weights from a file only."""

import subprocess
import sys

import pytest
import torch

from glc.errors import ConfigError
from glc.nets import vision


def test_efficientnet_gives_features_of_any_number_of_channels():
    torch.manual_seed(0)
    net, width = vision.backbone("tf_efficientnetv2_s", 5)
    found = net(torch.randn(2, 5, 64, 64))
    assert found.shape == (2, width) == (2, 1280)
    found.square().sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in net.parameters())


def test_weights_come_from_a_file_and_fit_other_channels(tmp_path):
    import timm

    torch.manual_seed(0)
    source = timm.create_model("resnet10t", in_chans=3)
    torch.save(source.state_dict(), tmp_path / "resnet.pth")
    net, width = vision.backbone("resnet10t", 3, tmp_path / "resnet.pth")
    x = torch.randn(2, 3, 32, 32)
    wanted = source.eval().forward_head(source.forward_features(x), pre_logits=True)
    assert torch.equal(net.eval()(x), wanted)
    other, _ = vision.backbone("resnet10t", 6, tmp_path / "resnet.pth")
    assert torch.equal(other.layer4[0].conv1.weight, source.layer4[0].conv1.weight)
    assert other(torch.randn(2, 6, 32, 32)).shape == (2, width)


def test_errors_say_what_and_the_remedy(tmp_path):
    with pytest.raises(ConfigError, match=r"unknown net 'tf_eficientnetv2_s'.*did you mean 'tf_efficientnetv2_s'"):
        vision.backbone("tf_eficientnetv2_s", 3)
    with pytest.raises(ConfigError, match=r"found no file .*none\.pth.*timm\.create_model\('resnet10t', pretrained"):
        vision.backbone("resnet10t", 3, tmp_path / "none.pth")
    torch.save({"weight": torch.ones(1)}, tmp_path / "other.pth")
    with pytest.raises(ConfigError, match=r"other\.pth holds no conv1.*expected the weights of resnet10t"):
        vision.backbone("resnet10t", 3, tmp_path / "other.pth")


def test_timm_is_imported_only_when_a_backbone_is_made():
    code = "import glc.nets.tile_cnn, sys; assert 'timm' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
