import numpy as np
import pandas as pd
import pytest

from glc.errors import ConfigError, DataError
from glc.sdm import nceas
from tests.sdm import world


def test_a_region_is_read_with_each_groups_own_background_and_truth(tmp_path):
    wanted = world.write_nceas(tmp_path)
    groups = nceas.read(tmp_path, "AWT")
    assert [group.name for group in groups] == ["bird", "plant"]
    for group, (_, names, actual) in zip(groups, wanted, strict=True):
        assert group.examples.species == tuple(names)
        assert group.examples.background.sum() == 150
        assert group.examples.covariates == ["warm", "wet", "soil"]
        # the file of the truth is in another order
        np.testing.assert_array_equal(group.truth, actual)
    assert nceas.read(tmp_path, "AWT", "random")[0].examples.background.sum() == 400


def test_without_a_truth_there_is_none(tmp_path):
    world.write_nceas(tmp_path, truth=False)
    assert [group.truth for group in nceas.read(tmp_path, "AWT")] == [None, None]


def change(path, do):
    table = pd.read_parquet(path)
    do(table).to_parquet(path)


def test_errors_name_file_column_and_remedy(tmp_path):
    with pytest.raises(DataError, match=r"AWT_train_po.parquet: no such file; give the folder"):
        nceas.read(tmp_path, "AWT")
    with pytest.raises(ConfigError, match=r"unknown region 'XYZ'; expected one of: AWT, CAN"):
        nceas.read(tmp_path, "XYZ")
    with pytest.raises(ConfigError, match=r"unknown background 'randon'.*did you mean 'random'"):
        nceas.read(tmp_path, "AWT", "randon")
    with pytest.raises(DataError, match=r"no file AWT_\*.parquet"):
        nceas.files(tmp_path, "AWT")
    world.write_nceas(tmp_path)
    sites = tmp_path / "AWT_test_env_bird.parquet"
    change(sites, lambda table: table.drop(columns="wet"))
    with pytest.raises(DataError, match=r"AWT_test_env_bird.parquet: column 'wet' is missing"):
        nceas.read(tmp_path, "AWT")
    world.write_nceas(tmp_path)
    change(sites, lambda table: table.assign(warm=table["warm"].where(table.index > 2)))
    with pytest.raises(DataError, match=r"AWT_test_env_bird.parquet: column 'warm' has 3 missing values in 60 rows"):
        nceas.read(tmp_path, "AWT")
    world.write_nceas(tmp_path)
    change(tmp_path / "AWT_test_pa_plant.parquet", lambda table: table.iloc[1:])
    with pytest.raises(DataError, match=r"AWT_test_pa_plant.parquet: column 'siteid'.*1 sites missing"):
        nceas.read(tmp_path, "AWT")


def test_the_real_regions_have_the_species_of_the_benchmark(shared_data):
    folder = shared_data / "nceas"
    counts = {region: sum(len(g.examples.species) for g in nceas.read(folder, region)) for region in nceas.REGIONS}
    assert counts == {"AWT": 40, "CAN": 20, "NSW": 54, "NZ": 52, "SA": 30, "SWI": 30}
    published = nceas.published(folder)
    assert len(published) == 226
    # the means that the publications and the README of the data give
    assert published[["maxnet, random", "forest, target_group"]].mean().round(3).tolist() == [0.723, 0.753]
    assert nceas.context(folder).loc["Ensemble", "auc"].mean().round(3) == 0.747


def test_the_truth_is_told_by_group_and_is_none_of_the_files_that_scores_follow_from(tmp_path):
    world.write_nceas(tmp_path)
    plant = tmp_path / "AWT_test_pa_plant.parquet"
    plant.unlink()
    bird = tmp_path / "AWT_test_pa_bird.parquet"
    assert nceas.truths(tmp_path, "AWT") == {"bird": bird, "plant": None}
    names = [path.name for path in nceas.files(tmp_path, "AWT")]
    assert names == [
        *("AWT_test_env_bird.parquet", "AWT_test_env_plant.parquet", "AWT_train_bg.parquet", "AWT_train_po.parquet"),
        *("AWT_bird_tgb.parquet", "AWT_plant_tgb.parquet"),
    ]
    bird.rename(tmp_path / "AWT_test_pa.parquet")
    assert set(nceas.truths(tmp_path, "AWT").values()) == {tmp_path / "AWT_test_pa.parquet"}


def test_published_scores_are_those_of_the_files_that_are_there(tmp_path):
    assert nceas.published(tmp_path) is None
    assert nceas.context(tmp_path) is None
    place = tmp_path / "published"
    place.mkdir()
    (place / "check_rf_downsampled.csv").write_text("region,species,rf_bg,rf_tgb\nSA,sa01,0.6,0.7\nNZ,nz01,0.5,0.4\n")
    assert nceas.published(tmp_path).loc["sa01"].to_dict() == {
        "region": "SA",
        "forest, random": 0.6,
        "forest, target_group": 0.7,
    }
    assert nceas.context(tmp_path) is None
    found, lacking = nceas.published_files(tmp_path)
    assert [path.name for path in found] == ["check_rf_downsampled.csv"]
    assert lacking == ["vandendool2023_per_species.csv", "valavi2023_per_species.csv"]
    (place / "vandendool2023_per_species.csv").write_text("region,species,auc_maxnet\nSA,sa01,0.8\n")
    both = nceas.published(tmp_path)
    assert both.loc["sa01", ["region", "maxnet, random", "forest, random"]].tolist() == ["SA", 0.8, 0.6]
    assert both.loc["nz01", "region"] == "NZ"
    assert both.loc[["nz01"], "maxnet, random"].isna().all()
    (place / "vandendool2023_per_species.csv").write_text("region,species\nSA,sa01\n")
    with pytest.raises(DataError, match=r"vandendool2023_per_species.csv: column 'auc_maxnet' is missing"):
        nceas.published(tmp_path)
