"""The weights of the best epoch, kept in memory, so that a checkpoint of the training holds them too."""

import math

import pytorch_lightning as pl
import torch

from glc.types import Facts


class Best(pl.Callback):
    """Keeps a copy of the learner's weights after the validation that is best; of equal ones the first.

    monitor : a measure that is logged
    mode : max or min
    """

    def __init__(self, monitor: str, mode: str) -> None:
        self.monitor, self.mode = monitor, mode
        self.score = -math.inf
        """Of the best validation, negative where lower is better."""
        self.measured = False
        """Whether there was a validation."""
        self.weights: dict[str, torch.Tensor] = {}
        """Of the best validation; of several processes the first has them."""

    def on_validation_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        score = float(trainer.callback_metrics[self.monitor]) * (1 if self.mode == "max" else -1)
        if score > self.score or not self.measured:
            self.score, self.measured = -math.inf if math.isnan(score) else score, True
            if trainer.is_global_zero:  # of several processes one is enough
                self.weights = {
                    name: value.detach().to("cpu", copy=True) for name, value in learner.state_dict().items()
                }

    def state_dict(self) -> Facts:
        return {"score": self.score, "weights": self.weights}

    def load_state_dict(self, state_dict: Facts) -> None:
        self.score, self.weights = state_dict["score"], state_dict["weights"]
        self.measured = bool(self.weights)
