"""Stacking: one score table of several models', by a logistic regression that is fitted on validation surveys only.

Each member's scores are calibrated to presence rates (a rising curve on log-log axes), and the stacked probability is

    logit p = intercept + sum_k weight_k logit rate_k + slope logit frequency,    weight_k >= 0,

with the frequency of the species in the training surveys (Wolpert 1992, with the non-negative weights of Breiman 1996).

A score that a member did not keep, or zero, has a rate of its own: that of all pairs the member did not score.

With ``fit = "boosted"`` trees correct these log-odds for the best species of each survey (`glc.ensembles.boosted`).

Curves, weights and frequencies for the surveys of a fold come from the other folds alone; those for the test from all.
What stays, as in all stacking: the members that scored the other folds were trained on surveys of this one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from scipy import sparse

from glc import config, storage, threads
from glc import scores as score_tables
from glc.config import EACH_ONCE, SOME, section
from glc.ensembles import blocks, boosted
from glc.ensembles._base import MODEL, Ensemble, Joiner, Members
from glc.ensembles.fit_options import FitOptions
from glc.ensembles.pairs import Pairs, sample, total_share
from glc.ensembles.weights import Counts, Weights, apply, fit_weights
from glc.errors import ConfigError
from glc.registry import models
from glc.surveys import TEST, SurveyData
from glc.types import Facts, Say


@models.register("stack")
class Stack(Ensemble):
    """Several experiments' scores in one, weighted on their validation surveys.

    The members run on the folds of the stack, not on the number of folds that they run alone.
    """

    @section
    class Options(FitOptions):
        members: Annotated[tuple[str, ...], SOME, EACH_ONCE] = field(kw_only=True)
        """Names of experiments, with changes where wanted (``votes+model.prior=500``)."""

    def write(self, members: Members, out: Path) -> None:
        write(
            members.scores,
            members.data,
            out,
            options=self.options,
            names=members.names,
            folds=members.folds,
            keep=members.keep,
            progress=members.progress,
        )

    def restore(self, scores: Path, data: SurveyData, keep: int, fold: int = TEST) -> Joiner:
        return restore(scores / MODEL, data, self.options, keep, fold)


def check_member(
    name: str,
    member: config.Experiment,
    surveys: config.Surveys,
    validation: config.Validation,
    joins_cross_fused: bool = False,
) -> None:
    """Refuse the experiment `member`, called `name`, in a stack over other surveys or folds than its own.

    surveys, validation : sections of the stack. Both must be equal, except how many folds are run and, for a member
        that is no net, which fold stops a training.
    joins_cross_fused : whether a net with cross-fusion may be a member where the stack runs one fold
    """
    if models.get(member.model.name).ensemble:
        raise ConfigError(f"model.members: {name!r} is a {member.model.name} itself; name its members instead")
    if member.cross_fusion.use and not (joins_cross_fused and validation.run == 1):
        more = ", or run one fold alone: validation.run = 1" if joins_cross_fused else ""
        raise ConfigError(
            f"model.members: {name!r} has cross_fusion.use, whose scores are honest on the first fold alone; write "
            f"{name}+cross_fusion.use=false{more}"
        )
    for table, wanted, actual in (
        ("surveys", surveys, member.surveys),
        ("validation", validation, member.validation),
    ):
        own, theirs = config.to_dict(wanted), config.to_dict(actual)
        free = {"run"} if models.get(member.model.name).kind == "net" else {"run", "stop"}
        for key in own:
            if key not in free and own[key] != theirs[key]:
                more = f"+validation.run={validation.run}" if key == "count" else ""
                raise ConfigError(
                    f"model.members: {name!r} has {table}.{key} = {theirs[key]!r}, expected this experiment's own "
                    f"{own[key]!r}; write {name}+{table}.{key}={own[key]}{more}, or change this one's"
                )


def write(
    folders: Sequence[Path],
    data: SurveyData,
    out: Path,
    *,
    options: FitOptions,
    names: Sequence[str],
    folds: Sequence[int],
    keep: int,
    progress: Say = print,
) -> Facts:
    """Write the stacked ``valid`` and ``test`` scores of members under `out`.

    folders : the members' outputs, each with ``valid`` of `folds` and ``test``; names : what the members are called
    data : `glc.surveys.SurveyData`; keep : highest scores kept for each survey
    The manifest carries, under ``model_facts``, the weights for each fold and for the ``test``.

    Only `blocks.ROWS` surveys of each member are in memory at once, and the pairs that are learned from.
    """
    folds = list(folds)
    counts = Counts.of(data)
    trees = boosted.Trees(data, counts, options) if options.fit == "boosted" else None
    pairs, cases = _drawn([folder / "valid" for folder in folders], data, counts, folds, trees, options, progress)
    fits = [*folds, TEST]
    calls = ((pairs, counts, options, () if fold == TEST else (fold,)) for fold in fits)
    weighted, fitted = threads.in_order(fit_weights, calls, min(threads.cores(), len(fits))), {}
    for done, fold in enumerate(fits):
        progress(f"stack: weights for {'the test' if fold == TEST else f'fold {fold}'}", 30 + 20 * done // len(fits))
        fitted[fold] = next(weighted)
    facts = {"test" if fold == TEST else str(fold): weights.facts(names) for fold, weights in fitted.items()}
    number_of_pairs = len(pairs.held)
    del pairs
    if trees:
        trees.fit(boosted.Candidates.join(cases), fitted, progress)
        cases.clear()
    for fold, weights in fitted.items():
        save(fold, weights, trees, out / MODEL)

    def score(block: blocks.Block) -> list[score_tables.Scores]:
        parts = []
        for fold in np.unique(block.fold).tolist():
            at = np.flatnonzero(block.fold == fold)
            surveys = block.surveys[at]
            # tests may share ids, and are in the order of the data
            rows = data.test[block.first + at] if fold == TEST else data.rows_of(surveys, data.train_name)
            kept = _joined(block.matrices(at), data.places.iloc[rows], fold, fitted[fold], counts, trees, keep)
            parts.append(score_tables.Scores(surveys, block.fold[at], data.species, kept))
        return parts

    def scored(split: str) -> Iterator[score_tables.Scores]:
        calls = ((block,) for block in blocks.read([folder / split for folder in folders], data))
        for parts in threads.in_order(score, calls, threads.cores()):
            progress(f"stack: scoring the {split} surveys", 80)
            yield from parts

    written = {f"{split}_rows": score_tables.write_parts(scored(split), out / split) for split in ("valid", "test")}
    storage.note(out, **written, pairs=number_of_pairs, model_facts=facts)
    return facts


def _drawn(
    folders: Sequence[Path],
    data: SurveyData,
    counts: Counts,
    folds: Sequence[int],
    trees: boosted.Trees | None,
    options: FitOptions,
    progress: Say,
) -> tuple[Pairs, list[boosted.Candidates]]:
    """The pairs that weights are learned from, and what trees are, in blocks; none of these without `trees`."""
    every = sum(counts.surveys[fold] for fold in folds)
    share = min(1.0, options.surveys / max(every, 1))

    def draw(number: int, block: blocks.Block) -> tuple[list[Pairs], list[boosted.Candidates]]:
        rng = np.random.default_rng([options.seed, number])
        count = len(block.surveys)
        chosen = np.flatnonzero(rng.random(count) < share) if share < 1 else np.arange(count)
        rows, fold = data.rows_of(block.surveys[chosen], data.train_name), block.fold[chosen]
        actual, own = data.labels_of(rows), block.matrices(chosen)
        pairs = []
        for number_of_fold in np.unique(fold):
            at = fold == number_of_fold
            pairs.append(sample([matrix[at] for matrix in own], actual[at], number_of_fold, options, rng))
        if trees is None:
            return pairs, []
        return pairs, [trees.candidates(own, total_share(own), fold, data.places.iloc[rows], actual)]

    pairs, cases = [], []
    for number, parts in enumerate(threads.in_order(draw, enumerate(blocks.read(folders, data)), threads.cores())):
        progress(f"stack: drawing pairs of {every} surveys", min(30, 30 * number * blocks.ROWS // max(every, 1)))
        pairs += parts[0]
        cases += parts[1]
    return Pairs.join(pairs), cases


def _joined(
    matrices: Sequence[sparse.csr_matrix],
    places: pd.DataFrame,
    fold: int,
    weights: Weights,
    counts: Counts,
    trees: boosted.Trees | None,
    keep: int,
) -> sparse.csr_matrix:
    """The best `keep` stacked scores (n, m) of `places`, of which all are of `fold`, from the members' `matrices`."""
    chances = apply(weights, matrices, counts.terms(*(() if fold == TEST else (fold,))))
    if trees:
        cases = trees.candidates(matrices, total_share(matrices), np.full(len(chances), fold), places)
        trees.correct(chances, cases, weights)
    return score_tables.keep_best(chances, keep)


