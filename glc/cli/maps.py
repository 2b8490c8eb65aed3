"""``glc map`` and ``glc explore``: a map of a fitted experiment, and its page for the browser."""

from typing import Annotated

import typer

from glc.cli.options import DatasetOption, Experiment, ImageryOption, RootOption, VerboseOption, luigi


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
    luigi("DistributionMap", options, ["--allow-missing"] * allow_missing + context.args, verbose)


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
    luigi("Explorer", options, context.args, verbose)
