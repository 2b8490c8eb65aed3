"""The nearest places against brute force."""

import numpy as np
import pytest

from glc import geo
from glc.location.downstream import __main__, nearest
from tests.location import places


def test_neighbours_are_those_of_brute_force_also_across_the_date_line():
    frame, query = places.tasks(300), places.tasks(40, seed=2)
    query.loc[0, ["lon", "lat"]] = [179.999, 0.0]
    value = frame["prec_annual_mm"].to_numpy(np.float64)
    label = frame["koeppen_main"].where(frame["koeppen_main"].notna(), None).to_numpy()
    found = nearest.fit_predict(
        (frame["lon"], frame["lat"]), {"v": value, "c": label}, (query["lon"], query["lat"]), k=7
    )
    for i, (lon, lat) in enumerate(zip(query["lon"], query["lat"], strict=True)):
        order = np.argsort(geo.great_circle_m(lon, lat, frame["lon"], frame["lat"]))
        assert found["v"].values[i] == pytest.approx(value[order[:7]].mean())
        known = [label[j] for j in order if label[j] is not None][:7]
        assert found["c"].best[i] == max(set(known), key=known.count)


def test_among_as_many_votes_the_nearer_win_and_one_vote_never_beats_two():
    lon = np.array([1.0, 2.0, 3.0, 4.0])
    found = nearest.fit_predict((lon, 0 * lon), {"c": np.array(["z", "a", "z", "a"], object)}, ([0.0], [0.0]), k=4)
    assert found["c"].best.tolist() == ["z"]
    found = nearest.fit_predict((lon, 0 * lon), {"c": np.array(["z", "b", "a", "a"], object)}, ([0.0], [0.0]), k=4)
    assert found["c"].best.tolist() == ["a"]


def test_fewer_places_than_k_are_all_asked():
    found = nearest.fit_predict(([0.0, 1.0], [0.0, 0.0]), {"v": np.array([1.0, 4.0])}, ([5.0], [5.0]), k=10)
    assert found["v"].values.tolist() == [2.5]


def test_the_command_prints_all_folds(tmp_path, capsys):
    places.write_location(tmp_path / "a")
    places.write_habitats(tmp_path / "b")
    __main__.main([str(tmp_path / "a"), "--habitats", str(tmp_path / "b")])
    text = capsys.readouterr().out
    assert "10 nearest places, location" in text
    assert "20 nearest places, habitats" in text
    assert text.count("all") == 6


def test_the_reference_of_the_real_open_folds(shared_data):
    from glc.location.downstream import problems, validation
    from glc.location.downstream.sources import Source

    problem = problems.location(shared_data / "location", 1)
    scores = validation.cross_validate(problem, Source("nearest"), {}).scores
    pooled = scores[(scores["fold"] == "all") & (scores["measure"] != "top-5 accuracy")]
    found = pooled.set_index(["folds", "target"])["score"]
    assert found["fold_random", "country_code"] == pytest.approx(0.975, abs=0.005)
    expected = {"tmean_annual_c": 0.934, "prec_annual_mm": 0.673, "altitude_m": 0.559, "country_code": 0.755}
    for name, score in expected.items():
        assert found["fold_block10", name] == pytest.approx(score, abs=0.005)
