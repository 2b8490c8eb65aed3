"""``glc kaggle`` and ``glc geoplant``: data from their hosts, and submissions to competitions."""

import json
from typing import Annotated

import typer

from glc.cli.options import DatasetOption, Experiment, ImageryOption, RootOption, VerboseOption, luigi

kaggle = typer.Typer(no_args_is_help=True, help="Files of a competition at Kaggle, and submissions to it.")
geoplant = typer.Typer(no_args_is_help=True, help="Files of GeoPlant v2.")

FolderOption = Annotated[str, typer.Option(help="Folder of the dataset.", show_default="data/NAME")]


@kaggle.command(name="download", context_settings={"allow_extra_args": True})
def kaggle_download(
    context: typer.Context,
    edition: Annotated[str, typer.Argument(help="Edition of the contest: glc2022, glc2023, glc2024, glc2025.")],
    folder: FolderOption = "",
    files: Annotated[
        list[str],
        typer.Option(
            "--files",
            help="Glob of more files, by their path at Kaggle; may be repeated.",
            show_default="the tables",
        ),
    ] = [],  # noqa: B006  # typer reads it
    everything: Annotated[bool, typer.Option("--all", help="Everything, as one archive that is unpacked.")] = False,
    verbose: VerboseOption = False,
) -> None:
    """Download the survey tables of a competition; an interrupted download continues."""
    options = {"edition": edition, "folder": folder, "files": json.dumps(files) if files else ""}
    luigi("KaggleDownload", options, [*["--all"] * everything, *context.args], verbose)


@kaggle.command(name="submit", context_settings={"allow_extra_args": True})
def kaggle_submit(
    context: typer.Context,
    experiment: Experiment,
    dataset: DatasetOption = "virtual:small",
    again: Annotated[
        bool, typer.Option("--again", help="Submit although the same bytes were submitted before.")
    ] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the scores at most.")] = 600,
    leaderboard: Annotated[
        str, typer.Option(help="CSV of a paper's table that gets the scores.", show_default=False)
    ] = "",
    row: Annotated[str, typer.Option(help="Label of the row in that table.", show_default=False)] = "",
    root: RootOption = "",
    imagery: ImageryOption = "",
    verbose: VerboseOption = False,
) -> None:
    """Submit an experiment to its competition, after the checks, and show its scores on the leaderboard.

    The same bytes are not submitted twice. What is not finished is run first.
    """
    options = {"experiment": experiment, "dataset": dataset, "root": root, "imagery_folder": imagery}
    options |= {"wait": str(wait), "leaderboard": leaderboard, "row": row}
    luigi("KaggleSubmit", options, [*["--again"] * again, *context.args], verbose)


@geoplant.command(name="download", context_settings={"allow_extra_args": True})
def geoplant_download(
    context: typer.Context,
    folder: FolderOption = "",
    parts: Annotated[
        list[str],
        typer.Option("--part", help="Part of the dataset; may be repeated.", show_default="surveys, values"),
    ] = [],  # noqa: B006  # typer reads it
    url: Annotated[
        str, typer.Option(help="Address of the files, with {path}.", show_default="[geoplant] url, or their host's")
    ] = "",
    verbose: VerboseOption = False,
) -> None:
    """Download GeoPlant v2; an interrupted download continues.

    Parts: surveys, labels, values, rasters, climate, climate-cubes, landsat, landsat-cubes, images, alphaearth.
    """
    options = {"folder": folder, "parts": json.dumps(parts) if parts else "", "url": url}
    luigi("GeoplantDownload", options, context.args, verbose)
