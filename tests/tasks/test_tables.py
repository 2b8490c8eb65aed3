"""The tables of a paper: their experiments exist, and a small one runs and prints."""

import dataclasses
import re
import shutil
from pathlib import Path

import luigi
import numpy as np
import pandas as pd
import pytest
import torch

from glc import config, registry, results, storage
from glc.config import Variant
from glc.errors import ConfigError, DataError
from glc.evaluation import evaluate
from glc.report import runs, svg
from glc.report.papers import Paper, Reported
from glc.tasks import paper
from glc.tasks.base import DatasetTask
from glc.tasks.table import TableTask
from glc.tasks.tables import CostTable, Row, SeedTable
from glc.tasks.training import Fit, FoldScores, fits
from tasks import dsgt_2024, elith_2020, inria_2020, location_2024, norberg_2019, tighnari_2024
from tasks.inria_2020 import PRESETS
from tests.tasks.pipeline import TINY, run


@pytest.mark.parametrize("module", [dsgt_2024, elith_2020, inria_2020, location_2024, norberg_2019, tighnari_2024])
def test_tables_name_their_paper(module, tmp_path):
    tables = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, TableTask)]
    tables = [kind for kind in tables if kind.__module__ == module.__name__]
    assert tables
    options = {"data_folder": str(tmp_path)}, {"places": "virtual:globe"}, {}
    for kind in tables:
        known = {name for name, _ in kind.get_params()}
        task = kind(root=str(tmp_path), **next(each for each in options if set(each) <= known))
        assert task.published_in.split()[-1] == module.__name__.rpartition("_")[2], task  # the year


def test_no_parameter_hides_a_method():
    for kind in luigi.task_register.Register._get_reg().values():
        for name, _ in kind.get_params():
            hidden = [base.__name__ for base in kind.__mro__ if callable(vars(base).get(name))]
            assert not hidden, f"{kind.__name__}.{name} hides a method of {hidden[0]}"


@pytest.mark.parametrize(
    "table",
    [
        dsgt_2024.Table1,
        dsgt_2024.Table2,
        dsgt_2024.Table3,
        dsgt_2024.Table4,
        dsgt_2024.Alternatives,
        tighnari_2024.Table1,
        tighnari_2024.Table2,
        tighnari_2024.Table3,
    ],
)
def test_every_row_is_a_valid_experiment_of_its_own(table):
    rows = table(dataset=TINY).rows()
    assert len({row.label for row in rows}) == len({row.experiment for row in rows}) == len(rows)
    for row in rows:
        config.load(row.experiment)


def test_every_run_of_2020_is_an_experiment_that_ends_in_ranked_species():
    table = inria_2020.Table1(dataset="virtual:glc20-tiny")
    rows = table.rows()
    assert [row.label[:5] for row in rows] == ["run 1", "run 1", "run 2", "run 3", "run 4", "run 3", "run 4"]
    assert len({row.experiment for row in rows}) == 7
    assert list(table.requires()) == [row.label for row in rows]
    submissions = inria_2020.Table1(dataset="virtual:glc20-tiny", submissions=True).submission_tasks().values()
    assert [task.settings.name for task in submissions] == [config.load(row.experiment).name for row in rows]
    assert all(task.ranked for task in submissions)


def test_runs_of_2020_do_without_rasters_that_a_dataset_lacks(shared_data):
    known = {"dataset": str(shared_data / "fixtures" / "glc22")}
    alone = inria_2020.Table1(**known)
    assert {row.label[:5] for row in alone.rows()} == {"run 2", "run 3"}
    assert "no rasters of bioclim, soil: run 1 and the fusion are skipped" in alone.remarks[-1]
    climate = inria_2020.Table1(**known, imagery_folder=str(shared_data / "rasters_eu"))
    assert len(climate.rows()) == 7
    assert "no rasters of soil: run 1 is fitted without them" in climate.remarks[-1]


def _inria(preset="cpu"):
    return inria_2020.Table1(dataset="virtual:glc20", preset=preset)


def test_run_1_of_2020_is_fitted_again_for_the_test_only_in_a_row_of_ours():
    (published, of_paper), (refitted, of_ours) = (
        (config.load(row.experiment), _inria().setting_of(row)) for row in _inria().rows()[:2]
    )
    assert (published.validation.count, published.validation.run, published.scores.refit) == (200, 1, False)
    scores = dataclasses.replace(published.scores, refit=True)
    assert refitted == dataclasses.replace(published, name=refitted.name, scores=scores)
    assert (of_paper, of_ours) == ("as published", "ours")


