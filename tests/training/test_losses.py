"""Each loss against its formula, written out in float64."""

import numpy as np
import pytest
import torch

from glc import config
from glc.errors import ConfigError
from glc.nets.checkpoints import LINKS
from glc.registry import losses

rng = np.random.default_rng(0)
LOGITS = rng.normal(-1, 3, (6, 9))
TARGETS = (rng.random((6, 9)) < 0.3).astype(float)
WEIGHTS = rng.uniform(0.1, 1, 6)
CLASS_WEIGHTS = rng.uniform(0.2, 3, 9)
P = 1 / (1 + np.exp(-LOGITS))

ASL = [(gp, gn, clip) for gp in (0, 1, 1.5) for gn in (0, 0.5, 2, 4) for clip in (0, 0.05)]
UNFOCUSED = {"gamma_pos": 0.0, "gamma_neg": 0.0, "clip": 0.0}
CHOICES = [  # every loss that there is, and variants of some
    *((name, {}) for name in losses.choices()),
    ("asl", UNFOCUSED),
    ("sigmoid_f1", {"S": -15.0, "E": 1.0, "average": "micro"}),
    ("sigmoid_f1", {"S": -15.0, "squeeze": True}),
    ("cross_entropy", {"reduction": "sum"}),
]


def make(name, **options):
    member = losses.get(name)
    return member(config.options(member, config.Choice(name, options), "loss"))


def call(name, weights=None, class_weights=None, **options):
    args = [None if a is None else torch.from_numpy(a) for a in (LOGITS, TARGETS, weights, class_weights)]
    return make(name, **options)(*args).item()


def elements(name, gamma_pos=1.0, gamma_neg=4.0, clip=0.05):
    """(batch, class) terms by the printed formula."""
    if name == "bce":
        return -(TARGETS * np.log(P) + (1 - TARGETS) * np.log(1 - P))
    if name == "asl":
        pm = np.maximum(P - clip, 0)
        positive = (1 - P) ** gamma_pos * np.log(P)
        return -(TARGETS * positive + (1 - TARGETS) * pm**gamma_neg * np.log(1 - pm))
    pm = 1 / (1 + np.exp(-(LOGITS - 1.0)))
    return -TARGETS * (1 - pm) ** 2 * np.log(pm) + (1 - TARGETS) * (1.5 - P) * P**2


@pytest.mark.parametrize("name", losses.choices())
def test_every_loss_says_what_its_logits_are_and_what_can_be_watched(name):
    loss = make(name)
    assert loss.name == name
    assert loss.link in LINKS
    assert "loss" in loss.monitors
    assert set(loss.monitors) <= {"f1", "loss", "top30"}


@pytest.mark.parametrize(("name", "options"), CHOICES)
def test_an_example_without_weight_does_not_count(name, options):
    weights = np.r_[np.ones(5), 0.0]
    other = torch.from_numpy(np.r_[LOGITS[:5], -LOGITS[5:]])
    loss, targets = make(name, **options), torch.from_numpy(TARGETS)
    value = loss(torch.from_numpy(LOGITS), targets, torch.from_numpy(weights))
    torch.testing.assert_close(loss(other, targets, torch.from_numpy(weights)), value)
    assert loss(other, targets) != loss(torch.from_numpy(LOGITS), targets)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("name", ["bce", "asl", "hill"])
def test_loss_is_its_formula_with_and_without_weights(name, reduction):
    terms = elements(name)
    total = getattr(np, reduction)
    assert call(name, reduction=reduction) == pytest.approx(total(terms), rel=1e-7)
    assert call(name, WEIGHTS, reduction=reduction) == pytest.approx(total(terms * WEIGHTS[:, None]), rel=1e-7)
    both = call(name, WEIGHTS, CLASS_WEIGHTS, reduction=reduction)
    assert both == pytest.approx(total(terms * WEIGHTS[:, None] * CLASS_WEIGHTS), rel=1e-7)


