"""timm's nets as backbones; `glc.nets` has made torchvision, which timm needs, importable."""

from pathlib import Path

from glc.errors import ConfigError, did_you_mean


def backbone(name, channels, pretrained=None, **settings):
    """A net of timm without its classifier, mapping (batch, channels, row, col) to (batch, features).

    pretrained : path of a weights file of that net (timm adapts the first layer to the channels), or None for random
        weights; nothing is ever fetched
    settings : of timm.create_model, as img_size for nets that are made for one size
    returns : (nn.Module, number of features)
    """
    import timm  # seconds, which a list of models need not take

    if not timm.is_model(name):
        raise ConfigError(
            f"backbone: unknown net {name!r} of timm{did_you_mean(name, timm.list_models())}; see timm.list_models()"
        )
    if pretrained:
        if not Path(pretrained).is_file():
            raise ConfigError(
                f"pretrained: found no file {pretrained}, expected weights of {name}; make it where there is a "
                f"network: python -c \"import timm, torch; torch.save(timm.create_model('{name}', "
                f"pretrained=True).state_dict(), '{pretrained}')\""
            )
        settings |= {"pretrained": True, "pretrained_cfg_overlay": {"file": str(pretrained)}}
    net = timm.create_model(name, num_classes=0, in_chans=channels, **settings)
    if pretrained:  # timm leaves at random what a file does not have
        found = timm.models.load_state_dict(str(pretrained))
        lacking = [key for key in net.state_dict() if key not in found and not key.endswith("num_batches_tracked")]
        if lacking:
            raise ConfigError(
                f"pretrained: {pretrained} holds no {lacking[0]} (and lacks {len(lacking)} tensors in all), expected "
                f"the weights of {name} by timm's names; save them from timm"
            )
    return net, net.num_features
