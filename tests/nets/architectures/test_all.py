"""What every registered net must do; a new one is found here by itself."""

import contextlib
import functools
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from glc import config
from glc.errors import ConfigError
from glc.nets import checkpoints
from glc.nets.inputs.features import Layout, Moments
from glc.registry import models

TILES = {"tiles": Layout("coeffs", ("red", "nir"), 8, 8, 32)}
SERIES = {"series_cube": Layout("series", ("blue", "swir"), 8, 8)}
BIOCLIM = Layout("cube", ("tas", "pr"), 19, 12)
PARTS = {
    "tiles": Layout("pixels", ("red", "nir"), 32, 32, 32),
    "landsat_cube": Layout("cube", ("red", "nir"), 4, 21),
    "environment": Layout("table", ("altitude", "ph", "slope"), 1, 1),
    "graph": Layout("graph", tuple("abcdefghi"), 1, 1),
}
PLACE = {"location_encoder": Layout("table", tuple("abcd"), 1, 1)}
KINDS = [  # what nets read, from all kinds at once to none; of the first that a net reads it must learn
    PARTS,
    TILES,
    {"tiles": Layout("pixels", ("red", "nir"), 35, 35, 35)},
    SERIES,
    {"bioclim_cube": BIOCLIM},
    PLACE,
    {},
]
TINY = models.get("tighnari").trial
VARIANTS = [  # of a net, and the layouts of its inputs: what its trial options leave out
    ("geolocation", {}, {}),
    ("geolocation", {"features": "none"}, PLACE),
    ("tile_cnn", {}, TILES | PLACE),
    ("tile_cnn", {}, TILES | {"bioclim_cube": Layout("cube", ("tas",), 4, 12)}),
    ("tile_cnn", {"expand": True, "dropout": 0.1}, TILES),
    ("tile_cnn", {"backbone": "resnet10t"}, TILES),
    ("tighnari", TINY, PARTS | PLACE),
    ("tighnari", TINY | {"tokens": "map", "temporal": "vit"}, PARTS),
    ("tighnari", TINY | {"temporal": "resnet10t", "fusion": "concat"}, {"bioclim_cube": BIOCLIM}),
]
NETS = [name for name in models.choices() if models.get(name).kind == "net"]
CLASSES = 9
every = pytest.mark.parametrize(
    ("name", "options", "layouts"),
    [*((name, models.get(name).trial, None) for name in NETS), *VARIANTS],
    indirect=["layouts"],
)


@functools.cache
def first_read(name):
    """The layouts of the first of `KINDS` that the net `name` reads."""
    for layouts in KINDS:
        with contextlib.suppress(ConfigError):
            checkpoints.make(config.Choice(name, models.get(name).trial), CLASSES, layouts)
            return layouts
    raise AssertionError(f"{name} reads none of the kinds of inputs")


@pytest.fixture
def layouts(request, name):
    """The layouts of a variant; of a net by its trial options those of the first kind that it reads."""
    return first_read(name) if request.param is None else request.param


def batch_of(layouts, n=12, seed=0):
    rng = np.random.default_rng(seed)
    batch = {
        "easting": torch.tensor(rng.normal(3_900_000, 80_000, n), dtype=torch.float32),
        "northing": torch.tensor(rng.normal(2_300_000, 40_000, n), dtype=torch.float32),
    }
    for name, layout in layouts.items():
        batch[name] = torch.tensor(rng.normal(5, 2, (n, *layout.shape)), dtype=torch.float32)
        batch[name][0] = float("nan")
    return batch


def make(name, options, layouts, seed=0):
    torch.manual_seed(seed)
    net = checkpoints.make(config.Choice(name, options), CLASSES, layouts)
    moments = {
        key: Moments(np.full(layout.shape, 5, np.float32), np.full(layout.shape, 2, np.float32), 1.0)
        for key, layout in layouts.items()
    }
    places = {"place_mean": (3_900_000.0, 2_300_000.0), "place_std": (80_000.0, 40_000.0)}
    net.prepare(SimpleNamespace(rows=100, counts=np.arange(CLASSES) * 4, inputs=moments, **places))
    return net


