"""The geolocation net: shapes, displacement, standardisation."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from glc import config, schema
from glc.errors import ConfigError
from glc.nets.architectures.geolocation import Geolocation
from glc.nets.inputs.features import Layout, Moments
from glc.registry import models

PLACES = SimpleNamespace(place_mean=(3_900_000.0, 2_300_000.0), place_std=(80_000.0, 40_000.0))


def make(n_classes=7, **options):
    net = Geolocation(config.options(Geolocation, config.Choice("geolocation", options), "model"), n_classes, {})
    net.prepare(PLACES)
    return net


def batch(n=5, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "easting": torch.tensor(rng.normal(3_900_000, 80_000, n), dtype=torch.float32),
        "northing": torch.tensor(rng.normal(2_300_000, 40_000, n), dtype=torch.float32),
    }


def standardised(places):
    return torch.stack([(places["easting"] - 3_900_000) / 80_000, (places["northing"] - 2_300_000) / 40_000], dim=1)


def test_it_is_the_registered_net():
    assert models.get("geolocation") is Geolocation
    assert Geolocation.kind == "net"


@pytest.mark.parametrize("architecture", ["linear", "nonlinear"])
@pytest.mark.parametrize("features", ["coordinates", "fourier"])
def test_logits_of_every_class_and_gradients_of_every_weight(architecture, features):
    net = make(architecture=architecture, features=features).train()
    logits = net(batch())
    assert logits.shape == (5, 7)
    logits.square().sum().backward()
    assert all(weight.grad.abs().sum() > 0 for weight in net.parameters())


def test_linear_net_is_the_linear_map_of_the_standardised_place():
    net = make(architecture="linear").eval()
    wanted = standardised(batch()) @ net.layers.weight.T + net.layers.bias
    torch.testing.assert_close(net(batch()), wanted, rtol=1e-5, atol=1e-5)


def test_published_net_has_two_layers_and_a_latent_space_of_256():
    shapes = [tuple(weight.shape) for weight in make().parameters()]
    assert shapes == [(256, 2), (256,), (7, 256), (7,)]


def test_mean_displacement_is_jitter_m_in_every_direction():
    net = make(n_classes=2, architecture="linear", jitter_m=5_000.0).train()
    with torch.no_grad():  # logits become the standardised place itself
        net.layers.weight.copy_(torch.eye(2))
        net.layers.bias.zero_()
        torch.manual_seed(0)
        places = batch(200_000)
        moved = (net(places) - standardised(places)) * torch.tensor([80_000.0, 40_000.0])
    length, angle = moved.norm(dim=1), torch.atan2(moved[:, 1], moved[:, 0])
    assert length.mean().item() == pytest.approx(5_000, rel=0.01)
    shares = torch.histc(angle, 8, -np.pi, np.pi) / len(angle)
    torch.testing.assert_close(shares, torch.full((8,), 1 / 8), atol=0.004, rtol=0)


@pytest.mark.parametrize("features", ["coordinates", "fourier"])
@pytest.mark.parametrize("std", [(0.0, 0.0), (0.0, 40_000.0), (30.0, 0.0)])
def test_surveys_at_one_place_are_not_displaced_by_thousands_of_deviations(features, std):
    net = make(n_classes=2, features=features).train()
    net.prepare(SimpleNamespace(place_mean=(3_900_000.0, 2_300_000.0), place_std=std))
    places = {"easting": torch.full((20,), 3_900_000.0), "northing": torch.full((20,), 2_300_000.0)}
    torch.manual_seed(0)
    deviations = net._of_place(places)[0]
    assert deviations.abs().max() < 5
    loss = torch.nn.functional.binary_cross_entropy_with_logits(net(places), torch.ones(20, 2))
    assert loss < 2  # that of a half is .69; it was hundreds


def test_one_place_without_displacement_is_finite():
    net = make(jitter_m=0.0)
    net.prepare(SimpleNamespace(place_mean=(3_900_000.0, 2_300_000.0), place_std=(0.0, 0.0)))
    assert torch.isfinite(net(batch())).all()


def test_no_displacement_outside_training_or_with_none_asked_for():
    net = make().eval()
    torch.testing.assert_close(net(batch()), net(batch()), rtol=0, atol=0)
    net = make(jitter_m=0.0).train()
    torch.testing.assert_close(net(batch()), net(batch()), rtol=0, atol=0)


def test_fourier_waves_have_the_wavelengths_asked_for():
    net = make(features="fourier", wavelengths_km=[20.0, 300.0], waves=4)
    lengths = 2 * np.pi / net.waves.norm(dim=0).numpy() / 1000
    np.testing.assert_allclose(lengths, [20] * 4 + [300] * 4, rtol=1e-5)
    torch.testing.assert_close(net.waves, make(features="fourier", wavelengths_km=[20.0, 300.0], waves=4).waves)


def test_places_on_one_line_do_not_divide_by_zero():
    net = make()
    net.prepare(SimpleNamespace(place_mean=(3_900_000.0, 2_300_000.0), place_std=(80_000.0, 0.0)))
    assert torch.isfinite(net(batch())).all()


@pytest.mark.parametrize("architecture", ["linear", "nonlinear"])
def test_prior_starts_from_the_classes_frequencies(architecture):
    net = Geolocation(Geolocation.Options(architecture=architecture, prior=True), 3, {}).eval()
    summary = SimpleNamespace(**vars(PLACES), rows=1_000, counts=np.array([0, 10, 500]))
    net.prepare(summary)
    last = net.layers if architecture == "linear" else net.layers[-1]
    torch.nn.init.zeros_(last.weight)
    wanted = torch.tensor([[0.0005, 0.0105, 0.5]]).expand(5, 3)
    torch.testing.assert_close(net(batch()).sigmoid(), wanted, rtol=1e-2, atol=0)


@pytest.mark.parametrize(
    "options",
    [{"architecture": "deep"}, {"latent": 0}, {"jitter_m": -1.0}, {"dropout": 1.0}, {"wavelengths_km": [0.0]}],
)
def test_impossible_options_are_refused(options):
    with pytest.raises(ConfigError, match=rf"{next(iter(options))}(\.0)?: found"):
        make(**options)


VECTORS = {"location_encoder": Layout("table", tuple("abc"), 1, 1)}
MEAN, STD = np.array([1.0, -2.0, 5.0], np.float32), np.array([0.5, 3.0, 0.0], np.float32)


def with_vectors(**options):
    choice = config.Choice("geolocation", {"architecture": "linear", "jitter_m": 0.0, **options})
    net = Geolocation(config.options(Geolocation, choice, "model"), 7, VECTORS)
    moments = Moments(MEAN[:, None, None], STD[:, None, None], 1.0)
    net.prepare(SimpleNamespace(**vars(PLACES), inputs={"location_encoder": moments}))
    return net.eval()


@pytest.mark.parametrize("features", ["coordinates", "none"])
def test_vectors_of_the_place_stand_beside_the_coordinates_or_in_their_place(features):
    net, values = with_vectors(features=features), torch.randn(5, 3, 1, 1)
    values[0, 1] = float("nan")
    vectors = (values[:, :2, 0, 0] - torch.tensor(MEAN[:2])) / torch.tensor(STD[:2])
    vectors[0, 1] = 0
    told = torch.cat([vectors, torch.zeros(5, 1)], dim=1)  # the last does not vary
    if features == "coordinates":
        told = torch.cat([standardised(batch()), told], dim=1)
    assert net.layers.weight.shape == (7, told.shape[1])
    wanted = told @ net.layers.weight.T + net.layers.bias
    torch.testing.assert_close(net(batch() | {"location_encoder": values}), wanted, rtol=1e-5, atol=1e-5)


def test_without_inputs_the_weights_are_named_as_ever():
    assert set(make().state_dict()) == {
        "mean",
        "std",
        *(f"layers.{i}.{part}" for i in (0, 3) for part in ("weight", "bias")),
    }


def test_what_is_no_vector_and_a_net_that_reads_nothing_are_refused():
    with pytest.raises(ConfigError, match=r"inputs: found tiles \(coeffs\), expected locations or tables"):
        Geolocation(Geolocation.Options(), 7, VECTORS | {"tiles": Layout("coeffs", ("red",), 8, 8, 32)})
    with pytest.raises(ConfigError, match="features: found 'none' and no"):
        make(features="none")


def test_offsets_are_of_presence_only_examples_and_of_the_training_alone():
    net = make(record_bias=True, jitter_m=0)
    torch.nn.init.normal_(net.offsets)
    places = batch() | {"dataset": torch.tensor([0, 1, 0, 1, 1], dtype=torch.int8)}
    without = net.eval()(places)
    more = net.train()(places) - without
    po = places["dataset"] == schema.DATASETS.index("po")
    assert po.any()
    assert not po.all()
    torch.testing.assert_close(more[po], net.offsets.expand(int(po.sum()), -1))
    assert not more[~po].any()
    torch.testing.assert_close(net.eval()(batch()), without)  # places to predict are of no dataset


def test_a_species_that_is_recorded_and_never_found_is_not_predicted():
    """At one place presence-only examples always have class 0, and surveys never do."""
    places = {name: torch.full((64,), value) for name, value in (("easting", 3.9e6), ("northing", 2.3e6))}
    places["dataset"] = torch.tensor([schema.DATASETS.index("po"), schema.DATASETS.index("pa_train")] * 32)
    present = torch.zeros(64, 3)
    present[::2, 0] = 1
    present[:, 1] = 1
    chance = {}
    for record_bias in (False, True):
        torch.manual_seed(0)
        net = make(3, record_bias=record_bias, jitter_m=0).train()
        optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
        for _ in range(300):
            optimizer.zero_grad()
            torch.nn.functional.binary_cross_entropy_with_logits(net(places), present).backward()
            optimizer.step()
        chance[record_bias] = torch.sigmoid(net.eval()(places)[0]).tolist()
    assert 0.4 < chance[False][0] < 0.6
    assert chance[True][0] < 0.1
    assert min(own[1] for own in chance.values()) > 0.95
    assert max(own[2] for own in chance.values()) < 0.05
