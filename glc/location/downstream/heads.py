"""Heads: what is put on frozen features of a place to predict targets, a small perceptron or a linear model.

Each target has a head of its own. Scalers of features and targets and the list of classes come from the training rows
that `fit_predict` is given, and from nothing else.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from glc.config import Head
from glc.errors import DataError
from glc.progress import tqdm

HEAD = Head()


@dataclass(frozen=True)
class Prediction:
    """Of one target: values (n,) float64, or probabilities (n, classes) float32 of the sorted `classes`."""

    values: np.ndarray
    classes: np.ndarray | None = None

    @property
    def best(self) -> np.ndarray:
        """(n,): the values, or the most probable classes."""
        return self.values if self.classes is None else self.classes[self.values.argmax(axis=1)]

    def top(self, k: int) -> np.ndarray:
        """(n, k) most probable classes, best first."""
        return self.classes[np.argsort(-self.values, axis=1, kind="stable")[:, :k]]

    def at(self, rows: np.ndarray) -> "Prediction":
        """Those of some places: row numbers, or a mask."""
        return Prediction(self.values[rows], self.classes)

    def over(self, classes: np.ndarray) -> "Prediction":
        """The same over the sorted `classes`, which hold its own; the others have probability 0."""
        if self.classes is None:
            return self
        values = np.zeros((len(self.values), len(classes)), np.float32)
        values[:, np.searchsorted(classes, self.classes)] = self.values
        return Prediction(values, classes)

    @staticmethod
    def mean(predictions: Iterable["Prediction"]) -> "Prediction":
        """Mean of predictions of the same places."""
        predictions = list(predictions)
        if predictions[0].classes is not None:
            classes = np.unique(np.concatenate([prediction.classes for prediction in predictions]))
            predictions = [prediction.over(classes) for prediction in predictions]
        return Prediction(
            sum(prediction.values for prediction in predictions) / len(predictions), predictions[0].classes
        )

    @staticmethod
    def join(parts: Sequence["Prediction"], rows: Iterable[np.ndarray], n: int) -> "Prediction":
        """Predictions of parts of `n` places, each for the row numbers of `rows`, in one."""
        classes = None
        if parts[0].classes is not None:
            classes = np.unique(np.concatenate([prediction.classes for prediction in parts]))
        values = np.full((n,) if classes is None else (n, len(classes)), np.nan, parts[0].values.dtype)
        for part, where in zip(parts, rows, strict=True):
            values[where] = part.over(classes).values
        return Prediction(values, classes)


def known_classes(labels):
    """Sorted distinct labels, and the code (n,) of each label among them, -1 where it is None."""
    known = np.array([label is not None for label in labels])
    if not known.any():
        raise DataError("found no label among the training rows of a target, expected at least one")
    classes, codes = np.unique(labels[known].astype(str), return_inverse=True)
    every = np.full(len(labels), -1)
    every[known] = codes
    return classes.astype(object), every


def fit_predict(features, targets, query, head=HEAD, seed=0, progress=True):
    """Fit one head per target on frozen `features` and predict at `query`.

    features : (n, d) of the training rows; query : (m, d)
    targets : name -> (n,) values, or labels (dtype object) with None where missing, which are left out
    returns : name -> Prediction of the m rows
    """
    scaler = _Scaler(features)
    X, Q = (torch.from_numpy(scaler(table)) for table in (features, query))
    tasks = {name: _Task(target) for name, target in targets.items()}
    if head.kind == "linear":
        kinds = {name: _ridge if task.classes is None else _logistic for name, task in tasks.items()}
        return {name: kinds[name](X, task, Q, head.alpha) for name, task in tasks.items()}
    return _train(X, tasks, Q, head, seed, progress)


class _Scaler:
    """Standardises columns; one that is constant in training is 0 everywhere."""

    def __init__(self, features):
        self.mean = features.mean(axis=0, dtype=np.float64)
        spread = features.std(axis=0, dtype=np.float64)
        constant = spread <= 1e-6 * np.maximum(np.abs(self.mean), 1e-6)
        self.scale = np.where(constant, 0, 1 / np.where(constant, 1, spread))

    def __call__(self, features):
        return ((features - self.mean) * self.scale).astype(np.float32)


class _Task:
    """A target as a tensor, its loss and its way back."""

    def __init__(self, target):
        if target.dtype == object:
            self.classes, codes = known_classes(target)
            self.y, self.width = torch.from_numpy(codes), len(self.classes)
        else:
            target = target.astype(np.float64)
            self.classes, self.width = None, 1
            self.mean, self.spread = target.mean(), max(target.std(), 1e-12)
            self.y = torch.from_numpy(((target - self.mean) / self.spread).astype(np.float32))

    def loss(self, output, rows):
        y = self.y[rows]
        if self.classes is None:
            return nn.functional.mse_loss(output[:, 0], y)
        # the sum over the known by the batch's size: a batch without any counts nothing, and is no NaN
        return nn.functional.cross_entropy(output, y, ignore_index=-1, reduction="sum") / len(y)

    def prediction(self, output):
        if self.classes is None:
            return Prediction(output[:, 0].double().numpy() * self.spread + self.mean)
        return Prediction(output.softmax(dim=1).numpy(), self.classes)


class Dropout(nn.Module):
    """Dropout of a share of `rate`, to the next 256th, whose draws cost an eighth: each is a byte of a random number.

    On a CPU torch's own takes nearly half of the time of these heads.
    """

    def __init__(self, rate):
        super().__init__()
        self.least = min(round(rate * 256), 255)

    def forward(self, x):
        if not (self.training and self.least):
            return x
        draws = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        dropped = draws.view(torch.uint8)[: x.numel()].view(x.shape) < self.least
        return x.masked_fill(dropped, 0) * (256 / (256 - self.least))


class _Heads(nn.Module):
    """Perceptrons side by side that share nothing but the order of the batches: as if each were trained alone."""

    def __init__(self, features, widths, head):
        super().__init__()
        self.heads, self.width = len(widths), head.width
        self.first = nn.Linear(features, self.heads * head.width)
        shape = (self.heads, head.width, head.width)
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(shape) * (2 / head.width) ** 0.5) for _ in range(head.depth - 1)
        )
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(shape[0], 1, shape[2])) for _ in self.weights)
        self.dropout = Dropout(head.dropout)
        self.out = nn.ModuleList(nn.Linear(head.width, width) for width in widths)

    def forward(self, X):
        hidden = self.dropout(self.first(X).relu()).view(len(X), self.heads, self.width).transpose(0, 1)
        for weight, bias in zip(self.weights, self.biases, strict=True):
            hidden = self.dropout(torch.baddbmm(bias, hidden, weight).relu())
        return [out(part) for out, part in zip(self.out, hidden, strict=True)]


def _train(X, tasks, Q, head, seed, progress):
    batch = min(head.batch, len(X))
    steps = max(head.least_steps, head.epochs * (len(X) // batch))
    order = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = _Heads(X.shape[1], [task.width for task in tasks.values()], head)
        optimizer = torch.optim.AdamW(net.parameters(), lr=head.learning_rate, weight_decay=head.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, head.learning_rate, total_steps=steps)
        batches = _batches(len(X), batch, order)
        for _ in tqdm(range(steps), desc="heads", leave=False, disable=not progress):
            rows = next(batches)
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=head.precision == "bfloat16"):
                outputs = net(X[rows])
            outputs = [out.float() for out in outputs]
            sum(task.loss(out, rows) for task, out in zip(tasks.values(), outputs, strict=True)).backward()
            optimizer.step()
            schedule.step()
    net.eval()
    with torch.no_grad():
        parts = [net(part) for part in Q.split(16_384)]
    outputs = [torch.cat(chunks) for chunks in zip(*parts, strict=True)]
    return {name: task.prediction(out) for (name, task), out in zip(tasks.items(), outputs, strict=True)}


def _batches(n, batch, generator):
    while True:
        yield from torch.randperm(n, generator=generator)[: n - n % batch].split(batch)


def _ridge(X, task, Q, alpha):
    X, y = X.double(), task.y.double()
    gram = X.T @ X + alpha * len(X) * torch.eye(X.shape[1], dtype=torch.float64)
    weights = torch.linalg.solve(gram, X.T @ (y - y.mean()))
    return task.prediction((Q.double() @ weights + y.mean())[:, None])


def _logistic(X, task, Q, alpha):
    known = task.y >= 0
    X, y = X[known], task.y[known]
    weights = torch.zeros(X.shape[1], task.width, requires_grad=True)
    bias = torch.zeros(task.width, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights, bias], max_iter=200, line_search_fn="strong_wolfe")

    def cost():
        optimizer.zero_grad()
        value = nn.functional.cross_entropy(X @ weights + bias, y) + alpha / 2 * weights.square().sum()
        value.backward()
        return value

    optimizer.step(cost)
    with torch.no_grad():
        return task.prediction(Q @ weights + bias)
