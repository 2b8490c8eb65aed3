"""Commands on what is below ROOT: ``glc status``, clean, verify and provenance."""

from typing import Annotated

import typer

from glc.cli.options import DatasetOption, Experiment, ImageryOption, RootOption, VerboseOption, luigi


def status(root: RootOption = "") -> None:
    """List what is finished by dataset, with scores and their 95 % intervals."""
    from glc.cli import status

    status.show(root)


def clean(
    experiment: Experiment,
    dataset: DatasetOption = "virtual:small",
    root: RootOption = "",
    imagery: ImageryOption = "",
    task: Annotated[str, typer.Option(help="Task whose output is removed.")] = "Submission",
    downstream: Annotated[bool, typer.Option("--downstream", help="Remove what was made from it as well.")] = False,
    verbose: VerboseOption = False,
) -> None:
    """Remove the output of a task of an experiment.

    What other experiments share with this one (surveys, folds, neighbours) is removed only when you name it.
    """
    options = {"experiment": experiment, "dataset": dataset, "root": root, "imagery_folder": imagery, "task": task}
    luigi("Clean", options, ["--downstream"] * downstream, verbose)


def verify(
    root: RootOption = "",
    content: Annotated[
        bool,
        typer.Option("--content", help="Of a root in an object store, download every file and compare its sha256."),
    ] = False,
    verbose: VerboseOption = False,
) -> None:
    """Compare every output with the checksums in its manifest; in an object store with the sizes there.

    Damaged ones are listed with what to do about them; then the exit code is 30.
    """
    luigi("Verify", {"root": root}, ["--content"] * content, verbose)


def provenance(
    path: Annotated[
        str, typer.Argument(help="A submission, metrics, report or table, or an output in ROOT/store; or its URL.")
    ],
    verbose: VerboseOption = False,
) -> None:
    """Print how a product was made: every step back to the raw files."""
    luigi("Provenance", {"path": path}, [], verbose)
