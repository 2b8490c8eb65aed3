"""The commands of ``glc``. Every one that computes is a thin face of a Luigi task: ``glc run votes`` is

    luigi --module glc.tasks Submission --experiment votes

Imports wait until a command needs them, so that ``glc --help`` answers at once.
"""

from pathlib import Path
from typing import Annotated

import typer

from glc.cli import contests, wandb
from glc.cli.options import DatasetOption, Experiment, ImageryOption, RootOption, VerboseOption, complete_experiment
from glc.cli.options import luigi as _luigi
from glc.errors import ConfigError

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


app.add_typer(wandb.app, name="wandb")


@app.command(context_settings={"allow_extra_args": True})
def run(
    context: typer.Context,
    experiment: Experiment,
    dataset: Annotated[
        str,
        typer.Option(
            "--dataset",
            "-d",
            help="Folder of a dataset, or virtual:SIZE (tiny, small, glc24, glc20-tiny, glc20).",
            show_default="virtual:small",
        ),
    ] = "",
    root: RootOption = "",
    imagery: Annotated[
        str,
        typer.Option(
            "--imagery",
            "--imagery-folder",
            help="Folder of rasters, images and time series, searched before the dataset's own; of a location encoder "
            "the imagery of the globe, virtual:globe if nothing is given.",
            show_default=False,
        ),
    ] = "",
    location_encoder: Annotated[
        str, typer.Option("--location-encoder", help="File of a pre-trained location encoder.", show_default=False)
    ] = "",
    weights: Annotated[
        str,
        typer.Option(
            "--weights-folder",
            help="Folder of pre-trained weights, <timm name>.safetensors or .pth.",
            show_default=False,
        ),
    ] = "",
    workers: Annotated[int, typer.Option(min=1, help="Tasks that run at the same time.")] = 1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the tasks and what is finished; run nothing.")
    ] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Remove damaged outputs, and make them again.")] = False,
    verbose: VerboseOption = False,
) -> None:
    """Run an experiment: submission, metrics and report; or pre-train a location encoder.

    Changes of settings, +table.key=value, may also follow as separate arguments: glc run votes +model.prior=500.
    Finished stages are not repeated. Options of Luigi follow after `--`: glc run votes -- --machine-accelerator gpu.
    """
    from glc.config import is_of_encoder

    options = {"experiment": experiment, "root": root}
    if is_of_encoder(experiment):
        if weights:
            raise ConfigError(
                f"experiment {experiment}: found --weights-folder, expected the option of its net of images; try: glc "
                f"run '{experiment}+location.image.weights=\"{weights}\"'"
            )
        if dataset or location_encoder:
            raise ConfigError(
                f"experiment {experiment}: found --dataset or --location-encoder, expected --imagery: it trains a "
                "location encoder on imagery of the globe; of a dataset's own tiles: make location-tiles DATASET=FOLDER"
            )
        task, options = "PretrainLocation", options | {"imagery": imagery or "virtual:globe"}
    else:
        task = "Submission"
        options |= {"dataset": dataset or "virtual:small", "imagery_folder": imagery}
        options |= {"location_encoder": location_encoder, "weights_folder": weights}
    changes = [word for word in context.args if word.startswith("+")]
    options["experiment"] += "".join(changes)  # as the agent of a sweep writes them, each a separate argument
    if dry_run:
        from glc.cli import plan

        raise typer.Exit(plan.show(task, {name: value for name, value in options.items() if value}))
    own = ["--workers", str(workers), *["--machine-repair"] * repair]
    more = [word for word in context.args if word not in changes]
    _luigi(task, options, [*own, *more], verbose)  # what follows -- is read last and wins


@app.command()
def estimate(
    experiment: Experiment,
    dataset: DatasetOption = "virtual:small",
    root: RootOption = "",
    imagery: ImageryOption = "",
    weights: Annotated[
        str, typer.Option("--weights-folder", help="Folder of pre-trained weights.", show_default=False)
    ] = "",
    speed: Annotated[
        float,
        typer.Option(
            min=0,
            help="How fast this machine is, compared with that of the curves.",
            show_default="measured, 0.2 s",
        ),
    ] = 0,
) -> None:
    """Estimate minutes, memory and disk of an experiment before it runs.

    What is finished costs nothing. The curves are fitted to measured runs (python -m glc.costs.fit); the dataset is
    counted from a sample of its lines.
    """
    from glc.config import is_of_encoder

    if is_of_encoder(experiment):
        raise ConfigError(
            f"experiment {experiment}: it trains a location encoder on imagery of the globe, expected an experiment on "
            f"a dataset; to see its tasks: glc run {experiment} --dry-run"
        )
    from glc.cli import estimate

    options = {"experiment": experiment, "dataset": dataset, "root": root, "imagery_folder": imagery}
    options |= {"weights_folder": weights}
    raise typer.Exit(estimate.show("Submission", {name: value for name, value in options.items() if value}, speed))