@every
def test_logits_of_every_class_and_gradients_of_every_weight(name, options, layouts):
    net = make(name, options, layouts).train()
    for n in (12, 1):  # the last batch of an epoch may be one survey
        net.zero_grad()
        logits = net({key: values[-n:] for key, values in batch_of(layouts).items()})
        assert logits.shape == (n, CLASSES)
        assert logits.dtype == torch.float32
        logits.square().sum().backward()
        for weight in net.parameters():
            assert weight.grad is not None
            assert weight.grad.isfinite().all()
    assert all(module.training for module in net.modules())


@every
def test_loss_falls_and_missing_imagery_is_still_scored(name, options, layouts):
    net, batch = make(name, options, layouts).train(), batch_of(layouts)
    targets = (torch.rand(12, CLASSES, generator=torch.Generator().manual_seed(0)) < 0.3).float()
    optimiser = torch.optim.AdamW(net.parameters(), lr=5e-3)
    losses = []
    for _ in range(30):
        if losses and losses[-1] < 0.8 * losses[0]:
            break
        loss = torch.nn.functional.binary_cross_entropy_with_logits(net(batch), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    assert net.eval()(batch).isfinite().all()


@every
def test_checkpoint_round_trip(name, options, layouts, tmp_path):
    net, batch = make(name, options, layouts), batch_of(layouts)
    with torch.no_grad():
        net.train()(batch)  # running statistics too
    checkpoints.save(tmp_path / "model.ckpt", net, config.Choice(name, options), CLASSES, layouts, {})
    loaded, n_classes, found = checkpoints.load(tmp_path / "model.ckpt")
    assert (n_classes, found) == (CLASSES, layouts)
    assert not loaded.training
    wanted = net.state_dict()
    assert all(torch.equal(values, wanted[key]) for key, values in loaded.state_dict().items())
    assert torch.equal(loaded(batch), net.eval()(batch))


@every
def test_same_seed_same_weights_and_another_seed_others(name, options, layouts):
    one, same, other = (list(make(name, options, layouts, seed).parameters()) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@every
def test_prediction_by_default_is_the_net_itself(name, options, layouts):
    net, batch = make(name, options, layouts).eval(), batch_of(layouts)
    batch |= {"dataset": torch.ones(12, dtype=torch.int64), "surveyId": torch.arange(12)}
    with torch.no_grad():
        assert torch.equal(net.logits(batch, net.Prediction()), net(batch))
    features, data = object(), object()
    assert net.prediction_features(features, data, net.Prediction()) == (features, {})


@every
def test_the_part_that_is_pretrained_gives_what_the_head_reads(name, options, layouts):
    net, batch = make(name, options, layouts).eval(), batch_of(layouts)
    if net.encoder is None:
        assert not any(key.startswith("encoder.") for key in net.state_dict())
    elif net.head is not None:
        torch.testing.assert_close(net.head(net.encoder(batch)), net(batch))
    assert net.at_once is None or net.at_once >= 1
    assert net.mixup >= 0


@every
def test_the_embedding_is_what_the_last_layer_reads(name, options, layouts):
    net = make(name, options, layouts).eval()
    batch, seen = batch_of(layouts), []
    net.last.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.inference_mode():
        logits = net(batch)
        assert len(seen) == 1
        torch.testing.assert_close(net.last(seen[0]), logits)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU that torch sees")
@every
def test_on_a_gpu_it_learns_with_products_in_bfloat16(name, options, layouts):
    net, batch = make(name, options, layouts), batch_of(layouts)
    with torch.no_grad():
        on_cpu = net.eval()(batch)
    net, batch = net.cuda(), {key: values.cuda() for key, values in batch.items()}
    with torch.no_grad():
        torch.testing.assert_close(net(batch).cpu(), on_cpu, rtol=1e-2, atol=1e-2)
    targets = (torch.rand(12, CLASSES, generator=torch.Generator().manual_seed(0)) < 0.3).float().cuda()
    optimiser = torch.optim.AdamW(net.train().parameters(), lr=5e-3, fused=True)
    losses = []
    for _ in range(30):
        with torch.autocast("cuda", torch.bfloat16):
            logits = net(batch).float()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16):
        assert net.eval()(batch).isfinite().all()
