import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose

from glc import geo, schema, storage
from glc.errors import ConfigError, DataError
from glc.neighbours import cells, exact, search
from glc.neighbours.places import align, load, to_table


def places(lon, lat, dataset="pa_train", group=-1, first_id=0):
    lon, lat = np.asarray(lon, float), np.asarray(lat, float)
    return pd.DataFrame(
        {"dataset": dataset, "surveyId": first_id + np.arange(len(lon)), "lon": lon, "lat": lat, "group": group}
    ).astype({"group": "int32"})


def clustered(n, seed, dataset="pa_train", groups=0):
    """Places in clumps, some at the same spot, in random row order, with folds 0 .. groups - 1 where wanted."""
    rng = np.random.default_rng(seed)
    clump = rng.integers(0, 8, n)
    lon = rng.uniform(0, 8, 8)[clump] + rng.normal(0, 0.2, n)
    lat = rng.uniform(42, 48, 8)[clump] + rng.normal(0, 0.2, n)
    copied = rng.integers(0, n, n // 4)
    lon[: n // 4], lat[: n // 4] = lon[copied], lat[copied]
    group = rng.integers(0, groups, n) if groups else -1
    return places(lon, lat, dataset, group).sample(frac=1, random_state=seed).reset_index(drop=True)


def around_the_globe(n, seed):
    """Places at both poles, on both sides of the date line, and anywhere."""
    rng = np.random.default_rng(seed)
    third = n // 3
    lon = np.concatenate([rng.uniform(-180, 180, third), 180 - rng.normal(0, 1, third), rng.uniform(-180, 180, third)])
    lat = np.concatenate([rng.choice([-1, 1], third) * rng.uniform(88, 90, third), rng.uniform(-60, 60, third)])
    lat = np.concatenate([lat, np.degrees(np.arcsin(rng.uniform(-1, 1, third)))])
    return places(np.where(lon > 180, lon - 360, lon), lat)


def brute_force(queries, sources, k, radius_m, exclude_group=True):
    """Neighbours by the haversine of all pairs: rows (query, its key, source key, rank, distance)."""
    distance = np.round(
        geo.great_circle_m(
            *(queries[c].to_numpy()[:, None] for c in ("lon", "lat")), *(sources[c].to_numpy() for c in ("lon", "lat"))
        ),
        3,
    )
    allowed = distance <= radius_m
    allowed &= (queries.surveyId.to_numpy()[:, None] != sources.surveyId.to_numpy()) | (
        queries.dataset.to_numpy()[:, None] != sources.dataset.to_numpy()
    )
    if exclude_group:
        group = queries.group.to_numpy()[:, None]
        allowed &= (group < 0) | (group != sources.group.to_numpy())
    rows, columns = np.nonzero(allowed)
    table = pd.DataFrame(
        {
            "survey_dataset": queries.dataset.to_numpy()[rows],
            "survey_id": queries.surveyId.to_numpy()[rows],
            "dataset": sources.dataset.to_numpy()[columns],
            "neighbour_id": sources.surveyId.to_numpy()[columns],
            "distance_m": distance[rows, columns],
        }
    ).sort_values(["survey_dataset", "survey_id", "distance_m", "dataset", "neighbour_id"], ignore_index=True)
    table.insert(4, "rank", (table.groupby(["survey_dataset", "survey_id"]).cumcount() + 1).astype("int32"))
    return table[table["rank"] <= k].reset_index(drop=True) if k else table


def in_process(queries, sources, **options):
    exclude_group = options.get("exclude_group", True)
    q, s = align(load(queries, exclude_group), load(sources, exclude_group))
    return tidy(to_table(q, s, *exact.nearest(queries, sources, **options)).to_pandas())


def on_spark(spark, folder, queries, sources, **options):
    facts = cells.write(spark, queries, sources, folder, **options)
    assert {path.suffix for path in folder.iterdir()} == {".parquet"}
    table = tidy(storage.read_table(folder, "neighbours").to_pandas())
    assert facts["rows"] == len(table)
    asked = queries if isinstance(queries, pd.DataFrame) else pd.read_parquet(queries)
    assert facts["queries"] == len(asked)
    answered = len(table[["survey_dataset", "survey_id"]].drop_duplicates())
    assert facts["without_neighbours"] == len(asked) - answered
    return table


def tidy(table):
    return table.sort_values(["survey_dataset", "survey_id", "rank"], ignore_index=True)


def assert_same(found, wanted, atol=0.0015):
    """Equal tables; distances may differ in the last millimetre, which the haversine rounds its own way."""
    pd.testing.assert_frame_equal(found.drop(columns="distance_m"), wanted.drop(columns="distance_m"), check_dtype=True)
    assert_allclose(found["distance_m"], wanted["distance_m"], rtol=0, atol=atol)


@pytest.mark.parametrize("k", [0, 1, 5])
@pytest.mark.parametrize("radius_m", [2_000, 20_000, 200_000])
def test_nearest_is_brute_force(k, radius_m):
    queries, sources = clustered(150, 1, groups=3), clustered(400, 2, "po")
    sources = pd.concat([queries, sources], ignore_index=True)
    assert_same(
        in_process(queries, sources, k=k, radius_m=radius_m), wanted := brute_force(queries, sources, k, radius_m)
    )
    assert len(wanted) > 50


@pytest.mark.parametrize("k", [0, 4])
def test_nearest_over_poles_and_date_line_is_brute_force(k):
    globe = around_the_globe(600, 3)
    wanted = brute_force(globe, globe, k, 120_000)
    assert_same(in_process(globe, globe, k=k, radius_m=120_000), wanted)
    joined = wanted.merge(globe, left_on="survey_id", right_on="surveyId").merge(
        globe, left_on="neighbour_id", right_on="surveyId", suffixes=("", "_other")
    )
    assert ((joined.lon - joined.lon_other).abs() > 350).any()


def test_a_fold_is_kept_from_itself_and_no_other():
    queries = clustered(200, 4, groups=4)
    sources = pd.concat([queries, clustered(50, 5, "po")], ignore_index=True)
    fold = queries.set_index("surveyId").group
    held_out = in_process(queries, sources, k=10, radius_m=50_000)
    assert_same(held_out, brute_force(queries, sources, 10, 50_000))
    surveyed = held_out[held_out.dataset == "pa_train"]
    assert len(surveyed) > 500
    assert (fold[surveyed.survey_id].to_numpy() != fold[surveyed.neighbour_id].to_numpy()).all()
    assert (held_out.dataset == "po").any()
    everyone = in_process(queries, sources, k=10, radius_m=50_000, exclude_group=False)
    assert_same(everyone, brute_force(queries, sources, 10, 50_000, exclude_group=False))
    assert len(everyone) > len(held_out)


def test_queries_without_a_group_may_use_every_source():
    test, train = clustered(40, 6, "pa_test"), clustered(200, 6, groups=5)
    assert_same(in_process(test, train, k=3, radius_m=1e6), brute_force(test, train, 3, 1e6))
    assert len(in_process(test, train, k=3, radius_m=1e6)) == 120


@pytest.mark.parametrize("k", [1, 2, 3, 5, 6])
def test_ties_go_by_dataset_then_id_whatever_the_order_of_rows(k):
    # four sources a degree away from the origin in each direction, two datasets at each place
    cross = pd.concat([places([0, 1, 0, -1], [1, 0, -1, 0], name, first_id=7) for name in ("b", "a")])
    origin = places([0], [0], "q")
    for seed in range(3):
        found = in_process(origin, cross.sample(frac=1, random_state=seed), k=k, radius_m=200_000)
        wanted = [("a", 7), ("a", 8), ("a", 9), ("a", 10), ("b", 7), ("b", 8)][:k]
        assert list(zip(found.dataset, found.neighbour_id, strict=True)) == wanted
        assert found["rank"].tolist() == list(range(1, k + 1))


def test_a_grid_full_of_ties_is_brute_force():
    lon, lat = (axis.ravel() for axis in np.meshgrid(np.arange(-4, 5), np.arange(-4, 5)))
    grid = places(lon, lat)
    for k in (3, 7, 20):
        assert_same(in_process(grid, grid, k=k, radius_m=500_000), brute_force(grid, grid, k, 500_000))


def test_surveys_at_one_spot_stay_cheap_and_ordered():
    spot = places(np.full(50_000, 3.25), np.full(50_000, 43.5))
    query, source, distance = exact.nearest(spot, spot, k=3, radius_m=10)
    assert (distance == 0).all()
    assert source.reshape(-1, 3)[[0, 1, 2, 49_999]].tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
    assert np.array_equal(query, np.repeat(np.arange(50_000), 3))
    few = spot.iloc[:1500]
    assert len(exact.nearest(few, few, k=0, radius_m=10)[0]) == 1500 * 1499


def test_blocks_cut_the_work_and_not_the_result():
    queries = load(clustered(300, 8, groups=2))
    for k in (0, 4):
        index = search.Index(queries, k=k, radius_m=30_000)
        blocks = list(index.blocks(queries, max_pairs=500))
        whole = list(index.blocks(queries))
        assert len(blocks) > 2 * len(whole)
        assert sum(len(b[0]) for b in blocks) == sum(len(b[0]) for b in whole)
        assert max(len(b[0]) for b in blocks) < 1_000
        for cut, uncut in zip(zip(*blocks, strict=True), zip(*whole, strict=True), strict=True):
            assert np.array_equal(np.concatenate(cut), np.concatenate(uncut))


def test_the_radius_is_inclusive_and_the_same_id_in_another_dataset_is_another_survey():
    query = places([0], [0], "po")
    source = places([0, 0], [0, 1], "pa_train")
    degree = float(np.round(geo.great_circle_m(0, 0, 0, 1), 3))
    assert exact.nearest(query, source, k=0, radius_m=degree)[1].tolist() == [0, 1]
    assert exact.nearest(query, source, k=0, radius_m=degree - 0.001)[1].tolist() == [0]


def test_distance_to_nearest():
    queries, sources = clustered(80, 9, "pa_test"), clustered(90, 10)
    wanted = brute_force(queries, sources, 1, np.inf).set_index("survey_id").distance_m[queries.surveyId]
    assert_allclose(exact.distance_to_nearest(queries, sources), wanted, rtol=0, atol=0.0015)
    assert np.isinf(exact.distance_to_nearest(queries, sources.iloc[:0])).all()
    near = exact.distance_to_nearest(queries, sources, radius_m=1_000)
    assert np.array_equal(np.isinf(near), wanted.to_numpy() > 1_000)


def test_load_reads_every_form_alike(tmp_path):
    frame = clustered(30, 11, groups=2)
    frame.loc[::2, "dataset"] = "po"
    frame.to_parquet(tmp_path / "part-0.parquet")
    (tmp_path / "_SUCCESS").write_text("{}")
    forms = [
        frame,
        pa.Table.from_pandas(frame),
        tmp_path,
        tmp_path / "part-0.parquet",
        frame.astype({"dataset": "category"}),
    ]
    for form in forms:
        loaded = load(form)
        assert loaded.names == ("pa_train", "po")
        assert np.array(loaded.names)[loaded.dataset].tolist() == frame.dataset.tolist()
        for column in ("surveyId", "lon", "lat", "group"):
            assert np.array_equal(getattr(loaded, column), frame[column])


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda t: t.drop(columns="lat"), "'lat' is missing"),
        (lambda t: t.drop(columns="group"), "exclude_group=False"),
        (lambda t: t.assign(lon=np.where(t.surveyId == 3, np.inf, t.lon)), "'lon' has 1 values"),
        (lambda t: t.assign(dataset=None), "'dataset' has 30"),
    ],
)
def test_unusable_places_are_refused(spoil, told):
    with pytest.raises(DataError, match=told):
        load(spoil(clustered(30, 12)))