def test_rows_of_2020_say_what_is_not_of_the_published_size():
    settings = {size: {row.label: _inria(size).setting_of(row) for row in _inria(size).rows()} for size in PRESETS}
    reduced = "101 px, stem stride 2, land cover as 34 layers, adamw, 8 epochs"
    assert all(reduced in text for label, text in settings["cpu"].items() if "run 1" not in label)
    assert f"The CNN of the preset cpu: {reduced}." in _inria("cpu").remarks
    assert settings["gpu"]["run 3, Inception v3"] == "as published"
    assert _inria("gpu").remarks == inria_2020.REMARKS
    assert settings["gpu-bfloat16"]["run 3, Inception v3"] == "bfloat16"
    assert config.load(PRESETS["gpu"]).train.precision == "float32"


def test_figure_1_of_2020_is_published_with_table_1(tmp_path):
    assert [target.path.suffix for target in _inria().published()] == [".md", ".csv", ".png"]
    labels = ["run 1", "run $2"]
    table = pd.DataFrame({"model": labels, "test top-30": [0.2, 0.3], "test adaptive top-30": [0.2, 0.1]})
    assert runs.draw(table, tmp_path / "runs.svg") == "test"
    text = (tmp_path / "runs.svg").read_text()
    assert svg.description(text).count("adaptive top-30 0.") == len(table)
    text = text[text.index("</metadata>") :]
    assert [text.count(word) for word in ("run 1", "run $2", "0.200", "0.300", "0.100")] == [1, 1, 2, 1, 1]
    validation = table.rename(columns=lambda name: name.replace("test", "validation"))
    validation["test top-30"] = np.nan
    assert runs.draw(validation, tmp_path / "runs.png") == "validation"
    assert (tmp_path / "runs.png").stat().st_size > 5_000
    with pytest.raises(DataError, match="expected 'test top-30' or 'validation top-30'"):
        runs.draw(table[["model"]], tmp_path / "none.png")


def test_the_losses_of_table_2_are_those_of_the_paper():
    labels = [row.label for row in dsgt_2024.Table2(dataset=TINY).rows()]
    for architecture in ("linear", "nonlinear"):
        for positive in (0, 1):
            for negative in (0, 2, 4):
                assert f"{architecture}, ASL γ+ {positive} γ− {negative}" in labels
        for s in (-1, -15, -30):
            for e in (0, 1):
                assert f"{architecture}, sigmoidF1 S {s} E {e}" in labels


def test_sigmoid_f1_has_rows_of_both_readings_and_of_the_authors_code():
    rows = {row.label: config.load(row.experiment).train.loss.options for row in dsgt_2024.Table2(dataset=TINY).rows()}
    plain = rows["linear, sigmoidF1 S -15 E 1"]
    assert "average" not in plain
    assert "squeeze" not in plain
    assert rows["linear, sigmoidF1 micro S -15 E 1"] == plain | {"average": "micro"}
    assert rows["nonlinear, sigmoidF1 of the authors' code S -15 E 1"] == plain | {"squeeze": True}


@pytest.mark.parametrize(
    ("name", "decoder"),
    [
        ("geolocation-published", "threshold"),
        ("tile-cnn-published", "top_k"),
        ("tile-cnn-rasters-published", "top_k"),
        ("tile-cnn-chosen-published", "top_k"),
        ("cube-cnn-published", "top_k"),
        ("tile2vec-published", "top_k"),
    ],
)
def test_what_dsgt_published_is_trained_and_decided_as_published(name, decoder):
    settings = config.load(name)
    loss = settings.train.loss
    assert (loss.name, loss.options["gamma_pos"], loss.options["gamma_neg"]) == ("asl", 1.0, 4.0)
    split = settings.validation
    assert (split.scheme, split.count, split.run, split.stop) == ("random", 10, 1, "own")
    assert split.stopping_fold(0) is None, "nine tenths to learn from, as 90-10 says"
    assert settings.decode.name == decoder
    assert settings.decode.options == ({"k": 20} if decoder == "top_k" else {"threshold": 0.5})
    assert not settings.model.options.get("prior")
    assert settings.compare_with == ()