_WEIGHTS, _TREES = "stack.npz", "trees.json"


def save(fold: int, weights: Weights, trees: boosted.Trees | None, folder: Path) -> None:
    """Write what joins the members' scores of the surveys of `fold`: `restore` reads it."""
    own = folder / str(fold)
    own.mkdir(parents=True)
    weights.save(own / _WEIGHTS)
    if trees:
        trees.save(fold, own / _TREES)


def restore(folder: Path, data: SurveyData, options: FitOptions, keep: int, fold: int = TEST) -> Joiner:
    """The stack for surveys of `fold`, for the members' scores of any places."""
    folder = folder / str(fold)
    weights = Weights.load(folder / _WEIGHTS)
    counts = Counts.of(data)
    trees = boosted.Trees(data, counts, options) if options.fit == "boosted" else None
    if trees:
        trees.restore(fold, folder / _TREES)

    def join(matrices: Sequence[sparse.csr_matrix], places: pd.DataFrame) -> sparse.csr_matrix:
        parts = [sparse.csr_matrix((0, len(data.species)), dtype=np.float32)]
        for start in range(0, len(places), blocks.ROWS):
            rows = slice(start, start + blocks.ROWS)
            own = [matrix[rows] for matrix in matrices]
            parts.append(_joined(own, places.iloc[rows], fold, weights, counts, trees, keep))
        return sparse.vstack(parts, format="csr")

    return join
