"""What every ensemble must do, and what it may say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeAlias

import pandas as pd
from scipy import sparse

from glc.config import section
from glc.surveys import TEST, SurveyData
from glc.types import MemberOptions, Say

MODEL = "model"
"""Folder, in that of the scores, of what was learned for the test."""
Joiner: TypeAlias = Callable[[Sequence[sparse.csr_matrix], pd.DataFrame], sparse.csr_matrix]
"""The members' scores (n, species) CSR of places, and the places, a frame (n) with lon and lat, to joined scores."""


@dataclass(frozen=True)
class Members:
    """What an ensemble joins.

    names : of the experiments, as `Ensemble.names` gives them
    scores : folder of each one's scores
    sets : folder of each one's predictions, if `Ensemble.reads_sets`; otherwise empty
    data : the dataset's surveys
    folds : that are run
    keep : highest scores kept per survey
    progress : takes a message and the percentage that is done
    """

    names: Sequence[str]
    scores: Sequence[Path]
    sets: Sequence[Path]
    data: SurveyData
    folds: range
    keep: int
    progress: Say


class Ensemble:
    """A model whose scores are made of those of other experiments, its members.

    The members run on the folds of the ensemble, not on the number of folds that they run alone, except that nets with
    cross-fusion (see `joins_cross_fused`) run all of theirs. A new one is one new file in ``glc/ensembles``, named as
    the ensemble:

    >>> @models.register("median")
    ... class Median(Ensemble):
    ...     '''The median of the members' scores.'''
    ...
    ...     learns = False
    ...
    ...     def write(self, members, out):
    ...         return [folder.name for folder in members.scores]  # reads them, writes ``valid`` and ``test``
    >>> Median(Median.Options(members=("votes", "knn"))).names
    ('votes', 'knn')
    """

    name: ClassVar[str] = ""
    """Given by the registry."""
    kind: ClassVar[str] = "ensemble"
    """Which task scores it."""
    ensemble: ClassVar[bool] = True
    """Whether its scores are made of those of other experiments."""
    reads: ClassVar[tuple[str, ...]] = ()
    """What it reads apart from its members: nothing."""
    learns: bool = True
    """Whether validation says how members are joined, each fold's as the other folds say; may follow from options."""
    least_folds: ClassVar[int] = 2
    """Folds that must be run where validation says how members are joined."""
    joins_cross_fused: ClassVar[bool] = False
    """Whether nets with cross-fusion may be members where one fold is run: their only honest scores are of that one."""
    reads_sets: bool = False
    """Whether it reads the members' predicted sets, too; may follow from options."""

    @section
    class Options:
        """Options of ``[model]`` next to its ``name``."""

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

    @classmethod
    def needs_surveys(cls, options: MemberOptions) -> str:
        """Why it cannot do without presence-absence surveys, and what to use instead; empty where it can.

        options : the ensemble's own `Options`
        returns : text that follows a colon; in it NAME is the experiment's name
        """
        if not cls(options).learns:
            return ""
        return (
            f"model {cls.name!r} learns how to join its members from validation surveys, of which all species must be "
            f"known; use one of its members instead ({', '.join(options.members)}), or a blend without "
            "a baseline"
        )

    @property
    def names(self) -> Sequence[str]:
        """Names of the experiments whose scores are read."""
        return self.options.members

    def write(self, members: Members, out: Path) -> None:
        """Write the joined scores ``valid`` and ``test`` (`glc.scores`) under `out`, and facts into its manifest.

        members : what is joined
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how scores are joined")

    def restore(self, scores: Path, data: SurveyData, keep: int, fold: int = TEST) -> Joiner:
        """What joined the members' scores of the surveys of a fold, for any places.

        scores : the folder that `write` wrote
        data : the dataset's surveys
        keep : highest scores kept per place
        fold : the validation fold; -1 for the test
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how scores of other places are joined")
