"""Nets that read imagery, from the DAG: tile CNN, series, tile2vec, the DCT's budget, on the tiny virtual world."""

import csv
import json

import pandas as pd
import pytest
from PIL import Image

from glc import config, registry, storage
from glc.errors import ConfigError, DataError
from glc.tasks import DctBudget, Evaluate, SpeciesEmbedding, Submission, Tiles
from glc.tasks.curves import Curves
from glc.tasks.training import Examples, Fit, Pretrain, Triplets
from tests.tasks.pipeline import TINY, run

SHORT = "+validation.run=2+validation.count=4+train.max_epochs=2"
SMALL = "+model.channels=8+model.reduced=4+model.latent=16"
TILE2VEC = f"tile2vec{SHORT}{SMALL}+pretrain.pairs=600+train.freeze=true"


def evaluate(root, experiment):
    return Evaluate(root=root, dataset=TINY, experiment=experiment)


def test_a_tile_net_goes_from_images_to_a_submission_and_its_report_compares_it(root, tmp_path):
    text = (config.CONF / "experiments" / "tile-cnn.toml").read_text()
    path = tmp_path / "mine.toml"
    path.write_text(text.replace('["geolocation"]', f'["geolocation{SHORT}"]'))
    task = Submission(root=root, dataset=TINY, experiment=f"{path}{SHORT}")
    assert {"Tiles", "Fit", "FoldScores", "Submission"} <= set(run(task))
    page = task.stable("reports").joinpath("index.html").read_text()
    assert "Compared with other experiments" in page
    assert f"geolocation{SHORT}" in page
    assert "[[inputs]]" in page
    assert run(Submission(root=root, dataset=TINY, experiment=f"{path}{SHORT}")) == []


@pytest.mark.slow
def test_other_bands_train_again_and_cut_no_tiles(root):
    families = run(evaluate(root, f'tile-cnn{SHORT}+inputs.0.bands=["nir","red"]'))
    assert "Fit" in families
    assert "Tiles" not in families
    families = run(evaluate(root, f"tile-cnn{SHORT}+inputs.0.block=4"))
    assert families.count("Tiles") == 1


@pytest.mark.slow
def test_series_and_climate_cubes_reach_their_nets(root):
    for experiment in (f"cube-cnn{SHORT}", f"tile-cnn-chosen-cubes{SHORT}"):
        task = evaluate(root, experiment)
        assert "Cubes" in run(task)
        assert 0 < json.loads((task.folder / "metrics.json").read_text())["valid"]["sample_f1"] < 1


def test_class_codes_and_the_climate_of_years_are_tiles(root):
    facts = {}
    for codes in (False, True):
        task = Tiles(root=root, dataset=TINY, covariate="landcover_modis", size=16, block="2", codes=codes)
        run(task)
        facts[codes] = storage.manifest(task.folder)["bands"]
    declared = registry.covariates.get("landcover_modis")
    assert tuple(facts[True]) == declared.bands
    assert len(facts[False]) == 3 + sum(map(len, declared.classes.values()))
    task = Tiles(root=root, dataset=TINY, covariate="climate_years", size=16, block="2")
    run(task)
    known = {f"{name}_{year}" for name in ("pr", "tas", "tasmax", "tasmin") for year in (2001, 2010, 2019)}
    assert set(storage.manifest(task.folder)["bands"]) == known
    chosen = evaluate(root, "tile-cnn-rasters+inputs.1.classes_as=codes").clone(Fit, fold=0)
    assert [tiles.codes for name, tiles in chosen.input_tasks().items() if "landcover_modis" in name] == [True]


@pytest.mark.slow
def test_the_chosen_bands_and_the_raw_layers_of_the_paper_reach_the_net(root):
    for experiment in (f"tile-cnn-chosen{SHORT}", f"tile-cnn-rasters{SHORT}+inputs.1.classes_as=codes"):
        task = evaluate(root, experiment)
        assert "Cubes" not in run(task)
        assert 0 < json.loads((task.folder / "metrics.json").read_text())["valid"]["sample_f1"] < 1


