"""The poster's experiments A and B without data: satellite patches of the virtual globe tell country and climate."""

import numpy as np
import pytest

from glc import config, storage
from glc.location import LocationEncoder
from glc.location.downstream import heads, problems
from glc.location.pretraining import patches, train
from glc.world import globe

WORLD = globe.Globe("test", 2_000, 16, 4_000, 24, 2.0)
EXPERIMENT = "location-patches+location.size=8+location.epochs=12+location.holdout_deg=10.0"


@pytest.mark.slow
def test_country_and_precipitation_are_known_on_held_out_blocks_by_what_imagery_shows(tmp_path):
    """Above chance, and above the same encoder with the images of other places, on blocks without labels."""
    globe.write(WORLD, tmp_path, "patches")
    globe.write(WORLD, tmp_path, "places")
    with storage.atomic_directory(tmp_path / "prepared") as out:
        storage.note(out, **patches.prepare(tmp_path / globe.PATCHES, out, 8, progress=False))
    frame = problems.location(tmp_path).places
    held = (frame["fold_block10"] == 0).to_numpy()
    assert held.sum() > 300
    country, rain = frame["country_code"].to_numpy(), frame["prec_annual_mm"].to_numpy()
    scores = {}
    for label in ("imagery", "shuffled"):
        options = config.load_encoder(f"{EXPERIMENT}+location.shuffled={str(label == 'shuffled').lower()}").location
        (tmp_path / label).mkdir()
        train.pretrain_on_patches(tmp_path / "prepared", tmp_path / label, options)
        vectors = LocationEncoder.load(tmp_path / label / "location.ckpt").embed(frame["lon"], frame["lat"])
        labels = {"country": country[~held], "rain": rain[~held]}
        head = config.Head("linear", alpha=0.01)
        told = heads.fit_predict(vectors[~held], labels, vectors[held], head)
        error = ((told["rain"].values - rain[held]) ** 2).mean()
        right = (told["country"].best == country[held]).mean()
        scores[label] = {"country": right, "rain": 1 - error / rain[held].var()}
    most_frequent = np.unique(country[~held], return_counts=True)
    chance = (country[held] == most_frequent[0][most_frequent[1].argmax()]).mean()
    assert scores["imagery"]["country"] > chance + 0.1, scores
    assert scores["imagery"]["rain"] > 0.1, scores  # 0: the mean of the places
    for target in ("country", "rain"):
        assert scores["imagery"][target] > scores["shuffled"][target] + 0.05, scores
