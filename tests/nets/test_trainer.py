"""The trainer on a small world of spatial patterns."""

import csv
import dataclasses
import os

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import f1_score

from glc import config, storage
from glc.errors import ConfigError, DataError, GlcError
from glc.nets import checkpoints, trainer
from glc.training import lightning
from glc.training.machine import Machine

CLASSES = 60
NET = config.Choice("geolocation", {"latent": 32, "jitter_m": 500.0})
QUICK = config.Train(max_epochs=15, batch_size=64, learning_rate=2e-2, patience=15)


def world(n, seed):
    """Places in a square of 100 km; species 0-29 live in the west, 30-59 in the east, about 12 of them at a place."""
    rng = np.random.default_rng(seed)
    east = rng.uniform(0, 100_000, n)
    species = [np.sort(rng.choice(30, 12, replace=False)) + 30 * (x > 50_000) for x in east]
    return pd.DataFrame(
        {
            "dataset": np.ones(n, np.int8),
            "surveyId": np.arange(n),
            "easting": (4_000_000 + east).astype(np.float32),
            "northing": rng.uniform(2_000_000, 2_100_000, n).astype(np.float32),
            "weight": np.ones(n, np.float32),
            "species": species,
        }
    )


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    root = tmp_path_factory.mktemp("tables")
    storage.write_table(world(640, 0), "examples", root / "train", row_group_rows=200)
    storage.write_table(world(200, 1), "examples", root / "valid")
    return root / "train", root / "valid"


