"""Options that several commands share, and how a command runs its Luigi task."""

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer


def complete_experiment(incomplete: str) -> list[str]:
    """Names of experiments that begin so."""
    from glc.config import experiment_names

    return [name for name in experiment_names() if name.startswith(incomplete)]


Experiment = Annotated[
    str,
    typer.Argument(
        help="A name that `glc list` shows, or the path of a TOML file; +table.key=value changes a setting.",
        autocompletion=complete_experiment,
        show_default=False,
    ),
]
DatasetOption = Annotated[
    str,
    typer.Option(
        "--dataset", "-d", help="Folder of a dataset, or virtual:SIZE (tiny, small, glc24, glc20-tiny, glc20)."
    ),
]
RootOption = Annotated[
    str, typer.Option("--root", help="Folder of all outputs; by default that of luigi.cfg.", show_default=False)
]
ImageryOption = Annotated[
    str,
    typer.Option(
        "--imagery",
        "--imagery-folder",
        help="Folder of rasters, images and time series, searched before the dataset's own.",
        show_default=False,
    ),
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Show the log on the screen as well.")]


def luigi(task: str, options: Mapping[str, str], more: Sequence[str], verbose: bool) -> None:
    """Run a task as Luigi's command line would.

    task : its name; options : parameter -> text, empty ones are left out; more : further words; verbose : show the log
    """
    if sys.stderr.isatty():
        print("loading …", end="\r", file=sys.stderr, flush=True)
    from glc.tasks import console

    # a value may begin with a minus, as a western longitude does
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items() if value]
    console.run([task, *words, *more, *["--machine-verbose"] * verbose])