def test_impossible_limits_are_refused(spark, tmp_path):
    frame = clustered(10, 13)
    for options in ({"k": -1, "radius_m": 1}, {"k": 1, "radius_m": 0}, {"k": 1, "radius_m": float("nan")}):
        with pytest.raises(ConfigError, match="k >= 0"):
            exact.nearest(frame, frame, **options)
        with pytest.raises(ConfigError, match="k >= 0"):
            exact.write(frame, frame, tmp_path, **options)
        with pytest.raises(ConfigError, match="k >= 0"):
            cells.write(spark, frame, frame, tmp_path, **options)


@pytest.mark.parametrize("k", [0, 5])
@pytest.mark.parametrize("workers", [1, 3])
def test_the_table_of_threads_is_brute_force_and_near_queries_follow_each_other(tmp_path, k, workers):
    queries = pd.concat([clustered(300, 14, groups=3), clustered(50, 15, "pa_test")], ignore_index=True)
    sources = pd.concat([queries, clustered(200, 16, "po")], ignore_index=True)
    queries.to_parquet(tmp_path / "queries.parquet")
    facts = exact.write(tmp_path / "queries.parquet", sources, tmp_path / "out", k=k, radius_m=9_000, workers=workers)
    table = storage.read_table(tmp_path / "out", "neighbours")
    assert table.schema.equals(schema.TABLES["neighbours"])
    table = table.to_pandas()
    assert_same(tidy(table), brute_force(queries, sources, k, 9_000))
    answered = table[["survey_dataset", "survey_id"]].drop_duplicates()
    assert facts["rows"] == len(table)
    assert facts["queries"] == len(queries)
    assert 0 < facts["without_neighbours"] == len(queries) - len(answered)
    same = table[["survey_dataset", "survey_id"]].eq(table[["survey_dataset", "survey_id"]].shift()).all(axis=1)
    assert (~same).sum() == len(answered)  # each query's rows are together
    assert (table["rank"].diff()[same] == 1).all()
    free = answered.merge(queries.query("group < 0"), left_on=list(answered), right_on=["dataset", "surveyId"])
    steps = [
        geo.great_circle_m(*f[["lon", "lat"]].T.to_numpy()[:, :-1], *f[["lon", "lat"]].T.to_numpy()[:, 1:]).mean()
        for f in (free, free.sample(frac=1, random_state=0))
    ]
    assert steps[0] < steps[1] / 3