def test_land_cover_and_climate_are_read_as_published():
    rasters = config.load("tile-cnn-rasters-published").inputs
    assert [(wanted.name, wanted.classes_as, wanted.bands) for wanted in rasters] == [
        ("sentinel2", "declared", ()),
        ("landcover_modis", "codes", ()),
        ("bioclim", "declared", ()),
    ]
    chosen = config.load("tile-cnn-chosen-published").inputs
    assert [(wanted.name, wanted.classes_as, wanted.bands) for wanted in chosen] == [
        ("sentinel2", "declared", ()),
        ("landcover_modis", "codes", ("prop1", "prop2", "prop3")),
        ("climate_years", "declared", ()),
    ]


def test_tile2vec_as_published_reads_the_satellite_and_sums_the_species_of_all_three():
    settings = config.load("tile2vec-published")
    assert [wanted.tiles for wanted in settings.inputs] == ["sentinel2"]
    assert settings.train.freeze
    options = config.options(registry.pretrainings.get("tile2vec"), settings.pretrain, "pretrain")
    assert (options.species, options.species_of, options.pairs) == ("sum", "triplet", 1_000_000)
    assert (options.radius_m, options.sources, options.loss.name) == (100_000, ("po",), "asl")


def test_rows_of_table_3_and_4_that_are_not_ours_are_the_published_experiments():
    for table in (dsgt_2024.Table3(dataset=TINY), dsgt_2024.Table4(dataset=TINY)):
        for row in table.rows():
            if "(ours)" in row.label:
                assert table.setting_of(row) == "ours", row.label
            elif config.load(row.experiment).model.name not in ("frequency", "nearest"):
                assert row.experiment.base.endswith("-published"), row.label
    figures = {row.label: table.reported(row).text for row in table.rows()}
    assert figures["geolocation, top 20, as published"] == ".161"
    assert ".4089" in table.remarks[0]
    assert ".152" in table.remarks[0]


def test_alternatives_learn_from_all_rows_of_the_paper_within_limits():
    table = dsgt_2024.Alternatives(dataset=TINY)
    for row, task in zip(table.rows(), table.requires().values(), strict=True):
        options = config.load(row.experiment).model.options
        assert options.get("sources", options.get("edges", {}).get("sources")) == ["train", "po"], row.label
        assert (task.minutes, task.memory_gb) == (60, 16)
    ranks = [config.load(row.experiment).model.options["rank"] for row in table.rows() if "DCT" in row.label]
    assert ranks == [4, 8, 32]
    alone = dsgt_2024.Alternatives(dataset=TINY, sources=("train",))
    assert alone.identity != table.identity


def test_fewer_pairs_of_tile2vec_hold_for_every_table_of_the_page_and_its_rows_say_so():
    page = dsgt_2024.Paper(dataset=TINY, pairs=1_000)
    rows = [row for entry in page.entries() if entry.key in ("3", "4") for row in entry.task.rows()]
    pretrained = [row for row in rows if config.load(row.experiment).pretrain.name == "tile2vec"]
    assert {config.load(row.experiment).pretrain.options["pairs"] for row in pretrained} == {1_000}
    assert len(pretrained) == 2 * 5 + 2
    assert all("(1,000 pairs)" in row.label for row in pretrained)
    full = {str(row.experiment) for row in dsgt_2024.Table4(dataset=TINY).rows()}
    assert {"tile2vec", "tile2vec+train.freeze=true"} <= full  # what else is run under these names counts here too


def test_table_3_trains_each_model_once_for_both_decoders():
    tasks = list(dsgt_2024.Table3(dataset=TINY).requires().values())
    for top, threshold in zip(tasks[::2], tasks[1::2], strict=True):
        assert top.identity != threshold.identity
        assert top.clone(Fit, fold=0).identity == threshold.clone(Fit, fold=0).identity


class Small(CostTable):
    """Two rows."""

    title = "A small table"
    remarks = ("A remark.",)

    def rows(self):
        base = Variant.parse("frequency+validation.run=2+validation.count=4")
        return [
            Row("top 5", base.changed(decode={"k": 5}), "about .2"),
            Row("top 10", base.changed(decode={"k": 10})),
        ]