@pytest.mark.slow
def test_tile2vec_is_pretrained_once_for_all_folds_and_kept_as_it_is(root):
    import torch

    families = run(evaluate(root, TILE2VEC))
    assert (families.count("Triplets"), families.count("Pretrain"), families.count("Fit")) == (1, 1, 2)
    fit = evaluate(root, TILE2VEC).clone(Fit, fold=0)
    pretrain = fit.requires()["pretrain"]
    encoder = torch.load(pretrain.folder / "encoder.ckpt", weights_only=True)["encoder"]
    net = torch.load(fit.folder / "model.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(net[f"encoder.{name}"], value) for name, value in encoder.items())
    families = run(evaluate(root, f"{TILE2VEC}+train.freeze=false"))
    assert not {"Triplets", "Pretrain"} & set(families)
    tuned = evaluate(root, f"{TILE2VEC}+train.freeze=false").clone(Fit, fold=0)
    net = torch.load(tuned.folder / "model.ckpt", weights_only=True)["state_dict"]
    assert not torch.equal(net["encoder.linear.weight"], encoder["linear.weight"])


def test_pairs_of_training_surveys_differ_by_fold_and_see_neither_validation_nor_stopping(root):
    experiment = f'{TILE2VEC}+pretrain.sources=["train"]+pretrain.species=sum'
    task = evaluate(root, experiment)
    fits = [task.clone(Fit, fold=fold) for fold in (0, 1)]
    assert len({fit.requires()["pretrain"].identity for fit in fits}) == 2
    for fit in fits:
        pairs = fit.requires()["pretrain"].requires()["triplets"]
        run(pairs, *())
        table = storage.read_table(pairs.folder / "pairs", "pairs").to_pandas()
        examples = fit.clone(Examples)
        run(examples)
        allowed = set(storage.read_table(examples.folder / "train", "examples")["surveyId"].to_pylist())
        assert set(table["surveyId"]) | set(table["neighbour_id"]) <= allowed
        assert table["species"].map(len).min() > 0


def test_how_species_are_weighed_changes_the_training_and_not_the_pairs(root):
    def of(species):
        task = Pretrain(root=root, dataset=TINY, experiment=f"tile2vec+pretrain.species={species}+pretrain.pairs=3000")
        return task.identity, task.clone(Triplets).identity

    assert of("sum")[0] != of("learned")[0]
    assert of("sum")[1] == of("learned")[1] != of("none")[1]


class TwoCurves(Curves):
    """Two ways of weighing the species."""

    title = "two"

    def variants(self):
        tile2vec = config.Variant.parse(TILE2VEC)
        return {how: tile2vec.changed(pretrain={"species": how}) for how in ("none", "normalised")}


@pytest.mark.slow
def test_curves_stand_at_a_stable_place(root):
    task = TwoCurves(root=root, dataset=TINY)
    run(task)
    assert Image.open(task.published()[0].path).width > 600
    with open(task.requires()["normalised"].folder / "history.csv", newline="") as file:
        assert float(next(csv.DictReader(file))["train_species"]) > 0


@pytest.mark.slow
def test_the_budget_measures_bytes_fidelity_and_f1_of_each_block(root):
    experiment = f"tile-cnn{SHORT}{SMALL}+train.max_epochs=1+validation.run=1"
    task = DctBudget(root=root, dataset=TINY, experiment=experiment, blocks=[4, 16, 0])
    run(task)
    frame = pd.read_csv(task.published()[1].path)
    assert list(frame["block"]) == ["4", "16", "pixels"]
    assert frame["bytes"].is_monotonic_increasing
    assert 10 < frame["psnr_db"][0] < frame["psnr_db"][1] < 60
    assert frame["psnr_db"].isna()[2], "pixels lose nothing"
    assert frame["f1"].between(0, 1).all()
    assert set(frame["surveys"]) == {460}
    assert Image.open(task.published()[2].path).width > 600
    with pytest.raises(ConfigError, match="it reads no tiles"):
        DctBudget(root=root, dataset=TINY, experiment="geolocation").requires()


def test_imagery_elsewhere_is_named_and_must_be_there(root, tmp_path):
    with pytest.raises(ConfigError, match=r"--imagery-folder .*none: no such folder"):
        Submission(root=root, dataset=TINY, experiment="tile-cnn", imagery_folder=str(tmp_path / "none"))
    task = Submission(root=root, dataset=TINY, experiment="tile-cnn", imagery_folder=str(tmp_path))
    tiles = task.clone(Fit, fold=0).requires()["input sentinel2"]
    assert isinstance(tiles, Tiles)
    assert tiles.imagery == tmp_path
    with pytest.raises(DataError, match="no file of covariate 'bioclim'"):
        task.clone(Tiles, covariate="bioclim").identity  # noqa: B018


def test_a_very_long_name_stays_within_the_file_system(root):
    long = f'tile-cnn+description="{"long " * 60}"'
    paths = {evaluate(root, f"{long}+validation.run={run}").published()[0].path.name for run in (1, 2)}
    assert len(paths) == 2
    assert max(map(len, paths)) < 255


def test_species_vectors_and_their_map_stand_at_a_stable_place(root):
    task = SpeciesEmbedding(root=root, dataset=TINY, walks={"count": 3, "length": 20})
    run(task)
    table = storage.read_table(task.folder / "vectors", "species_vectors")
    assert len(table) == 60
    assert table["speciesId"].to_pylist() == sorted(set(table["speciesId"].to_pylist()))
    assert {len(vector) for vector in table["vector"].to_pylist()} == {task.walks.dim}
    assert Image.open(task.published()[0].path).width > 600
    assert run(task) == []
