"""Temporal Swin and ViT: published shapes, windows that attend to what they should, gradients."""

import math

import pytest
import torch

from glc.errors import ConfigError
from glc.nets.layers.temporal_swin import MONTHS, QUARTERS, Patches, TemporalSwin, folding, window_mask
from glc.nets.layers.temporal_vit import TemporalVit

BIOCLIM, LANDSAT = (4, 19, 12), (6, 4, 21)


def swin(shape, width=24, seed=0, **settings):
    torch.manual_seed(seed)
    return TemporalSwin(shape, width, **settings)


@pytest.mark.parametrize(
    ("shape", "trimmed", "first", "second", "windows", "shifts"),
    [
        (BIOCLIM, (18, 12), (6, 4), (3, 2), [(3, 2), (3, 2)], [(1, 1), (0, 0)]),
        (LANDSAT, (4, 20), (2, 4), (1, 2), [(2, 3), (1, 2)], [(0, 1), (0, 0)]),
    ],
)
def test_shapes_of_the_published_stages(shape, trimmed, first, second, windows, shifts):
    net = TemporalSwin(shape)
    x = torch.randn(3, *shape)
    assert net.patches.size == trimmed
    patches = net.patches(x)
    assert patches.shape == (3, *first, 96)
    one = net.stages[0](patches)
    assert one.shape == (3, *first, 96)
    assert net.stages[1](one).shape == (3, *second, 192)
    tokens, pooled = net(x)
    assert tokens.shape == (3, math.prod(second), 192)
    assert pooled.shape == (3, 192)
    assert [len(stage.blocks) for stage in net.stages] == [2, 6]
    assert [stage.blocks[0].attn.num_heads for stage in net.stages] == [12, 24]
    assert [stage.blocks[1].window_size for stage in net.stages] == windows
    assert [stage.blocks[1].shift_size for stage in net.stages] == shifts
    assert all(stage.blocks[0].shift_size == (0, 0) for stage in net.stages)


def test_the_last_year_is_trimmed_or_kept():
    for shape, last in ((BIOCLIM, (..., 18, slice(None))), (LANDSAT, (..., 20))):
        x = torch.randn(2, *shape)
        other = x.clone()
        other[last] += 1
        for trim in (True, False):
            net = swin(shape, trim=trim).eval()
            assert torch.equal(net(x)[1], net(other)[1]) == trim
    assert Patches(BIOCLIM, (3, 3), 24, trim=False).grid == (7, 4)
    assert Patches(LANDSAT, (2, 5), 24, trim=False).grid == (2, 5)
    assert folding(19, 12) == folding(4, 12) == MONTHS
    assert folding(4, 21) == QUARTERS


