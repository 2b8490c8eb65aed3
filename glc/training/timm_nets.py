"""timm's nets as backbones; `glc.nets` has made torchvision, which timm needs, importable."""

import torch
from torch import nn

from glc.errors import ConfigError, did_you_mean
from glc.types import Keywords


def backbone(name: str, channels: int, scale: float = 1.0, **settings: Keywords) -> tuple[nn.Module, int]:
    """A net of timm without its classifier, mapping (batch, channels, row, col) to (batch, features).

    Its weights are random; `glc.training.weights` gives it those of a file.

    scale : share of the published widths, above 0 and at most 1; depths, heads and kernels stay, widths are rounded to
        what the heads divide. The first layers of ResNet (64) and Xception (32, 64), and the last hidden one of
        MobileNetV3 (1280), stay as wide as published: timm fixes them.
    settings : of timm.create_model, as img_size for nets that are made for one size
    returns : (nn.Module, number of features)
    """
    import timm  # seconds, which a list of models need not take

    if not timm.is_model(name):
        raise ConfigError(
            f"backbone: unknown net {name!r} of timm{did_you_mean(name, timm.list_models())}; see timm.list_models()"
        )
    create = timm.create_model
    if scale != 1:
        create, narrow = _narrow(name, scale)
        settings |= narrow
    net = create(name, num_classes=0, in_chans=channels, **settings)
    return net, net.num_features


def _narrow(name, scale):
    """What makes the net `name` with `scale` of its published widths: a function of timm, and settings for it."""
    import timm
    from timm.models import efficientnet, mobilenetv3

    if name == "efficientnet_b0":  # its own function takes no multiplier, the one below it does
        return efficientnet._gen_efficientnet, {"channel_multiplier": scale}
    if name in ("mobilenetv3_large_100", "mobilenetv3_small_100"):
        return mobilenetv3._gen_mobilenet_v3, {"channel_multiplier": scale}
    with torch.device("meta"):
        published = timm.create_model(name, num_classes=0)  # layers without values
    kind = type(published).__name__
    if kind == "SwinTransformer":
        heads = published.layers[0].blocks[0].attn.num_heads  # those of later stages double, as do the widths
        settings = {"embed_dim": _rounded(published.embed_dim * scale, heads)}
    elif kind == "VisionTransformer":
        settings = {"embed_dim": _rounded(published.embed_dim * scale, published.blocks[0].attn.num_heads)}
    elif kind == "ConvNeXt":
        settings = {"dims": [_rounded(stage["num_chs"] * scale) for stage in published.feature_info]}
    elif kind == "ResNet":
        planes = [getattr(published, f"layer{number}")[0].conv1.out_channels for number in (1, 2, 3, 4)]
        if planes != [64, 128, 256, 512]:  # of wide and grouped ResNets it is another width
            raise _fixed_widths(name, scale)
        settings = {"channels": tuple(_rounded(width * scale) for width in planes)}
    elif kind == "XceptionAligned" and not name.endswith("p"):
        settings = {"block_cfg": _xception_blocks(published, scale)}
    else:
        raise _fixed_widths(name, scale)
    return timm.create_model, settings


def _rounded(width, unit=8):
    return max(round(width / unit), 1) * unit


def _xception_blocks(published, scale):
    """The blocks of an aligned Xception as timm wants them; the first reads the stem, which is never narrowed."""
    blocks, width = [], published.blocks[0].in_channels
    for block in published.blocks:
        steps = [getattr(block.stack, f"conv{number}") for number in (1, 2, 3)]
        widths = tuple(_rounded(step.conv_pw.out_channels * scale) for step in steps)
        blocks.append(
            {
                "in_chs": width,
                "out_chs": widths,
                "stride": steps[-1].conv_dw.stride[0],
                "no_skip": block.no_skip,
                "start_with_relu": "act1" in dict(block.stack.named_children()),
            }
        )
        width = widths[-1]
    return blocks


def _fixed_widths(name, scale):
    return ConfigError(
        f"scale: found {scale} for {name}, expected 1: widths can be changed of Swin, ViT, ConvNeXt, plain ResNet and "
        "Xception nets, efficientnet_b0 and mobilenetv3_*_100; choose one of these"
    )
