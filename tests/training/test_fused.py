"""Losses computed in chunks: exact, with the bits of all logits at once, and with little memory."""

import pytest
import torch

from glc import config
from glc.bench.tensors import peak_bytes
from glc.registry import losses
from glc.training import fused
from glc.training.lightning import torch_threads
from glc.training.targets import multi_hot

BATCH, CLASSES = 70, 1_501


def make(name, **options):
    member = losses.get(name)
    return member(config.options(member, config.Choice(name, options), "loss"))


@pytest.fixture(scope="module")
def batch():
    torch.manual_seed(0)
    species = torch.stack([torch.randperm(CLASSES)[:9] for _ in range(BATCH)]).int()
    species[torch.rand(BATCH, 9) < 0.4] = -1
    return 4 * torch.randn(BATCH, CLASSES) - 3, species, torch.rand(BATCH), 0.1 + torch.rand(CLASSES)


def formula(name, logits, y):
    p = torch.sigmoid(logits)
    if name == "bce":
        return -(y * p.log() + (1 - y) * (-p).log1p())
    if name == "asl":
        q = (p - 0.05).clamp(min=0)
        return -(y * (1 - p) * p.log() + (1 - y) * q**4 * (-q).log1p())
    near = torch.sigmoid(logits - 1)
    return -y * (1 - near) ** 2 * near.log() + (1 - y) * (1.5 - p) * p**2


def slope(loss, logits):
    logits = logits.detach().requires_grad_()
    value = loss(logits)
    return value.detach(), torch.autograd.grad(value, logits)[0]


@pytest.mark.parametrize("name", ["bce", "asl", "hill"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_value_and_slope_are_those_of_autograd_in_float64(batch, name, reduction):
    logits, species, weights, class_weights = batch
    y = multi_hot(species, CLASSES).double()

    def exact(x):
        terms = formula(name, x, y) * weights.double()[:, None] * class_weights.double()
        return terms.mean() if reduction == "mean" else terms.sum()

    value, gradient = slope(exact, logits.double())
    loss = make(name, reduction=reduction)
    found, steep = slope(lambda x: loss.of_lists(x, species, weights, class_weights), logits)
    assert found.item() == pytest.approx(value.item(), rel=1e-5)
    torch.testing.assert_close(steep.double(), gradient, rtol=1e-5, atol=1e-5 * gradient.abs().max().item())


@pytest.mark.parametrize("name", losses.choices())
def test_lists_cost_what_their_multi_hot_rows_cost(batch, name):
    logits, species, weights, class_weights = batch
    loss, targets = make(name), multi_hot(species, CLASSES)
    dense = slope(lambda x: loss(x, targets, weights, class_weights), logits)
    lists = slope(lambda x: loss.of_lists(x, species, weights, class_weights), logits)
    torch.testing.assert_close(lists, dense, rtol=1e-6, atol=1e-7 * float(dense[1].abs().max()))


@pytest.mark.parametrize("threads", [1, 2])
def test_binary_cross_entropy_has_the_bits_of_torchs_slope(batch, threads):
    logits, species, weights, _ = batch
    logits, species, weights = logits[:64], species[:64], weights[:64]
    targets = multi_hot(species, CLASSES)
    with torch_threads(threads):
        for reduction in ("mean", "sum"):
            loss = make("bce", reduction=reduction)
            torchs = slope(lambda x, loss=loss: loss(x, targets, weights), logits)[1]
            assert torch.equal(slope(lambda x, loss=loss: loss.of_lists(x, species, weights), logits)[1], torchs)


@pytest.mark.parametrize("name", ["asl", "hill"])
def test_chunks_have_the_bits_of_all_logits_at_once(batch, name, monkeypatch):
    logits, species, weights, _ = batch
    loss = make(name)
    with torch_threads(1):
        pieces = slope(lambda x: loss.of_lists(x, species, weights), logits)
        monkeypatch.setattr(fused, "_CHUNK", logits.numel())
        monkeypatch.setattr(fused, "_ROWS", BATCH)
        whole = slope(lambda x: loss.of_lists(x, species, weights), logits)
    assert torch.equal(pieces[0], whole[0])
    assert torch.equal(pieces[1], whole[1])


def test_a_batch_without_species_and_an_empty_batch():
    loss = make("asl")
    none = torch.full((40, 3), -1, dtype=torch.int32)
    logits = torch.randn(40, CLASSES)
    torch.testing.assert_close(loss.of_lists(logits, none), formula("asl", logits, torch.zeros(40, CLASSES)).sum())
    assert loss.of_lists(logits[:0], none[:0]) == 0


def test_two_passes_backward_add_up(batch):
    logits, species = batch[0].detach().requires_grad_(), batch[1]
    value = make("asl").of_lists(logits, species)
    value.backward(retain_graph=True)
    first = logits.grad.clone()
    value.backward()
    torch.testing.assert_close(logits.grad, 2 * first)
    (3 * make("asl").of_lists(logits, species)).backward()
    torch.testing.assert_close(logits.grad, 5 * first)


def test_slope_takes_little_more_memory_than_the_logits(batch):
    species = batch[1].repeat(8, 1)
    logits = batch[0].repeat(8, 1).requires_grad_()
    targets = multi_hot(species, CLASSES)
    size = logits.numel() * logits.element_size()
    plain = peak_bytes(lambda: formula("asl", logits, targets).sum().backward())
    logits.grad = None
    assert peak_bytes(lambda: make("asl").of_lists(logits, species).backward()) < 2.6 * size < plain / 2
