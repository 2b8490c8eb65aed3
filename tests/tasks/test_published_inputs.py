"""No input of Tighnari's presets is skipped on files that are called as the contest's own."""

import functools

import luigi
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from glc import config, registry
from glc.config import Variant
from glc.etl import tabular
from glc.tasks.scores import EnsembleScores, Predictions
from glc.tasks.training import Fit
from tasks import tighnari_2024
from tests import files_of_editions
from tests.rasters.geotiffs import geotiff

YEARS = ("24", "25")
TABLES = {
    "bioclimatic": [f"Bio{number}" for number in range(1, 20)],
    "elevation": ["Elevation"],
    "landcover": [f"LandCover-{number}" for number in range(1, 14)],
    "soilgrids": ["Soilgrid-bdod", "Soilgrid-phh2o"],
    "human_footprint": ["HumanFootprint-Built1994", "HumanFootprint-Built2009"],
}
"""Kinds of the contest's CSVs of environmental values, and their columns."""
FOLDERS = {
    "24": "EnvironmentalRasters/EnvironmentalRasters/{folder}/GLC24-{part}-{kind}.csv",
    "25": "EnvironmentalValues/{folder}/GLC25-{part}-{kind}.csv",
}
PLACES = {
    "bioclimatic": "Climate/Average 1981-2010",
    "elevation": "Elevation",
    "landcover": "LandCover",
    "soilgrids": "Soilgrids",
    "human_footprint": "Human Footprint",
}
RASTERS = {
    **{f"Climate/BioClimatic_Average_1981-2010/bio{number}.tif": 1 for number in range(1, 20)},
    "Elevation/ASTER_Elevation.tif": 1,
    "LandCover/LandCover_MODIS_Terra-Aqua_500m.tif": 13,
    "SoilGrids/crop_proj_bdod_0-5cm_mean_5000_30s_4326.tif": 1,
    "HumanFootprint/detailed/Built1994_WGS84.tif": 1,
}
"""GeoTIFFs below EnvironmentalRasters, and how many bands they have."""


@functools.cache
def presets():
    """Names of all experiments called after Tighnari that read inputs, members of its means among them."""
    names = [name for name in config.experiment_names() if name.startswith("tighnari")]
    means = [name for name in names if registry.models.get(config.load(name).model.name).ensemble]
    members = [member for name in means for member in config.load(name).model.options["members"]]
    return list(dict.fromkeys([name for name in names if name not in means] + members))


def test_the_presets_are_found_by_their_names():
    assert {"tighnari", "tighnari-published", "tighnari-gfv"} < set(presets())
    assert len([name for name in presets() if "+cross_fusion.use=true" in name]) == 1


def test_the_mean_runs_one_fold_of_each_net_and_all_of_those_with_cross_fusion():
    task = EnsembleScores(dataset="virtual:tiny", experiment="tighnari-mean")
    runs = {name: member.validation.run for name, member in task.members.items()}
    fused = {name for name, member in task.members.items() if member.settings.cross_fusion.use}
    assert len(fused) == 2
    assert runs == {name: 10 if name in fused else 1 for name in task.ensemble.names}
    assert task.settings.postprocess.name == "lists"
    published = EnsembleScores(dataset="virtual:tiny", experiment="tighnari-published").clone(Predictions)
    joined = next(member for name, member in task.members.items() if name.startswith("tighnari-published"))
    assert joined.scores().identity == published.scores().identity, "the published system's own nets"