@app.command(name="map", context_settings={"allow_extra_args": True})
def distribution_map(
    context: typer.Context,
    experiment: Experiment,
    dataset: DatasetOption = "virtual:small",
    bounds: Annotated[
        str,
        typer.Option(
            help="West, south, east, north in degrees, such as --bounds=-5,42,8,51.",
            show_default="the area of the training surveys",
        ),
    ] = "",
    like: Annotated[str, typer.Option(help="Raster whose cells the map has.", show_default=False)] = "",
    aoi: Annotated[str, typer.Option(help="GeoJSON of the areas that are mapped.", show_default=False)] = "",
    resolution: Annotated[
        str,
        typer.Option(help="Side of a cell: metres, or degrees where --crs is geographic.", show_default="1000 metres"),
    ] = "",
    crs: Annotated[
        str, typer.Option(help="CRS of the map, such as EPSG:3035.", show_default="the dataset's projection")
    ] = "",
    species: Annotated[
        str,
        typer.Option(help="Ids or names with commas between, or all.", show_default="the 50 most frequent"),
    ] = "",
    mask: Annotated[
        str,
        typer.Option(help="Raster, zero or nodata where nothing is predicted; none: the sea too.", show_default="land"),
    ] = "",
    name: Annotated[str, typer.Option(help="Folder of the map inside the experiment's.", show_default=False)] = "",
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Predict although the model's inputs have no value in the area.")
    ] = False,
    root: RootOption = "",
    imagery: ImageryOption = "",
    verbose: VerboseOption = False,
) -> None:
    """Map species, their number, and where to trust the map: GeoTIFFs, a preview, a STAC item.

    What is not fitted yet is fitted first.
    """
    options = {"experiment": experiment, "dataset": dataset, "root": root, "imagery_folder": imagery}
    options |= {"bounds": bounds, "like": like, "aoi": aoi, "resolution": resolution, "crs": crs}
    options |= {"species": species, "mask": mask, "name": name}
    _luigi("DistributionMap", options, ["--allow-missing"] * allow_missing + context.args, verbose)


@app.command(context_settings={"allow_extra_args": True})
def explore(
    context: typer.Context,
    experiment: Experiment,
    dataset: DatasetOption = "virtual:small",
    map_name: Annotated[
        str, typer.Option("--map", help="Name of the map (glc map --name).", show_default="the map without a name")
    ] = "",
    species: Annotated[str, typer.Option(help="Ids or names with commas between.", show_default="all of the map")] = "",
    root: RootOption = "",
    imagery: ImageryOption = "",
    verbose: VerboseOption = False,
) -> None:
    """Show a finished map in the browser: a folder with an index.html that needs neither server nor network.

    Species by name, their number, the area of applicability, training surveys, and what is likely in any cell. The map
    is made by `glc map`.
    """
    options = {"experiment": experiment, "dataset": dataset, "root": root, "imagery_folder": imagery}
    options |= {"map": map_name, "species": species}
    _luigi("Explorer", options, context.args, verbose)


@app.command(context_settings={"allow_extra_args": True})
def predict(
    context: typer.Context,
    experiment: Annotated[
        str,
        typer.Argument(
            help="A name that `glc list` shows, the path of a TOML file, or the folder of a fitted model.",
            autocompletion=complete_experiment,
            show_default=False,
        ),
    ],
    dataset: DatasetOption = "virtual:small",
    lon: Annotated[
        float | None, typer.Option(help="Longitude in degrees, west negative: --lon -1.5.", show_default=False)
    ] = None,
    lat: Annotated[float | None, typer.Option(help="Latitude in degrees, south negative.", show_default=False)] = None,
    date: Annotated[str, typer.Option(help="YYYY-MM-DD or a year; by default the latest.", show_default=False)] = "",
    places: Annotated[
        str,
        typer.Option(
            help="File of places, .csv, .parquet or .gpkg, with lon and lat and, if known, date and surveyId.",
            show_default=False,
        ),
    ] = "",
    layer: Annotated[str, typer.Option(help="Layer of a .gpkg that has several.", show_default=False)] = "",
    top: Annotated[int, typer.Option(min=1, help="Species listed; all of the predicted set are listed.")] = 25,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also what the nearest surveys hold, and what each input changes.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Predict where all imagery of the experiment is missing.")
    ] = False,
    imagery: ImageryOption = "",
    root: RootOption = "",
    verbose: VerboseOption = False,
) -> None:
    """Predict the species at one place (--lon, --lat) from a fitted model, or at all places of a file (--places).

    The model of an experiment is made by: luigi --module glc.tasks Model --experiment NAME --dataset FOLDER. With
    --places it is made where it is missing, and options of Luigi may follow after `--`.
    """
    if places:
        single = {"--lon": lon is not None, "--lat": lat is not None, "--date": date, "--explain": explain}
        if wrong := [name for name, given in (single | {"--json": as_json}).items() if given]:
            raise ConfigError(f"found --places and {wrong[0]}, expected either a file of places, or one place")
        from glc.cli import model_folder

        options = {"root": root, "imagery_folder": imagery, "places": places, "layer": layer, "top": str(top)}
        fitted = model_folder.is_model(experiment)
        options |= {"model": experiment} if fitted else {"experiment": experiment, "dataset": dataset}
        flags = [*["--allow-missing"] * allow_missing, *context.args]
        _luigi("FolderPredict" if fitted else "Predict", options, flags, verbose)
        return
    if lon is None or lat is None:
        given = " and ".join(name for name, value in (("--lon", lon), ("--lat", lat)) if value is not None) or "neither"
        raise ConfigError(f"found {given}, expected --lon and --lat, such as --lon 3.9 --lat 43.6, or --places FILE")
    from glc.cli import model_folder, predict

    folder = model_folder.model_folder(experiment, dataset, root)
    predict.show(
        folder,
        lon,
        lat,
        date,
        top=top,
        imagery=imagery,
        allow_missing=allow_missing,
        explain=explain,
        as_json=as_json,
    )


