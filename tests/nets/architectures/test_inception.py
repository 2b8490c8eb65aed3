"""Inception v3 of the 2020 system: its published stem, what it sees, and prediction with and without dropout."""

import os
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import rasterio
import torch
from rasterio.errors import NotGeoreferencedWarning
from torch import nn

from glc import config, storage
from glc.errors import ConfigError
from glc.nets import checkpoints, trainer
from glc.nets.architectures import inception
from glc.nets.architectures.inception import Inception, Inception3
from glc.nets.inputs.features import Features, Layout, Moments
from glc.registry import models
from glc.training.machine import Machine

SIDE, CLASSES = 36, 11
AERIAL = ("red", "green", "blue", "nir")


def layouts_of(side=SIDE, **bands):
    bands = bands or {"aerial": AERIAL, "altitude": ("altitude",), "cover": ("landcover",)}
    return {name: Layout("pixels", tuple(of), side, side, side) for name, of in bands.items()}


def make(layouts=None, seed=0, **options):
    torch.manual_seed(seed)
    return Inception(Inception.Options(**options), CLASSES, layouts_of() if layouts is None else layouts)


def batch_of(layouts, n=4, seed=0):
    rng = np.random.default_rng(seed)
    batch = {
        name: torch.tensor(rng.normal(size=(n, *layout.shape)), dtype=torch.float32) for name, layout in layouts.items()
    }
    if "cover" in batch:
        batch["cover"] = torch.tensor(rng.integers(0, 34, batch["cover"].shape), dtype=torch.float32)
    return batch | {"dataset": torch.ones(n, dtype=torch.int64), "surveyId": torch.arange(n) + 10_000_000}


@pytest.fixture(scope="module")
def net():
    return make().eval()


def seen_by(module, call):
    """The tensors that went into `module` while `call` ran."""
    seen = []
    handle = module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
    with torch.no_grad():
        call()
    handle.remove()
    return seen


def test_the_first_two_layers_are_the_published_ones_and_the_others_torchvisions(net):
    assert models.get("inception") is Inception
    for layer, (into, out) in ((net.body.Conv2d_1a_3x3, (6, 32)), (net.body.Conv2d_2a_3x3, (32, 32))):
        conv = layer.conv
        assert (conv.in_channels, conv.out_channels, conv.kernel_size) == (into, out, (3, 3))
        assert (conv.stride, conv.padding) == ((1, 1), (1, 1))
    published = Inception3(num_classes=CLASSES, aux_logits=False, init_weights=False)
    wanted = {name: value.shape for name, value in published.state_dict().items() if not name.startswith("fc.")}
    wanted["Conv2d_1a_3x3.conv.weight"] = (32, 6, 3, 3)
    assert {name: value.shape for name, value in net.body.state_dict().items()} == wanted
    count, theirs = (sum(weight.numel() for weight in one.parameters()) for one in (net, published))
    assert count == theirs + 32 * 3 * 9  # three more bands
    assert net.dropout.p == 0.5
    assert net.body.AuxLogits is None


def test_the_stem_keeps_a_patch_of_256_whole():
    with torch.device("meta"):
        body = inception.body(6)
        sides = []
        for name in ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Mixed_7c"):
            getattr(body, name).register_forward_hook(lambda _, __, found: sides.append(tuple(found.shape[1:])))
        assert body(torch.empty(2, 6, 256, 256)).shape == (2, 2048)
    assert sides == [(32, 256, 256), (32, 256, 256), (64, 256, 256), (2048, 14, 14)]


@pytest.mark.parametrize(("stride", "least"), [(1, 35), (2, 69)])
def test_the_smallest_map_leaves_one_pixel_and_smaller_ones_are_refused(stride, least):
    assert inception.least_side(stride) == least
    with torch.device("meta"):
        body = inception.body(6, stride)
        sides = []
        body.Mixed_7c.register_forward_hook(lambda _, __, found: sides.append(found.shape[-2:]))
        body(torch.empty(2, 6, least, least))
        assert sides == [(1, 1)]
        with pytest.raises(RuntimeError):
            body(torch.empty(2, 6, least - 1, least - 1))
    with pytest.raises(ConfigError, match=f"found maps of {least - 1} pixels, expected {least} or more"):
        make(layouts_of(least - 1), stem_stride=stride)
    with pytest.raises(ConfigError, match=f"found maps of {least - 1} pixels, expected {least} or more"):
        make(layouts_of(100), stem_stride=stride, resize=least - 1)


def test_every_weight_learns_from_cross_entropy():
    net, batch = make().train(), batch_of(layouts_of())
    logits = net(batch)
    assert logits.shape == (4, CLASSES)
    nn.functional.cross_entropy(logits, torch.arange(4)).backward()
    for weight in net.parameters():
        assert weight.grad.isfinite().all()
        assert weight.grad.abs().max() > 0