@pytest.mark.parametrize(("gamma_pos", "gamma_neg", "clip"), ASL)
def test_asymmetric_loss_over_its_parameters(gamma_pos, gamma_neg, clip):
    found = call("asl", gamma_pos=float(gamma_pos), gamma_neg=float(gamma_neg), clip=float(clip))
    assert found == pytest.approx(elements("asl", gamma_pos, gamma_neg, clip).sum(), rel=1e-7)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_asymmetric_loss_without_focus_and_clip_is_cross_entropy(reduction):
    logits = torch.tensor(LOGITS, requires_grad=True)
    slopes = []
    for loss in (make("bce", reduction=reduction), make("asl", **UNFOCUSED, reduction=reduction)):
        value = loss(logits, torch.tensor(TARGETS))
        slopes.append((value.detach(), *torch.autograd.grad(value, logits)))
    torch.testing.assert_close(slopes[0], slopes[1])


def test_the_larger_focus_counts_its_examples_less():
    logits, present = torch.zeros(1, 1), torch.ones(1, 1)
    positive = make("asl", gamma_pos=4.0, gamma_neg=0.0, clip=0.0)(logits, present)
    negative = make("asl", gamma_pos=4.0, gamma_neg=0.0, clip=0.0)(logits, 1 - present)
    assert positive < negative / 10


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_cross_entropy_is_its_formula_and_shares_a_row_among_its_labels(reduction):
    p = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    shares = TARGETS / np.maximum(TARGETS.sum(axis=1, keepdims=True), 1)
    for weights, class_weights in ((None, None), (WEIGHTS, None), (WEIGHTS, CLASS_WEIGHTS)):
        w = np.ones(6) if weights is None else weights
        v = np.ones(9) if class_weights is None else class_weights
        rows = w * -(shares * v * np.log(p)).sum(axis=1)
        found = call("cross_entropy", weights, class_weights, reduction=reduction)
        assert found == pytest.approx(getattr(np, reduction)(rows), rel=1e-7)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighted"])
@pytest.mark.parametrize("class_weights", [None, CLASS_WEIGHTS], ids=["all", "classes"])
def test_deepmaxent_is_a_softmax_over_the_sites_of_each_species(weights, class_weights):
    wanted = 0.0
    row_weights, species_weights = (1 if weights is None else weights), (1 if class_weights is None else class_weights)
    for species, weight in enumerate(np.broadcast_to(species_weights, LOGITS.shape[1])):
        background = (row_weights * np.exp(LOGITS[:, species])).sum()
        for row in np.flatnonzero(TARGETS[:, species]):
            share = np.exp(LOGITS[row, species]) / background
            wanted -= weight * np.broadcast_to(row_weights, len(LOGITS))[row] * np.log(share)
    assert call("deepmaxent", weights, class_weights) == pytest.approx(wanted / TARGETS.sum(), rel=1e-12)


def test_deepmaxent_learns_where_a_species_is_and_not_how_common_it_is():
    logits = torch.from_numpy(LOGITS).requires_grad_()
    loss = make("deepmaxent")
    targets = torch.from_numpy(TARGETS)
    value = loss(logits, targets)
    value.backward()
    torch.testing.assert_close(loss(logits + torch.from_numpy(CLASS_WEIGHTS), targets), value)
    torch.testing.assert_close(logits.grad.sum(dim=0), torch.zeros(9).double())
    assert loss(logits, torch.zeros_like(targets)) == 0


def test_cross_entropy_of_single_labels_is_torchs_and_of_none_is_nothing():
    labels = torch.tensor([0, 8, 3, 3, 5, 1])
    logits = torch.from_numpy(LOGITS)
    single = torch.nn.functional.one_hot(labels, 9).double()
    wanted = torch.nn.functional.cross_entropy(logits, labels)
    torch.testing.assert_close(make("cross_entropy")(logits, single), wanted)
    assert make("cross_entropy")(logits, torch.zeros(6, 9).double()) == 0
    assert losses.get("cross_entropy").link == "softmax"


