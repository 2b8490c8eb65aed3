"""The commands of ``glc``. Every one that computes is a thin face of a Luigi task: ``glc run votes`` is

    luigi --module glc.tasks Submission --experiment votes

Imports wait until a command needs them, so that ``glc --help`` answers at once.
"""

from typing import Annotated

import typer

from glc.cli import contests, maps, root, runs, wandb
from glc.cli.options import Experiment, RootOption

app = typer.Typer(
    name="glc",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="From species surveys and rasters to predictions of which plants grow where.",
    epilog="First steps: glc doctor, then glc run votes --dataset virtual:tiny.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from glc import __version__

        typer.echo(f"glc {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def list_experiments(
    paper: Annotated[str, typer.Argument(help="Only papers or experiments whose name contains this.")] = "",
) -> None:
    """List the experiments by paper, with the inputs that they need."""
    from glc.cli import experiments

    experiments.show_list(paper)


def show(experiment: Experiment) -> None:
    """Print the settings of an experiment as TOML, with what differs from its base."""
    from glc.cli import experiments

    experiments.show(experiment)


def doctor(
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="A dataset to check too.", show_default=False)] = "",
    root: RootOption = "",
) -> None:
    """Check this machine and a dataset: exit 1 if something needed is missing, with what to do about it."""
    from glc.cli import doctor

    raise typer.Exit(doctor.show(dataset, root))


# in the order of `glc --help`
_WITH_OPTIONS_OF_LUIGI = {"allow_extra_args": True}
app.command(context_settings=_WITH_OPTIONS_OF_LUIGI)(runs.run)
app.command()(runs.estimate)
app.command(name="map", context_settings=_WITH_OPTIONS_OF_LUIGI)(maps.distribution_map)
app.command(context_settings=_WITH_OPTIONS_OF_LUIGI)(maps.explore)
app.command(context_settings=_WITH_OPTIONS_OF_LUIGI)(runs.predict)
app.command(name="list")(list_experiments)
app.command()(show)
app.command()(root.status)
app.command(context_settings=_WITH_OPTIONS_OF_LUIGI)(runs.compare)
app.command()(root.clean)
app.command()(root.verify)
app.command(context_settings=_WITH_OPTIONS_OF_LUIGI)(runs.explain)
app.command()(root.provenance)
app.command()(doctor)
app.add_typer(wandb.app, name="wandb")
app.add_typer(contests.kaggle, name="kaggle")
app.add_typer(contests.geoplant, name="geoplant")