@app.command(name="list")
def list_experiments(
    paper: Annotated[str, typer.Argument(help="Only papers or experiments whose name contains this.")] = "",
) -> None:
    """List the experiments by paper, with the inputs that they need."""
    from glc.cli import experiments

    experiments.show_list(paper)


@app.command()
def show(experiment: Experiment) -> None:
    """Print the settings of an experiment as TOML, with what differs from its base."""
    from glc.cli import experiments

    experiments.show(experiment)


@app.command()
def status(root: RootOption = "") -> None:
    """List what is finished by dataset, with scores and their 95 % intervals."""
    from glc.cli import status

    status.show(root)


@app.command(context_settings={"allow_extra_args": True})
def compare(
    context: typer.Context,
    experiments: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names that `glc list` shows; what is not finished is run first. None: all that are finished, and "
            "nothing is trained.",
            autocompletion=complete_experiment,
            show_default=False,
        ),
    ] = None,
    dataset: DatasetOption = "virtual:small",
    against: Annotated[
        str,
        typer.Option(help="Experiment that the others are compared with.", show_default="the best"),
    ] = "",
    name: Annotated[str, typer.Option(help="Name of the page.", show_default="those of the experiments, or all")] = "",
    root: RootOption = "",
    imagery: ImageryOption = "",
    verbose: VerboseOption = False,
) -> None:
    """Compare experiments on one page: scores, paired differences, where and for which species, time and memory.

    It is ROOT/comparisons/DATASET/NAME.html, with its tables as .csv and .json.
    """
    import json

    options = {"dataset": dataset, "root": root, "imagery_folder": imagery, "against": against, "name": name}
    options |= {"experiments": json.dumps(experiments) if experiments else ""}
    _luigi("Compare", options, context.args, verbose)


@app.command()
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
    _luigi("Clean", options, ["--downstream"] * downstream, verbose)


@app.command()
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
    _luigi("Verify", {"root": root}, ["--content"] * content, verbose)


@app.command(context_settings={"allow_extra_args": True})
def explain(
    context: typer.Context,
    experiment: Experiment,
    dataset: DatasetOption = "virtual:small",
    species: Annotated[
        list[str],
        typer.Option("--species", "-s", help="Id or name; may be repeated.", show_default="the two most frequent"),
    ] = [],  # noqa: B006  # typer reads it
    repeats: Annotated[int, typer.Option(min=1, help="Permutations per input and fold.")] = 5,
    root: RootOption = "",
    imagery: ImageryOption = "",
    verbose: VerboseOption = False,
) -> None:
    """Explain an experiment: response curves, importance of inputs, species' maps, ODMAP, what to cite.

    The answers are tables in ROOT/explain, and sections of the experiment's report.
    """
    import json

    options = {"experiment": experiment, "dataset": dataset, "root": root, "imagery_folder": imagery}
    options |= {"species": json.dumps(species) if species else "", "repeats": str(repeats)}
    _luigi("Explain", options, context.args, verbose)


@app.command()
def provenance(
    path: Annotated[
        str, typer.Argument(help="A submission, metrics, report or table, or an output in ROOT/store; or its URL.")
    ],
    verbose: VerboseOption = False,
) -> None:
    """Print how a product was made: every step back to the raw files."""
    roots = [str(folder) for folder in Path(path).resolve().parents if (folder / "store").is_dir()]
    _luigi("Provenance", {"path": path, "root": roots[0] if roots else ""}, [], verbose)


@app.command()
def doctor(
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="A dataset to check too.", show_default=False)] = "",
    root: RootOption = "",
) -> None:
    """Check this machine and a dataset: exit 1 if something needed is missing, with what to do about it."""
    from glc.cli import doctor

    raise typer.Exit(doctor.show(dataset, root))


app.add_typer(contests.kaggle, name="kaggle")
app.add_typer(contests.geoplant, name="geoplant")