def test_a_table_has_a_line_for_each_experiment(root):
    luigi.task_register.Register.clear_instance_cache()
    task = Small(root=root, dataset=TINY)
    run(task)
    text = task.results()[0]
    assert text.count("\n| top") == 2
    assert "about .2" in text
    assert "A remark." in text
    assert "| seconds | peak memory MB |" in text
    assert task.published()[0].path.is_file()
    frame = pd.read_csv(task.folder / "table.csv").set_index("model")
    assert frame.loc["top 5", ["paper", "compared", "setting"]].tolist() == ["about .2", "other data", "as published"]
    assert frame.loc["top 10", ["paper", "compared"]].isna().all()
    assert frame["split"].tolist() == ["block, 2 of 4 folds"] * 2
    metrics = results.read_metrics(next(iter(task.evaluations().values())).folder)["valid"]
    bounds = [metrics["sample_f1_low"], metrics["sample_f1_high"]]
    assert frame.loc["top 5", ["validation F1 low", "validation F1 high"]].tolist() == pytest.approx(bounds)
    assert "[{:.4f}, {:.4f}]".format(*bounds) in text
    low, test, high = frame.loc["top 5", ["test F1 low", "test F1", "test F1 high"]]
    assert low < test < high
    assert "Ours: virtual-tiny, edition glc2024, " in text
    assert "submission" not in frame


def test_a_leaderboard_belongs_to_the_tables_rows_and_its_content_counts(tmp_path):
    given = tmp_path / "scores.csv"
    given.write_text("row,public,private\ntop 10,.32774,\n")
    known = {"root": str(tmp_path), "dataset": TINY}
    task = Small(**known, leaderboard=str(given))
    task.check()
    assert task.scores_of_leaderboard() == {"top 10": {"public": 0.32774}}
    assert task.identity != Small(**known).identity
    assert list(Small(**known, submissions=True).requires()) == [
        "top 5",
        "top 10",
        "submission of top 5",
        "submission of top 10",
    ]
    given.write_text("row,public,private\ntop 1,.3,\n")
    luigi.task_register.Register.clear_instance_cache()
    other = Small(**known, leaderboard=str(given))
    assert other.identity != task.identity
    with pytest.raises(DataError, match=r"found the row 'top 1', .* did you mean 'top 10'"):
        other.check()
    with pytest.raises(ConfigError, match=r"--leaderboard \(make: LEADERBOARD=\) none.csv: no such file"):
        Small(**known, leaderboard="none.csv")


@pytest.mark.slow
def test_rows_write_their_submissions_and_take_scores_of_the_leaderboard(root, tmp_path):
    luigi.task_register.Register.clear_instance_cache()
    given = tmp_path / "scores.csv"
    given.write_text("row,public,private\ntop 10,.32774,\n")
    task = Small(root=root, dataset=TINY, submissions=True, leaderboard=str(given))
    run(task)
    frame = pd.read_csv(task.folder / "table.csv").set_index("model")
    assert frame["public"].isna().tolist() == [True, False]
    assert frame.loc["top 10", "public"] == 0.32774
    assert "private" not in frame
    for label, path in frame["submission"].items():
        assert (Path(root) / path).is_file()
        assert f"submission {Path(root) / path}  ({label})" in task.results()
    assert frame["submission"].nunique() == 2


class Compared(Small):
    """The same rows, with a paper that measured on 2 of 4 folds of as many surveys."""

    paper = Paper(
        "Tiny 2024", "the tiny world", "2 of 4 folds", "F1", ("glc2024",), 400,
        {"scheme": "block", "count": 4, "run": 2},
    )  # fmt: skip

    def rows(self):
        top_5, top_10 = super().rows()
        other_split = top_10.experiment.changed(validation={"run": 1})
        figures = {"validation F1": 0.9, "public": 0.2}
        return [
            dataclasses.replace(top_5, paper=Reported(".9 / .2", figures)),
            dataclasses.replace(top_10, paper=Reported(".9", {"validation F1": 0.9}), experiment=other_split),
        ]