@pytest.mark.parametrize("average", ["macro", "micro"])
@pytest.mark.parametrize(("S", "E"), [(-1.0, 0.0), (-15.0, 1.0), (-30.0, 0.0)])
def test_sigmoid_f1_is_its_formula(S, E, average):
    decided = 1 / (1 + np.exp(S * (LOGITS + E)))
    for weights in (np.ones(6), WEIGHTS):
        w = weights[:, None]
        axis = 0 if average == "macro" else (0, 1)
        tp = (w * decided * TARGETS).sum(axis)
        fp = (w * decided * (1 - TARGETS)).sum(axis)
        fn = (w * (1 - decided) * TARGETS).sum(axis)
        wanted = 1 - np.mean(2 * tp / (2 * tp + fp + fn))
        assert call("sigmoid_f1", weights, S=S, E=E, average=average) == pytest.approx(wanted, rel=1e-9)


def test_squeezed_sigmoid_f1_is_that_of_its_authors_code():
    logits = torch.tensor([[0.0, np.log(3)], [-np.log(3), 0.0]], dtype=torch.float64)  # squeezed: .5 .75, .25 .5
    targets = torch.eye(2, dtype=torch.float64)
    # S = -1, E = 0: decisions .622459 .679179, .562177 .622459; F1 of the classes .569851 and .540884
    assert make("sigmoid_f1", squeeze=True)(logits, targets).item() == pytest.approx(1 - 0.5553675, abs=1e-6)
    # S = -15, E = 1: all decisions are 1; F1 2 / 3 each
    assert make("sigmoid_f1", squeeze=True, S=-15.0, E=1.0)(logits, targets).item() == pytest.approx(1 / 3, abs=1e-6)
    assert make("sigmoid_f1")(logits, targets).item() != pytest.approx(1 - 0.5553675, abs=1e-2)


def test_sigmoid_f1_class_weights_weight_the_classes():
    tp, total = (P * TARGETS).sum(0), P.sum(0) + TARGETS.sum(0)
    wanted = 1 - np.average(2 * tp / total, weights=CLASS_WEIGHTS)
    assert call("sigmoid_f1", None, CLASS_WEIGHTS) == pytest.approx(wanted, rel=1e-9)
    pooled = 1 - 2 * (tp * CLASS_WEIGHTS).sum() / (total * CLASS_WEIGHTS).sum()
    assert call("sigmoid_f1", None, CLASS_WEIGHTS, average="micro") == pytest.approx(pooled, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "options"),
    [*CHOICES, *(("asl", dict(zip(("gamma_pos", "gamma_neg", "clip"), map(float, c), strict=True))) for c in ASL)],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_slope_is_the_numerical_one(name, options, weighted):
    logits = torch.tensor(LOGITS, requires_grad=True)
    rest = [torch.from_numpy(WEIGHTS), torch.from_numpy(CLASS_WEIGHTS)] if weighted else []
    loss = make(name, **options)
    assert torch.autograd.gradcheck(lambda x: loss(x, torch.from_numpy(TARGETS), *rest), logits)


@pytest.mark.parametrize(("name", "options"), [*CHOICES, ("asl", {"gamma_neg": 0.5}), ("asl", {"gamma_neg": 0.0})])
def test_large_logits_stay_finite(name, options):
    logits = torch.tensor([[-1e4, -200.0, -90.0, -20.0, 0.0, 20.0, 90.0, 200.0, 1e4]]).repeat(2, 1).requires_grad_()
    targets = torch.stack([torch.zeros(9), torch.ones(9)])
    value = make(name, **options)(logits, targets)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(logits.grad).all()


def test_batches_that_are_not_contiguous():
    logits = torch.tensor(LOGITS.T.copy(), requires_grad=True)
    value = make("asl")(logits.T, torch.tensor(TARGETS.T.copy()).T)
    assert value.item() == pytest.approx(elements("asl").sum(), rel=1e-7)
    value.backward()
    plain = torch.tensor(LOGITS, requires_grad=True)
    make("asl")(plain, torch.tensor(TARGETS)).backward()
    torch.testing.assert_close(logits.grad, plain.grad.T)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("bce", {"reduction": "median"}),
        ("cross_entropy", {"reduction": ""}),
        ("asl", {"clip": 1.0}),
        ("hill", {"lam": 0.5}),
        ("sigmoid_f1", {"S": 1.0}),
    ],
)
def test_impossible_options_are_refused(name, options):
    with pytest.raises(ConfigError, match=f"{next(iter(options))}: found"):
        make(name, **options)
