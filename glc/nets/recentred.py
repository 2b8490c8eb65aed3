"""The biases of a net's last layer where its weights come from examples of other frequencies, or of another loss."""

from collections.abc import Iterable

import numpy as np
import torch
from scipy.special import logit

from glc.nets.architectures._base import Net
from glc.nets.checkpoints import LINKS, classifier
from glc.nets.inputs.summary import Summary

EXAMPLES = 4_096
"""Training examples whose mean prediction is compared with the frequencies."""
_STEPS = 100
_CLOSE = 1e-3


def recentre(net: Net, summary: Summary, batches: Iterable[dict[str, torch.Tensor]], link: str) -> None:
    """Shift the biases of `net` so that its mean prediction of each class is the class's frequency.

    Presence-only records, of one species each, have other frequencies than surveys, and a softmax says how probable a
    species is among all where a sigmoid says how probable it is at all: with such biases the first epochs would unlearn
    what the net knows of places.

    summary : of the training examples, whose frequencies count; batches : of these examples, of which the first
        `EXAMPLES` are looked at; link : of `LINKS`, that of the loss
    """
    training = net.training
    net.eval()
    parts, rows = [], 0
    with torch.inference_mode():
        for batch in batches:
            parts.append(net(batch).float().numpy())
            rows += len(parts[-1])
            if rows >= EXAMPLES:
                break
    net.train(training)
    wanted = summary.counts / (summary.counts.sum() if link == "softmax" else summary.rows)
    offset = offsets(np.concatenate(parts), wanted, link)
    (bias,) = (value for name, value in net.named_parameters() if name in classifier(net) and name.endswith(".bias"))
    with torch.no_grad():
        bias += torch.from_numpy(offset.astype(np.float32))


def offsets(logits: np.ndarray, wanted: np.ndarray, link: str) -> np.ndarray:
    """What has to be added to the logits of each class for its mean probability to be the wanted one.

    logits : (rows, classes); wanted : (classes,), between 0 and 1, summing to 1 for a softmax; link : of `LINKS`
    returns : (classes,) float64
    """
    link_of = LINKS[link]
    wanted = np.clip(wanted, 1e-9, 1 - 1e-9)
    scale = np.log if link == "softmax" else logit
    total = np.zeros(len(wanted))
    values = torch.from_numpy(logits)
    for _ in range(_STEPS):
        mean = link_of(values + torch.from_numpy(total.astype(np.float32))).mean(dim=0, dtype=torch.float64).numpy()
        step = scale(wanted) - scale(np.clip(mean, 1e-12, 1 - 1e-12))
        total += step
        if np.abs(step).max() < _CLOSE:
            break
    return total
