"""The benchmarks as Luigi tasks, on made-up tables of one region with truth and one without."""

import sys

import luigi
import numpy as np
import pandas as pd
import pytest

from glc import storage
from glc.errors import ConfigError
from glc.sdm import nceas, norberg
from glc.tasks import sdm
from tasks import elith_2020, norberg_2019
from tests.sdm import world


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    world.write_nceas(folder, "SA")
    world.write_nceas(folder, "NZ", truth=False, seed=1)
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


@pytest.fixture(autouse=True)
def _two_regions_two_models(monkeypatch):
    monkeypatch.setattr(nceas, "REGIONS", ("NZ", "SA"))
    monkeypatch.setattr(nceas, "CATEGORICAL", {"NZ": ("soil",), "SA": ("soil",)})
    monkeypatch.setattr(sdm.SdmEnsemble.models, "_default", ("boosted", "maxent"))


def benchmark(data, root):
    luigi.task_register.Register.clear_instance_cache()
    return elith_2020.Nceas(data_folder=str(data), root=str(root))


@pytest.mark.slow
def test_the_benchmark_writes_its_tables_and_the_scores_of_regions_without_truth(data, root):
    task = benchmark(data, root)
    assert luigi.build([task], local_scheduler=True, log_level="WARNING")
    page = (root / "tables" / data.name / "elith_2020-nceas.md").read_text()
    assert "| ensemble |" in page
    assert "| maxent |" in page
    assert "so not compared: vandendool2023_per_species.csv, check_rf_downsampled.csv, valavi" in page
    assert "| NZ | nceas/NZ_bird_scores.parquet |" in page
    table = pd.read_csv(task.folder / "per_species.csv", keep_default_na=False)
    assert len(table) == 3 * 6
    assert set(table["region"]) == {"SA"}
    means = pd.read_csv(root / "tables" / data.name / "elith_2020-nceas.csv").set_index(["measure", "model"])
    own = table.loc[table["model"] == "boosted", "auc"].astype(float).mean()
    assert means.loc[("AUC", "boosted"), "all"] == pytest.approx(own)

    for group in nceas.read(data, "NZ"):
        scores = pd.read_parquet(root / "nceas" / f"NZ_{group.name}_scores.parquet")
        assert list(scores) == ["siteid", *group.examples.species]
        assert scores["siteid"].tolist() == group.sites.index.tolist()
        assert scores.drop(columns="siteid").to_numpy().max() <= 1
    assert not list((root / "nceas").glob("SA*"))
    ensemble = task.requires()[0]
    assert set(storage.manifest(ensemble.folder)["contents"]) == {"bird.parquet", "plant.parquet"}

    ran = []
    luigi.Task.event_handler(luigi.Event.SUCCESS)(lambda one: ran.append(one.task_family))
    assert luigi.build([benchmark(data, root)], local_scheduler=True, log_level="WARNING")
    assert ran == []


def test_identity_follows_content_and_background_not_the_path(data, root, tmp_path):
    def identity(folder, **changes):
        luigi.task_register.Register.clear_instance_cache()
        wanted = {"benchmark": "nceas", "region": "SA", "background": "target_group", "model": "boosted"} | changes
        return sdm.SdmScores(data_folder=str(folder), root=str(root), **wanted).identity

    world.write_nceas(tmp_path, "SA")
    first = identity(data)
    assert identity(tmp_path) == first
    assert identity(tmp_path, background="random") != first
    assert identity(tmp_path, model="maxent") != first
    path = tmp_path / "SA_train_bg.parquet"
    pd.read_parquet(path).iloc[1:].to_parquet(path)
    assert identity(tmp_path) != first


def test_folders_and_backgrounds_that_are_none_are_refused(data, tmp_path):
    with pytest.raises(ConfigError, match=r"--data-folder .*: no such folder"):
        elith_2020.Nceas(data_folder=str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="--background randon: expected one of: target_group, random"):
        elith_2020.Nceas(data_folder=str(data), background="randon").requires()


def test_the_communities_are_asked_for_in_all_partitions(shared_data, root):
    task = norberg_2019.Communities(data_folder=str(shared_data / "norberg2019"), root=str(root))
    assert len({one.identity for one in task.requires()}) == 9


