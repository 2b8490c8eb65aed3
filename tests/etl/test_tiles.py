"""The table of tiles: its columns, its parts, what stands after an interruption, and Spark against one process."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from glc import schema
from glc.covariates import Raster
from glc.errors import ConfigError, DataError
from glc.etl import tiles
from tests.rasters.geotiffs import geotiff, window

NAMES = ("warmth", "rain")
COVARIATE = Raster("test", patterns=("x.tif",))


@pytest.fixture
def folder(tmp_path):
    bands = np.random.default_rng(0).integers(0, 1000, (2, 200, 300)).astype("int16")
    geotiff(tmp_path / "x.tif", bands, nodata=-1, names=NAMES, tiled=True, blockxsize=64, blockysize=64)
    return tmp_path


@pytest.fixture
def places():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"lon": rng.uniform(4.9, 8.1, 300), "lat": rng.uniform(42.9, 45.1, 300)})
    frame.loc[100:119, ["lon", "lat"]] = frame.loc[0, ["lon", "lat"]].to_numpy()  # many surveys of one place
    ids = rng.permutation(300) // 2  # an id in both datasets is two surveys
    return frame.assign(dataset=np.where(np.arange(300) < 150, "po", "pa_train"), surveyId=ids).drop_duplicates(
        ["dataset", "surveyId"]
    )


def _read(out, folder=""):
    return pq.read_table(sorted((out / folder).glob("*.parquet"))).to_pandas()


@pytest.mark.parametrize("parts", [1, 3])
def test_every_survey_has_its_tile(folder, places, tmp_path, monkeypatch, parts):
    monkeypatch.setattr(tiles, "_PART_ROWS", -(-len(places) // parts))
    out = tmp_path / "out"
    facts = tiles.write(None, places, COVARIATE, folder, out, size=16, block="full")
    assert (facts["rows"], facts["parts"], facts["made"]) == (len(places), parts, parts)
    assert facts["bands"] == list(NAMES)
    for path in out.glob("*.parquet"):
        assert pq.read_schema(path).remove_metadata().equals(schema.tiles(dict.fromkeys(NAMES, np.float32)))
    found = _read(out).set_index(["dataset", "surveyId"])
    assert found.index.is_unique
    assert found["flag"].value_counts().to_dict() == {k: n for k, n in facts["flags"].items() if n}
    for place in places.itertuples():
        row = found.loc[(place.dataset, place.surveyId)]
        pixels, known, flag = window(folder / "x.tif", 2, place.lon, place.lat, 16)
        assert row["flag"] == flag
        assert row["rain_valid"] == pytest.approx(known.mean())
        assert_array_equal(row["rain"].reshape(16, 16)[known], pixels[known])
    assert len(_read(out, tiles.QUARANTINE)) == facts["unreadable"] == 0
    assert sorted(path.name for path in out.iterdir() if "part" not in path.name) == [tiles.QUARANTINE]


def test_spark_gives_the_same_table_and_moves_it_from_where_it_can_resume(spark, folder, places, tmp_path, monkeypatch):
    monkeypatch.setattr(tiles, "_PART_ROWS", 100)
    tiles.write(None, places, COVARIATE, folder, tmp_path / "here", size=16, block=4)
    facts = tiles.write(
        spark, pa.Table.from_pandas(places), COVARIATE, [folder], tmp_path / "there", size=16, block=4,
        resume=tmp_path / "parts",
    )  # fmt: skip
    assert (facts["parts"], facts["made"]) == (3, 3)
    assert not list((tmp_path / "parts").glob("*.parquet"))
    here, there = _read(tmp_path / "here"), _read(tmp_path / "there")
    assert_array_equal(here[["dataset", "surveyId", "flag"]], there[["dataset", "surveyId", "flag"]])
    assert_allclose(np.stack(here["warmth"]), np.stack(there["warmth"]), rtol=1e-5)
    assert np.stack(there["warmth"]).shape == (len(places), 16)


def test_a_restart_makes_only_what_is_not_whole(folder, places, tmp_path, monkeypatch):
    monkeypatch.setattr(tiles, "_PART_ROWS", 50)
    out = tmp_path / "out"

    def again(**settings):
        return tiles.write(None, places, COVARIATE, folder, out, **({"size": 16, "block": 4} | settings))

    first = again()
    assert first["made"] == first["parts"] == 5
    wanted = _read(out)
    kept = out / "part-00000.parquet"
    before = kept.stat().st_mtime_ns
    (out / "part-00001.parquet").unlink()
    half = out / "part-00002.parquet"
    half.write_bytes(half.read_bytes()[:1000])
    (out / tiles.QUARANTINE / "part-00003.parquet").unlink()
    assert again()["made"] == 3
    assert kept.stat().st_mtime_ns == before
    pd.testing.assert_frame_equal(_read(out), wanted)
    assert again()["made"] == 0
    assert again(block=3)["made"] == 5
    assert tiles.write(None, places.iloc[:60], COVARIATE, folder, out, size=16, block=3)["rows"] == 60
    assert len(_read(out)) == 60  # parts of another run are gone


def test_an_interruption_leaves_whole_parts_only(folder, places, tmp_path, monkeypatch):
    monkeypatch.setattr(tiles, "_PART_ROWS", 50)
    save, saved = tiles._save, []

    def interrupted(table, path):
        saved.append(path)
        if len(saved) == 6:
            raise KeyboardInterrupt
        save(table, path)

    monkeypatch.setattr(tiles, "_save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tiles.write(None, places, COVARIATE, folder, tmp_path / "out", size=16, block=4)
    monkeypatch.setattr(tiles, "_save", save)
    assert not list((tmp_path / "out").glob(".*"))
    assert tiles.write(None, places, COVARIATE, folder, tmp_path / "out", size=16, block=4)["made"] == 3


def test_unreadable_tiles_are_in_the_quarantine(folder, places, tmp_path):
    bands = np.random.default_rng(0).integers(0, 1000, (2, 200, 300)).astype("int16")
    path = geotiff(folder / "x.tif", bands, compress="deflate", tiled=True, blockxsize=64, blockysize=64)
    data = bytearray(path.read_bytes())
    data[100_000:100_100] = b"\xff" * 100
    path.write_bytes(data)
    facts = tiles.write(None, places, COVARIATE, folder, tmp_path / "out", size=16, block=4)
    bad = _read(tmp_path / "out").query("flag == 'corrupt'")
    assert len(bad) == facts["flags"]["corrupt"] == facts["unreadable"] > 0
    refused = _read(tmp_path / "out", tiles.QUARANTINE)
    assert set(zip(refused.dataset, refused.surveyId, strict=True)) == set(zip(bad.dataset, bad.surveyId, strict=True))
    assert set(refused["file"]) == {str(path)}
    assert refused["cause"].str.len().min() > 10


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        (lambda p: p.drop(columns="lon"), DataError, "column 'lon' is missing"),
        (lambda p: pd.concat([p, p.iloc[:1]]), DataError, "more than once; expected one row per survey"),
        (lambda p: p.iloc[:0], DataError, "found no survey"),
        (lambda p: p.assign(surveyId=None), DataError, "a null surveyId"),
    ],
)
def test_unusable_places_are_refused(folder, places, tmp_path, change, error, told):
    with pytest.raises(error, match=told):
        tiles.write(None, change(places), COVARIATE, folder, tmp_path / "out")


def test_impossible_sizes_and_unknown_covariates_are_refused(folder, places, tmp_path):
    with pytest.raises(ConfigError, match="block: found 17, expected 1 to size=16, or 'full'"):
        tiles.write(None, places, COVARIATE, folder, tmp_path / "out", size=16, block=17)
    with pytest.raises(ConfigError, match=r"unknown covariate 'bioclimm'.*did you mean 'bioclim'"):
        tiles.write(None, places, "bioclimm", folder, tmp_path / "out")


@pytest.mark.parametrize("types", [("int16", "int16"), ("int16", "int32")])
def test_tiles_of_two_areas_are_one_column(tmp_path, types):
    rng = np.random.default_rng(5)
    shape = {"FR": {"west": 2.0, "north": 48.0}, "USA": {"west": -99.0, "north": 40.0, "step": 0.02}}
    for name in ("bio_1", "bio_2"):
        (tmp_path / "rasters" / name).mkdir(parents=True)
        for (area, place), dtype in zip(shape.items(), types, strict=True):
            pixels = rng.integers(1, 99, (1, 90, 80)).astype(dtype)
            pixels[0, :9, :9] = -9
            geotiff(tmp_path / "rasters" / name / f"{name}_{area}.tif", pixels, nodata=-9, **place)
    lon = np.r_[rng.uniform(2, 2.8, 40), rng.uniform(-99, -97.4, 40), 10.0]
    lat = np.r_[rng.uniform(47.1, 48, 40), rng.uniform(38.2, 40, 40), 47.5]
    places = pd.DataFrame({"dataset": "po", "surveyId": rng.permutation(81), "lon": lon, "lat": lat})
    facts = tiles.write(None, places, "bioclim", tmp_path, tmp_path / "out", size=8, block="full")
    assert facts["bands"] == ["bio_1", "bio_2"]
    assert facts["flags"]["outside"] == 1
    assert len(facts["files"]) == 4
    made = _read(tmp_path / "out")
    # a part stays in one area: America begins where France ends
    areas = (places.set_index("surveyId").loc[made["surveyId"], "lon"] > 0).to_numpy()[:-1]
    assert np.count_nonzero(np.diff(areas)) == 1
    made = made.set_index("surveyId").loc[places["surveyId"]]
    for i, (place, row) in enumerate(zip(places.itertuples(), made.itertuples(), strict=True)):
        for name in ("bio_1", "bio_2"):
            path = tmp_path / "rasters" / name / f"{name}_{'FR' if i < 40 else 'USA'}.tif"
            pixels, known, flag = window(path, 1, place.lon, place.lat, 8)
            assert row.flag == flag
            assert getattr(row, f"{name}_valid") == pytest.approx(known.mean())
            assert_array_equal(getattr(row, name).reshape(8, 8)[known], pixels[known])
    assert set(made["flag"]) == {"ok", "edge", "outside"}


def test_where_areas_overlap_a_tile_is_of_the_first_that_knows_the_place(tmp_path):
    band = np.arange(1, 2_501, dtype="int16").reshape(1, 50, 50)
    known = band.copy()
    known[..., 30:] = -1
    geotiff(tmp_path / "x_FR.tif", known, nodata=-1, west=0.0)
    geotiff(tmp_path / "x_USA.tif", band + 5_000, nodata=-1, west=0.2)
    lon, lat = np.array([0.105, 0.255, 0.355, 0.605]), np.full(4, 44.745)
    places = pd.DataFrame({"dataset": "po", "surveyId": range(4), "lon": lon, "lat": lat})
    covariate = Raster("test", patterns=("x_*.tif",), areas=("FR", "USA"))
    tiles.write(None, places, covariate, tmp_path, tmp_path / "out", size=4, block="full")
    made = _read(tmp_path / "out").set_index("surveyId").loc[range(4)]
    centre = np.stack(made["x"]).reshape(4, 4, 4)[:, 2, 2]
    at = [band[0, 25, 10], band[0, 25, 25], band[0, 25, 15] + 5_000, band[0, 25, 40] + 5_000]
    assert_array_equal(centre, at)
    assert list(made["flag"]) == ["ok"] * 4


def test_what_killed_workers_leave_is_no_part_of_the_tiles(tmp_path):
    job = tiles.Job(None, tmp_path / "places.parquet", tmp_path, ("the only part",))
    for folder in (tmp_path, tmp_path / tiles.QUARANTINE):
        folder.mkdir(exist_ok=True)
        (folder / "part-00000.parquet").touch()
        (folder / "part-00001.parquet").touch()
        (folder / ".part-00000.parquet-abc.partial").mkdir()
    job.tidy()
    names = sorted(
        str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file() or ".p" in path.name
    )
    assert names == ["part-00000.parquet", "quarantine/part-00000.parquet"]
