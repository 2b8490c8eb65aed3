import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from glc import geo, storage
from glc.errors import ConfigError, DataError
from glc.neighbours import exact, lsh, recall
from glc.neighbours.places import align, load, to_table


def places(n, seed, dataset="pa_train", group=-1, crs=3035):
    rng = np.random.default_rng(seed)
    lon, lat = rng.uniform(3, 5, n), rng.uniform(43, 44.5, n)
    return project(
        pd.DataFrame({"dataset": dataset, "surveyId": np.arange(n), "lon": lon, "lat": lat, "group": group}), crs
    )


def project(frame, crs=3035):
    easting, northing = geo.project(frame.lon, frame.lat, crs)
    frame = frame.assign(easting=easting, northing=northing, crs=crs)
    return frame.astype({"crs": "int32", "group": "int32"})


def table(folder):
    found = storage.read_table(folder, "neighbours").to_pandas()
    return found.sort_values(["survey_dataset", "survey_id", "rank"], ignore_index=True)


def exact_table(queries, sources, **options):
    q, s = align(load(queries), load(sources))
    return to_table(q, s, *exact.nearest(queries, sources, **options)).to_pandas()


@pytest.mark.parametrize("tables", [1, 5])
@pytest.mark.parametrize("ratio", [0.02, 0.5, 1.0, 1.7, 8.0, 60.0])
def test_collision_probability_is_the_simulated_one(ratio, tables):
    rng = np.random.default_rng(int(ratio * 100) + tables)
    n = 200_000
    place = rng.uniform(0, 1000, (n, 1, 2))
    angle = rng.uniform(0, 2 * np.pi, n)
    other = place + ratio * np.column_stack([np.cos(angle), np.sin(angle)])[:, None]
    direction = rng.normal(size=(n, tables, 2))
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    share = (np.floor((place * direction).sum(2)) == np.floor((other * direction).sum(2))).any(axis=1).mean()
    wanted = lsh.collision_probability(ratio, 1.0, tables)
    assert_allclose(share, wanted, atol=4 * np.sqrt(wanted * (1 - wanted) / n))


def test_collision_probability_falls_with_distance_and_has_its_limits():
    probability = lsh.collision_probability(np.geomspace(0.01, 1e9, 200), 20.0, 1)
    assert (np.diff(probability) < 0).all()
    assert_allclose(probability[0], 1, atol=1e-3)
    # far pairs share a strip of width w with probability w / (pi d)
    assert_allclose(lsh.collision_probability(1e9, 20.0, 1), 20 / (np.pi * 1e9), rtol=1e-6)


