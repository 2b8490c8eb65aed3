"""Features of several modalities as one vector: hierarchical cross-attention, or concatenation.

Liu et al. 2024 (Tighnari), section 3.5. The parts are image (S), temporal (T), table (F') and graph (G').
"""

import math
from typing import NamedTuple

import torch
from torch import nn

from glc.errors import ConfigError

PARTS = ("temporal", "table", "image", "graph")
_DENSEST = ("image", "temporal", "table")


class Encoded(NamedTuple):
    """What an encoder makes of its modality."""

    pooled: torch.Tensor
    """(batch, width)."""
    tokens: torch.Tensor
    """(batch, token, token_width)."""
    known: torch.Tensor
    """(batch, token) bool, false for what the survey does not have."""

    @property
    def present(self):
        """(batch,) bool, whether the survey has any of it."""
        return self.known.any(dim=1)


class CrossAttention(nn.Module):
    """One query attends to a sequence: query (batch, query_width), tokens (batch, token, key_width) to (batch, width).

    ``Softmax(Q K^T / sqrt(d)) V`` with ``d = width / heads``; tokens that are not `known` (batch, token) take no part,
    and where none is the result is 0. With one token the softmax is 1 whatever the query: the result is ``V``, and the
    weights of queries and keys have a gradient of 0.
    """

    def __init__(self, query_width, key_width, width, heads=1):
        super().__init__()
        if width % heads:
            raise ConfigError(f"heads: found {heads}, expected a divisor of the width of {width}")
        self.heads = heads
        self.query = nn.Linear(query_width, width, bias=False)
        self.key = nn.Linear(key_width, width, bias=False)
        self.value = nn.Linear(key_width, width, bias=False)

    def forward(self, query, tokens, known):
        def split(x):
            return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (batch, head, token, width of a head)

        q, k, v = split(self.query(query[:, None])), split(self.key(tokens)), split(self.value(tokens))
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        scores = scores.masked_fill(~known[:, None, None], torch.finfo(scores.dtype).min)
        attended = (scores.softmax(dim=-1) @ v).flatten(1)
        return attended * known.any(dim=1, keepdim=True)


class Hcam(nn.Module):
    """Parts to one vector (batch, self.width), with d = `width`, in the paper's letters:

        T (batch, d_T)  F' (batch, d_F)  S (batch, d_S)  G' (batch, d_C)       d_C = d_T + d_F + d_S
        Q_1 = T W_QT    Q_2 = F' W_QF    (batch, d)                            eq. 6
        K_i = S W_Ki    V_i = S W_Vi     (batch, n, d)                         n tokens of the image
        A_i = Softmax(Q_i K_i^T / sqrt(d)) V_i                (batch, d)
        O_CA = Concat(A_1, A_2) + Linear(Concat(T, F', S))    (batch, 2 d)
        Q = Concat(T, F', S) W_Q         (batch, d)                            eq. 7
        K = G' W_K      V = G' W_V       (batch, m, d)                         m tokens of the graph vector
        O_MHCA = Softmax(Q K^T / sqrt(d / heads)) V           (batch, d)
        result = Concat(O_MHCA, O_CA)                         (batch, 3 d)     eq. 8 less its last linear layer

    tokens : pooled, as published: S and G' are one vector each, n = m = 1, and every softmax is over one token and
        therefore constant, so that A_i = V_i and O_MHCA = V; or map (ours): keys and values come from the n tokens of
        the image's backbone and the m of the graph vector's compression. Queries and the residual are the vectors.
    widths : dict of part -> (width of its vector, width of its tokens), of the parts there are; the graph's two are
        d_C, see `compressed`, where there is any other part

    A part that is not there at all leaves its terms out. Without images the densest of the rest in the paper's order,
    time series before tables, gives keys and values; with one such part alone O_CA is the linear layer's (batch, d);
    with the graph alone the result is G'. A part that a survey does not have is 0 in the concatenations, and so is an
    attention whose query or keys it lacks.
    """

    def __init__(self, widths, width=256, heads=8, tokens="pooled"):
        super().__init__()
        _check(widths)
        if tokens not in ("pooled", "map"):
            raise ConfigError(f"tokens: found {tokens!r}, expected 'pooled' or 'map'")
        self.tokens = tokens
        self.parts = [part for part in PARTS[:-1] if part in widths]
        self.graph = "graph" in widths
        self.source = next((part for part in _DENSEST if part in widths), None)
        self.width, self.first, joined = widths.get("graph", (0, 0))[0], nn.ModuleDict(), compressed(widths)
        if not self.parts:
            return
        keys = {part: pair[tokens == "map"] for part, pair in widths.items()}
        for part in self.parts:
            if part != self.source:
                self.first[part] = CrossAttention(widths[part][0], keys[self.source], width)
        out = width * max(len(self.first), 1)
        self.residual = nn.Linear(joined, out)
        self.width = out
        if self.graph:
            self.second = CrossAttention(joined, keys["graph"], width, heads)
            self.width += width

    def forward(self, encoded):
        vectors = {part: _vector(encoded[part]) for part in self.parts}
        if not vectors:
            return _vector(encoded["graph"])
        joined = torch.cat(list(vectors.values()), dim=1)
        fused = self.residual(joined)
        if self.first:
            tokens = self._tokens(encoded[self.source])
            answers = [
                attention(vectors[part], *tokens) * encoded[part].present[:, None]
                for part, attention in self.first.items()
            ]
            fused = fused + torch.cat(answers, dim=1)
        if self.graph:
            answer = self.second(joined, *self._tokens(encoded["graph"]))
            asked = torch.stack([encoded[part].present for part in self.parts]).any(dim=0)
            fused = torch.cat([answer * asked[:, None], fused], dim=1)
        return fused

    def _tokens(self, encoded):
        if self.tokens == "map":
            return encoded.tokens, encoded.known
        return encoded.pooled[:, None], encoded.present[:, None]


class Concat(nn.Module):
    """The baseline: the parts' vectors side by side, (batch, sum of widths); 0 what a survey does not have.

    hidden : units of a linear layer behind them, as the organisers' baseline has (4096); 0 for none
    """

    def __init__(self, widths, hidden=0):
        super().__init__()
        _check(widths)
        self.parts = [part for part in PARTS if part in widths]
        joined = sum(width for width, _ in widths.values())
        self.linear = nn.Linear(joined, hidden) if hidden else nn.Identity()
        self.width = hidden or joined

    def forward(self, encoded):
        return self.linear(torch.cat([_vector(encoded[part]) for part in self.parts], dim=1))


def compressed(widths):
    """d_C, to which the graph vector is compressed: the widths of the other parts' vectors together."""
    return sum(width for part, (width, _) in widths.items() if part != "graph")


def _vector(encoded):
    return encoded.pooled * encoded.present[:, None]


def _check(widths):
    unknown = [part for part in widths if part not in PARTS]
    if unknown or not widths:
        raise ConfigError(f"fusion: found parts {', '.join(widths) or 'none'}, expected some of {', '.join(PARTS)}")
