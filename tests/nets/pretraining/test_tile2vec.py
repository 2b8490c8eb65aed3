"""tile2vec on a small world whose imagery varies smoothly in space, under noise."""

import csv
import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.linear_model import RidgeCV

from glc import config, geo, schema
from glc.errors import ConfigError, DataError, GlcError
from glc.neighbours import triplets as sampling
from glc.nets import checkpoints
from glc.nets.inputs.features import Features, Layout
from glc.nets.pretraining import tile2vec, triplets
from glc.registry import pretrainings
from glc.surveys import SurveyData
from glc.training import resume
from glc.training.machine import Machine
from glc.training.targets import multi_hot

N, SPECIES = 1500, 400
MODEL = config.Choice("tile_cnn", {"channels": 16, "reduced": 8, "latent": 12, "symmetries": False})
LAYOUT = Layout("coeffs", ("a", "b", "c"), 4, 4, 32)


def options(**changes):
    small = {"pairs": 4000, "radius_m": 60_000.0, "epochs": 5, "batch_size": 128, "holdout": 0.15}
    return tile2vec.Tile2Vec.Options(**small | {"learning_rate": 3e-3} | changes)


@pytest.fixture(scope="module")
def world():
    """(surveys, imagery, environment (survey, 3)): presence-only surveys in 10 degrees of Europe, two without imagery.

    The environment, waves of 400 km and more, is in few of the terms; all have noise that has nothing to do with it.
    """
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(2, 12, N), rng.uniform(43, 51, N)
    easting, northing = geo.project(lon, lat)
    place = np.column_stack([easting, northing]) / 1000
    wave, phase = rng.normal(size=(2, 3)) / 60, rng.uniform(0, 6, 3)
    environment = np.sin(place @ wave / np.linalg.norm(wave, axis=0) * 2 * np.pi / 500 + phase)
    pixels = rng.normal(size=(N, 3, 4, 4))
    pixels += np.einsum("ne,ebij->nbij", environment, rng.normal(size=(3, 3, 4, 4))) * 0.5
    pixels[[5, 9]] = np.nan
    places = pd.DataFrame({"dataset": "po", "surveyId": np.arange(N) * 7, "lon": lon, "lat": lat, "crs": 3035})
    places = places.assign(easting=easting, northing=northing, fold=-1, block=0)
    taste = rng.normal(size=(3, SPECIES))
    species = np.argsort(-(environment @ taste + rng.gumbel(size=(N, SPECIES))), axis=1)[:, :3]
    matrix = sparse.csr_matrix((np.ones(3 * N, bool), species.ravel(), np.arange(N + 1) * 3), (N, SPECIES))
    data = SurveyData(places, np.arange(SPECIES, dtype=np.int32), matrix, "pa_train", "pa_test", False)
    keys = np.column_stack([schema.dataset_numbers(places.dataset), places.surveyId]).astype(np.int64)
    known = np.repeat(np.isfinite(pixels).all(axis=(1, 2, 3))[:, None], 3, axis=1)
    imagery = Features({"x": LAYOUT}, {"x": pixels.astype(np.float32)}, {"x": known}, {"x": keys})
    return data, imagery, environment