@pytest.mark.parametrize("wanted", [0.01, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("tables", [1, 5, 20])
def test_bucket_length_for_reaches_the_wanted_recall(wanted, tables):
    length = lsh.bucket_length_for(wanted, 10_000, tables)
    assert_allclose(lsh.collision_probability(10_000, length, tables), wanted, rtol=1e-6)


@pytest.mark.parametrize("options", [{"recall": 1}, {"recall": 0}, {"radius_m": 0}, {"tables": 0}])
def test_impossible_wishes_are_refused(options):
    with pytest.raises(ConfigError, match="expected 0 < recall < 1"):
        lsh.bucket_length_for(**({"recall": 0.5, "radius_m": 1_000} | options))


def test_unusable_options_and_places_are_refused(spark, tmp_path):
    frame = places(10, 0)
    for options in ({"bucket_length": 0}, {"bucket_length": "long"}, {"k": -1}, {"radius_m": -1}, {"tables": 0}):
        with pytest.raises(ConfigError, match="lsh: found"):
            lsh.write(spark, frame, frame, tmp_path / "out", **options)
    with pytest.raises(DataError, match="'crs' is missing"):
        lsh.write(spark, frame, frame.drop(columns="crs"), tmp_path / "out")


def test_pairs_are_true_neighbours_at_great_circle_distances(spark, tmp_path):
    queries = places(500, 1, group=np.arange(500) % 3)
    sources = pd.concat([queries, places(400, 2, "po")], ignore_index=True)
    facts = lsh.write(spark, queries, sources, tmp_path / "out", radius_m=20_000, bucket_length=4_000, seed=3)
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".parquet"}
    found, wanted = table(tmp_path / "out"), exact_table(queries, sources, k=0, radius_m=20_000)
    keys = ["survey_dataset", "survey_id", "dataset", "neighbour_id"]
    both = found.merge(wanted, on=keys, suffixes=("", "_exact"))
    assert len(both) == len(found) == facts["rows"]
    assert 0.3 < len(found) / len(wanted) < 0.95
    assert_allclose(both.distance_m, both.distance_m_exact, rtol=0, atol=0.0015)
    assert not ((found.survey_id == found.neighbour_id) & (found.survey_dataset == found.dataset)).any()
    assert ((found.survey_id == found.neighbour_id) & (found.dataset == "po")).any()
    group = queries.group.to_numpy()
    own = found[found.dataset == "pa_train"]
    assert (group[own.survey_id] != group[own.neighbour_id]).all()
    assert facts["queries"] == 500
    assert facts["without_neighbours"] == 500 - found.survey_id.nunique()
    assert (found.groupby("survey_id")["rank"].max() == found.groupby("survey_id").size()).all()
    assert (found.groupby("survey_id").distance_m.diff().dropna() >= 0).all()
    assert facts["crs"] == [3035]


@pytest.mark.slow
def test_one_strip_for_all_with_k_is_the_exact_table(spark, tmp_path):
    queries, sources = places(200, 4, "pa_test"), places(300, 5)
    lsh.write(spark, queries, sources, tmp_path / "out", bucket_length=1e9, k=4, radius_m=40_000)
    found, wanted = table(tmp_path / "out"), exact_table(queries, sources, k=4, radius_m=38_000)
    found = found[found.distance_m <= 38_000].reset_index(drop=True)  # the projection cuts off near 40 km, not at it
    pd.testing.assert_frame_equal(found, wanted, rtol=0, atol=0.0015)


@pytest.mark.slow
def test_projections_are_never_mixed(spark, tmp_path):
    europe, america = places(60, 6), places(60, 7, "usa")
    # the same metres in two projections would be neighbours if they were compared
    america = america.assign(crs=np.int32(5070))
    facts = lsh.write(spark, europe, america, tmp_path / "none", bucket_length=1e9)
    assert facts["rows"] == 0
    assert facts["without_neighbours"] == 60
    assert facts["crs"] == []
    both = pd.concat([europe, america], ignore_index=True)
    facts = lsh.write(spark, both, both, tmp_path / "both", bucket_length=1e9)
    found = table(tmp_path / "both")
    assert (found.survey_dataset == found.dataset).all()
    assert set(found.dataset) == {"pa_train", "usa"}
    assert facts["crs"] == [3035, 5070]


@pytest.mark.slow
def test_the_seed_decides(spark, tmp_path):
    frame = places(300, 8)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        lsh.write(spark, frame, frame, tmp_path / name, bucket_length=500, radius_m=20_000, tables=2, seed=seed)
    first, again, other = (table(tmp_path / name) for name in "abc")
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


@pytest.mark.slow
def test_on_real_places_bucket_20_finds_almost_nothing_and_auto_what_was_wanted(spark, tmp_path, shared_data):
    csv = shared_data / "medflora" / "PresenceOnlyOccurrences" / "GLC24-PO-metadata-train.csv"
    frame = (
        pd.read_csv(csv, usecols=["lon", "lat", "surveyId"]).drop_duplicates("surveyId").sample(2_000, random_state=0)
    )
    frame = project(frame.assign(dataset="po", group=-1))
    lsh.write(spark, frame, frame, tmp_path / "published", bucket_length=20.0, tables=5)
    published = recall.against_exact(tmp_path / "published", frame, frame)
    assert published[2]["true_pairs"] > 2_000
    assert published[2]["recall"] < 0.03
    assert published[3]["recall"] < 0.005
    facts = lsh.write(
        spark, frame, frame, tmp_path / "auto", bucket_length="auto", recall=0.8, recall_at_m=10_000, radius_m=12_000
    )
    assert_allclose(facts["bucket_length"], lsh.bucket_length_for(0.8, 10_000, 5))
    # pairs at 10 km: 80 %, up to one draw of five directions; all pairs within it: more
    q, s, d = exact.nearest(frame, frame, k=0, radius_m=10_500)
    at = (d > 9_500) & (d <= 10_500)
    keys = ["survey_id", "neighbour_id"]
    ids = frame.surveyId.to_numpy()
    wanted = pd.DataFrame({"survey_id": ids[q[at]], "neighbour_id": ids[s[at]]})
    share = len(wanted.merge(table(tmp_path / "auto"), on=keys)) / len(wanted)
    assert abs(share - 0.8) < 0.08
    assert recall.against_exact(tmp_path / "auto", frame, frame, (10_000,))[0]["recall"] > 0.8