def test_the_table_of_threads_is_the_same_for_any_number_of_them_and_any_blocks(tmp_path):
    surveys = clustered(5_000, 21)
    files = []
    for workers in (1, 2, 5):
        exact.write(surveys, surveys, tmp_path / str(workers), k=0, radius_m=20_000, workers=workers)
        files.append(storage.read_table(tmp_path / str(workers), "neighbours"))
    assert files[0].num_rows > 300_000
    assert files[0].equals(files[1])
    assert files[0].equals(files[2])


def test_an_empty_table_is_written_where_nobody_is_near(tmp_path):
    west, east = places([0, 1], [45, 46], "pa_test"), places([20], [45])
    for name, queries, sources in (
        ("far", west, east), ("none", west, east.iloc[:0]), ("nobody", west.iloc[:0], east)
    ):  # fmt: skip
        for k in (0, 1):
            facts = exact.write(queries, sources, tmp_path / name, k=k, radius_m=1_000)
            assert facts["rows"] == 0
            assert facts["without_neighbours"] == len(queries)
            table = storage.read_table(tmp_path / name, "neighbours")
            assert len(table) == 0
            assert table.schema.equals(schema.TABLES["neighbours"])


@pytest.mark.parametrize(
    ("k", "radius_m"),
    [(5, 20_000), *(pytest.param(*more, marks=pytest.mark.slow) for more in ((0, 5_000), (3, 400_000)))],
)
def test_spark_is_the_same_as_in_process(spark, tmp_path, k, radius_m):
    queries = pd.concat([clustered(3_000, 14, groups=3), clustered(200, 15, "pa_test")], ignore_index=True)
    sources = pd.concat([queries, clustered(2_000, 16, "po")], ignore_index=True)
    queries.to_parquet(tmp_path / "queries.parquet")
    found = on_spark(spark, tmp_path / "out", tmp_path / "queries.parquet", sources, k=k, radius_m=radius_m)
    assert_same(found, in_process(queries, sources, k=k, radius_m=radius_m), atol=0)