def test_bands_are_standardised_and_what_is_missing_is_the_mean(net):
    moments = {
        name: Moments(np.full(layout.shape, 5, np.float32), np.full(layout.shape, 2, np.float32), 1.0)
        for name, layout in layouts_of().items()
    }
    net = make()
    net.prepare(SimpleNamespace(inputs=moments))
    batch = batch_of(layouts_of())
    batch["altitude"][1] = float("nan")
    (seen,) = seen_by(net.eval().body, lambda: net(batch))
    wanted = torch.cat([batch[name] for name in layouts_of()], dim=1).sub(5).div(2)
    torch.testing.assert_close(seen, wanted.nan_to_num(nan=0))


def test_with_prior_it_starts_at_the_class_frequencies():
    counts = np.arange(1, CLASSES + 1)
    moments = {
        name: Moments(np.zeros(one.shape, np.float32), np.ones(one.shape, np.float32), 1.0)
        for name, one in layouts_of().items()
    }
    net = make(prior=True)
    net.prepare(SimpleNamespace(inputs=moments, counts=counts, rows=int(counts.sum())))
    share = (counts + 0.5) / (counts + 0.5).sum()
    with torch.no_grad():
        logits = net(batch_of(layouts_of()))
    torch.testing.assert_close(logits.softmax(dim=1), torch.tensor(share, dtype=torch.float32).expand(4, -1))


def test_resized_pixels_are_means_of_those_they_cover(net):
    large = batch_of(layouts_of(2 * SIDE))
    whole = torch.cat([large[name] for name in layouts_of()], dim=1)
    other = make(layouts_of(2 * SIDE), resize=SIDE).eval()
    (seen,) = seen_by(other.body, lambda: other(large))
    wanted = whole.reshape(4, 6, SIDE, 2, SIDE, 2).mean(dim=(3, 5))
    torch.testing.assert_close(seen, wanted)


def test_land_cover_becomes_34_layers_on_request():
    net, batch = make(unstack="cover").eval(), batch_of(layouts_of())
    assert net.body.Conv2d_1a_3x3.conv.in_channels == 4 + 1 + 34
    batch["cover"][0, 0, 0, 0], batch["cover"][1] = 200, float("nan")
    (seen,) = seen_by(net.body, lambda: net(batch))
    codes = batch["cover"][:, 0].numpy()
    wanted = np.stack([codes == code for code in range(34)], axis=1)
    np.testing.assert_array_equal(seen[:, 5:].numpy(), wanted)
    assert seen[0, 5:, 0, 0].sum() == 0  # no such code
    assert seen[1, 5:].sum() == 0
    assert (seen[2:, 5:].sum(dim=1) == 1).all()
    for bad in ("covr", "aerial"):
        with pytest.raises(ConfigError, match=f"unstack: found '{bad}' with the inputs aerial"):
            make(unstack=bad)
    mixed = layouts_of() | layouts_of(2 * SIDE, cover=("landcover",))
    with pytest.raises(ConfigError, match="cover is not of the other inputs' size"):
        make(mixed, unstack="cover")


def test_impossible_inputs_and_options_are_refused():
    with pytest.raises(ConfigError, match="inputs: found none, expected pixels"):
        make({})
    with pytest.raises(ConfigError, match=r"found aerial \(coeffs\), expected pixels.*block = 0"):
        make({"aerial": Layout("coeffs", AERIAL, 8, 8, 256)})
    for options in ({"resize": -1}, {"stem_stride": 3}, {"dropout": 1.0}):
        with pytest.raises(ConfigError, match=f"{next(iter(options))}: found"):
            make(**options)


def test_run_2_predicts_by_a_random_half_of_the_features_and_run_3_by_all(net):
    batch = batch_of(layouts_of(), n=6)
    with torch.no_grad():
        features = net.features(batch)
        assert not torch.allclose(net.dropped(batch), net(batch))
        assert torch.equal(net.dropped(batch), net.dropped(batch))
    (seen,) = seen_by(net.head, lambda: net.dropped(batch))
    kept = seen != 0
    torch.testing.assert_close(seen[kept], 2 * features[kept])
    share = kept.float().sum() / (features != 0).float().sum()
    assert 0.45 < share < 0.55
    assert not torch.equal(kept[0], kept[1])


def world(folder, ids):
    """Occurrences of one species each, by the id's remainder."""
    n = len(ids)
    frame = pd.DataFrame({"dataset": np.ones(n, np.int8), "surveyId": ids, "weight": np.ones(n, np.float32)})
    frame = frame.assign(easting=np.full(n, 4e6, np.float32), northing=np.full(n, 2e6, np.float32))
    frame["species"] = [np.array([one % CLASSES]) for one in ids]
    storage.write_table(frame, "examples", folder)
    return frame