@pytest.fixture(scope="module")
def pairs(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    sampling.write(world[0], folder, options(species="sum", species_radius_m=20_000.0), fold=0, progress=False)
    return folder


def fit(pairs, world, out, model=MODEL, **changes):
    out.mkdir(exist_ok=True)
    made = tile2vec.Tile2Vec(options(**changes))
    return made.fit(pairs, world[1], out, model=model, machine=Machine(accelerator="cpu", progress=False))


def history(out):
    with open(out / "history.csv", newline="") as file:
        return [{k: float(v) if v else math.nan for k, v in row.items()} for row in csv.DictReader(file)]


def encoder_of(world, trained, out):
    """The encoder as it is at the start, or with the weights of `out`; with the moments of the training anchors."""
    torch.manual_seed(0)
    net = checkpoints.make(MODEL, 1, world[1].layouts)
    checkpoints.load_encoder(net.encoder, out / "encoder.ckpt")
    if not trained:
        fresh = checkpoints.make(MODEL, 1, world[1].layouts).encoder
        weights = {name: value for name, value in fresh.state_dict().items() if not name.startswith("maps.")}
        net.encoder.load_state_dict(weights, strict=False)
        net.encoder.train()
        with torch.no_grad():  # its batch norm knows the imagery too
            for _ in range(50):
                net.encoder(world[1].of(np.zeros(256, int), np.arange(20, 276) * 7))
    return net.encoder.eval()


@torch.inference_mode()
def embed(encoder, world):
    return encoder(world[1].of(np.zeros(N, int), np.arange(N) * 7)).numpy().astype(float)


def test_the_loss_is_equation_1():
    rng = np.random.default_rng(1)
    a, n, d = rng.normal(size=(3, 50, 6))
    n[:20] = a[:20] + 0.1 * n[:20]
    found, near, far = tile2vec.triplet_loss(*map(torch.tensor, (a, n, d)), 0.1)
    wanted = np.sqrt(((a - n) ** 2).sum(axis=1)) - np.sqrt(((a - d) ** 2).sum(axis=1)) + 0.1
    assert (wanted < 0).any()
    assert_allclose(found, np.maximum(wanted, 0))
    assert_allclose(far - near, 0.1 - wanted)


def test_the_gradient_is_that_of_the_norms_and_finite_where_embeddings_are_equal():
    a, n, d = torch.randn(3, 8, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(lambda *x: tile2vec.triplet_loss(*x, 3.0)[0], (a, n, d))
    same = torch.ones(2, 4, requires_grad=True)
    tile2vec.triplet_loss(same, same.clone(), same.clone(), 0.1)[0].sum().backward()
    assert torch.equal(same.grad, torch.zeros(2, 4))


def test_distant_ones_are_further_than_the_radius_and_uniform():
    rng = np.random.default_rng(2)
    lon, lat = np.append(rng.uniform(5, 8, 12), 5.0), np.append(rng.uniform(44, 46, 12), 45.0)
    place, rng = geo.unit_sphere(lon, lat), np.random.default_rng(0)
    metres = geo.great_circle_m(lon[:, None], lat[:, None], lon, lat)
    drawn = np.array([triplets.distant(place, 100_000, rng) for _ in range(4000)])
    for one in range(13):
        far = metres[one] > 100_000
        counts = np.bincount(drawn[:, one], minlength=13)
        assert (counts[~far] == 0).all()
        assert_allclose(counts[far] / 4000, 1 / far.sum(), atol=0.05)
    assert_array_equal(triplets.distant(place, 1e6, rng), np.full(13, -1))
    assert_array_equal(triplets.distant(place[:1], 10, rng), [-1])


def test_a_batch_holds_anchors_then_neighbours_and_its_species(world, pairs):
    table = triplets.read(pairs, labels=True)
    batch = triplets.Loader(table, np.arange(40), world[1], 40, 60_000.0, 0, False).batch(
        np.arange(40), np.random.default_rng(0)
    )
    rows = table.columns
    assert_array_equal(batch["inputs"]["x"][:40], world[1].of(rows["dataset"][:40], rows["surveyId"][:40])["x"])
    near = world[1].of(rows["neighbour_dataset"][:40], rows["neighbour_id"][:40])["x"]
    assert_array_equal(batch["inputs"]["x"][40:], near)
    there = batch["distant"].numpy() >= 0
    assert there.any()
    lon, lat, other = rows["lon"][:40], rows["lat"][:40], batch["distant"].numpy()
    assert (geo.great_circle_m(lon, lat, lon[other], lat[other])[there] > 60_000).all()
    for row in (0, 17, 39):
        wanted = table.values[table.starts[row] : table.starts[row + 1]]
        assert len(wanted) > 0
        assert_array_equal(batch["species"][row][batch["species"][row] >= 0], wanted)


def test_the_species_of_a_triplet_are_those_of_all_three_summed(world, tmp_path):
    wanted = options(pairs=300, species="sum", species_of="triplet", species_radius_m=20_000.0)
    sampling.write(world[0], tmp_path, wanted, fold=0, progress=False)
    table = triplets.read(tmp_path, labels=True, neighbours=True)
    rows = np.arange(60)
    batch = triplets.Loader(table, rows, world[1], 60, 60_000.0, 0, False).batch(rows, np.random.default_rng(0))
    places = world[0].places
    near = places.set_index("surveyId").index.get_indexer(table.columns["neighbour_id"][rows])
    metres = geo.great_circle_m(
        places.lon.to_numpy()[near][:, None], places.lat.to_numpy()[near][:, None], places.lon, places.lat
    )
    around = ((metres <= 20_000).astype(float) @ world[0].label_matrix.astype(float)) > 0
    classes = np.array(json.loads((tmp_path / "classes.json").read_text()))
    for row in rows:
        found = batch["neighbour_species"][row]
        assert_array_equal(classes[found[found >= 0]], np.flatnonzero(around[row]))
    torch.manual_seed(0)
    net = checkpoints.make(MODEL, table.n_classes, world[1].layouts)
    net.prepare(triplets.summarise(table, rows, world[1], "pairs"))
    net.eval()
    there = batch["distant"] >= 0
    assert there.any()
    with torch.inference_mode():
        logits = net.head(net.encoder(batch["inputs"]))
        own, other = (multi_hot(batch[name], table.n_classes) for name in ("species", "neighbour_species"))
        losses = {}
        for whose in ("anchor", "triplet"):
            learner = tile2vec.Learner(net, options(species="sum", species_of=whose), table.n_classes).eval()
            losses[whose] = learner.terms(batch)[1]
        far = batch["distant"][there]
        parts = [learner.loss(logits[:60], own), learner.loss(logits[60:], other), learner.loss(logits[far], own[far])]
    torch.testing.assert_close(losses["anchor"], parts[0])
    torch.testing.assert_close(losses["triplet"], sum(parts))


def test_passes_are_shuffled_and_held_out_ones_are_not(world, pairs):
    table = triplets.read(pairs, labels=False)
    for shuffle in (True, False):
        loader = triplets.Loader(table, np.arange(100), world[1], 32, 60_000.0, 5, shuffle)
        first, second = (torch.cat([batch["distant"] for batch in loader]) for _ in range(2))
        assert len(first) == 100
        assert len(loader) == len(list(loader)) == 4
        assert torch.equal(first, second) is not shuffle


def test_pairs_without_imagery_and_held_out_places_are_left_out(world, pairs):
    table = triplets.read(pairs, labels=False)
    train, valid, facts = triplets.split(table, world[1], 0.15, seed=0)
    rows = table.columns
    blind = np.isin(rows["surveyId"], [35, 63]) | np.isin(rows["neighbour_id"], [35, 63])
    assert facts["pairs_without_imagery"] == blind.sum() > 0
    assert not blind[np.concatenate([train, valid])].any()
    held = set(rows["surveyId"][valid])
    assert not held & set(rows["surveyId"][train])
    assert not held & set(rows["neighbour_id"][train])
    assert 0.1 <= len(valid) / 4000 <= 0.15
    assert len(train) + len(valid) + facts["pairs_touching_valid"] + facts["pairs_without_imagery"] == 4000
    square = geo.block_ids(rows["easting"], rows["northing"], 20_000)
    assert not set(square[train]) & set(square[valid])


def test_training_satisfies_triplets_and_makes_the_environment_readable(world, pairs, tmp_path):
    found = fit(pairs, world, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["encoder.ckpt", "history.csv"]
    rows = history(tmp_path)
    assert len(rows) == 5
    assert tuple(rows[0]) == tile2vec.COLUMNS
    assert found["last_valid_satisfied"] == rows[-1]["valid_satisfied"]
    assert rows[-1]["valid_triplet"] < rows[0]["valid_triplet"]
    assert math.isnan(rows[0]["weight_species"])
    table = triplets.read(pairs, labels=False)
    _, valid, _ = triplets.split(table, world[1], 0.15, seed=0)
    environment, shares, fits = world[2], [], []
    seen = np.setdiff1d(np.arange(N), [5, 9])
    held = np.isin(seen * 7, table.columns["surveyId"][valid])
    for trained in (False, True):
        encoder = encoder_of(world, trained, tmp_path)
        learner = tile2vec.Learner(torch.nn.ModuleDict({"encoder": encoder, "head": torch.nn.Identity()}), options(), 1)
        batch = triplets.Loader(table, valid, world[1], 1000, 60_000.0, 0, False)
        with torch.inference_mode():
            shares.append(learner.terms(next(iter(batch)))[2]["satisfied"][0].item())
        latent = embed(encoder, world)
        probe = RidgeCV(np.logspace(-3, 3, 7)).fit(latent[seen[~held]], environment[seen[~held]])
        fits.append(probe.score(latent[seen[held]], environment[seen[held]]))
    assert shares[1] > shares[0] + 0.1
    assert fits[1] > fits[0] + 0.1
    assert shares[1] == pytest.approx(rows[-1]["valid_satisfied"], abs=0.05)


def test_same_seed_same_weights_and_another_seed_others(world, pairs, tmp_path):
    weights = []
    for number, seed in enumerate((3, 3, 4)):
        fit(pairs, world, tmp_path / str(number), seed=seed, epochs=1)
        weights.append(checkpoints.read(tmp_path / str(number) / "encoder.ckpt")["encoder"])
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not torch.equal(weights[0]["linear.weight"], weights[2]["linear.weight"])


def gradients(world, pairs, mode):
    """Norms of the gradients that the encoder gets of the weighted triplet and species terms, on one batch."""
    torch.manual_seed(0)
    table = triplets.read(pairs, labels=True)
    net = checkpoints.make(MODEL, table.n_classes, world[1].layouts)
    rows = np.arange(512)[np.isin(np.arange(512), triplets.split(table, world[1], 0.15, 0)[0])]
    net.prepare(triplets.summarise(table, rows, world[1], "pairs"))
    learner = tile2vec.Learner(net, options(species=mode), table.n_classes).train()
    batch = next(iter(triplets.Loader(table, rows, world[1], 256, 60_000.0, 0, False)))
    triplet, species, _ = learner.terms(batch)
    _, weights = learner.balance(triplet, species)
    parameters = list(net.encoder.parameters())
    norms = []
    for weight, term in zip(weights, (triplet, species), strict=True):
        parts = torch.autograd.grad(weight * term, parameters, retain_graph=True)
        norms.append(torch.cat([part.ravel() for part in parts]).norm().item())
    return norms, (weights * torch.stack([triplet, species])).tolist()


def test_the_plain_sum_drowns_the_triplets_and_normalising_does_not(world, pairs):
    (triplet, species), terms = gradients(world, pairs, "sum")
    assert species > 50 * triplet
    assert terms[1] > 100 * terms[0]
    (triplet, species), terms = gradients(world, pairs, "normalised")
    assert_allclose(terms, [1, 1], rtol=1e-4)
    # equal values are not equal gradients: most of the species term cannot be learned away
    assert 1e-3 * triplet < species < triplet


def test_the_running_means_follow_the_terms_and_stand_still_in_evaluation():
    balance = tile2vec.Balance("normalised")
    for _ in range(500):
        total, weights = balance(torch.tensor(0.2), torch.tensor(4000.0))
        assert_allclose(weights, [5, 1 / 4000], rtol=1e-4)
    assert total.item() == pytest.approx(2, rel=1e-4)
    for _ in range(70):  # the half-life
        _, weights = balance(torch.tensor(0.1), torch.tensor(4000.0))
    assert 1 / weights[0].item() == pytest.approx(0.15, rel=0.02)
    still = balance.eval()(torch.tensor(9.0), torch.tensor(9.0))[1]
    assert torch.equal(weights, still)


def test_learned_weights_are_kendalls_and_find_the_balance():
    balance = tile2vec.Balance("learned")
    optimiser = torch.optim.SGD(balance.parameters(), 0.1)
    total, _ = balance(torch.tensor(0.5), torch.tensor(20.0))
    assert total.item() == pytest.approx(20.5)
    for _ in range(2000):
        optimiser.zero_grad()
        balance(torch.tensor(0.5), torch.tensor(20.0))[0].backward()
        optimiser.step()
    assert_allclose(balance(torch.tensor(0.5), torch.tensor(20.0))[1], [2, 1 / 20], rtol=1e-3)


@pytest.mark.parametrize(
    "mode", ["sum", *(pytest.param(mode, marks=pytest.mark.slow) for mode in ("normalised", "learned"))]
)
def test_species_join_in_every_mode(world, pairs, tmp_path, mode):
    fit(pairs, world, tmp_path, species=mode, epochs=3)
    rows = history(tmp_path)
    assert rows[-1]["valid_species"] < rows[0]["train_species"]
    weights = np.array([[row["weight_triplet"], row["weight_species"]] for row in rows])
    if mode == "sum":
        assert_array_equal(weights, 1)
    elif mode == "normalised":
        terms = weights * [[row["train_triplet"], row["train_species"]] for row in rows]
        assert_allclose(terms, 1, rtol=0.35)
    else:
        assert (np.diff(weights[:, 1]) < 0).all()
        assert (np.diff(weights[:, 0]) > 0).all()


def test_anchors_without_a_distant_one_are_left_out_and_counted(world, pairs, tmp_path):
    fit(pairs, world, tmp_path, radius_m=1e7, epochs=1)
    (row,) = history(tmp_path)
    assert row["train_alone"] == row["valid_alone"] == 1
    assert math.isnan(row["train_triplet"])
    fit(pairs, world, tmp_path, radius_m=400_000.0, epochs=1)
    (row,) = history(tmp_path)
    assert 0 <= row["train_alone"] < 1
    assert row["train_triplet"] > 0


def test_divergence_is_an_error_and_leaves_no_encoder(world, pairs, tmp_path):
    with pytest.raises(GlcError, match=r"diverged: .* is (nan|inf) in epoch .*lower pretrain\.learning_rate"):
        fit(pairs, world, tmp_path, learning_rate=1e30)
    assert not (tmp_path / "encoder.ckpt").exists()


def test_fast_dev_run_reports_its_progress_and_leaves_an_encoder(world, pairs, tmp_path, reports):
    made = tile2vec.Tile2Vec(options())
    found = made.fit(pairs, world[1], tmp_path, model=MODEL, machine=Machine("cpu", 1, fast_dev_run=True))
    assert found["last_epoch"] == 0
    assert (tmp_path / "encoder.ckpt").exists()
    assert "epoch 1 of at most 1" in [what for what, _, _ in reports]


def test_what_cannot_be_pretrained_is_told(world, pairs, tmp_path):
    with pytest.raises(ConfigError, match="'geolocation' has no encoder"):
        tile2vec.Tile2Vec(options()).fit(pairs, None, tmp_path, model=config.Choice("geolocation"))
    with pytest.raises(DataError, match="no parquet file of a table of pairs"):
        fit(tmp_path, world, tmp_path)
    (tmp_path / "bare").mkdir()
    sampling.write(world[0], tmp_path / "bare", options(pairs=10), fold=0, progress=False)
    with pytest.raises(DataError, match=r"classes\.json is missing"):
        fit(tmp_path / "bare", world, tmp_path, species="sum")
    with pytest.raises(DataError, match="neighbour_species is missing"):
        fit(pairs, world, tmp_path, species="sum", species_of="triplet")


def test_options_are_checked_and_registered():
    assert pretrainings.get("tile2vec") is tile2vec.Tile2Vec
    made = config.options(tile2vec.Tile2Vec, config.Choice("tile2vec", {"species": "learned", "loss": "hill"}), "x")
    assert made.loss == config.Choice("hill")
    assert (made.pairs, made.radius_m, made.margin, made.sources) == (1_000_000, 100_000.0, 0.1, ("po",))
    for key, value in (("species", "both"), ("margin", 0), ("holdout", 0.0), ("sources", ["test"]), ("batch_size", 1)):
        with pytest.raises(ConfigError, match=rf"{key}(\.0)?: found"):
            config.options(tile2vec.Tile2Vec, config.Choice("tile2vec", {key: value}), "x")


@pytest.mark.slow
def test_two_threads_give_the_same_bytes_each_time(pairs, world, tmp_path):
    """The distant survey of several anchors is one and the same: its gradient is a sum whose order must not vary."""
    wide = config.Choice("tile_cnn", MODEL.options | {"latent": 512})  # torch shares out no less
    files = []
    for number in range(2):
        out = tmp_path / str(number)
        out.mkdir()
        made = tile2vec.Tile2Vec(options(epochs=1, batch_size=512, margin=5.0))
        made.fit(pairs, world[1], out, model=wide, machine=Machine("cpu", threads=2, progress=False))
        encoder = torch.load(out / "encoder.ckpt", weights_only=True)["encoder"]
        files.append(b"".join(value.numpy().tobytes() for value in encoder.values()))
    assert files[0] == files[1]


def test_a_killed_pretraining_ends_with_the_same_bytes(pairs, world, tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(resume, "SHARE", 1e9)
    made = tile2vec.Tile2Vec(options(species="learned"))
    step, steps = tile2vec.Learner.training_step, []

    def killed(self, batch):
        steps.append(1)
        if len(steps) == 70:
            raise KeyError("killed")
        return step(self, batch)

    def train(name, folder):
        (tmp_path / name).mkdir()
        machine = Machine("cpu", progress=False, resume=folder)
        facts = made.fit(pairs, world[1], tmp_path / name, model=MODEL, machine=machine)
        encoder = torch.load(tmp_path / name / "encoder.ckpt", weights_only=True)["encoder"]
        rows = [{k: str(v) for k, v in row.items() if k != "seconds"} for row in history(tmp_path / name)]
        return {k: v for k, v in facts.items() if "seconds" not in k}, rows, encoder

    facts, rows, encoder = train("whole", None)
    with monkeypatch.context() as patch:
        patch.setattr(tile2vec.Learner, "training_step", killed)
        with pytest.raises(KeyError, match="killed"):
            train("killed", tmp_path / "parts")
    assert 0 < resume.finished_epochs(tmp_path / "parts") < len(rows)
    again = train("again", tmp_path / "parts")
    assert again[:2] == (facts, rows)
    assert all(torch.equal(again[2][name], value) for name, value in encoder.items())


@pytest.mark.slow
def test_two_processes_pretrain_as_one_does(pairs, world, tmp_path):
    """Triplets of a batch need the embeddings of all its surveys; a distant one may be another process's anchor."""
    made = tile2vec.Tile2Vec(options(species="learned", epochs=1))
    facts = []
    for devices in (1, 2):
        out = tmp_path / str(devices)
        out.mkdir()
        machine = Machine("cpu", threads=devices, progress=False, devices=devices)
        facts.append(made.fit(pairs, world[1], out, model=MODEL, machine=machine))
        assert sorted(path.name for path in out.iterdir()) == ["encoder.ckpt", "history.csv"]
    for name, value in facts[0].items():
        if name not in ("model", "seconds"):
            assert facts[1][name] == pytest.approx(value, rel=1e-2, abs=1e-3), name
    encoders = [torch.load(tmp_path / str(n) / "encoder.ckpt", weights_only=True)["encoder"] for n in (1, 2)]
    assert encoders[0].keys() == encoders[1].keys()