@pytest.mark.parametrize("radius_m", [pytest.param(50_000, marks=pytest.mark.slow), 3_000_000])
def test_spark_over_poles_and_date_line_is_brute_force(spark, tmp_path, radius_m):
    globe = around_the_globe(450, 17)
    found = on_spark(spark, tmp_path / "out", globe, globe, k=4, radius_m=radius_m)
    assert_same(found, brute_force(globe, globe, 4, radius_m))


@pytest.mark.slow
def test_spark_splits_a_spot_where_all_places_lie(spark, tmp_path):
    spot = places(np.full(12_000, 3.25), np.full(12_000, 43.5))
    facts = cells.write(spark, spot, spot, tmp_path / "out", k=2, radius_m=1_000)
    assert facts["tasks"] > 1
    assert facts["rows"] == 24_000
    found = tidy(storage.read_table(tmp_path / "out", "neighbours").to_pandas())
    assert_same(found, in_process(spot, spot, k=2, radius_m=1_000), atol=0)


@pytest.mark.slow
def test_spark_writes_an_empty_table_where_nobody_is_near(spark, tmp_path):
    west, east = places([0, 1], [45, 46], "pa_test"), places([20], [45])
    assert len(on_spark(spark, tmp_path / "far", west, east, k=1, radius_m=1_000)) == 0
    assert len(on_spark(spark, tmp_path / "none", west, east.iloc[:0], k=1, radius_m=1_000)) == 0
    assert len(on_spark(spark, tmp_path / "nobody", west.iloc[:0], east, k=1, radius_m=1_000)) == 0


