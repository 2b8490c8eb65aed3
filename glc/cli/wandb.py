"""``glc wandb``: upload runs that were written offline, start a sweep, save the dashboard."""

import os
import subprocess
import sys
from typing import Annotated

import typer

from glc.errors import ConfigError, GlcError

app = typer.Typer(no_args_is_help=True, help="Runs at Weights & Biases: upload them, start a sweep, a dashboard.")

RootOption = Annotated[
    str, typer.Option("--root", help="Folder of all outputs; by default that of luigi.cfg.", show_default=False)
]
EntityOption = Annotated[
    str, typer.Option(help="User or team at W&B.", show_default="that of the key", envvar="WANDB_ENTITY")
]


@app.command()
def sync(root: RootOption = "") -> None:
    """Upload the runs below ROOT/wandb that were written offline and not uploaded yet.

    Run it on the machine that made them, before `glc clean`: files of artifacts are taken from ROOT.
    """
    from glc.dashboards import run
    from glc.tasks.machine import output_folder

    folder = output_folder(root)
    waiting = run.waiting(folder)
    if not waiting:
        typer.echo(f"{folder / run.FOLDER}: no run waits for its upload")
        return
    _need_key(f"{len(waiting)} runs in {folder / run.FOLDER} wait for their upload")
    environment = os.environ | {"WANDB_DATA_DIR": str(folder / run.FOLDER)}
    failed = []
    for number, path in enumerate(waiting, 1):
        typer.echo(f"{number} of {len(waiting)}: {path.name}")
        done = subprocess.run([sys.executable, "-m", "wandb", "sync", str(path)], env=environment)
        failed += [path.name] if done.returncode else []
    if failed:
        raise GlcError(f"not uploaded: {', '.join(failed)}; the others were; run the same command again")


@app.command()
def sweep(
    name: Annotated[str, typer.Argument(help="A file of conf/sweeps without its ending, or the path of a YAML file.")],
    dataset: Annotated[
        str, typer.Option("--dataset", "-d", help="Folder of a dataset, or virtual:SIZE.")
    ] = "virtual:small",
    root: RootOption = "",
    imagery: Annotated[str, typer.Option("--imagery", help="Folder of imagery.", show_default=False)] = "",
    entity: EntityOption = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and print it; send nothing.")] = False,
) -> None:
    """Define a sweep at W&B and print the command that starts an agent of it, here or on several machines.

    Every parameter and its values are checked against the experiment first.
    """
    import yaml

    from glc.dashboards.sweep import Sweep
    from glc.tasks.machine import machine

    options = ["--dataset", dataset]
    options += ["--root", root] if root else []
    options += ["--imagery", imagery] if imagery else []
    # the server chooses the next values by the scores of the last runs
    values = Sweep.read(name).with_options([*options, "--", "--machine-wandb-mode", "online"])
    project = machine().wandb_project
    if dry_run:
        typer.echo(yaml.safe_dump(values, sort_keys=False, width=1000).rstrip())
        return
    _need_key("a sweep is kept by W&B's server")
    import wandb

    try:
        identifier = wandb.sweep(values, project=project, entity=entity or None)
    except wandb.errors.Error as error:
        raise ConfigError(f"W&B does not take the sweep {name}: {error}") from error
    owner = f"{entity}/" if entity else ""
    typer.echo(f"start an agent with: wandb agent {owner}{project}/{identifier}")


@app.command()
def dashboard(
    entity: EntityOption = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List sections and metrics; send nothing.")] = False,
) -> None:
    """Save the dashboard of scores, sets, learning curves, tables and cost as a workspace of W&B (extra: dashboard)."""
    from glc.dashboards import panels, workspace
    from glc.tasks.machine import machine

    if dry_run:
        for section, shown in panels.SECTIONS.items():
            typer.echo(section)
            for panel in shown:
                typer.echo(f"  {panel.title}: {', '.join(panel.metrics) or 'configuration'}")
        return
    _need_key("a dashboard is kept by W&B's server")
    if not entity:
        raise ConfigError("--entity: found nothing, expected the user or team at W&B that the dashboard is for")
    typer.echo(workspace.workspace(entity, machine().wandb_project).save().url)


def _need_key(why: str) -> None:
    from glc.dashboards.run import has_key

    if not has_key():
        raise ConfigError(f"{why}: neither WANDB_API_KEY nor a key in ~/.netrc; try: wandb login")
