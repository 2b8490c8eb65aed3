"""The tile CNN: its published shape, its options, and that it learns what imagery tells."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from glc import config, storage
from glc.errors import ConfigError, DataError
from glc.nets import checkpoints, trainer
from glc.nets.architectures.tile_cnn import TileCnn
from glc.nets.inputs.features import Features, Layout, Moments
from glc.nets.layers import dct
from glc.registry import models
from glc.training.machine import Machine

TILES = Layout("coeffs", ("red", "green", "blue", "nir"), 8, 8, 128)
CLASSES = 60


def make(n_classes=11, layouts=None, **options):
    torch.manual_seed(0)
    return TileCnn(TileCnn.Options(**options), n_classes, {"tiles": TILES} if layouts is None else layouts)


def summary(layout=TILES, counts=(0, 10, 500)):
    moments = Moments(np.zeros(layout.shape, np.float32), np.ones(layout.shape, np.float32), 1.0)
    return SimpleNamespace(rows=1_000, counts=np.array(counts), inputs={"tiles": moments})


def test_it_is_the_registered_net():
    assert models.get("tile_cnn") is TileCnn
    assert TileCnn.kind == "net"


@pytest.mark.parametrize("expand", [False, True])
def test_published_architecture_with_a_latent_space_of_256(expand):
    net = make(expand=expand)
    layers = [type(layer).__name__ for layer in net.encoder.layers if type(layer).__name__ != "AdaptiveAvgPool2d"]
    assert layers == ["Conv2d", "BatchNorm2d", "ReLU", "Conv2d", "BatchNorm2d", "ReLU", "Flatten"]
    shapes = [tuple(weight.shape) for weight in net.parameters() if weight.ndim > 1]
    assert shapes == [(64, 4, 3, 3), (32, 64, 1, 1), (256, 32 * 8 * 8), (11, 256)]
    batch = {"tiles": torch.randn(3, *TILES.shape)}
    assert net.encoder(batch).shape == (3, 256)
    assert torch.equal(net.eval()(batch), net.head(net.encoder(batch)))


def test_expanded_net_sees_pixels_of_the_tiles_size():
    net = make(expand=True).eval()
    net.encoder.prepare(summary())
    batch = {"tiles": torch.randn(2, *TILES.shape)}
    seen = []
    net.encoder.layers[0].register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    net(batch)
    wanted = dct.expand(batch["tiles"], 128)
    torch.testing.assert_close(seen[0], wanted / (64 / 128**2) ** 0.5, rtol=1e-4, atol=1e-4)


def test_prior_starts_from_the_classes_frequencies():
    batch = {"tiles": torch.randn(5, *TILES.shape)}
    for prior, wanted in ((True, [0.0005, 0.0105, 0.5]), (False, [0.5, 0.5, 0.5])):
        net = make(3, prior=prior).eval()
        torch.nn.init.zeros_(net.head[-1].weight)
        torch.nn.init.zeros_(net.head[-1].bias)
        net.prepare(summary())
        torch.testing.assert_close(net(batch).sigmoid(), torch.tensor([wanted]).expand(5, 3), rtol=1e-2, atol=0)


def test_weights_of_a_backbone_are_taken_from_their_file_when_training_is_prepared(tmp_path):
    import timm

    torch.manual_seed(5)
    source = timm.create_model("resnet10t", in_chans=4)
    torch.save(source.state_dict(), tmp_path / "resnet10t.pth")
    options = {"backbone": "resnet10t", "weights": str(tmp_path)}
    net = make(3, **options)
    assert not torch.equal(net.encoder.layers.layer4[0].conv1.weight, source.layer4[0].conv1.weight)
    net.prepare(summary())
    assert torch.equal(net.encoder.layers.layer4[0].conv1.weight, source.layer4[0].conv1.weight)
    (tmp_path / "resnet10t.pth").unlink()
    with pytest.raises(ConfigError, match=r"has no resnet10t\.safetensors or resnet10t\.pth"):
        make(3, **options).prepare(summary())
    choice = config.Choice("tile_cnn", options)
    checkpoints.save(tmp_path / "model.ckpt", net, choice, 3, {"tiles": TILES}, {})
    loaded, *_ = checkpoints.load(tmp_path / "model.ckpt")
    assert torch.equal(loaded.encoder.layers.layer4[0].conv1.weight, source.layer4[0].conv1.weight)


def test_no_inputs_and_impossible_options_are_refused():
    with pytest.raises(ConfigError, match=r"inputs: found none.*add an \[\[inputs\]\] table"):
        make(layouts={})
    with pytest.raises(ConfigError, match="unknown net 'vgg99'"):
        make(backbone="vgg99")
    for options in ({"channels": 0}, {"reduced": 0}, {"latent": 0}, {"grid": 0}, {"dropout": 1.0}, {"weights": "x"}):
        with pytest.raises(ConfigError, match=f"{next(iter(options))}: found"):
            make(**options)


def world(folder, n, seed, ids_from, without=0):
    """Species 0-29 where the mean of green is above its middle, 30-59 elsewhere, 12 a survey; other bands tell nothing.

    The last `without` surveys have no imagery.
    """
    rng = np.random.default_rng(seed)
    tiles = rng.normal(0, 3, (n, *TILES.shape)).astype(np.float32)
    tiles[..., 0, 0] = rng.normal(12_000, 2_500, (n, 4))  # all bands are drawn alike
    high = tiles[:, 1, 0, 0] > 12_000
    ids = np.arange(ids_from, ids_from + n)
    frame = pd.DataFrame(
        {
            "dataset": np.ones(n, np.int8),
            "surveyId": ids,
            "easting": rng.uniform(4e6, 4.1e6, n).astype(np.float32),
            "northing": rng.uniform(2e6, 2.1e6, n).astype(np.float32),
            "weight": np.ones(n, np.float32),
            "species": [np.sort(rng.choice(30, 12, replace=False)) + 30 * (not up) for up in high],
        }
    )
    storage.write_table(frame, "examples", folder)
    there = np.arange(n) < n - without
    return frame, high, tiles[there], ids[there]


def features_of(*parts):
    """`Features` of worlds: their tiles and survey ids."""
    tiles = np.concatenate([tiles for *_, tiles, _ in parts])
    ids = np.concatenate([ids for *_, ids in parts])
    pairs = np.column_stack([np.ones_like(ids), ids])
    return Features({"tiles": TILES}, {"tiles": tiles}, {"tiles": np.ones((len(ids), 4), bool)}, {"tiles": pairs})


def test_it_learns_species_that_follow_the_mean_of_a_band(tmp_path):
    train = world(tmp_path / "train", 600, 0, 0, without=20)
    valid = world(tmp_path / "valid", 200, 1, 10_000, without=10)
    features = features_of(train, valid)
    (tmp_path / "out").mkdir()
    model = config.Choice("tile_cnn", {"channels": 16, "reduced": 8, "latent": 32})
    setting = config.Train(config.Choice("bce"), max_epochs=12, batch_size=64, learning_rate=5e-3)
    trainer.fit(
        tmp_path / "train",
        tmp_path / "valid",
        tmp_path / "out",
        model=model,
        train_config=setting,
        n_classes=CLASSES,
        features=features,
        machine=Machine(accelerator="cpu", progress=False),
    )
    frame, high, *_ = valid

    def right(features):
        scores = checkpoints.predict(tmp_path / "out/model.ckpt", frame, features)
        assert np.isfinite(scores).all()
        return scores, (scores[:, :30].mean(axis=1) > scores[:, 30:].mean(axis=1)) == high

    scores, found = right(features)
    assert scores.shape == (200, CLASSES)
    assert found[:190].mean() > 0.9
    # surveys without imagery are scored all alike, near what is known without it
    assert np.ptp(scores[190:], axis=0).max() < 1e-6
    assert scores[190:].mean() == pytest.approx(0.2, abs=0.05)
    # the other bands, drawn alike, tell nothing: it is the second that was learned
    shuffled = features_of((*valid[:2], valid[2][:, [1, 2, 3, 0]], valid[3]))
    assert 0.3 < right(shuffled)[1][:190].mean() < 0.7


def test_an_encoder_is_kept_only_when_it_was_pretrained_for_this_net(tmp_path):
    def learner(model, freeze, pretrained, inputs):
        setting = config.Train(config.Choice("bce"), freeze=freeze)
        known = SimpleNamespace(**vars(summary(counts=(1, 2, 3))), place_mean=(0, 0), place_std=(1, 1))
        return trainer.Learner(config.Choice(*model), setting, 3, known, inputs, pretrained)

    checkpoints.save_encoder(tmp_path / "encoder.ckpt", make(3, latent=32).encoder, {})
    small = ("tile_cnn", {"latent": 32})
    kept = learner(small, True, tmp_path / "encoder.ckpt", {"tiles": TILES})
    assert {name.split(".")[0] for name, weight in kept.net.named_parameters() if weight.requires_grad} == {"head"}
    kept.net.train()
    kept.on_train_epoch_start()
    assert not any(module.training for module in kept.net.encoder.modules())
    with pytest.raises(ConfigError, match=r"train\.freeze: found true, expected a \[pretrain\]"):
        learner(small, True, None, {"tiles": TILES})
    with pytest.raises(DataError, match="the pretrained encoder does not fit the net"):
        learner(("tile_cnn", {"latent": 64}), False, tmp_path / "encoder.ckpt", {"tiles": TILES})
    with pytest.raises(ConfigError, match="'geolocation' has no encoder"):
        learner(("geolocation", {}), True, None, {})
