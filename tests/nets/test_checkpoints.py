"""Checkpoints: what they hold, what they refuse, what a clone keeps, and how they predict."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from glc import __version__, config
from glc.errors import ConfigError, DataError
from glc.nets import checkpoints

CLASSES = 6
NET = config.Choice("geolocation", {"latent": 8})


def net_of(seed=0, n_classes=CLASSES, model=NET):
    torch.manual_seed(seed)
    net = checkpoints.make(model, n_classes)
    for value in net.buffers():  # not those of a net that has seen nothing
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape) + 0.5)
    return net


def saved(path, seed=0, **settings):
    checkpoints.save(path, net_of(seed), NET, CLASSES, {}, {"epochs": 3}, **settings)
    return path


def places(n):
    rng = np.random.default_rng(0)
    return {
        "surveyId": np.arange(n),
        "easting": rng.uniform(3.9e6, 4e6, n).astype(np.float32),
        "northing": rng.uniform(2e6, 2.1e6, n).astype(np.float32),
    }


@pytest.fixture
def checkpoint(tmp_path):
    return saved(tmp_path / "model.ckpt")


def test_a_checkpoint_describes_itself(checkpoint):
    content = checkpoints.read(checkpoint)
    assert content.pop("state_dict").keys() == net_of().state_dict().keys()
    assert content == {
        "glc": __version__,
        "model": "geolocation",
        "options": {"latent": 8},
        "n_classes": CLASSES,
        "inputs": {},
        "train": {"epochs": 3},
        "link": "sigmoid",
    }


def test_a_loaded_net_is_the_saved_one_ready_to_predict(checkpoint):
    net, n_classes, layouts = checkpoints.load(checkpoint)
    assert (n_classes, layouts, net.training) == (CLASSES, {}, False)
    for name, value in net_of().state_dict().items():
        assert torch.equal(net.state_dict()[name], value)


def test_a_model_that_is_not_trained_is_no_net():
    with pytest.raises(ConfigError, match="model 'votes' is classical, expected a net"):
        checkpoints.make(config.Choice("votes"), CLASSES)


def test_checkpoints_that_cannot_be_read(tmp_path, checkpoint):
    with pytest.raises(DataError, match=r"none\.ckpt: no such checkpoint; train the net first"):
        checkpoints.read(tmp_path / "none.ckpt")
    (tmp_path / "text.ckpt").write_text("weights")
    with pytest.raises(DataError, match=r"text\.ckpt: cannot be read as a checkpoint of this version"):
        checkpoints.load(tmp_path / "text.ckpt")
    content = torch.load(checkpoint, weights_only=True)
    for change in ({"n_classes": 7}, {"options": {"latent": 9}}, {"inputs": None}):
        torch.save(content | change, tmp_path / "other.ckpt")
        with pytest.raises(DataError, match=r"other\.ckpt: cannot be read as a checkpoint"):
            checkpoints.load(tmp_path / "other.ckpt")
    torch.save(content | {"options": {"latents": 8}}, tmp_path / "other.ckpt")
    with pytest.raises(DataError, match=r"other\.ckpt: .*latents"):
        checkpoints.load(tmp_path / "other.ckpt")


def test_links_are_those_of_their_losses():
    logits = torch.tensor([[0.0, 1.0, -2.0], [3.0, 3.0, 3.0]])
    odds = np.exp(logits.numpy())
    assert_allclose(checkpoints.LINKS["sigmoid"](logits), odds / (1 + odds), rtol=1e-6)
    assert_allclose(checkpoints.LINKS["softmax"](logits), odds / odds.sum(axis=1, keepdims=True), rtol=1e-6)


@pytest.mark.parametrize("link", ["sigmoid", "softmax"])
def test_predictions_are_the_linked_logits_of_the_net(tmp_path, link):
    path = saved(tmp_path / "model.ckpt", link=link)
    scores = checkpoints.predict(path, places(11), batch=4, accelerator="cpu")
    with torch.inference_mode():
        logits = checkpoints.load(path)[0]({name: torch.as_tensor(column) for name, column in places(11).items()})
    assert scores.dtype == np.float32
    assert_allclose(scores, checkpoints.LINKS[link](logits), rtol=1e-5)


def test_blocks_are_as_long_as_asked(checkpoint):
    lengths = [len(block) for block in checkpoints.predict_blocks(checkpoint, places(10), batch=4, accelerator="cpu")]
    assert lengths == [4, 4, 2]
    assert checkpoints.predict(checkpoint, places(0), accelerator="cpu").shape == (0, CLASSES)


def test_places_that_cannot_be_predicted(checkpoint):
    uneven = places(3) | {"northing": np.zeros(2)}
    with pytest.raises(DataError, match=r"columns differ in length.*'northing': 2"):
        checkpoints.predict(checkpoint, uneven)
    for name, value in (("easting", np.nan), ("northing", np.inf)):
        far = places(3)
        far[name][1] = value
        with pytest.raises(DataError, match=f"column '{name}' has values that are not finite"):
            checkpoints.predict(checkpoint, far)


def test_encoders_travel_on_their_own(tmp_path):
    path = tmp_path / "encoder.ckpt"
    checkpoints.save_encoder(path, torch.nn.Linear(3, 2), {"pairs": 7})
    assert checkpoints.read(path)["train"] == {"pairs": 7}
    encoder = torch.nn.Linear(3, 2)
    checkpoints.load_encoder(encoder, path)
    assert all(
        torch.equal(encoder.state_dict()[name], value) for name, value in checkpoints.read(path)["encoder"].items()
    )
    with pytest.raises(DataError, match=r"encoder\.ckpt: the pretrained encoder does not fit the net"):
        checkpoints.load_encoder(torch.nn.Linear(4, 2), path)


def test_an_encoder_is_not_read_from_a_net(checkpoint):
    with pytest.raises(DataError, match=r"model\.ckpt: the pretrained encoder does not fit"):
        checkpoints.load_encoder(torch.nn.Linear(3, 2), checkpoint)


def test_a_clone_takes_all_but_the_rows_of_classes_that_are_new(checkpoint):
    columns = np.array([4, -1, 0, -1, 5])
    net = net_of(seed=1, n_classes=5)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    checkpoints.clone(net, checkpoint, columns)
    last, source = checkpoints.classifier(net), net_of().state_dict()
    assert len(last) == 2
    for name, value in net.state_dict().items():
        if name in last:
            assert_array_equal(value[[0, 2, 4]], source[name][[4, 0, 5]])
            assert_array_equal(value[[1, 3]], before[name][[1, 3]])
        else:
            assert torch.equal(value, source[name])


def test_a_clone_of_another_architecture_is_refused(checkpoint):
    net = checkpoints.make(config.Choice("geolocation", {"latent": 9}), CLASSES)
    with pytest.raises(DataError, match="this net does not fit the one that should go on from it"):
        checkpoints.clone(net, checkpoint, np.arange(CLASSES))


def test_embeddings_of_all_blocks_are_what_the_last_layer_reads(checkpoint):
    parts = []
    blocks = checkpoints.predict_blocks(checkpoint, places(10), batch=4, accelerator="cpu", embedded=parts.append)
    scores = np.concatenate(list(blocks))
    assert [part.shape for part in parts] == [(4, 8), (4, 8), (2, 8)]
    net = checkpoints.load(checkpoint)[0]
    with torch.inference_mode():
        logits = net.last(torch.from_numpy(np.concatenate(parts)))
    assert_allclose(logits.sigmoid().numpy(), scores, rtol=1e-5)