@pytest.mark.slow
def test_figures_are_compared_on_a_dataset_of_the_papers_edition_and_size(root, tmp_path):
    luigi.task_register.Register.clear_instance_cache()
    copied = tmp_path / "copied"
    shutil.copytree(Path(root) / "datasets" / "virtual-tiny", copied, ignore=shutil.ignore_patterns(".parts"))
    given = tmp_path / "scores.csv"
    given.write_text("row,public,private\ntop 5,.205,\n")
    for dataset, expected in ((str(copied), ["validation F1 DIFFERS, public CLOSE", "other data"]), (TINY, None)):
        task = Compared(root=root, dataset=dataset, leaderboard=str(given))
        run(task)
        frame = pd.read_csv(task.folder / "table.csv").set_index("model")
        assert frame["compared"].tolist() == (expected or ["other data"] * 2)
        assert frame["setting"].tolist() == ["as published", "validation.run 1 (published: 2)"]
        assert "Paper: the tiny world; 2 of 4 folds; F1." in task.results()[0]


def test_settings_tell_the_split_and_the_preset_where_the_paper_has_figures():
    table = tighnari_2024.Table3(dataset=TINY)
    rows = {row.label: row for row in table.all_rows()}
    assert table.setting_of(rows["baseline"]).endswith("preset cpu; random weights")
    assert table.setting_of(rows["+ tables (ours)"]) == "ours"
    assert table.reported(rows["baseline"]).values == {"validation F1": 0.4211, "public": 0.32774, "private": 0.32816}
    assert table.reported(rows["+ threshold top-K"]).values["optimistic F1"] == 0.52655
    assert table.reported(rows["+ output correction"]).values == {"public": 0.36478, "private": 0.36242}
    inria = inria_2020.Table1(dataset="virtual:glc20-tiny")
    forest = inria.rows()[0]
    assert inria.reported(forest).values == {"test top-30": 0.2043, "test adaptive top-30": 0.213}


class Seeded(SeedTable):
    """A net, the same for longer, and with another decoder."""

    title = "A table of seeds"

    def all_rows(self):
        base = Variant.parse("geolocation+validation.run=2+validation.count=4+model.latent=8+train.max_epochs=1")
        three = base.changed(train={"max_epochs": 3})
        return [
            Row("one epoch", base),
            Row("three epochs", three, ".4"),
            Row("top 5", three.changed(decode={"name": "top_k", "k": 5})),
            Row("top 10", three.changed(decode={"name": "top_k", "k": 10}), over="three epochs"),
        ]


@pytest.mark.slow
def test_a_table_of_seeds_tells_gains_with_their_spread_and_what_they_cost(root):
    luigi.task_register.Register.clear_instance_cache()
    task = Seeded(root=root, dataset=TINY, seeds=2)
    run(task)
    runs = task.requires()
    frame = pd.read_csv(task.folder / "table.csv").set_index("model")
    f1 = {label: [by_fold["f1"].mean() for by_fold in map(_validated, found)] for label, found in runs.items()}
    assert f1["three epochs"][0] != f1["three epochs"][1]
    for label, over in (("three epochs", "one epoch"), ("top 5", "three epochs"), ("top 10", "three epochs")):
        own = pd.Series(f1[label])
        gain = own - pd.Series(f1[over])
        found = frame.loc[label]
        assert found["adds to"] == over
        assert found["validation F1"] == pytest.approx(own.mean())
        assert found["validation spread"] == pytest.approx(own.std())
        assert found["validation gain"] == pytest.approx(gain.mean())
        assert found["validation gain spread"] == pytest.approx(gain.std())
    assert frame.loc[["one epoch", "three epochs", "top 5"], "epochs"].tolist() == [2, 6, 6]  # of two folds
    one = runs["one epoch"][0].clone(Fit, fold=0)
    assert frame["surveys"].tolist() == [round(_rows(runs["one epoch"][0]))] * 4
    weights = torch.load(one.folder / "model.ckpt", weights_only=True)["state_dict"]
    count = sum(value.numel() for name, value in weights.items() if name.endswith(("weight", "bias")))
    assert frame.loc["one epoch", "parameters"] == f"{count:,}"
    seconds = [
        storage.manifest(run.clone(step, fold=fold).folder)["seconds"]
        for run in runs["one epoch"]
        for step in (Fit, FoldScores)
        for fold in (0, 1)
    ]
    best = pd.concat(map(_validated, runs["three epochs"])).groupby("surveyId").agg({"f1": "mean", "block": "first"})
    interval = evaluate.bootstrap(best["f1"].to_numpy(), best["block"].to_numpy())
    assert frame.loc["three epochs", ["validation F1 low", "validation F1 high"]].tolist() == pytest.approx(interval)
    assert frame.loc["three epochs", "compared"] == "other data"
    assert frame.loc["one epoch", "minutes"] == pytest.approx(sum(seconds) / 2 / 60)
    epochs = [
        pd.read_csv(run.clone(Fit, fold=fold).folder / "history.csv")["seconds"]
        for run in runs["three epochs"]
        for fold in (0, 1)
    ]
    assert frame.loc["three epochs", "seconds per epoch"] == pytest.approx(pd.concat(epochs).mean())
    text = task.results()[0]
    assert "A table of seeds: virtual-tiny, 2 seeds" in text
    assert "±" in text
    assert list(Seeded(root=root, dataset=TINY, only="top 5|ONE").requires()) == ["one epoch", "top 5"]
    assert len(Seeded(root=root, dataset=TINY, only="TOP|one epoch").requires()) > len(
        Seeded(root=root, dataset=TINY, only="TOP").requires()
    )
    part = Seeded(root=root, dataset=TINY, seeds=2, only="TOP")
    assert run(part) == ["Seeded"]  # nothing is trained again
    told = pd.read_csv(part.folder / "table.csv").set_index("model")
    assert told.index.tolist() == ["top 5", "top 10"]
    assert "validation gain" not in told  # the row they add to is not there
    assert part.published()[0].path.name == "seeded~top.md"
    assert task.complete()


