"""What every ensemble must say."""

from typing import ClassVar

from glc.config import section
from glc.types import MemberOptions


class Ensemble:
    """A model whose scores are made of those of other experiments, its members.

    The members run on the folds of the ensemble, whatever number of folds they run by themselves. `kind` names the task
    that joins their scores; a new kind is a file here and a task in `glc.tasks.scores`:

    >>> @models.register("median")
    ... class Median(Ensemble):
    ...     '''The median of the members' scores.'''
    ...
    ...     kind = "median"
    ...
    ...     @section
    ...     class Options:
    ...         members: tuple[str, ...] = ()
    >>> Median(Median.Options(members=("votes", "knn"))).options.members
    ('votes', 'knn')
    """

    name: ClassVar[str] = ""
    """Given by the registry."""
    kind: ClassVar[str] = ""
    """Which task joins the scores: stack or blend."""
    ensemble: ClassVar[bool] = True
    """Whether its scores are made of those of other experiments."""
    reads: ClassVar[tuple[str, ...]] = ()
    """What it reads apart from the members' scores: nothing."""

    @section
    class Options:
        """Options of ``[model]``, beside its ``name``."""

        members: tuple[str, ...] = ()
        """Names of experiments, with changes where wanted (``votes+model.prior=500``)."""

    @section
    class Prediction:
        """Options of prediction only (the experiment's ``[predict]``): none."""

    def __init__(self, options: MemberOptions) -> None:
        """Keep the options.

        options : the ensemble's own `Options`
        """
        self.options = options
