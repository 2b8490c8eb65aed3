"""The table of what a location encoder brings the species nets."""

import luigi
import pytest
import torch

from glc import config
from glc.config import Choice
from glc.errors import ConfigError
from glc.location import LocationEncoder
from glc.tasks.training import Fit
from tasks.location_2024 import Species
from tests.tasks.pipeline import TINY


@pytest.fixture
def species(tmp_path):
    """A function that makes the table, with an encoder on harmonics of degree 3."""
    torch.manual_seed(0)
    features = Choice("harmonics", {"degree": 3, "inclusive": False})
    LocationEncoder(features, Choice("siren", {"hidden": 8}), 4).save(tmp_path / "location.ckpt")
    told = luigi.configuration.get_config()
    told.set("location", "encoder", str(tmp_path / "location.ckpt"))
    luigi.task_register.Register.clear_instance_cache()
    yield lambda **more: Species(root=str(tmp_path), dataset=TINY, **more)
    told.remove_section("location")


def test_rows_are_the_nets_and_the_encoders_own_control_on_both_schemes(species):
    table = species(folds=2)
    rows = {row.label: config.load(row.experiment) for row in table.rows()}
    assert len(rows) == 12
    for scheme in ("block", "random"):
        own = {label.removesuffix(f", {scheme} folds"): one for label, one in rows.items() if f", {scheme}" in label}
        assert {(one.validation.scheme, one.validation.run, one.validation.count) for one in own.values()} == {
            (scheme, 2, 10)
        }
        told = {
            label: ([one.location for one in own[label].inputs], own[label].model.options.get("features"))
            for label in own
        }
        encoder, control = [Choice("encoder")], [Choice("harmonics", {"degree": 3, "inclusive": False})]
        assert told == {
            "raw coordinates": ([], "coordinates"),
            "harmonics (control)": (control, "none"),
            "encoder": (encoder, "none"),
            "raw coordinates + encoder": (encoder, "coordinates"),
            "fourier": ([], "fourier"),
            "fourier + encoder": (encoder, "fourier"),
        }


def test_gains_are_over_the_raw_coordinates_of_the_same_folds(species):
    table = species()
    over = {row.label: table._over(row) for row in table.rows()}
    for scheme in ("block", "random"):
        assert over.pop(f"raw coordinates, {scheme} folds") == ""
        assert over.pop(f"fourier + encoder, {scheme} folds") == f"fourier, {scheme} folds"
    for label, other in over.items():
        assert other == f"raw coordinates, {label.rpartition(', ')[2]}"


def test_every_net_is_another_and_the_default_is_the_experiment_itself(species):
    runs = species(seeds=1, folds=1).requires()
    fits = {label: one[0].clone(Fit, fold=0).identity for label, one in runs.items()}
    assert len(set(fits.values())) == 12
    assert fits["fourier, block folds"] == Fit(root="out", dataset=TINY, experiment="geolocation").identity


def test_without_an_encoder_the_table_says_how_to_get_one(species):
    luigi.configuration.get_config().set("location", "encoder", "")
    with pytest.raises(ConfigError, match="make location-encoder"):
        species().rows()