def test_rows_that_are_not_there_are_told(root):
    with pytest.raises(ConfigError, match="--only: found 'GFV', expected a part of one of: one epoch, three epochs"):
        Seeded(root=root, dataset=TINY, only="GFV").requires()
    with pytest.raises(ConfigError, match="--seeds: found 0"):
        Seeded(root=root, dataset=TINY, seeds=0).requires()


def _validated(run):
    frame = pd.read_parquet(run.folder / "surveys.parquet")
    return frame[frame["split"] == "valid"]


def _rows(run):
    return sum(storage.manifest(run.clone(Fit, fold=fold).folder)["rows"] for fold in (0, 1)) / 2


def test_rows_that_differ_in_decoding_or_correction_share_their_nets():
    rows = {label: found[0] for label, found in tighnari_2024.Table3(dataset=TINY).requires().items()}
    cross = rows["3-fold cross-fusion with HCAM, GFV"]
    for label in ("+ threshold top-K", "+ K alone (ours)", "+ output correction"):
        assert rows[label].identity != cross.identity
        for fold in (0, 2):
            assert fits(rows[label])[fold].identity == fits(cross)[fold].identity
    assert fits(cross)[0].identity == fits(rows["+ HCAM"])[0].identity
    assert fits(cross)[1].identity != fits(rows["+ HCAM"])[1].identity


PUBLISHED = {"scheme": "random", "count": 10, "run": 10, "stop": "own"}
"""The split of Liu et al. 2024: ten random parts, each of which also stops the training of its net."""


@pytest.mark.parametrize("preset", tighnari_2024.PRESETS)
@pytest.mark.parametrize("table", [tighnari_2024.Table1, tighnari_2024.Table2, tighnari_2024.Table3])
def test_rows_of_the_paper_train_with_mixup_on_random_folds_and_blocks_are_ours(table, preset):
    task = table(dataset=TINY, preset=preset)
    for row in task.all_rows():
        settings = config.load(row.experiment)
        validation = config.to_dict(settings.validation)
        if task.reported(row).text:
            assert "(ours)" not in row.label
            assert (settings.model.options["mixup"], settings.model.options.get("mixup_probability", 1)) == (0.4, 1)
            assert (validation["scheme"], validation["stop"]) == ("random", "own")
            assert ("validation" in task.setting_of(row)) == (preset == "cpu")
            assert preset == "cpu" or PUBLISHED.items() <= validation.items()
        else:
            assert "(ours)" in row.label or row.label == "+ threshold top-K, intersection"
            assert task.setting_of(row) == "ours"
        assert (validation["scheme"] == "block") == ("spatial blocks" in row.label)
    blocks = [row for row in task.all_rows() if "spatial blocks" in row.label]
    assert blocks[0].over is None
    assert all("spatial blocks" in row.over for row in blocks[1:])


@pytest.mark.parametrize("name", ["official-baseline", "tighnari-published", "tighnari-mean"])
def test_published_experiments_are_validated_as_in_the_paper(name):
    settings = config.load(name)
    assert (PUBLISHED | {"run": settings.validation.run}).items() <= config.to_dict(settings.validation).items()
    if name != "tighnari-mean":
        assert settings.validation.run == 10
        assert settings.model.options["mixup"] == 0.4


