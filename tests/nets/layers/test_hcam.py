"""Hierarchical cross-attention: closed forms, what is absent, and gradients."""

import itertools

import numpy as np
import pytest
import torch

from glc.errors import ConfigError
from glc.nets.layers.hcam import Concat, CrossAttention, Encoded, Hcam, compressed

WIDTHS = {"temporal": (10, 5), "table": (4, 4), "image": (6, 7), "graph": (20, 20)}
COUNT = {"temporal": 3, "table": 1, "image": 9, "graph": 2}


def encoded(parts=WIDTHS, n=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for part in parts:
        wide, narrow = WIDTHS[part]
        found[part] = Encoded(
            torch.randn(n, wide, generator=generator),
            torch.randn(n, COUNT[part], narrow, generator=generator),
            torch.ones(n, COUNT[part], dtype=torch.bool),
        )
    return found


def without(features, part, rows):
    """The same where the surveys in `rows` lack a part, whose values are then anything."""
    pooled, tokens, known = (x.clone() for x in features[part])
    pooled[rows], tokens[rows], known[rows] = 77.0, -55.0, False
    return features | {part: Encoded(pooled, tokens, known)}


def make(parts=WIDTHS, seed=0, **settings):
    torch.manual_seed(seed)
    return Hcam({part: WIDTHS[part] for part in parts}, **{"width": 8, "heads": 2} | settings)


def weights(module):
    return module.weight.detach().numpy().T


def softmax(x):
    x = np.exp(x - x.max(axis=-1, keepdims=True))
    return x / x.sum(axis=-1, keepdims=True)


def test_one_token_a_modality_is_the_closed_form():
    net, features = make(), encoded()
    t, f, s, g = (features[part].pooled.numpy() for part in ("temporal", "table", "image", "graph"))
    # each softmax is over one token, hence 1: what is left of attention are the values
    first = np.hstack([s @ weights(net.first["temporal"].value), s @ weights(net.first["table"].value)])
    o_ca = first + np.hstack([t, f, s]) @ weights(net.residual) + net.residual.bias.detach().numpy()
    wanted = np.hstack([g @ weights(net.second.value), o_ca])
    assert net.width == 3 * 8
    assert compressed(WIDTHS) == WIDTHS["graph"][0]
    np.testing.assert_allclose(net(features).detach().numpy(), wanted, rtol=1e-5, atol=1e-5)


def test_token_maps_are_the_equations_written_out():
    net, features = make(tokens="map"), encoded()
    t, f, s = (features[part].pooled.numpy() for part in ("temporal", "table", "image"))
    smap, gmap = features["image"].tokens.numpy(), features["graph"].tokens.numpy()
    answers = []
    for part, query in (("temporal", t), ("table", f)):
        attention = net.first[part]
        q, k, v = query @ weights(attention.query), smap @ weights(attention.key), smap @ weights(attention.value)
        answers.append(np.einsum("bn,bnd->bd", softmax(np.einsum("bd,bnd->bn", q, k) / np.sqrt(8)), v))
    joined = np.hstack([t, f, s])
    o_ca = np.hstack(answers) + joined @ weights(net.residual) + net.residual.bias.detach().numpy()
    q, k, v = joined @ weights(net.second.query), gmap @ weights(net.second.key), gmap @ weights(net.second.value)
    heads = []
    for own in (slice(0, 4), slice(4, 8)):
        scores = softmax(np.einsum("bd,bnd->bn", q[:, own], k[..., own]) / np.sqrt(4))
        heads.append(np.einsum("bn,bnd->bd", scores, v[..., own]))
    wanted = np.hstack([*heads, o_ca])
    np.testing.assert_allclose(net(features).detach().numpy(), wanted, rtol=1e-4, atol=1e-5)


def test_maps_of_one_token_that_is_the_vector_are_the_pooled_form():
    widths = {"temporal": (10, 10), "image": (6, 6)}
    features = {part: value for part, value in encoded(("temporal", "image")).items()}
    alike = {part: Encoded(x.pooled, x.pooled[:, None], x.known[:, :1]) for part, x in features.items()}
    torch.manual_seed(0)
    pooled, mapped = Hcam(widths, 8, 2), Hcam(widths, 8, 2, "map")
    mapped.load_state_dict(pooled.state_dict())
    assert torch.equal(pooled(alike), mapped(alike))
    other = alike | {"image": Encoded(alike["image"].pooled, torch.randn(5, 9, 6), torch.ones(5, 9, dtype=torch.bool))}
    assert torch.equal(pooled(other), pooled(alike))
    assert not torch.allclose(mapped(other), mapped(alike))


@pytest.mark.parametrize("tokens", ["pooled", "map"])
@pytest.mark.parametrize("parts", [c for n in range(1, 5) for c in itertools.combinations(WIDTHS, n)])
def test_any_modality_may_be_absent_and_a_batch_may_be_permuted(parts, tokens):
    net, features = make(parts, tokens=tokens), encoded(parts)
    for part in parts:
        features = without(features, part, [1])
    features = without(features, parts[0], [3])
    found = net(features)
    assert found.shape == (5, net.width)
    assert found.isfinite().all()
    order = torch.tensor([3, 0, 4, 1, 2])
    turned = {part: Encoded(*(x[order] for x in values)) for part, values in features.items()}
    torch.testing.assert_close(net(turned), found[order])


@pytest.mark.parametrize("tokens", ["pooled", "map"])
@pytest.mark.parametrize("part", WIDTHS)
def test_values_of_an_absent_modality_are_never_read(part, tokens):
    net, features = make(tokens=tokens), encoded()
    lacking = without(features, part, [0, 2])
    found = net(lacking)
    pooled, others, known = lacking[part]
    again = lacking | {part: Encoded(pooled - 3 * ~known[:, :1], others * 5, known)}
    rows = [0, 2]
    assert torch.equal(net(again)[rows], found[rows])
    assert torch.equal(found[[1, 3, 4]], net(features)[[1, 3, 4]])
    assert not torch.allclose(found[rows], net(features)[rows])


def test_a_token_that_is_not_known_takes_no_part():
    torch.manual_seed(0)
    attention = CrossAttention(4, 6, 8, heads=2)
    query, tokens, known = torch.randn(3, 4), torch.randn(3, 5, 6), torch.ones(3, 5, dtype=torch.bool)
    known[:, 3:] = False
    torch.testing.assert_close(attention(query, tokens, known), attention(query, tokens[:, :3], known[:, :3]))
    assert not attention(query, tokens, known & False).any()


@pytest.mark.parametrize("tokens", ["pooled", "map"])
def test_gradients(tokens):
    net, features = make(tokens=tokens), without(encoded(), "image", [2])
    net(features).square().sum().backward()
    for name, weight in net.named_parameters():
        assert weight.grad.isfinite().all(), name
        constant = tokens == "pooled" and name.endswith(("query.weight", "key.weight"))
        assert weight.grad.any() != constant, name


def test_without_images_time_series_are_keys_and_values():
    net = make(("temporal", "table"), tokens="map")
    assert net.source == "temporal"
    assert list(net.first) == ["table"]
    assert net.first["table"].key.in_features == WIDTHS["temporal"][1]
    assert make(("image",)).width == 8
    assert make(("graph",)).width == 20


def test_concatenation_is_the_vectors_side_by_side():
    features = without(encoded(), "table", [1])
    net = Concat(WIDTHS)
    wanted = torch.cat([features[part].pooled for part in ("temporal", "table", "image", "graph")], dim=1)
    wanted[1, 10:14] = 0
    assert net.width == 40
    assert torch.equal(net(features), wanted)
    assert Concat(WIDTHS, hidden=16)(features).shape == (5, 16)


def test_errors():
    with pytest.raises(ConfigError, match="found parts none, expected some of temporal, table, image, graph"):
        Hcam({})
    with pytest.raises(ConfigError, match="tokens: found 'all', expected 'pooled' or 'map'"):
        make(tokens="all")
    with pytest.raises(ConfigError, match="heads: found 3, expected a divisor of the width of 8"):
        make(heads=3)
