"""Environmental values at the surveys as a task, on the tiny virtual world and on genuine rasters."""

import shutil

import luigi
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import rasterio
from numpy.testing import assert_allclose

from glc import config, registry, storage
from glc.config import Input
from glc.errors import ConfigError, MissingError
from glc.tasks.imagery import Tabular
from glc.tasks.inputs import available
from tests.tasks.pipeline import TINY, run

REAL = ["elevation", "temperature", "precipitation", "bioclim", "koeppen"]


def _read(task):
    return pq.read_table(sorted((task.folder / "tabular").glob("*.parquet"))).to_pandas()


def _places(task):
    return task.places().to_pandas().set_index(["dataset", "surveyId"])


def test_values_of_the_virtual_world_for_every_survey_once(root):
    wanted = {"root": root, "dataset": TINY, "covariates": ["bioclim", "soil", "landcover"]}
    task = Tabular(**wanted)
    assert {"VirtualPart", "Tabular"} <= set(run(task))
    frame = _read(task).set_index(["dataset", "surveyId"])
    assert frame.index.is_unique
    places = _places(task)
    assert set(frame.index) == set(places.index)
    facts = storage.manifest(task.folder)
    assert facts["columns"] == list(frame.columns[1:])
    assert facts["rows"] == len(frame) == 460
    assert facts["flags"]["ok"] == (frame["flag"] == "ok").sum() > 400
    with rasterio.open(task.imagery / "EnvironmentalRasters/Climate/bioclim.tif") as source:
        sampled = np.ma.stack(list(source.sample(places[["lon", "lat"]].to_numpy(), masked=True)))
    found = frame.loc[places.index, [f"bioclim_bio{i}" for i in range(1, 20)]].to_numpy()
    assert_allclose(found, sampled.filled(np.nan), rtol=1e-6)
    kinds = frame[facts["categories"]["landcover_landcover"]].to_numpy()
    assert (kinds.sum(axis=1) == 1).all()
    assert run(Tabular(**wanted)) == []
    # presence-only surveys under the same limits, though no training survey is among them
    po = Tabular(**wanted, datasets=["po"])
    run(po)
    assert po.identity != task.identity
    told = storage.manifest(po.folder)
    assert (told["limits"], told["columns"]) == (facts["limits"], facts["columns"])
    assert not _read(po).duplicated("surveyId").any()


def test_metadata_are_those_of_the_survey_tables(root):
    task = Tabular(root=root, dataset=TINY, covariates=["metadata", "soil"])
    assert {"Tabular"} <= set(run(task)) <= {"Tabular", "VirtualPart"}
    frame = _read(task).set_index(["dataset", "surveyId"])
    surveys = task.places().to_pandas().set_index(["dataset", "surveyId"]).loc[frame.index]
    assert_allclose(frame["metadata_year"], surveys["year"])
    facts = storage.manifest(task.folder)
    assert facts["sources"] == {"metadata": "surveys", "soil": "rasters"}
    of_country = frame[facts["categories"]["metadata_country"]]
    assert (of_country.sum(axis=1) == 1).all()
    country = surveys["country"].str.lower().str.replace(r"\W+", "_", regex=True)
    country = country.where(country.isin(country.loc["pa_train"].dropna()), "null")
    assert of_country.idxmax(axis=1).tolist() == ("metadata_country_" + country).tolist()
    po = Tabular(root=root, dataset=TINY, covariates=["metadata", "soil"], datasets=["po"])
    run(po)
    assert storage.manifest(po.folder)["columns"] == facts["columns"]
    assert (_read(po)["metadata_region_null"] == 1).all(), "presence-only files name no region"


def test_every_dataset_has_metadata_and_no_tiles_of_them(root):
    task = Tabular(root=root, dataset="virtual:glc20-tiny", covariates=["soil"])
    assert available(task, Input(table=("metadata", "coordinates")))
    assert not available(task, Input(table=("metadata", "elevation")))
    with pytest.raises(ConfigError, match=r'found tiles \'metadata\'.*table = \["metadata"\]'):
        config.load("tile-cnn+inputs.0.tiles=metadata")