def test_tables_say_where_image_nets_start_from_random_weights(tmp_path):
    def made(preset="gpu"):
        luigi.task_register.Register.clear_instance_cache()
        return [table(dataset=TINY, preset=preset) for table in tighnari_2024.TABLES.values()]

    for task in made():
        assert task.title.endswith(", random weights")
        assert task.setting_of(task.all_rows()[0]) == "random weights"
        assert not any("random weights" in row.label for row in task.all_rows())
    settings = luigi.configuration.get_config()
    settings.set("weights", "folder", str(tmp_path))
    try:
        for task in made():
            assert "random" not in task.title
            assert task.table_name().endswith("-gpu-weights")
            assert task.setting_of(task.all_rows()[0]) == "as published"
            (row,) = [row for row in task.all_rows() if "random weights" in row.label]
            assert config.load(row.experiment).model.options["weights"] == "random"
        with pytest.raises(ConfigError, match=r"--preset: found cpu with --weights-folder .*expected gpu"):
            made("cpu")[0].check()
    finally:
        settings.remove_section("weights")


@pytest.mark.parametrize("preset", tighnari_2024.PRESETS)
def test_presets_change_widths_resolution_and_epochs_alone(preset):
    fixed = ("temporal", "image", "fusion", "tokens", "heads")
    published = config.load("official-baseline")
    baseline = tighnari_2024.Table3(dataset=TINY, preset=preset).rows()[0]
    found = config.load(baseline.experiment)
    for name in fixed:
        assert found.model.options.get(name) == published.model.options.get(name)
    assert [one.name for one in found.inputs] == [one.name for one in published.inputs]
    assert found.train.loss == published.train.loss
    assert found.validation.run >= 3
    for table in (tighnari_2024.Table1, tighnari_2024.Table2, tighnari_2024.Table3):
        one = table(dataset=TINY, preset=preset)
        assert {row.over for row in one.all_rows()} <= {"", None, *(row.label for row in one.all_rows())}
        assert one.table_name().endswith(f"-{preset}")
        part = table(dataset=TINY, preset=preset, only=one.all_rows()[1].label)
        assert part.table_name().startswith(f"{one.table_name()}~")


def test_curves_are_of_the_nets_that_a_table_trains():
    for number, nets in ((1, 8), (2, 12), (3, 17)):
        groups = tighnari_2024.LossCurves(dataset=TINY, table=number).requires()
        assert len(groups["nets"]) == len({fit.identity for fit in groups["nets"].values()}) == nets
        folds = groups.get("folds of cross-fusion with HCAM, GFV", {})
        assert [fit.fold for fit in folds.values()] == ([0, 1, 2] if number == 3 else [])


class WithForest(Small):
    """A table with a row that these data cannot fill."""

    title = "Another table"

    def every_row(self):
        return [*self.rows(), Row("forest", Variant("inria-run1"), ".3 / .4")]


class SmallPaper(DatasetTask, paper.PaperPage):
    """A table that is run, one of which a row cannot be, and one that is not asked for."""

    paper_name = "small-paper"
    heading = "A small paper"

    def entries(self):
        families = {"1": Small, "2": WithForest, "3": Small}
        return [paper.table(key, self.clone(family)) for key, family in families.items()]


def test_the_page_of_a_paper_shows_what_was_run_and_marks_what_was_not(root):
    luigi.task_register.Register.clear_instance_cache()
    task = SmallPaper(root=root, dataset=TINY, tables="1,2")
    run(task)
    place = Path(root) / "papers/virtual-tiny/small-paper.html"
    assert task.results()[-1] == f"page {place.as_uri()}"
    html = place.read_text()
    assert "2 of 3 tables and figures were run on virtual-tiny. Not run: Table 3." in html
    assert html.count('<th class="wrap">top 5</th>') == 3
    assert re.search(r'<th class="wrap">forest</th>.*>not run</td>.*\.3 / \.4', html)
    assert "It was not asked for." in html
    with pytest.raises(ConfigError, match=r"--tables: found 'four', expected some of: 1, 2, 3"):
        SmallPaper(root=root, dataset=TINY, tables="four").check()