def test_a_truth_that_comes_later_changes_the_tables_and_fits_nothing_anew(data, root, tmp_path):
    def identities():
        task = benchmark(tmp_path, root)
        nz = task.requires()[0]
        return task.identity, [one.identity for one in (nz, *nz.requires(), nz.requires()[0].requires())]

    world.write_nceas(tmp_path, "SA")
    world.write_nceas(tmp_path, "NZ", truth=False, seed=1)
    table, models = identities()
    assert (table, models) == (benchmark(data, root).identity, identities()[1])
    world.write_nceas(tmp_path, "NZ", seed=1)
    assert identities()[1] == models
    assert identities()[0] != table
    nz = benchmark(tmp_path, root).requires()[0]
    assert nz.published() == []
    (tmp_path / "NZ_test_pa_plant.parquet").unlink()
    assert [one.path.name for one in nz.published()] == ["NZ_plant_scores.parquet"]


@pytest.mark.slow
def test_a_benchmark_without_any_truth_tells_where_the_scores_are(tmp_path, root, monkeypatch):
    monkeypatch.setattr(nceas, "REGIONS", ("NZ",))
    world.write_nceas(tmp_path, "NZ", truth=False, seed=1)
    task = benchmark(tmp_path, root)
    assert luigi.build([task], local_scheduler=True, log_level="WARNING")
    page, *written = task.results()
    assert "no truth of any region" in page
    for group in ("bird", "plant"):
        path = root / "nceas" / f"NZ_{group}_scores.parquet"
        assert path.is_file()
        assert f"| NZ | nceas/{path.name} |" in page
        assert f"scores {path}" in written
    assert "Mean AUC" not in page
    assert pd.read_csv(task.folder / "table.csv").empty


@pytest.mark.slow
def test_published_scores_that_are_there_stand_beside(data, root, tmp_path):
    for path in data.rglob("*.parquet"):
        (tmp_path / path.relative_to(data)).parent.mkdir(exist_ok=True)
        (tmp_path / path.relative_to(data)).write_bytes(path.read_bytes())
    place = tmp_path / "published"
    place.mkdir()
    rows = [f"SA,{species},0.5,0.75" for group in nceas.read(data, "SA") for species in group.examples.species]
    (place / "check_rf_downsampled.csv").write_text("\n".join(["region,species,rf_bg,rf_tgb", *rows]))
    task = benchmark(tmp_path, root)
    assert luigi.build([task], local_scheduler=True, log_level="WARNING")
    page = task.results()[0]
    assert "| forest, target_group (published) | 0.7500 | 0.7500 |" in page
    assert "so not compared: vandendool2023_per_species.csv, valavi2023_per_species.csv." in page
    before = task.identity
    (place / "other.csv").write_text("not read")
    assert benchmark(tmp_path, root).identity == before
    (place / "valavi2023_per_species.csv").write_text(
        "species,model,cv,COR,ROC,PRG,region\nsa01,BRT,random,0.1,0.625,0.3,SA\nsa01,BRT,spatial,0,0,0,SA\n"
    )
    task = benchmark(tmp_path, root)
    assert task.identity != before
    assert luigi.build([task], local_scheduler=True, log_level="WARNING")
    assert "| BRT | 0.6250 |" in task.results()[0]


def test_without_the_library_of_maxent_nothing_is_fitted(data, root, tmp_path, monkeypatch):
    benchmark(data, tmp_path).requires()
    monkeypatch.setitem(sys.modules, "elapid", None)
    with pytest.raises(ConfigError, match=r"pip install -e '\.\[sdm\]'"):
        benchmark(data, tmp_path).requires()


def test_the_reference_forest_stands_in_the_table_of_auc(tmp_path, monkeypatch):
    monkeypatch.setattr(norberg, "REGIONS", ("birds-1",))
    monkeypatch.setattr(sdm.SdmEnsemble.models, "_default", ("boosted",))
    rng = np.random.default_rng(0)
    table = world.places(rng, 300)
    present = pd.DataFrame(
        (rng.random((300, 3)) < world.chances(table)).astype(int), columns=["sp001", "sp002", "sp003"]
    )
    table = table.set_axis(["s1", "s2", "x1", "x2", "x3"], axis=1)
    table = pd.concat([table, present], axis=1).assign(partition=1, split=np.repeat(["train", "valid"], 150))
    data = tmp_path / "tables"
    data.mkdir()
    table.to_parquet(data / "norberg2019_birds.parquet")
    luigi.task_register.Register.clear_instance_cache()
    task = norberg_2019.Communities(data_folder=str(data), root=str(tmp_path / "out"))
    assert luigi.build([task], local_scheduler=True, log_level="WARNING")
    page = task.results()[0]
    assert page.count("| forest (reference) |") == 1
    assert "| forest (reference) | 0.8310 |  |" in page
    long = pd.read_csv(task.folder / "table.csv").set_index(["measure", "model"])
    assert long.loc[("AUC", "forest (reference)"), "birds-1"] == 0.831
    assert not list((tmp_path / "out").glob("norberg*"))
