"""What the last layers of all nets share."""

import torch


def start_at_frequencies(linear, summary, softmax=False):
    """Set the bias of the last layer `linear` to each class's log-odds among the examples of `summary`.

    softmax : classes exclude each other, so to the logarithms of their frequencies
    Half an example each way keeps those finite. Thousands of rare classes are then not unlearned step by step from one
    half.
    """
    share = (torch.as_tensor(summary.counts) + 0.5) / (summary.rows + 1)
    linear.bias.data.copy_(share.log() if softmax else torch.logit(share))