def dense(block, x):
    """A block's attention over the whole map by brute force: who may attend to whom is looked at pair by pair."""
    rows, cols = x.shape[1:3]
    attn, (high, wide), (down, right) = block.attn, block.window_size, block.shift_size
    places = [(r, c) for r in range(rows) for c in range(cols)]

    def moved(at):  # after the shift: window, place in it, and whether it came around
        r, c = (at[0] - down) % rows, (at[1] - right) % cols
        return (r // high, c // wide), (r % high) * wide + c % wide, (at[0] < down, at[1] < right)

    q, k, v = attn.qkv(x.flatten(1, 2)).unflatten(-1, (3, attn.num_heads, -1)).permute(2, 0, 3, 1, 4)
    scores = q @ k.mT * attn.scale
    allowed = torch.zeros(len(places), len(places), dtype=torch.bool)
    for i, one in enumerate(places):
        for j, two in enumerate(places):
            (window, place, around), (window2, place2, around2) = moved(one), moved(two)
            allowed[i, j] = window == window2 and around == around2
            scores[..., i, j] += attn.relative_position_bias_table[
                (place - place2 + high * wide - 1) if allowed[i, j] else 0
            ]
    scores = scores.masked_fill(~allowed, -math.inf)
    found = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
    return attn.proj(found).unflatten(1, (rows, cols))


@pytest.mark.parametrize(
    ("shape", "settings"),
    [(BIOCLIM, {}), (LANDSAT, {}), (BIOCLIM, {"trim": False}), (LANDSAT, {"trim": False, "window": (2, 2)})],
)
def test_windows_attend_as_brute_force_does(shape, settings):
    net = swin(shape, **settings)
    for stage, width in zip(net.stages, (24, 48), strict=True):
        for block in stage.blocks[:2]:
            torch.nn.init.normal_(block.attn.relative_position_bias_table)
            x = torch.randn(2, *block.input_resolution, width)
            torch.testing.assert_close(block._attn(x), dense(block, x), rtol=1e-4, atol=1e-5)


def test_padding_is_never_attended_to():
    net = swin(LANDSAT)
    block = net.stages[0].blocks[1]  # a map of 2 x 4 under windows of 2 x 3: two columns of the second are padding
    x = torch.randn(2, 2, 4, 24)

    def disturb(attention, inputs):
        windows = inputs[0].clone().unflatten(0, (-1, 2)).unflatten(2, (2, 3))
        assert not windows[:, 1, :, 1:].any()
        windows[:, 1, :, 1:] = 1e3 * torch.randn_like(windows[:, 1, :, 1:])
        return windows.flatten(2, 3).flatten(0, 1), *inputs[1:]

    def disturbed(mask):
        block.attn_mask = mask
        plain = block(x)
        hook = block.attn.register_forward_pre_hook(disturb, with_kwargs=False)
        with hook:
            return plain, block(x)

    own = block.attn_mask
    assert torch.equal(*disturbed(own))
    plain, other = disturbed(block.get_attn_mask())  # timm's own: the reason for ours
    assert not torch.allclose(plain, other)


def test_mask_of_a_small_case_by_hand():
    # columns 0 1 2 3 shifted by one: 1 2 3 | 0 and two of padding
    mask = window_mask((1, 4), (1, 3), (0, 1))
    assert mask.shape == (2, 3, 3)
    assert not mask[0].any()
    free = torch.tensor([[True, False, False], [False, True, True], [False, True, True]])
    assert torch.equal(mask[1] == 0, free)
    assert window_mask((6, 4), (3, 2), (0, 0)) is None


@pytest.mark.parametrize("kind", [TemporalSwin, TemporalVit])
@pytest.mark.parametrize("shape", [BIOCLIM, LANDSAT])
def test_gradients_of_every_weight_and_checkpointing_changes_none(kind, shape):
    found = []
    x = torch.randn(3, *shape)
    for checkpointing in (False, True):
        torch.manual_seed(0)
        net = kind(shape, 24, checkpointing=checkpointing).train()
        tokens, pooled = net(x)
        assert tokens.shape[0::2] == (3, net.token_width)
        assert pooled.shape == (3, net.width)
        (pooled * torch.linspace(-1, 1, net.width)).sum().backward()  # a norm's mean is 0: a plain sum has no slope
        for name, weight in net.named_parameters():
            assert weight.grad.isfinite().all(), name
            assert weight.grad.any(), name
        found.append([weight.grad for weight in net.parameters()])
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize("kind", [TemporalSwin, TemporalVit])
def test_the_order_of_years_matters(kind):
    torch.manual_seed(0)
    net = kind(BIOCLIM, 24).eval()
    x = torch.randn(1, *BIOCLIM)
    turned = torch.cat([x[:, :, :18].unflatten(2, (6, 3)).flip(2).flatten(2, 3), x[:, :, 18:]], dim=2)
    assert not torch.allclose(net(x)[1], net(turned)[1], atol=1e-5)


def test_widths_that_heads_do_not_divide_are_refused():
    with pytest.raises(ConfigError, match="width: found 100, expected a multiple of 12"):
        TemporalSwin(BIOCLIM, 100)
    with pytest.raises(ConfigError, match="width: found 100, expected a multiple of 6"):
        TemporalVit(BIOCLIM, 100)