def test_covariates_that_cannot_be_tabulated_are_refused(root):
    for names, error in (
        (["bioklim"], "unknown covariate 'bioklim'.*did you mean 'bioclim'"),
        (["sentinel2"], "'sentinel2' is one image per survey"),
        ([], "--covariates: found none"),
    ):
        with pytest.raises(ConfigError, match=error):
            Tabular(root=root, dataset=TINY, covariates=names)
    one, other = (Tabular(root=root, dataset=TINY, covariates=names) for names in (["soil", "land"], ["land", "soil"]))
    assert one.identity != other.identity, "the order of the columns follows that of the covariates"


def test_identity_follows_the_files(root, tmp_path, shared_data):
    raster = shared_data / "rasters_eu" / "altitude_5m.tif"
    identities = set()
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / raster.name).write_bytes(raster.read_bytes())
        task = {"root": root, "dataset": str(shared_data / "medflora"), "imagery_folder": str(tmp_path / folder)}
        identities.add(Tabular(**task, covariates=["elevation"]).identity)
    assert len(identities) == 2


@pytest.mark.slow
def test_every_survey_of_the_mediterranean_flora_has_values_or_a_flag(shared_data, root):
    folder = shared_data / "rasters_eu"
    dataset = str(shared_data / "medflora")
    task = Tabular(root=root, dataset=dataset, imagery_folder=str(folder), covariates=REAL)
    run(task)
    frame, facts = _read(task).set_index(["dataset", "surveyId"]), storage.manifest(task.folder)
    assert len(frame) == facts["rows"] == 7_988
    assert sum(facts["flags"].values()) == 7_988
    values = frame[facts["columns"]].to_numpy()
    kinds = [facts["columns"].index(name) for name in facts["categories"]["koeppen_koeppen"]]
    assert (values[:, kinds].sum(axis=1) == 1).all()
    numbers = np.delete(values, kinds, axis=1)
    known = np.isfinite(numbers).any(axis=1) | (values[:, kinds[-1]] == 0)
    assert ((frame["flag"] == "ok") == known).all()
    assert np.isfinite(numbers).mean() > 0.9
    places = _places(task)
    with rasterio.open(folder / "altitude_5m.tif") as source:
        sampled = np.ma.stack(list(source.sample(places[["lon", "lat"]].to_numpy(), masked=True)))[:, 0]
    assert_allclose(frame.loc[places.index, "elevation_altitude_m"], sampled.astype(float).filled(np.nan))


@pytest.mark.slow
def test_a_covariate_comes_from_the_named_folder_or_the_datasets_own(shared_data, root, tmp_path):
    dataset = tmp_path / "glc22"
    shutil.copytree(shared_data / "fixtures" / "glc22" / "observations", dataset / "observations")
    task = {"root": root, "dataset": str(dataset), "imagery_folder": str(shared_data / "rasters_eu")}
    climate = Tabular(**task, covariates=["bioclim"])
    assert available(climate, Input(table=("bioclim",)))
    assert not available(climate, Input(table=("soil",)))
    with pytest.raises(MissingError, match=r"no file of covariate 'soil'.*pre-extracted/environmental_vectors"):
        Tabular(**task, covariates=["soil"]).files()
    before = climate.identity
    run(climate)
    ids = np.sort(np.concatenate([np.array(_places(climate).index.get_level_values(1))[::2], [-5]]))
    soil = pd.DataFrame({"observation_id": ids} | {name: ids % 90 for name in registry.covariates.get("soil").vector})
    (dataset / "pre-extracted").mkdir()
    soil.to_csv(dataset / "pre-extracted" / "environmental_vectors.csv", sep=";", index=False)
    assert available(climate, Input(table=("soil",)))
    wanted = Tabular(**task, covariates=["bioclim", "soil"])
    run(wanted)
    frame, facts = _read(wanted).set_index(["dataset", "surveyId"]), storage.manifest(wanted.folder)
    assert facts["sources"] == {"bioclim": "rasters", "soil": "tables"}
    mine = frame.index.get_level_values(1)
    assert_allclose(frame["soil_phihox"], np.where(np.isin(mine, ids), mine % 90, np.nan))
    america = _places(wanted).loc[frame.index, "lon"].to_numpy() < -30
    assert frame["bioclim_bio1"].isna()[america].all()
    assert frame["bioclim_bio1"].notna()[~america].mean() > 0.9
    assert facts["flags"]["missing"] == (frame["flag"] == "missing").sum() > 300
    # what is found in the named folder alone is the output that it was
    luigi.task_register.Register.clear_instance_cache()
    assert Tabular(**task, covariates=["bioclim"]).identity == before
