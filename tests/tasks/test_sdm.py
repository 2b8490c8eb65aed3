"""The benchmarks as Luigi tasks, on made-up tables of one region with truth and one without."""

import luigi
import pandas as pd
import pytest

from glc import storage
from glc.errors import ConfigError
from glc.sdm import nceas
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


def test_the_benchmark_writes_its_tables_and_the_scores_of_regions_without_truth(data, root):
    task = benchmark(data, root)
    assert luigi.build([task], local_scheduler=True, log_level="WARNING")
    page = (root / "tables" / data.name / "elith_2020-nceas.md").read_text()
    assert "| ensemble |" in page
    assert "| maxent |" in page
    assert "the folder has no `published`" in page
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
