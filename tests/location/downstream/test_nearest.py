"""The nearest places against brute force."""

from dataclasses import replace

import numpy as np
import pytest

from glc import geo
from glc.location.downstream import __main__, nearest
from tests.location import places


def test_neighbours_are_those_of_brute_force_also_across_the_date_line():
    frame, query = places.tasks(300), places.tasks(40, seed=2)
    query.loc[0, ["lon", "lat"]] = [179.999, 0.0]
    value = frame["prec_annual_mm"].to_numpy(np.float64)
    label = frame["koeppen_main"].astype(object).where(frame["koeppen_main"].notna(), None).to_numpy()
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


@pytest.mark.parametrize("power", [0.5, 1.0, 3.0])
def test_weights_are_inverse_powers_of_one_and_the_kilometres(power):
    frame, query = places.tasks(200), places.tasks(30, seed=2)
    value = frame["prec_annual_mm"].to_numpy(np.float64)
    label = frame["koeppen_main"].astype(object).where(frame["koeppen_main"].notna(), None).to_numpy()
    predicted = nearest.fit_predict(
        (frame["lon"], frame["lat"]), {"v": value, "c": label}, (query["lon"], query["lat"]), 9, power
    )
    known = np.array([one is not None for one in label])
    for i, (lon, lat) in enumerate(zip(query["lon"], query["lat"], strict=True)):
        km = geo.great_circle_m(lon, lat, frame["lon"].to_numpy(), frame["lat"].to_numpy()) / 1000
        near = np.argsort(km)[:9]
        weights = 1 / (1 + km[near]) ** power
        assert predicted["v"].values[i] == pytest.approx((weights @ value[near]) / weights.sum())
        near = [j for j in np.argsort(km) if known[j]][:9]
        weights = 1 / (1 + km[near]) ** power
        for column, name in enumerate(predicted["c"].classes):
            share = weights[label[near] == name].sum() / weights.sum()
            assert predicted["c"].values[i, column] == pytest.approx(share, abs=1e-6)


def test_one_near_place_outweighs_two_far_ones():
    # at 1, 100 and 100 km: half a vote against two hundredths
    lon = np.degrees(np.array([1.0, 100.0, -100.0]) / (geo.EARTH_RADIUS_M / 1000))
    labels = {"c": np.array(["near", "far", "far"], object)}
    for power, winner in ((0.0, "far"), (1.0, "near")):
        assert nearest.fit_predict((lon, 0 * lon), labels, ([0.0], [0.0]), 3, power)["c"].best.tolist() == [winner]


def test_k_and_power_are_those_that_predict_each_fold_best_from_the_others(monkeypatch):
    monkeypatch.setattr(nearest, "KS", (1, 3, 8, 40))
    monkeypatch.setattr(nearest, "POWERS", (0.5, 1.0, 4.0))
    monkeypatch.setattr(nearest, "_ROWS", 37)
    frame = places.tasks(250)
    rng = np.random.default_rng(4)
    noisy = frame["prec_annual_mm"].to_numpy(np.float64) + rng.normal(0, 300, 250)
    label = frame["country_code"].to_numpy().copy()
    label[rng.random(250) < 0.3] = "??"
    label[::9] = None
    targets, fold = {"v": noisy, "c": label, "exact": frame["tmean_annual_c"].to_numpy()}, rng.integers(3, size=250)
    at = frame[["lon", "lat"]].to_numpy()

    def loss(name, k, power):
        total = 0
        for number in range(3):
            own, rest = fold == number, fold != number
            predicted = nearest.fit_predict(at[rest].T, {name: targets[name][rest]}, at[own].T, k, power)[name]
            known = np.array([one is not None for one in targets[name][own]])
            wrong = predicted.values - targets[name][own] if name != "c" else predicted.best != targets[name][own]
            total += np.square(wrong[known].astype(float)).sum()
        return total

    chosen = nearest.choose(at.T, targets, fold, nearest.Votes(10))
    for name, votes in chosen.items():
        losses = {(k, power): loss(name, k, power) for k in nearest.KS for power in nearest.POWERS}
        assert losses[votes.k, votes.power] == pytest.approx(min(losses.values()))
        assert len(set(losses.values())) > 3
    assert chosen["v"] != chosen["exact"]
    one_fold = nearest.choose(at.T, targets, np.zeros(250), nearest.Votes(7, 2.0))
    assert set(one_fold.values()) == {nearest.Votes(7, 2.0)}


def test_fewer_places_than_k_are_all_asked():
    found = nearest.fit_predict(([0.0, 1.0], [0.0, 0.0]), {"v": np.array([1.0, 4.0])}, ([5.0], [5.0]), k=10)
    assert found["v"].values.tolist() == [2.5]
    targets, line = {"v": np.arange(6.0)}, (np.arange(6.0), np.zeros(6))
    assert nearest.choose(line, targets, np.arange(6) % 2, nearest.Votes(1))["v"].k in nearest.KS


def test_the_command_prints_all_folds(tmp_path, capsys):
    places.write_location(tmp_path / "a")
    places.write_habitats(tmp_path / "b")
    __main__.main([str(tmp_path / "a"), "--habitats", str(tmp_path / "b")])
    text = capsys.readouterr().out
    assert "10 nearest places, location" in text
    assert "20 nearest places, weighted by 1/(1 + km), habitats" in text
    assert "nearest places, k and power chosen, habitats" in text
    assert "habitatId: k " in text
    assert sum(line.split()[:1] == ["all"] for line in text.splitlines()) == 3 * 6
    assert text.count("with 95 % intervals") == 2
    assert "compared with 20 nearest places\n" in text


@pytest.mark.slow
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


def test_distances_are_worth_points_of_accuracy_on_real_habitats(shared_data):
    from glc.location.downstream import problems, validation
    from glc.location.downstream.sources import references

    problem = problems.habitats(shared_data / "habitats")
    problem = replace(problem, folds={problems.CHOOSING: problem.folds[problems.CHOOSING]})
    accuracy = []
    for source, paths in references("habitats").values():
        scores = validation.cross_validate(problem, source, paths).scores
        accuracy.append(scores.query("fold == 'all' and measure == 'accuracy'")["score"].item())
    alike, weighted, chosen = accuracy
    assert weighted > alike + 0.01
    assert chosen > weighted + 0.008