def test_spark_refuses_unusable_places(spark, tmp_path):
    frame = clustered(30, 18)
    holed = frame.assign(lat=np.where(frame.surveyId == 3, np.nan, frame.lat))
    for bad, told in ((frame.drop(columns="group"), "'group' is missing"), (holed, "'lat' has 1 values")):
        with pytest.raises(DataError, match=told):
            cells.write(spark, frame, bad, tmp_path / "out", k=1, radius_m=1_000)
    with pytest.raises(DataError, match="no such table"):
        cells.write(spark, tmp_path / "missing", frame, tmp_path / "out", k=1, radius_m=1_000)


@pytest.mark.slow
def test_real_places_on_spark_are_the_same_as_in_process(spark, tmp_path, shared_data):
    folder = shared_data / "medflora" / "PresenceAbsenceSurveys"
    columns = ["surveyId", "lon", "lat"]
    train = pd.read_csv(folder / "GLC24-PA-metadata-train.csv", usecols=columns).drop_duplicates("surveyId")
    test = pd.read_csv(folder / "GLC24-PA-metadata-test.csv", usecols=columns)
    train = train.assign(dataset="pa_train", group=(train.surveyId % 10).astype("int32"))
    test = test.assign(dataset="pa_test", group=np.int32(-1))
    queries = pd.concat([train, test], ignore_index=True)
    found = on_spark(spark, tmp_path / "out", queries, train, k=10, radius_m=50_000)
    assert_same(found, in_process(queries, train, k=10, radius_m=50_000), atol=0)
    sample = queries.sample(300, random_state=0)
    wanted = brute_force(sample, train, 10, 50_000)
    mine = found.merge(
        sample[["dataset", "surveyId"]].rename(columns={"dataset": "survey_dataset", "surveyId": "survey_id"})
    )
    assert_same(tidy(mine), tidy(wanted))
