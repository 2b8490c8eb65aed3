"""Print the nearest-places references for all folds: alike, by inverse distance, and with k and power chosen.

python -m glc.location.downstream LOCATION [--habitats FOLDER]
"""

import argparse

from glc.errors import ConfigError, run_command
from glc.location.downstream import problems
from glc.location.downstream.sources import references
from glc.location.downstream.validation import chosen_votes, cross_validate


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
    chosen = [problems.location(arguments.location)]
    if arguments.habitats:
        chosen.append(problems.habitats(arguments.habitats))
    for problem in chosen:
        for label, (source, paths) in references(problem.name).items():
            result = cross_validate(problem, source, paths, seeds=1)
            table = result.scores.pivot_table("score", ["folds", "fold"], ["target", "measure"], sort=False)
            print(f"{label}, {problem.name}")
            print(table.to_string(float_format="{:.4f}".format), end="\n\n")
        for name, votes in chosen_votes(problem).items():
            print(f"{name}: k {votes.k} and power {votes.power:g} are chosen by all folds of {problems.CHOOSING}")
        print()


if __name__ == "__main__":
    run_command(main)
