"""What every net must do, and what it may offer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn

from glc.config import section
from glc.types import JSON, Facts, MemberOptions

if TYPE_CHECKING:  # to be imported, an architecture needs no Petastorm
    from glc.nets.inputs.features import Features, Layout
    from glc.nets.inputs.summary import Summary
    from glc.surveys import SurveyData


class Net(nn.Module):
    """Logits of all species from a batch; trained, saved and asked by `glc.nets`.

    A batch is a dict of tensors: ``easting`` and ``northing`` (batch,) metres, and one tensor (batch, band, row, col)
    per input, NaN where missing. A new net is one new file in ``glc/nets/architectures``, named as the model. It must
    have `forward`; all else has a default:

    >>> @models.register("means")
    ... class Means(Net):
    ...     '''A linear map of the mean of each band.'''
    ...
    ...     def __init__(self, options, n_classes, layouts):
    ...         super().__init__(options, n_classes, layouts)
    ...         self.linear = nn.Linear(sum(len(layout.bands) for layout in layouts.values()), n_classes)
    ...
    ...     def forward(self, batch):
    ...         means = [batch[name].nanmean(dim=(2, 3)).nan_to_num() for name in self.layouts]
    ...         return self.linear(torch.cat(means, dim=1))
    >>> net = Means(Means.Options(), 9, {"tiles": Layout("coeffs", ("red", "nir"), 8, 8, 32)})
    >>> net({"tiles": torch.zeros(4, 2, 8, 8)}).shape
    torch.Size([4, 9])
    """

    name: ClassVar[str] = ""
    """Given by the registry."""
    kind: ClassVar[str] = "net"
    """Which tasks train and score it."""
    ensemble: ClassVar[bool] = False
    """Whether its scores are made of those of other experiments."""
    trial: ClassVar[dict[str, JSON]] = {}
    """Options, as a TOML gives them, of a small net that learns in seconds: those of the tests of every net."""
    reads: ClassVar[tuple[str, ...]] = ("inputs",)
    """What it reads: any ``[[inputs]]``; its constructor refuses those it cannot read."""
    encoder: nn.Module | None
    """Batch to (batch, latent): the part that is pretrained, and that ``train.freeze`` keeps; None: there is none."""
    head: nn.Module | None
    """(batch, latent) to logits, for a pretraining that learns species too; None: there is none."""
    mixup: float = 0.0
    """Alpha that the trainer gives to `glc.nets.inputs.augment.mixup`; 0 for none."""
    mixup_probability: float = 1.0
    """Share of the batches that the trainer mixes."""
    at_once: int | None = None
    """Most surveys that are predicted together, for a net of large maps; None: no bound."""

    @section
    class Options:
        """Options of ``[model]`` next to its ``name``: none."""

    @section
    class Prediction:
        """Options of prediction only (the experiment's ``[predict]``): none."""

    def __init__(self, options: MemberOptions, n_classes: int, layouts: dict[str, Layout]) -> None:
        """Make an untrained net.

        options : the net's own `Options`
        n_classes : species to tell apart
        layouts : `Layout` of each input by name; a ConfigError refuses what the net cannot read
        """
        super().__init__()
        self.options, self.n_classes, self.layouts = options, n_classes, layouts
        self.encoder = self.head = None

    @property
    def last(self) -> nn.Linear | None:
        """The last layer, whose input is the net's embedding of a survey; None: there is none.

        By default the last `nn.Linear` in the order in which the net names its modules.
        """
        layers = [module for module in self.modules() if isinstance(module, nn.Linear)]
        return layers[-1] if layers else None

    @classmethod
    def needs_surveys(cls, options: MemberOptions) -> str:
        """Why it cannot do without presence-absence surveys, and what to use instead; empty where it can.

        options : the net's own `Options`
        returns : text that follows a colon; in it NAME is the experiment's name
        """
        return ""

    @classmethod
    def backbone(cls, options: MemberOptions) -> tuple[str, float]:
        """The net of timm that reads the tiles and that the option `weights`, which it then has, gives weights to.

        options : the net's own `Options`
        returns : (timm's name, share of its published widths); the name is empty where there is no such net
        """
        return "", 1.0

    def prepare(self, summary: Summary) -> None:
        """Learn what comes before the gradient: moments of the inputs, class frequencies, pre-trained weights.

        summary : counts and moments of the training examples; called once, before training, not on loading
        """

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Logits (batch, class) float32 of a batch."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it turns a batch into logits")

    def logits(self, batch: dict[str, torch.Tensor], prediction: MemberOptions) -> torch.Tensor:
        """Logits (batch, class) float32 for prediction.

        batch : as of `forward`, with ``dataset`` and ``surveyId`` (batch,)
        prediction : the net's own `Prediction`
        """
        return self(batch)

    @classmethod
    def prediction_features(
        cls, features: Features | None, data: SurveyData, prediction: MemberOptions
    ) -> tuple[Features | None, Facts]:
        """The content of the inputs as prediction reads it, and facts about it for the manifest.

        features : that of the surveys, or None for a net without inputs
        data : all surveys of the dataset
        prediction : the net's own `Prediction`
        returns : (features, plain values by name)
        """
        return features, {}