@pytest.fixture(scope="module")
def features():
    rng = np.random.default_rng(0)
    keys = np.column_stack([np.ones(48, np.int64), np.arange(48)])
    pixels = rng.integers(0, 256, (48, 4, SIDE, SIDE), dtype=np.uint8)
    return Features(layouts_of(aerial=AERIAL), {"aerial": pixels}, {"aerial": np.ones((48, 4), bool)}, {"aerial": keys})


@pytest.mark.slow
def test_the_trainer_trains_it_by_the_published_loss_and_optimiser(tmp_path, features):
    world(tmp_path / "train", np.arange(32))
    valid = world(tmp_path / "valid", np.arange(32, 48))
    (tmp_path / "out").mkdir()
    found = trainer.fit(
        tmp_path / "train",
        tmp_path / "valid",
        tmp_path / "out",
        model=config.Choice("inception", {}),
        train_config=config.Train(
            config.Choice("cross_entropy"),
            batch_size=16,
            max_epochs=1,
            optimizer="sgd",
            learning_rate=0.1,
            weight_decay=0.0,
            monitor="top30",
        ),
        n_classes=CLASSES,
        features=features,
        machine=Machine(accelerator="cpu", threads=1, progress=False),
    )
    assert found["valid_top30"] == 1  # of 11 classes
    assert 0 <= found["valid_top1"] <= found["valid_top10"] < 1
    scores = checkpoints.predict(tmp_path / "out/model.ckpt", valid, features)
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
    assert (scores.argmax(axis=1) == valid["species"].str[0]).mean() == found["valid_top1"]


@pytest.mark.slow
def test_scores_of_either_run_follow_from_the_checkpoint_whatever_the_blocks(tmp_path, features):
    net = make(features.layouts).train()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # as after many batches
    net({"aerial": torch.randn(16, 4, SIDE, SIDE)})
    places = {"dataset": np.ones(20, int), "surveyId": np.arange(20), "easting": np.ones(20), "northing": np.ones(20)}
    scores = {}
    checkpoint = tmp_path / "model.ckpt"
    checkpoints.save(checkpoint, net, config.Choice("inception"), CLASSES, features.layouts, {}, "softmax")
    for dropped in (True, False):
        prediction = Inception.Prediction(dropout=dropped)
        scores[dropped] = checkpoints.predict(checkpoint, places, features, prediction=prediction)
        np.testing.assert_allclose(scores[dropped].sum(axis=1), 1, rtol=1e-5)
        turned = {name: values[::-1].copy() for name, values in places.items()}
        blocks = checkpoints.predict_blocks(checkpoint, turned, features, batch=7, prediction=prediction)
        blocks = np.concatenate(list(blocks))
        np.testing.assert_allclose(blocks[::-1], scores[dropped], rtol=1e-3, atol=1e-6)
    assert np.abs(scores[True] - scores[False]).max() > 0.05


def test_large_maps_are_predicted_in_blocks_that_fit():
    whole = layouts_of(256)
    with torch.device("meta"):
        assert make(whole).at_once == 32
        assert make(whole, resize=72, stem_stride=2).at_once == 32
        assert make(layouts_of(72), stem_stride=2).at_once == 404


def read(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as file:
            return file.read().astype(np.float32)


@pytest.mark.slow
@pytest.mark.skipif("GLC_SHARED_DATA" not in os.environ, reason="needs the shared data (GLC_SHARED_DATA)")
def test_real_patches_pass_whole_through_the_published_net():
    folder = Path(os.environ["GLC_SHARED_DATA"]) / "fixtures/glc22"
    first = sorted(str(path).removesuffix("rgb.jpg") for path in folder.glob("patches-*/*/*/*_rgb.jpg"))[:2]
    kinds = {"aerial": ("rgb.jpg", "near_ir.jpg"), "altitude": ("altitude.tif",), "cover": ("landcover.tif",)}
    values = {
        name: np.stack([np.concatenate([read(stem + kind) for kind in of]) for stem in first])
        for name, of in kinds.items()
    }
    layouts, keys = layouts_of(256), np.array([[1, 0], [1, 1]])
    known = {name: np.ones(part.shape[:2], bool) for name, part in values.items()}
    features = Features(layouts, values, known, dict.fromkeys(layouts, keys))
    net = make(layouts).eval()
    net.prepare(SimpleNamespace(inputs=features.moments(*keys.T)))
    batch = features.of(*keys.T)
    (seen,) = seen_by(net.body, lambda: net.features(batch))
    assert seen.shape == (2, 6, 256, 256)
    np.testing.assert_allclose(seen.mean(dim=(0, 2, 3)), 0, atol=1e-3)
    varied = seen.std(dim=(0, 2, 3), correction=0).numpy()
    np.testing.assert_allclose(varied[:4], 1, rtol=1e-3)
    stacked = make(layouts, unstack="cover").eval()
    (seen,) = seen_by(stacked.body, lambda: stacked.features(batch))
    assert (seen[:, 5:].sum(dim=1) == 1).all()  # every real code is one of the 34
