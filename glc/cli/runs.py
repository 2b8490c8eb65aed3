"""Commands on an experiment: ``glc run``, estimate, predict, compare and explain."""

import json
from typing import Annotated

import typer

from glc.cli.options import (
    DatasetOption,
    Experiment,
    ImageryOption,
    RootOption,
    VerboseOption,
    complete_experiment,
    luigi,
)
from glc.errors import ConfigError


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
    luigi(task, options, [*own, *more], verbose)  # what follows -- is read last and wins


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
        luigi("FolderPredict" if fitted else "Predict", options, flags, verbose)
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
    options = {"dataset": dataset, "root": root, "imagery_folder": imagery, "against": against, "name": name}
    options |= {"experiments": json.dumps(experiments) if experiments else ""}
    luigi("Compare", options, context.args, verbose)


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
    options = {"experiment": experiment, "dataset": dataset, "root": root, "imagery_folder": imagery}
    options |= {"species": json.dumps(species) if species else "", "repeats": str(repeats)}
    luigi("Explain", options, context.args, verbose)
