"""Print the nearest-places references for all folds: alike, by inverse distance, and with k and power chosen.

python -m glc.location.downstream LOCATION [--habitats FOLDER]
"""

import argparse

import pandas as pd

from glc.errors import ConfigError, run_command
from glc.location.downstream import intervals, problems, tables
from glc.location.downstream.problems import Problem
from glc.location.downstream.sources import references
from glc.location.downstream.validation import POOLED, chosen_votes, cross_validate


def main(argv=None):
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m glc.location.downstream", description="the nearest labelled places as references, by fold"
    )
    parser.add_argument("location", help="folder of location_tasks.parquet and location_query.parquet")
    parser.add_argument("--habitats", help="folder of surveys_train.csv and surveys_test.csv")
    arguments = parser.parse_args(argv)
    if not arguments.location:
        raise ConfigError(
            "LOCATION: found nothing, expected the folder of labelled places; try: make location-reference "
            "LOCATION=FOLDER"
        )
    _print(problems.location(arguments.location))
    if arguments.habitats:
        _print(problems.habitats(arguments.habitats))


def _print(problem: Problem) -> None:
    """Scores of all references by fold, and on the folds that choose their intervals and differences."""
    sums = []
    for label, (source, paths) in references(problem.name).items():
        result = cross_validate(problem, source, paths, seeds=1)
        sums.append(result.sums[result.sums["folds"] == problems.CHOOSING].assign(row=label))
        by_fold = result.scores.pivot_table("score", ["folds", "fold"], ["target", "measure"], sort=False)
        print(f"{label}, {problem.name}")
        print(by_fold.to_string(float_format="{:.4f}".format), end="\n\n")
    first, *_ = references(problem.name)
    scores, differences = intervals.intervals(pd.concat(sums, ignore_index=True), [first])
    print(f"{problem.name}, {problems.CHOOSING}, with 95 % intervals")
    print(tables.distances(problem))
    print(tables.table(scores.assign(fold=POOLED), problem, problems.CHOOSING).to_string(index=False), end="\n\n")
    print(f"compared with {first}")
    print(tables.differences(differences, problem, problems.CHOOSING, first).to_string(index=False), end="\n\n")
    for name, votes in chosen_votes(problem).items():
        print(f"{name}: k {votes.k} and power {votes.power:g} are chosen by all folds of {problems.CHOOSING}")
    print(flush=True)


if __name__ == "__main__":
    run_command(main)