@pytest.fixture(scope="module", params=[f"20{year} {kind}" for year in YEARS for kind in ("values", "rasters")])
def contest(request, tmp_path_factory):
    """A folder of few surveys and small files that are called as the contest's; the environment is CSVs or GeoTIFFs."""
    year, kind = request.param[2:4], request.param.split()[1]
    folder = tmp_path_factory.mktemp("contest")
    made = files_of_editions.write(folder, f"glc20{year}", count=6)
    ids = {table.dataset: [int(row["surveyId"]) for row in rows] for _, table, rows in made}
    for dataset in ("pa_train", "pa_test"):
        split, part = dataset.removeprefix("pa_"), dataset.replace("pa_", "PA-")
        for band in ("red", "green", "blue", "nir", "swir1", "swir2"):
            file(folder / f"SatelliteTimeSeries/GLC{year}-{part}-landsat_time_series-{band}.csv")
        cube = f"GLC{year}-{part}-bioclimatic_monthly_{ids[dataset][0]}_cube.npy"
        file(folder / f"BioclimTimeSeries/cubes/{part}" / cube)
        if year == "24":
            for band in ("rgb", "nir"):
                top = f"PA_{split.title()}_SatellitePatches_{band.upper()}/pa_{split}_patches_{band}"
                file(folder / top / "01/00" / "1.jpeg")
        else:
            file(folder / f"SatelitePatches/{part}/01/00/1.tiff")
    rng = np.random.default_rng(0)
    if kind == "values":
        for dataset in ("pa_train", "pa_test"):
            for table, columns in TABLES.items():
                path = folder / FOLDERS[year].format(
                    folder=PLACES[table], part=dataset.replace("pa_", "PA-"), kind=table
                )
                values = pd.DataFrame(rng.integers(1, 3, (6, len(columns))), columns=columns)
                values.insert(0, "surveyId", ids[dataset])
                file(path)
                values.to_csv(path, index=False)
    else:
        west, south, east, north = registry.editions.get(f"glc20{year}").tables[0].bounds
        centre = (west + east) / 2, (south + north) / 2
        for name, bands in RASTERS.items():
            path = folder / "EnvironmentalRasters" / name
            file(path)
            pixels = rng.integers(1, 3, (bands, 50, 50)).astype("uint8")
            geotiff(path, pixels, step=0.1, west=centre[0] - 2.5, north=centre[1] + 2.5)
    frames = [
        pd.DataFrame(rows).assign(dataset=table.dataset) for _, table, rows in made if table.dataset.startswith("pa_")
    ]
    return folder, pd.concat(frames, ignore_index=True)


def file(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"only its name is looked at")


def has_rasters(folder):
    return (folder / "EnvironmentalRasters/Elevation").is_dir()


def skipped(folder, experiment):
    """Names of inputs that an experiment skips; an input that is not optional is asked for, too."""
    luigi.task_register.Register.clear_instance_cache()
    inputs = [
        entry | ({"optional": True} if {"tiles", "cube", "table"} & set(entry) else {})
        for entry in config.read(experiment)["inputs"]
    ]
    experiment = Variant.parse(experiment).changed(inputs=inputs)
    return Fit(root=str(folder / "out"), dataset=str(folder), experiment=experiment, fold=0).left_out


def test_no_input_of_a_preset_is_skipped(contest):
    folder, _ = contest
    assert not {name: lost for name in presets() if (lost := skipped(folder, name))}


def test_no_input_of_a_table_is_skipped(contest):
    folder, _ = contest
    seen = []
    for table in tighnari_2024.TABLES.values():
        for row in table(dataset=str(folder)).all_rows():
            inputs = config.read(row.experiment)["inputs"]
            if inputs not in seen:
                windows = "windows" in row.label and not has_rasters(folder)
                assert skipped(folder, str(row.experiment)) == ["bioclim", "elevation"] * windows, row.label
                seen.append(inputs)
    assert len(seen) >= 5, "the baseline's, with tables, with windows, and with graph vectors of two kinds"


def test_what_is_skipped_is_seen_here(contest):
    folder, _ = contest
    assert skipped(folder, 'tighnari-published+inputs.3.table=["bioclim", "landcover"]') == ["landcover"]


def test_the_published_table_has_every_column_and_no_test_survey_fails(contest, tmp_path):
    folder, surveys = contest
    places = surveys.astype(
        {"surveyId": int, "lon": float, "lat": float, "year": int, "areaInM2": float, "geoUncertaintyInM": float}
    )
    training = places[places["dataset"] == "pa_train"]
    places.loc[places["dataset"] == "pa_test", "country"] = "Atlantis"
    names = config.load("tighnari-published").inputs[3].table
    facts = tabular.write(None, places, names, folder, tmp_path, training=training)
    wanted = "rasters" if has_rasters(folder) else "tables"
    metadata = ("metadata", "coordinates")
    assert facts["sources"] == {name: "surveys" if name in metadata else wanted for name in names}
    assert not facts["flags"]["missing"]
    frame = pq.read_table(sorted((tmp_path / "tabular").glob("*.parquet"))).to_pandas()
    land = [column for column in facts["columns"] if column.startswith("landcover_modis_type1_")]
    assert frame[land].drop(columns="landcover_modis_type1_null").sum(axis=1).eq(1).all()
    assert frame["metadata_country_null"].eq(frame["dataset"] == "pa_test").all()
    assert "metadata_country_atlantis" not in frame
