"""Blending: the mean of several models' scores, of all or of those alone that beat a baseline on validation.

The paper's last step (Liu et al. 2024, section 5.1) is the mean of all models that score above the baseline; the late
fusion of Deneu et al. 2020 (run 4) is the mean of two.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from scipy import sparse

from glc import scores as score_tables
from glc import storage
from glc.config import EACH_ONCE, SOME, require, section
from glc.ensembles._base import Ensemble, Joiner, Members
from glc.errors import ConfigError
from glc.evaluation import metrics
from glc.prediction import sets
from glc.registry import models
from glc.scores import AVERAGES
from glc.surveys import TEST, SurveyData
from glc.types import Say


@models.register("blend")
class Blend(Ensemble):
    """The mean of several experiments' scores: of all, or of those that beat a `baseline`.

    The members run on the folds of the blend, not on the number of folds that they run alone. Nets with cross-fusion
    may be among them where the blend runs one fold, as the paper did: they are compared on their first fold, and the
    nets of all their folds score the test.
    """

    least_folds = 1  # one fold is chosen by in two halves
    joins_cross_fused = True

    @section
    class Options:
        members: Annotated[tuple[str, ...], SOME, EACH_ONCE]
        """Names of experiments, with changes where wanted (``votes+model.prior=500``)."""
        baseline: str = ""
        """An experiment whose validation F1 a member must beat to be in; empty: all are in."""
        average: Literal[tuple(AVERAGES)] = "logits"
        """logits (Liu et al. 2024), or probabilities (the late fusion of Deneu et al. 2020)."""

        def __post_init__(self) -> None:
            require(self.baseline not in self.members, "baseline", self, "an experiment that is no member")

    @property
    def learns(self) -> bool:
        """Whether validation says which members are in: where there is a baseline."""
        return bool(self.options.baseline)

    @property
    def reads_sets(self) -> bool:
        """The validation sets of members and baseline are compared."""
        return self.learns

    @property
    def names(self) -> Sequence[str]:
        """The members, and the baseline as the last."""
        return (*self.options.members, *((self.options.baseline,) if self.learns else ()))

    def write(self, members: Members, out: Path) -> None:
        if self.learns:
            chosen, halves = choose_by_sets([*members.sets[-1:], *members.sets[:-1]], members.data, members.folds)
        else:
            chosen, halves = everyone(len(members.names), members.folds), None
        write(
            members.scores,
            out,
            chosen=chosen,
            halves=halves,
            names=members.names,
            average=self.options.average,
            keep=members.keep,
            progress=members.progress,
        )

    def restore(self, scores: Path, data: SurveyData, keep: int, fold: int = TEST) -> Joiner:
        facts = storage.manifest(scores)["model_facts"]
        if fold != TEST and str(fold) not in facts:
            raise ConfigError(f"model 'blend': members were chosen by halves of one fold, not by fold {fold}")
        shares = facts["test" if fold == TEST else str(fold)]["members"]
        chosen = np.flatnonzero([shares.get(name, 0) > 0 for name in self.names])
        if not len(chosen):  # none beat the baseline, the last
            chosen = np.array([len(self.names) - 1])
        blend = score_tables.AVERAGES[self.options.average]

        def join(matrices: Sequence[sparse.csr_matrix], places: pd.DataFrame) -> sparse.csr_matrix:
            ids, fold = np.arange(len(places)), np.full(len(places), TEST, np.int32)
            parts = (score_tables.Scores(ids, fold, data.species, matrices[member]) for member in chosen)
            return blend(parts, keep).matrix

        return join


def survey_f1(folder: Path, data: SurveyData) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """F1 of the validation sets in the predictions `folder`: survey ids (n,), folds (n,), F1 (n,)."""
    ids, fold, predicted = sets.read(folder / "valid", data.species)
    actual = data.labels_of(data.rows_of(ids, data.train_name))
    return ids, fold, metrics.survey_f1(predicted, actual)


def choose_by_sets(
    folders: Sequence[Path], data: SurveyData, folds: Sequence[int]
) -> tuple[dict[int, np.ndarray], dict[int, int] | None]:
    """`choose` from predictions: by folds, or where one fold was run by two halves of whole blocks.

    folders : the predictions of the baseline, and of each member; data : `glc.surveys.SurveyData`
    returns : which members are in, and the half of each validation survey by its id, None where they are chosen by fold
    """
    sets_f1 = [survey_f1(folder, data) for folder in folders]
    f1, (ids, fold, _) = np.stack([f1 for _, _, f1 in sets_f1]), sets_f1[0]
    if len(folds) > 1:
        return choose(f1, fold, folds), None
    half = sets.halves(data.places["block"].to_numpy()[data.rows_of(ids, data.train_name)])
    return choose(f1, half, (0, 1)), dict(zip(ids.tolist(), half.tolist(), strict=True))


def choose(f1: np.ndarray, group: np.ndarray, groups: Sequence[int]) -> dict[int, np.ndarray]:
    """Which members blend the scores of each group, and of the test: dict of group -> (k,) bool.

    f1 : (1 + k, n) of the baseline and of k members at validation surveys; group : (n,) theirs, folds or halves

    A member is in where its mean F1 on the surveys of the other groups (of all, for the test) is above the baseline's.
    Their sets were decided by decoders that were fitted on this group, too, among others; nothing else knows its
    labels.
    """
    members = {}
    for left_out in [*groups, TEST]:
        means = f1[:, group != left_out].mean(axis=1)
        members[left_out] = means[1:] > means[0]
    return members


def write(
    folders: Sequence[Path],
    out: Path,
    *,
    chosen: Mapping[int, np.ndarray],
    names: Sequence[str],
    average: str,
    keep: int,
    halves: Mapping[int, int] | None = None,
    progress: Say = print,
) -> None:
    """Write the blended ``valid`` and ``test`` scores of members under `out`.

    folders : the members' outputs, the baseline's last: it stands alone where no member is in; names : theirs
    chosen : of `choose`; average : of `glc.scores.AVERAGES`; keep : highest scores kept for each survey
    halves : id of a validation survey -> its half, where members are chosen by halves of one fold
    """
    blend, rows = score_tables.AVERAGES[average], {}
    for step, split in enumerate(("valid", "test")):
        progress(f"blend: the mean of {len(folders)} models' {split} scores", 50 * step)
        read = [score_tables.read(folder / split) for folder in folders]
        group = read[0].fold
        if halves is not None and split == "valid":
            group = np.array([halves[survey] for survey in read[0].surveys.tolist()])
        parts, places = [], []
        for number, members in chosen.items():
            if (number == TEST) == (split == "test"):
                mine = [scores for scores, taken in zip(read, members, strict=False) if taken] or read[-1:]
                places.append(np.flatnonzero(group == number))
                parts.append(blend((scores.rows(places[-1]) for scores in mine), keep))
        joined = score_tables.stack(parts).rows(np.argsort(np.concatenate(places)))
        rows[f"{split}_rows"] = score_tables.write(joined, out / split)
    facts = {
        "test" if number == TEST else str(number) if halves is None else f"half {number + 1}": {
            "members": {name: float(taken) / max(members.sum(), 1) for name, taken in zip(names, members, strict=False)}
        }
        for number, members in chosen.items()
    }
    storage.note(out, **rows, model_facts=facts)


def everyone(count: int, folds: Sequence[int]) -> dict[int, np.ndarray]:
    """`choose` without a baseline: all `count` members for each fold and the test."""
    return dict.fromkeys([*folds, TEST], np.ones(count, bool))
