"""One net for all species of a region: a trunk over the covariates that all species share, one output per species.

Rare species learn from what common ones show of the covariates. Groups differ in their background, so a row counts
only for the species of its own group.
"""

import itertools
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import torch
from scipy.stats import norm
from torch import nn

from glc.config import SOME, Count, Dropout, NotNegative, Positive, Seed, Share, section
from glc.progress import tqdm
from glc.registry import losses, sdms
from glc.sdm._base import DistributionModel
from glc.sdm.sites import Encoder, Examples

LOSSES = ("asl", "hill", "full", "deepmaxent")


@sdms.register("net")
class Net(DistributionModel):
    """A perceptron trained on presences and background, `members` times for each of `losses`; scores are the mean.

    ``asl`` and ``hill`` are those of `glc.training.losses`, over the species of a row's group. ``full`` is the weighted
    full loss (Zbinden et al. 2024, after Cole et al. 2023): binary cross-entropy where the presences of a species
    weigh together as much as its absences, of which a share `others` lies on the other species' presences and the rest
    on the background. ``deepmaxent`` (Ryckewaert et al. 2024) is the maximum entropy of each species over the sites of
    a step, those of its group.
    """

    trial = {"members": 1, "losses": ("full",), "width": 32, "least_steps": 150, "epochs": 1}

    @section
    class Options:
        losses: Annotated[tuple[Literal[LOSSES], ...], SOME] = ("asl", "hill", "full")
        """Losses that nets are trained with."""
        members: Count = 2
        """Nets per loss."""
        width: Count = 128
        """Units of each layer of the trunk."""
        depth: Count = 2
        """Layers of the trunk."""
        dropout: Dropout = 0.3
        """Share of the units that is dropped while training."""
        epochs: Count = 20
        """Passes over the sites."""
        least_steps: Count = 200
        """Steps that are taken at least, where the epochs have fewer."""
        batch: Count = 512
        """Sites per step."""
        learning_rate: Positive = 3e-3
        """Step size of the optimiser."""
        weight_decay: NotNegative = 1e-2
        """Decoupled weight decay."""
        others: Share = 0.2
        """Share of the weight of a species' absences that lies on the other species' presences."""
        seed: Seed = 0
        """Seed of the first net."""

    def scores(self, groups: list[tuple[Examples, pd.DataFrame]], place: bool) -> list[np.ndarray]:
        """Scores of each group's sites, a list of (site, species) float64: the mean of standardised logits.

        groups : list of (`glc.sdm.sites.Examples`, frame of sites), trained on together
        place : whether the place joins the covariates
        """
        o = self.options
        data = _Joined([examples for examples, _ in groups], place, o.others)
        sites = [torch.from_numpy(data.inputs(table)) for _, table in groups]
        total = [np.zeros((len(table), len(examples.species))) for examples, table in groups]
        steps = max(o.least_steps, o.epochs * len(data.X) // o.batch)
        with tqdm(total=len(o.losses) * o.members * steps, desc="net", leave=False) as bar:
            for loss in o.losses:
                for member in range(o.members):
                    net = self._train(data, loss, o.seed + member, steps, bar)
                    with torch.no_grad():
                        for sum_, query, columns in zip(total, sites, data.columns, strict=True):
                            logits = net(query)[:, columns].double().numpy()
                            sum_ += (logits - logits.mean(axis=0)) / np.maximum(logits.std(axis=0), 1e-9)
        return [group_sum / (len(o.losses) * o.members) for group_sum in total]

    def _train(self, data, loss, seed, steps, bar):
        o = self.options
        draw = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = _perceptron(data.X.shape[1], o, data.Y.shape[1])
            optimizer = torch.optim.AdamW(net.parameters(), lr=o.learning_rate, weight_decay=o.weight_decay)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, o.learning_rate, total_steps=steps)
            cost = _full if loss == "full" else _by_group(loss)
            for _ in range(steps):
                rows = torch.randint(len(data.X), (o.batch,), generator=draw)
                optimizer.zero_grad()
                cost(net(data.X[rows]), rows, data).backward()
                optimizer.step()
                schedule.step()
                bar.update()
        return net.eval()


class _Joined:
    """Rows of all groups in one matrix, species of all groups in the columns of another."""

    def __init__(self, examples, place, others):
        table = pd.concat([group.table for group in examples], ignore_index=True)
        self.encoder = Encoder(table, examples[0].categorical, place)
        self.sorted = np.sort(table[self.encoder.numeric].to_numpy(np.float64), axis=0)
        self.X = torch.from_numpy(self.inputs(table))
        sizes = np.cumsum([0, *(len(group.species) for group in examples)])
        self.columns = [slice(*pair) for pair in itertools.pairwise(sizes)]
        self.group = torch.from_numpy(np.repeat(np.arange(len(examples)), [len(group.table) for group in examples]))
        Y, W = np.zeros((2, len(table), sizes[-1]), np.float32)
        start = 0
        for group, columns in zip(examples, self.columns, strict=True):
            rows = slice(start, start + len(group.table))
            Y[rows, columns], W[rows, columns] = group.present, _weights(group, others)
            start = rows.stop
        self.Y, self.W = torch.from_numpy(Y), torch.from_numpy(W * len(table) / sizes[-1])

    def inputs(self, table):
        """Covariates (n, features) float32: numeric ones as normal scores of their training ranks, classes one-hot."""
        X = self.encoder(table)
        for column, known in enumerate(self.sorted.T):
            value = table[self.encoder.numeric[column]].to_numpy(np.float64)
            rank = np.searchsorted(known, value) + np.searchsorted(known, value, side="right")
            X[:, column] = norm.ppf((rank / (2 * len(known))).clip(0.005, 0.995))
        return X


def _weights(examples, others):
    """Weights (n, S) of the full loss: of each species 1/2 on presences, 1/2 on absences."""
    present, background = examples.present, examples.background[:, None]
    absent, elsewhere = background & ~present, ~background & ~present

    def spread(rows):
        return rows / np.maximum(rows.sum(axis=0), 1)

    others = np.where(elsewhere.any(axis=0), others, 0)
    return 0.5 * (spread(present) + (1 - others) * spread(absent) + others * spread(elsewhere))


def _full(logits, rows, data):
    targets, weights = data.Y[rows], data.W[rows]
    cost = nn.functional.binary_cross_entropy_with_logits(logits, targets, weights, reduction="sum")
    return cost / len(rows)


def _by_group(name):
    member = losses.get(name)
    measure = member(member.Options(**({} if name == "deepmaxent" else {"reduction": "mean"})))

    def cost(logits, rows, data):
        group = data.group[rows]
        total = 0
        for number, columns in enumerate(data.columns):
            own = (group == number).nonzero().squeeze(1)
            if len(own):
                total = total + measure(logits[own, columns], data.Y[rows[own], columns]) * len(own) / len(rows)
        return total

    return cost


def _perceptron(features, options, species):
    layers, width = [], features
    for _ in range(options.depth):
        layers += [nn.Linear(width, options.width), nn.SiLU(), nn.Dropout(options.dropout)]
        width = options.width
    return nn.Sequential(*layers, nn.Linear(width, species))
