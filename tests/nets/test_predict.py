"""Scores of a trained net do not depend on where its imagery lies."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from glc import config, storage
from glc import scores as score_tables
from glc.nets import predict, trainer
from glc.nets.inputs import examples, tables
from glc.training.machine import Machine
from tests.helpers import survey_data
from tests.nets.inputs.test_streamed import write_tiles

TILES = config.Choice("tile_cnn", {"channels": 8, "reduced": 4, "latent": 8, "dropout": 0.2})
INPUTS = (config.Input("sentinel2", block=8, size=32),)


@pytest.fixture
def fitted(tmp_path):
    """A tile CNN of one epoch and its surveys; four in five, in random order, have imagery."""
    data = survey_data()
    write_tiles(tmp_path / "tiles", surveys=150, group=8, side=8)
    examples.write(data, tmp_path / "examples", fold=0, stop=1, po=config.Po(use="none"))
    (tmp_path / "fit").mkdir()
    trainer.fit(
        tmp_path / "examples" / "train", tmp_path / "examples" / "stop", tmp_path / "fit", model=TILES,
        train_config=config.Train(config.Choice("bce"), max_epochs=1),
        n_classes=len(examples.read_classes(tmp_path / "examples")),
        features=tables.read(INPUTS, [[tmp_path / "tiles"]]), machine=Machine("cpu", progress=False),
    )  # fmt: skip
    return data


def test_scores_of_streamed_imagery_are_those_of_imagery_in_memory(fitted, tmp_path):
    (tmp_path / "scratch").mkdir()
    settings = {"memory": {}, "streamed": {"memory_bytes": 4 << 10, "scratch": tmp_path / "scratch"}}
    held = {}
    for name, where in settings.items():
        imagery = tables.read(INPUTS, [[tmp_path / "tiles"]], **where)
        assert (imagery.reading is not None) == (name == "streamed")
        with storage.atomic_directory(tmp_path / name, task="Scores") as out:
            predict.write(
                tmp_path / "fit", tmp_path / "examples", fitted, out, fold=0, first=1, keep=12, features=imagery,
                accelerator="cpu",
            )  # fmt: skip
        held[name] = {part: score_tables.read(tmp_path / name / part) for part in ("valid", "test", "first")}
    for part, wanted in held["memory"].items():
        streamed = held["streamed"][part]
        assert_array_equal(streamed.surveys, wanted.surveys)
        assert_array_equal(streamed.fold, wanted.fold)
        np.testing.assert_allclose(streamed.matrix.toarray(), wanted.matrix.toarray(), atol=1e-6)
    assert len(np.unique(held["memory"]["valid"].matrix.toarray().round(6), axis=0)) > 1, "the imagery counts"