@pytest.fixture
def out(tmp_path, monkeypatch):
    """An output folder; nothing may be left in the working folder."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    (tmp_path / "out").mkdir()
    yield tmp_path / "out"
    assert os.listdir(work) == []


def fit(tables, out, train_config=QUICK, model=NET, **settings):
    names = {field.name for field in dataclasses.fields(Machine)}
    machine = Machine(**{"accelerator": "cpu", "progress": False} | {k: v for k, v in settings.items() if k in names})
    settings = {"n_classes": CLASSES} | {k: v for k, v in settings.items() if k not in names}
    return trainer.fit(*tables, out, model=model, train_config=train_config, machine=machine, **settings)


def history(out):
    with open(out / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def multi_hot(frame):
    return np.array([np.isin(np.arange(CLASSES), species) for species in frame.species])


def test_net_learns_where_species_live(tables, out):
    found = fit(tables, out)
    assert sorted(path.name for path in out.iterdir()) == ["history.csv", "model.ckpt"]
    valid, truth = world(200, 1), multi_hot(world(200, 1))
    scores = checkpoints.predict(out / "model.ckpt", valid)
    assert scores.shape == (200, CLASSES)
    assert scores.dtype == np.float32
    assert scores.min() >= 0
    assert scores.max() <= 1

    def sample_f1(scores):
        chosen = np.argsort(-scores, axis=1)[:, :25]
        predicted = np.zeros_like(truth)
        np.put_along_axis(predicted, chosen, True, axis=1)
        return f1_score(truth, predicted, average="samples", zero_division=0)

    floor = sample_f1(np.tile(multi_hot(world(640, 0)).mean(axis=0), (200, 1)))
    assert sample_f1(scores) > 1.5 * floor
    # what was reported for the best epoch is what the kept checkpoint scores
    assert found["valid_f1"] == pytest.approx(sample_f1(scores), abs=1e-6)
    rows = history(out)
    assert found["epochs"] == len(rows) <= 15
    assert found["valid_f1"] == pytest.approx(max(float(row["valid_f1"]) for row in rows))
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])


def test_valid_f1_is_scikit_learns():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(50, 70)).astype(np.float32)
    truth = rng.random((50, 70)) < rng.uniform(0, 0.5, (50, 1))
    truth[:3] = False
    for k in (25, 200):
        predicted = np.zeros_like(truth)
        np.put_along_axis(predicted, np.argsort(-logits, axis=1)[:, :k], True, axis=1)
        wanted = f1_score(truth, predicted, average="samples", zero_division=0)
        found = trainer.top_k_f1(torch.tensor(logits), torch.tensor(truth, dtype=torch.float32), k).mean()
        assert found.item() == pytest.approx(wanted, rel=1e-5)


def test_micro_f1_in_the_history_is_scikit_learns_at_threshold_one_half(tables, out):
    fit(tables, out, config.Train(config.Choice("bce"), max_epochs=2, learning_rate=2e-2, batch_size=64))
    valid = world(200, 1)
    scores = checkpoints.predict(out / "model.ckpt", valid)
    best = max(history(out), key=lambda row: float(row["valid_f1"]))
    wanted = f1_score(multi_hot(valid), scores > 0.5, average="micro", zero_division=0)
    assert float(best["valid_f1_micro"]) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("memory_bytes", [1 << 30, 0], ids=["memory", "streamed"])
def test_same_seed_same_weights_by_both_loaders_and_another_seed_others(tables, tmp_path, memory_bytes):
    weights = []
    for number, (seed, loader) in enumerate(((3, "petastorm"), (3, "memory"), (4, "petastorm"))):
        (tmp_path / str(number)).mkdir()
        short = config.Train(max_epochs=2, batch_size=64, seed=seed)
        fit(tables, tmp_path / str(number), short, memory_bytes=memory_bytes, loader=loader)
        weights.append(checkpoints.load(tmp_path / str(number) / "model.ckpt")[0].state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not torch.equal(weights[0]["layers.0.weight"], weights[2]["layers.0.weight"])


def test_checkpoint_describes_itself_and_carries_the_training_statistics(tables, out):
    fit(tables, out, config.Train(max_epochs=1))
    content = torch.load(out / "model.ckpt", weights_only=True)
    assert (content["model"], content["options"], content["n_classes"]) == ("geolocation", NET.options, CLASSES)
    assert content["train"]["rows"] == 640
    net, n_classes, layouts = checkpoints.load(out / "model.ckpt")
    assert (n_classes, layouts) == (CLASSES, {})
    assert not net.training
    place = world(640, 0)[["easting", "northing"]].to_numpy(float)
    np.testing.assert_allclose(net.mean, place.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(net.std, place.std(axis=0), rtol=1e-5)


def test_predictions_do_not_depend_on_the_blocks(tables, out):
    fit(tables, out, config.Train(max_epochs=1))
    valid = world(200, 1)
    whole = checkpoints.predict(out / "model.ckpt", valid)
    blocks = list(checkpoints.predict_blocks(out / "model.ckpt", valid, batch=64))
    assert [len(block) for block in blocks] == [64, 64, 64, 8]
    np.testing.assert_allclose(np.concatenate(blocks), whole, rtol=1e-5)
    assert checkpoints.predict(out / "model.ckpt", valid[:0]).shape == (0, CLASSES)


@pytest.mark.parametrize("loss", ["bce", "hill", "sigmoid_f1"])
def test_every_loss_trains_with_class_weights_monitored_by_loss(tables, out, loss):
    setting = config.Train(config.Choice(loss), max_epochs=3, batch_size=64, monitor="loss", class_weights=True)
    found = fit(tables, out, setting)
    assert found["valid_loss"] == pytest.approx(min(float(row["valid_loss"]) for row in history(out)))
    assert float(history(out)[-1]["train_loss"]) < float(history(out)[0]["train_loss"])


def test_class_weights_and_example_weights_reach_the_loss(tables):
    summary = trainer.summarise(tables[0], CLASSES)
    setting = config.Train(config.Choice("bce"), class_weights=True)
    learner = trainer.Learner(NET, setting, CLASSES, summary, {}).eval()
    np.testing.assert_allclose(learner.class_weights, summary.counts / summary.counts.mean(), rtol=1e-6)
    assert learner.class_weights.mean().item() == pytest.approx(1)
    batch = next(iter(trainer.Batches(summary, 8)))
    batch["weight"] = torch.linspace(0, 1, 8)
    logits, targets, loss = learner._step(batch)
    p, y = logits.sigmoid(), targets
    terms = -(y * p.log() + (1 - y) * (1 - p).log()) * learner.class_weights * batch["weight"][:, None]
    torch.testing.assert_close(loss, terms.mean())
    cost = learner._loss(learner.loss.of_lists, logits, batch["species"], batch)[0]
    torch.testing.assert_close(cost, terms.mean())


def test_training_stops_when_patience_ends(tables, out):
    still = config.Train(max_epochs=50, patience=2, learning_rate=1e-12, batch_size=64)
    found = fit(tables, out, still)
    assert found["epochs"] < 10


def test_learning_rate_finder_chooses(tables, out):
    found = fit(tables, out, config.Train(max_epochs=1, batch_size=64, learning_rate=1e-3, find_learning_rate=True))
    assert found["learning_rate"] != 1e-3
    assert 1e-6 <= found["learning_rate"] <= 1e-1
    assert float(history(out)[0]["learning_rate"]) == pytest.approx(found["learning_rate"])


def test_fast_dev_run_takes_one_batch_and_leaves_a_checkpoint(tables, out):
    found = fit(tables, out, fast_dev_run=True)
    assert found["epochs"] == 1
    assert checkpoints.predict(out / "model.ckpt", world(1, 0)).shape == (1, CLASSES)


def test_progress_is_reported_and_chatter_is_not_shown(tables, out, reports, capfd):
    fit(tables, out, config.Train(max_epochs=1), progress=True)
    shown = "".join(capfd.readouterr())
    assert "epoch 1 of at most 1" in [what for what, _, _ in reports]
    for chatter in ("GPU available", "Tip", "num_workers", "Warning"):
        assert chatter not in shown


@pytest.mark.slow
def test_wandb_offline_writes_where_it_is_told(tables, out, tmp_path, capfd):
    place = {"mode": "offline", "project": "glc", "group": "g", "name": "n", "config": {"k": 1}, "dir": tmp_path / "w"}
    fit(tables, out, config.Train(max_epochs=1), wandb=place)
    runs = list((tmp_path / "w/wandb").glob("offline-run-*/run-*.wandb"))
    assert len(runs) == 1
    assert runs[0].stat().st_size > 0
    assert "wandb:" not in capfd.readouterr().err


def test_divergence_is_an_error(tables, out):
    with pytest.raises(GlcError, match=r"diverged: train_loss is (nan|inf).*lower train\.learning_rate"):
        fit(tables, out, config.Train(max_epochs=3, batch_size=64, learning_rate=1e30))
    assert not (out / "model.ckpt").exists()


def test_wrong_class_count_wrong_model_and_wrong_checkpoint(tables, out, tmp_path):
    with pytest.raises(DataError, match="expected class indices 0 to 9"):
        fit(tables, out, n_classes=10)
    with pytest.raises(ConfigError, match=r"unknown model 'geolocatoin'.*did you mean 'geolocation'"):
        fit(tables, out, model=config.Choice("geolocatoin"))
    with pytest.raises(ConfigError, match=r"wandb\.mode: found 'on'"):
        fit(tables, out, wandb={"mode": "on"})
    with pytest.raises(DataError, match="no such checkpoint"):
        checkpoints.load(tmp_path / "none.ckpt")
    (tmp_path / "bad.ckpt").write_bytes(b"not a checkpoint")
    with pytest.raises(DataError, match="cannot be read as a checkpoint"):
        checkpoints.load(tmp_path / "bad.ckpt")


def test_prediction_columns_must_agree(tables, out):
    fit(tables, out, fast_dev_run=True)
    with pytest.raises(DataError, match="differ in length"):
        checkpoints.predict(out / "model.ckpt", {"surveyId": [0], "easting": [4e6, 4e6], "northing": [2e6]})
    with pytest.raises(DataError, match="'northing' has values that are not finite"):
        checkpoints.predict(out / "model.ckpt", {"surveyId": [0], "easting": [4e6], "northing": [np.inf]})


def test_a_cloned_net_goes_on_from_the_first_by_class(tables, tmp_path):
    first, none, second = (_made(tmp_path / name) for name in ("first", "none", "second"))
    fit(tables, first)
    start = torch.load(first / "model.ckpt", weights_only=True)["state_dict"]
    # the clone's classes come in another order, and one of them is new
    columns = np.roll(np.arange(CLASSES), 7)
    columns[5] = -1
    still = config.Train(max_epochs=1, batch_size=64, learning_rate=1e-12, weight_decay=0.0)
    fit(tables, none, train_config=still)
    fit(tables, second, train_config=still, cloned=(first / "model.ckpt", columns))
    own = torch.load(none / "model.ckpt", weights_only=True)["state_dict"]
    found = torch.load(second / "model.ckpt", weights_only=True)["state_dict"]
    last = checkpoints.classifier(checkpoints.load(first / "model.ckpt")[0])
    assert last == {"layers.3.weight", "layers.3.bias"}
    known = columns >= 0
    for name in start:
        if name in last:
            torch.testing.assert_close(found[name][known], start[name][columns[known]], rtol=0, atol=1e-6)
            torch.testing.assert_close(found[name][5], own[name][5], rtol=0, atol=1e-6)
        else:
            torch.testing.assert_close(found[name], start[name], rtol=0, atol=1e-6)


def test_a_clone_of_another_net_is_refused(tables, tmp_path):
    first, second = (_made(tmp_path / name) for name in ("first", "second"))
    fit(tables, first, model=config.Choice("geolocation", {"latent": 16}), fast_dev_run=True)
    with pytest.raises(DataError, match="this net does not fit the one that should go on from it"):
        fit(tables, second, fast_dev_run=True, cloned=(first / "model.ckpt", np.arange(CLASSES)))


def test_bfloat16_trains_as_well(tables, out, caplog, monkeypatch):
    monkeypatch.setattr(lightning, "_PROCESSOR", out / "no file")
    found = fit(
        tables, out, train_config=config.Train(max_epochs=15, batch_size=64, learning_rate=2e-2, precision="bfloat16")
    )
    assert found["valid_f1"] > 0.5  # half of the species at a place are its side's: by chance it would be .3
    state = torch.load(out / "model.ckpt", weights_only=True)["state_dict"]
    assert {value.dtype for value in state.values()} == {torch.float32}
    assert "products in bfloat16 save no time here, because there is no GPU" in caplog.text
    caplog.clear()
    fit(tables, _made(out / "float32"), fast_dev_run=True)
    assert "bfloat16" not in caplog.text


SINGLE = config.Choice("cross_entropy")
STEPPED = config.Train(
    SINGLE,
    batch_size=64,
    max_epochs=6,
    monitor="top30",
    optimizer="sgd",
    learning_rate=0.5,
    momentum=0.9,
    weight_decay=0.0,
    milestones=(2, 5),
    gamma=0.1,
    validate_every=2,
)


def single(n, seed):
    """The world with one species at each place."""
    frame = world(n, seed)
    return frame.assign(species=[species[:1] for species in frame.species])


@pytest.fixture(scope="module")
def single_tables(tmp_path_factory):
    root = tmp_path_factory.mktemp("single")
    storage.write_table(single(640, 0), "examples", root / "train")
    storage.write_table(single(200, 1), "examples", root / "valid")
    return root / "train", root / "valid"


def test_cross_entropy_gives_probabilities_judged_by_top_k(single_tables, out):
    found = fit(single_tables, out, train_config=STEPPED)
    valid = single(200, 1)
    scores = checkpoints.predict(out / "model.ckpt", valid)
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
    truth = np.array([species[0] for species in valid.species])
    rank = (scores > scores[np.arange(200), truth][:, None]).sum(axis=1)
    for k in (1, 10, 30):
        assert found[f"valid_top{k}"] == pytest.approx((rank < k).mean(), abs=1e-6)
    assert found["valid_loss"] == pytest.approx(-np.log(scores[np.arange(200), truth]).mean(), rel=1e-4)
    rows = history(out)
    best = max(float(row["valid_top30"] or 0) for row in rows)
    assert found["valid_top30"] == pytest.approx(best)
    assert found["valid_top30"] > 0.8  # by chance it would be 30 of 60


def test_milestones_lower_the_rate_and_validations_come_every_so_many_epochs(single_tables, out):
    fit(single_tables, out, train_config=STEPPED)
    rows = history(out)
    rates = [float(row["learning_rate"]) for row in rows]
    np.testing.assert_allclose(rates, [0.5, 0.5, 0.05, 0.05, 0.05, 0.005])
    for measure in ("valid_loss", "valid_f1", "valid_f1_micro", "valid_top1", "valid_top10", "valid_top30"):
        assert [row[measure] != "" for row in rows] == [False, True] * 3
    assert all(row["train_loss"] for row in rows)


def test_patience_counts_validations(single_tables, out):
    still = dataclasses.replace(
        STEPPED, max_epochs=30, learning_rate=1e-12, milestones=(), validate_every=3, patience=1
    )
    assert fit(single_tables, out, train_config=still)["epochs"] == 6


def test_top_k_accuracy_is_the_share_of_the_true_classes():
    logits = torch.tensor([[5.0, 4, 3, 2, 1], [1, 2, 3, 4, 5], [0, 9, 0, 0, 1], [1, 2, 3, 4, 5]])
    targets = torch.tensor([[0, 1, 0, 0, 0], [1, 0, 0, 1, 1], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0.0]])
    found = trainer.top_k_accuracy(logits, targets, (1, 2, 30))
    third = 1 / 3
    torch.testing.assert_close(found, torch.tensor([[0, third, 1, 0], [1, 2 * third, 1, 0], [1, 1, 1, 0.0]]))


def test_sgd_steps_by_its_formula(single_tables):
    summary = trainer.summarise(single_tables[0], CLASSES)
    setting = dataclasses.replace(STEPPED, weight_decay=0.3, momentum=0.8, milestones=())
    learner = trainer.Learner(NET, setting, CLASSES, summary, {})
    optimizer, weight = learner.configure_optimizers(), learner.net.layers[-1].bias
    start, velocity = weight.detach().clone(), 0
    for grad in (torch.full_like(start, 2.0), torch.full_like(start, -1.0)):
        weight.grad = grad.clone()
        optimizer.step()
        velocity = 0.8 * velocity + grad + 0.3 * start
        start = start - 0.5 * velocity
        torch.testing.assert_close(weight.detach(), start)


def test_impossible_schedules_are_refused():
    for key, value in {
        "optimizer": "rmsprop",
        "momentum": 1.0,
        "milestones": (5, 2),
        "gamma": 0.0,
        "validate_every": 7,
    }.items():
        with pytest.raises(ConfigError, match=rf"^Train: {key}(\.1)?: found"):
            dataclasses.replace(STEPPED, **{key: value})


def _made(folder):
    folder.mkdir()
    return folder
