"""Tighnari: its parts, what a survey lacks, real patches and cubes, and that it learns."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from glc import config
from glc.classical.votes import Votes
from glc.errors import ConfigError
from glc.etl import arrays
from glc.neighbours.kernels import Kernels, Options
from glc.nets import checkpoints, trainer
from glc.nets.architectures.tighnari import Tighnari
from glc.nets.inputs.augment import mixup
from glc.nets.inputs.features import Layout, Moments
from glc.nets.layers.encoders import Images, Series, Standard, Vectors, Vision, filled
from tests.helpers import survey_data

BIOCLIM, LANDSAT = Layout("cube", tuple("abcd"), 19, 12), Layout("cube", tuple("abcdef"), 4, 21)
TILES = Layout("pixels", ("red", "green", "blue", "nir"), 64, 64, 64)
SPECIES = 40
LAYOUTS = {
    "tiles": TILES,
    "bioclim_cube": BIOCLIM,
    "landsat_cube": LANDSAT,
    "environment": Layout("table", ("altitude", "ph", "slope"), 1, 1),
    "graph": Layout("graph", tuple(map(str, range(SPECIES))), 1, 1),
}
PART = {"tiles": "image", "bioclim_cube": "temporal", "environment": "table", "graph": "graph"}
SMALL = {"width": 24, "fused": 32, "heads": 4, "table_width": 16, "graph_hidden": 24, "resize": 0, "image": "resnet10t"}


def make(layouts=LAYOUTS, n_classes=SPECIES, prepared=True, **options):
    torch.manual_seed(0)
    net = checkpoints.make(config.Choice("tighnari", SMALL | options), n_classes, layouts)
    if prepared:
        net.prepare(summary(layouts, n_classes))
    return net


def summary(layouts, n_classes=SPECIES, mean=3.0, std=2.0):
    inputs = {
        name: Moments(np.full(layout.shape, mean, np.float32), np.full(layout.shape, std, np.float32), 1.0)
        for name, layout in layouts.items()
    }
    return SimpleNamespace(rows=100, counts=np.arange(n_classes), inputs=inputs)


def batch_of(layouts=LAYOUTS, n=6, seed=0):
    rng = np.random.default_rng(seed)
    return {
        name: torch.tensor(rng.normal(3, 2, (n, *layout.shape)), dtype=torch.float32)
        for name, layout in layouts.items()
    }


def test_widths_of_the_published_parts():
    layouts = LAYOUTS | {"tiles": Layout("pixels", TILES.bands, 128, 128, 128)}
    options = Tighnari.Options()
    net = checkpoints.make(config.Choice("tighnari"), 11, layouts)
    widths = {part: encoder.width for part, encoder in net.encoders.items()}
    assert widths == {"temporal": 2 * 192, "table": 128, "image": 768, "graph": 384 + 128 + 768}
    assert net.fusion.width == 3 * options.fused
    assert net.mixup == options.mixup
    assert list(net.fusion.first) == ["temporal", "table"]
    assert net.head[-1].weight.shape == (11, 3 * options.fused)
    with torch.no_grad():
        found = net.encoders["image"].eval()({"tiles": torch.randn(1, *layouts["tiles"].shape)})
    assert found.tokens.shape == (1, 49, 768)  # 224 pixels
    assert found.pooled.shape == (1, 768)
    torch.testing.assert_close(found.tokens.mean(dim=1), found.pooled)


@pytest.mark.parametrize(
    ("name", "tokens", "width"),
    [
        ("resnet18", {(19, 12): 6, (4, 21): 3}, 512),
        ("efficientnet_b0", 4, 1280),
        pytest.param("mobilenetv3_large_100", 4, 1280, marks=pytest.mark.slow),
        pytest.param("xception41", 4, 2048, marks=pytest.mark.slow),
        ("swin", {(19, 12): 6, (4, 21): 2}, 192),
        ("vit", {(19, 12): 24, (4, 21): 8}, 192),
    ],
)
def test_every_backbone_of_cubes(name, tokens, width):
    layouts = {"bioclim_cube": BIOCLIM, "landsat_cube": LANDSAT}
    torch.manual_seed(0)
    net = Series(layouts, name)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)  # timm starts some at 0, behind which nothing has a slope
    batch = batch_of(layouts, 2)
    found = net(batch)
    counts = [tokens if isinstance(tokens, int) else tokens[layout.shape[1:]] for layout in layouts.values()]
    assert found.pooled.shape == (2, 2 * width) == (2, net.width)
    assert found.tokens.shape == (2, sum(counts), net.token_width)
    (found.pooled * torch.linspace(-1, 1, net.width)).sum().backward()
    for key, weight in net.named_parameters():
        assert weight.grad.isfinite().all(), key
        assert weight.grad.any(), key
    batch["landsat_cube"][0] = float("nan")
    lacking = net.eval()(batch)
    assert not lacking.pooled[0, width:].any()
    assert lacking.known.tolist() == [[True] * counts[0] + [False] * counts[1], [True] * sum(counts)]


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("efficientnet_b0", 4),
        ("swin_tiny_patch4_window7_224", 4),
        pytest.param("vit_base_patch16_224", 16, marks=pytest.mark.slow),
        pytest.param("convnext_base", 4, marks=pytest.mark.slow),
    ],
)
def test_every_backbone_of_images(name, tokens):
    torch.manual_seed(0)
    net = Vision(name, 4, 64, 64)
    with torch.no_grad():
        found, pooled = net.eval()(torch.randn(2, 4, 64, 64))
    assert found.shape == (2, tokens, net.token_width)
    assert pooled.shape == (2, net.width)
    assert not torch.equal(pooled[0], pooled[1])


def test_images_are_resized_and_coefficients_expanded():
    layouts = {"tiles": Layout("coeffs", ("red", "nir"), 8, 8, 32)}
    for resize, side in ((0, 32), (64, 64)):
        net = Images(layouts, "resnet10t", resize)
        seen = []
        net.net.net.conv1.register_forward_pre_hook(lambda layer, inputs, seen=seen: seen.append(inputs[0].shape))
        net(batch_of(layouts, 2))
        assert tuple(seen[0]) == (2, 2, side, side)


def test_gradients_of_every_weight_of_the_whole_net():
    for tokens in ("pooled", "map"):
        net = make(tokens=tokens, image="swin_tiny_patch4_window7_224", checkpointing=tokens == "map").train()
        net(batch_of(n=3)).square().sum().backward()
        for name, weight in net.named_parameters():
            assert weight.grad.isfinite().all(), name
            constant = (
                tokens == "pooled" and name.startswith("fusion") and name.endswith(("query.weight", "key.weight"))
            )
            assert weight.grad.any() != constant, name


@pytest.mark.parametrize(
    "settings", [{}, {"tokens": "map"}, {"fusion": "concat"}, {"temporal": "vit", "fill": "training"}]
)
def test_permuting_a_batch_permutes_its_logits_whatever_is_missing(settings):
    net, batch = make(**settings).eval(), batch_of()
    batch["tiles"][0] = float("nan")
    batch["landsat_cube"][1, :, :, 17:] = float("nan")
    batch["bioclim_cube"][2] = float("nan")
    batch["environment"][3] = float("inf")
    batch["graph"][4] = 0
    for name in LAYOUTS:
        batch[name][5] = float("nan")
    order = torch.tensor([4, 2, 0, 5, 1, 3])
    logits = net(batch)
    assert logits.isfinite().all()
    turned = net({name: values[order] for name, values in batch.items()})
    torch.testing.assert_close(turned, logits[order], rtol=1e-4, atol=1e-4)
    present = {part: encoder(batch).present for part, encoder in net.encoders.items()}
    lacking = {"image": [0, 5], "temporal": [5], "table": [3, 5], "graph": [4, 5]}
    assert {part: (~found).nonzero()[:, 0].tolist() for part, found in present.items()} == lacking


@pytest.mark.parametrize("name", PART)
def test_each_modality_alone_and_each_left_out(name):
    for layouts in ({name: LAYOUTS[name]}, {key: value for key, value in LAYOUTS.items() if key != name}):
        net = make(layouts)
        assert net(batch_of(layouts)).shape == (6, SPECIES)
        alone = {PART[key] for key in layouts if key in PART}
        assert set(net.encoders) == alone | ({"temporal"} if "landsat_cube" in layouts else set())


def test_map_tokens_differ_from_pooled_ones():
    pooled, mapped = make(graph_tokens=1).eval(), make(graph_tokens=1, tokens="map").eval()
    resnet = {"bioclim_cube": BIOCLIM, "tiles": TILES}
    one, two = make(resnet).eval(), make(resnet, tokens="map").eval()
    with torch.no_grad():  # as sharp as after training: even attention gives the mean of the tokens, the vector
        one.fusion.first["temporal"].query.weight *= 1e3
    two.load_state_dict(one.state_dict())  # a ResNet's tokens are as wide as its vector
    assert not torch.allclose(one(batch_of(resnet)), two(batch_of(resnet)), atol=1e-4)
    assert pooled.encoders["graph"].tokens == mapped.encoders["graph"].tokens == 1
    assert make(tokens="map").encoders["graph"].tokens == 8


def test_nulls_take_the_mean_of_their_own_tensor_or_of_training():
    x = torch.tensor([[[[1.0, float("nan")]], [[4.0, 7.0]]], [[[float("nan")] * 2]] * 2])
    np.testing.assert_array_equal(filled(x)[0], [[[1, 4]], [[4, 7]]])
    np.testing.assert_array_equal(filled(x, "training")[0], [[[1, 0]], [[4, 7]]])
    assert not filled(x)[1].any()


def test_standardised_by_training_moments():
    rng = np.random.default_rng(0)
    values = rng.normal(50, 7, (200, 2, 3, 4)) * [[[1]], [[30]]] + np.arange(4)
    values[:, 0, 0, 0] = 8
    moments = Moments(values.mean(0).astype(np.float32), values.std(0).astype(np.float32), 1.0)
    layout = Layout("cube", ("a", "b"), 3, 4)
    x = torch.tensor(values, dtype=torch.float32)
    for by_band, axes in ((True, (0, 2, 3)), (False, 0)):
        standard = Standard(layout, by_band)
        standard.prepare(moments)
        found = standard(x).numpy()
        np.testing.assert_allclose(found.mean(axes), 0, atol=1e-4)
        spread = found.std(axes)
        np.testing.assert_allclose(spread[spread > 0], 1, atol=1e-4)
        assert (spread == 0).sum() == (0 if by_band else 1)


def test_graph_vectors_are_dropped_in_training_as_they_are_missing():
    layouts = {"graph": LAYOUTS["graph"]}
    torch.manual_seed(0)
    net = Vectors(layouts, 8, 4, drop=0.3)
    batch = batch_of(layouts, 2000)
    assert 0.66 < net.train()(batch).present.float().mean() < 0.74
    assert net.eval()(batch).present.all()


def test_weights_of_the_image_net_are_taken_from_their_file(tmp_path):
    import timm

    layouts = {"tiles": TILES}
    with pytest.raises(
        ConfigError, match=r"weights: found no file or folder .*none\.pth, expected weights of resnet10t"
    ):
        make(layouts, weights=str(tmp_path / "none.pth"))
    source = timm.create_model("resnet10t")
    torch.save(source.state_dict(), tmp_path / "resnet.pth")
    net = make(layouts, weights=str(tmp_path / "resnet.pth")).encoders["image"].net.net
    assert torch.equal(net.layer4[0].conv1.weight, source.layer4[0].conv1.weight)


WINDOWS = {
    "elevation": Layout("coeffs", ("elevation",), 8, 8, 32),
    "bioclim": Layout("pixels", ("bio1", "bio12"), 16, 16, 16),
}


@pytest.mark.parametrize(
    ("fusion", "tokens"),
    [
        ("hcam", "pooled"),
        *(
            pytest.param(*pair, marks=pytest.mark.slow)
            for pair in (("hcam", "map"), ("concat", "pooled"), ("concat", "map"))
        ),
    ],
)
def test_raster_windows_of_their_own_size_have_a_net_of_their_own(tmp_path, fusion, tokens):
    layouts = LAYOUTS | WINDOWS
    options = {"fusion": fusion, "tokens": tokens, "resize": 32}
    net = make(layouts, **options).eval()
    image = net.encoders["image"]
    assert [group.maps.rows for group in image.groups] == [64, 32, 16]
    assert [group.maps.channels for group in image.groups] == [4, 1, 2]
    assert image.width == 3 * make(**options).encoders["image"].width
    batch = batch_of(layouts, 4)
    out = net(batch)
    for name in WINDOWS:  # each window counts, and a survey may lack any of them, or all
        assert not torch.allclose(net(batch | {name: batch[name] + 1}), out)
        assert net(batch | {name: batch[name] * float("nan")}).isfinite().all()
    nothing = {name: batch[name] * float("nan") for name in ("tiles", *WINDOWS)}
    assert not image(batch | nothing).present.any()
    assert net(batch | nothing).isfinite().all()
    checkpoints.save(tmp_path / "model.ckpt", net, config.Choice("tighnari", SMALL | options), SPECIES, layouts, {})
    assert torch.equal(checkpoints.load(tmp_path / "model.ckpt")[0](batch), out)


def test_a_window_that_a_survey_lacks_adds_nothing_to_its_image_vector():
    layouts = {"tiles": TILES} | WINDOWS
    net = make(layouts, resize=32).eval().encoders["image"]
    batch = batch_of(layouts, 3)
    batch["elevation"][1] = float("nan")
    made = net(batch)
    vectors = made.pooled.unflatten(1, (3, -1)).abs().sum(dim=2) > 0
    assert vectors.tolist() == [[True, True, True], [True, False, True], [True, True, True]]
    known = made.known.unflatten(1, (3, -1)).all(dim=2)
    assert torch.equal(known, vectors)
    assert made.present.all()


def test_checkpoint_round_trip(tmp_path):
    options = SMALL | {"tokens": "map", "image": "swin_tiny_patch4_window7_224"}
    net = make(**options).eval()
    checkpoints.save(tmp_path / "model.ckpt", net, config.Choice("tighnari", options), SPECIES, LAYOUTS, {})
    loaded, n_classes, layouts = checkpoints.load(tmp_path / "model.ckpt")
    assert (n_classes, layouts) == (SPECIES, LAYOUTS)
    batch = batch_of(n=2)
    assert torch.equal(loaded(batch), net(batch))


@pytest.mark.parametrize("fusion", ["hcam", pytest.param("concat", marks=pytest.mark.slow)])
def test_it_learns_what_one_of_its_modalities_tells(fusion):
    layouts = {name: LAYOUTS[name] for name in ("landsat_cube", "environment", "graph")}
    rng = np.random.default_rng(0)

    def surveys(n):
        batch = batch_of(layouts, n, int(rng.integers(1 << 30)))
        targets = torch.stack([batch["landsat_cube"][:, 0, :, :20].mean((1, 2)) > 3, batch["graph"][:, 7, 0, 0] > 3])
        return batch, targets.T.float()

    net = make(layouts, 2, fusion=fusion, dropout=0.0, prior=False).train()
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    asked, truth = surveys(300)
    right = torch.zeros(2)
    for step in range(1, 81):
        batch, targets = mixup(*surveys(64), 0.2, generator)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(net(batch), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 20 == 0:
            with torch.no_grad():
                right = ((net.eval()(asked) > 0) == (truth > 0)).float().mean(dim=0)
            if (right > 0.7).all():
                break
            net.train()
    assert (right > 0.7).all()  # of two labels, each as often true as not


def test_votes_start_as_the_classical_ones():
    data = survey_data(n_train=300, n_po=300, seed=1)
    made = Kernels(data, 0, None, Options(scales_m=(20_000.0, 60_000.0)))
    layout = Layout("votes", tuple(map(str, data.species)), *made.shape[2:])
    net = make({"kernels": layout}, len(data.species), prepared=False, votes_prior=15.0).votes["kernels"]
    train = data.train(0)
    net.prepare(SimpleNamespace(counts=np.asarray(data.labels_of(train).sum(axis=0)).ravel(), rows=len(train)))
    with torch.no_grad():
        found = net(torch.from_numpy(made[data.valid(0)])).sigmoid().numpy()
    classical = Votes(Votes.Options(scales_m=(20_000.0, 60_000.0), prior=15.0)).scores(data, 0, data.valid(0))
    # other squares hold the surveys of a pool, and half a record a species is added everywhere
    np.testing.assert_allclose(found, np.minimum(classical.toarray(), 0.999), rtol=0.06, atol=2e-3)


def test_votes_are_the_closed_form_of_the_smoothed_shares():
    layout = Layout("votes", ("3", "8", "9"), 3, 2)
    net = make({"kernels": layout}, 3, prepared=False).votes["kernels"]
    net.prepare(SimpleNamespace(counts=np.array([6, 3, 1]), rows=5))
    rng = np.random.default_rng(0)
    records = rng.random((4, 3, 3, 2))
    weight, prior = rng.random((3, 2)), rng.random(3) + 0.5
    with torch.no_grad():
        net.log_weight.copy_(torch.tensor(np.log(weight) / 50))
        net.log_prior.copy_((torch.tensor(np.log(prior)) - net.start) / 50)
        net.slope.fill_(0.04)  # times 5, a tenth of the rate
        net.shift.fill_(-0.02)
        found = net(torch.tensor(records, dtype=torch.float32)).numpy()
    share = np.full((4, 3), 1 / 3)
    for scale in range(3):
        own = (records[:, :, scale] * weight[scale]).sum(axis=-1)
        share = (own + prior[scale] * share) / (own.sum(axis=1, keepdims=True) + prior[scale])
    p = np.minimum(2 * share, 0.999)
    np.testing.assert_allclose(found, 1.2 * np.log(p / (1 - p)) - 0.1, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("learned", [-0.6, 0.6, -5.0, 5.0])
def test_votes_and_their_gradients_stay_finite_however_far_the_weights_go(learned):
    layout = Layout("votes", tuple("abcd"), 4, 2)
    net = make({"kernels": layout}, 4, votes_rate=200.0).votes["kernels"]
    records = torch.rand(5, *layout.shape) * 1e6
    records[0] = 0
    records[1, 1:] = 0
    for names in ({"log_prior"}, {"log_weight"}, {"log_prior", "log_weight"}):
        with torch.no_grad():
            for name in ("log_prior", "log_weight"):
                getattr(net, name).fill_(learned if name in names else 0.0)
        net.zero_grad()
        logits = net(records)
        logits.square().sum().backward()
        assert logits.isfinite().all(), names
        assert (logits[0] == logits[0, 0]).all(), "without records all species have one share"
        assert all(weight.grad.isfinite().all() for weight in net.parameters()), names


def test_a_net_with_votes_starts_from_them_alone_and_learns_the_rest():
    layouts = {name: LAYOUTS[name] for name in ("environment", "graph")}
    layouts["kernels"] = Layout("votes", LAYOUTS["graph"].bands, 4, 2)
    batch = batch_of(layouts)
    batch["kernels"] = batch["kernels"].abs()
    batch["kernels"][0] = 0
    batch["kernels"][1] = float("nan")
    net = make(layouts)
    alone = net.votes["kernels"](batch["kernels"])
    assert torch.equal(net.eval()(batch), alone)
    assert alone.isfinite().all()
    assert torch.equal(alone[0], alone[1])
    torch.testing.assert_close(alone[0], alone[0, :1].expand(SPECIES))
    with torch.no_grad():
        net.head[-1].weight.normal_()
    net(batch).square().sum().backward()
    for name, weight in net.named_parameters():
        constant = name.startswith("fusion") and name.endswith(("query.weight", "key.weight"))  # one token a modality
        assert weight.grad.isfinite().all(), name
        assert weight.grad.any() != constant, name


def test_votes_on_other_species_than_the_nets_are_refused():
    with pytest.raises(ConfigError, match="found votes on 2 species, expected the net's 40 classes"):
        make({"kernels": Layout("votes", ("5", "6"), 3, 1)})
    with pytest.raises(ConfigError, match="votes_prior"):
        make({"kernels": Layout("votes", ("5", "6"), 3, 1)}, 2, votes_prior=0.0)


def test_inputs_of_no_part_are_refused():
    with pytest.raises(ConfigError, match=r"found series_cube \(series\), expected pixels.*coeffs = false"):
        make({"series_cube": Layout("series", ("a",), 8, 8)})
    with pytest.raises(ConfigError, match="inputs: found none"):
        make({})
    with pytest.raises(ConfigError, match=r"resize: found maps of 100 x 100, expected a multiple of 32"):
        make({"tiles": TILES}, image="swin_tiny_patch4_window7_224", resize=100)
    with pytest.raises(ConfigError, match="width: found 20, expected a multiple of 12"):
        make(width=20)


def real_survey(folder):
    """The patches and cubes of the one survey of a sample: (4, row, col), (4, 19, 12), (6, 4, 21) float32."""
    import rasterio
    from PIL import Image

    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".npy":
            found["bioclim_cube" if "bioclim" in path.name else "landsat_cube"] = arrays.read(path).astype(np.float32)
        elif path.suffix == ".jpeg":
            pixels = np.asarray(Image.open(path), np.float32)
            found["nir" if pixels.ndim == 2 else "rgb"] = np.atleast_3d(pixels).transpose(2, 0, 1)
        elif path.suffix == ".tiff":
            with rasterio.open(path) as image:
                found["tiles"] = image.read().astype(np.float32)
    if "tiles" not in found:
        found["tiles"] = np.concatenate([found.pop("rgb"), found.pop("nir")])
    return found


@pytest.mark.parametrize("edition", ["glc24_pre_extracted", "glc25_pre_extracted"])
def test_real_patches_and_cubes_pass_through(shared_data, edition):
    survey = real_survey(shared_data / "fixtures" / edition)
    side = survey["tiles"].shape[-1]
    layouts = {
        "tiles": Layout("pixels", TILES.bands, side, side, side),
        "bioclim_cube": BIOCLIM,
        "landsat_cube": LANDSAT,
    }
    assert {name: values.shape for name, values in survey.items()} == {k: v.shape for k, v in layouts.items()}
    net = make(layouts, prepared=False, image="swin_tiny_patch4_window7_224", tokens="map").eval()
    facts = summary(layouts)
    for name, values in survey.items():  # one survey's bands by their own moments
        mean, std = values.mean((1, 2), keepdims=True), values.std((1, 2), keepdims=True)
        facts.inputs[name] = Moments(np.broadcast_to(mean, values.shape), np.broadcast_to(std, values.shape), 1.0)
    net.prepare(facts)
    batch = {name: torch.tensor(values)[None] for name, values in survey.items()}
    logits = net(batch)
    assert logits.shape == (1, SPECIES)
    assert logits.isfinite().all()
    for name in layouts:
        other = batch | {name: batch[name].flip(-1)}
        assert not torch.allclose(net(other), logits, atol=1e-7), name


def test_the_trainer_mixes_training_batches_and_wants_a_loss_that_takes_shares(monkeypatch):
    layouts = {"table": Layout("table", ("a",), 1, 1)}
    summary = SimpleNamespace(rows=4, counts=np.ones(3), inputs={"table": Moments(*np.zeros((2, 1, 1, 1)), 1.0)})
    choice = config.Choice("tighnari", {"mixup": 0.4})
    with pytest.raises(ConfigError, match=r"train\.loss: found 'asl', expected 'bce'"):
        trainer.Learner(choice, config.Train(config.Choice("asl")), 3, summary, layouts)
    learner = trainer.Learner(choice, config.Train(config.Choice("bce")), 3, summary, layouts)
    seen = []
    monkeypatch.setattr(learner, "log", lambda *args, **kwargs: None)
    loss = type(learner.loss)
    monkeypatch.setattr(loss, "__call__", lambda _, logits, targets, *rest: seen.append(targets) or logits.sum())
    monkeypatch.setattr(
        loss, "of_lists", lambda _, logits, lists, *rest: seen.append(one_hot(lists[:, 0], 3)) or logits.sum()
    )
    batch = {"species": torch.tensor([[0], [1]]), "weight": torch.ones(2), "table": torch.randn(2, 1, 1, 1)}
    for _ in range(20):
        learner.training_step(batch)
    assert any(((targets > 0) & (targets < 1)).any() for targets in seen)
    seen.clear()
    learner.mixup_probability = 0.4
    for _ in range(300):
        learner.training_step(batch)
    mixed = sum(bool(((targets > 0) & (targets < 1)).any()) for targets in seen)
    whole = sum(bool(((targets == 0) | (targets == 1)).all()) for targets in seen)
    # half of the orders of two surveys change nothing
    assert 30 < mixed < 90
    assert mixed + whole == 300
    seen.clear()
    learner._step(batch)
    assert set(seen[0].unique().tolist()) == {0.0, 1.0}, "validation is never mixed"
