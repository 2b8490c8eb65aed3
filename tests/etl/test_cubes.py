import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import fft

from glc import storage, world
from glc.errors import ConfigError, DataError
from glc.etl import cubes, series
from glc.world import cubes as virtual_cubes
from glc.world import images
from glc.world import series as virtual_series

TINY = world.SIZES["tiny"]
GLC23 = "glc23_sample/Presence_only_occurrences/Presences_only_train_sample.csv"


def digest(folder):
    return storage.file_digest(folder / "cubes" / "part-0.parquet")


@pytest.fixture(scope="module")
def virtual(tmp_path_factory):
    folder = tmp_path_factory.mktemp("virtual")
    world.write(TINY, folder, ("series", "cubes"))
    return folder


@pytest.fixture(scope="module")
def places():
    surveys = [images.surveys_of(TINY, name).assign(dataset=name) for name in ("pa_train", "pa_test")]
    return pd.concat(surveys)[["dataset", "surveyId", "lon", "lat"]]


@pytest.fixture(scope="module")
def written(virtual, places, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "series"
    return out, cubes.write_series(places, virtual, out)


def test_series_of_the_virtual_world_are_what_its_csvs_say(virtual, places, written):
    out, facts = written
    keys, found, coeffs = cubes.read(out / "cubes")
    assert found.shape == (460, 6, 4, 21)
    assert coeffs.shape == (460, 6, 64)
    for dataset in ("pa_train", "pa_test"):
        ids = keys["surveyId"][keys["dataset"] == dataset]
        for index, band in enumerate(series.BANDS):
            path = virtual_series.path(virtual, dataset, band)
            frame = pd.read_csv(path, index_col=0, na_values=["eos"]).reindex(ids)
            for column in frame.columns:
                year, quarter = (int(part) for part in column.split("_"))
                got = found[ids.index, index, quarter - 1, year - 2000]
                assert_array_equal(got, frame[column].to_numpy(np.float32))
    absent = len(places) - sum(
        len(pd.read_csv(virtual_series.path(virtual, name, "red"))) for name in ("pa_train", "pa_test")
    )
    missing = keys["flag"] == "missing"
    assert missing.sum() == absent > 0
    assert np.isnan(found[missing]).all()
    assert np.isnan(coeffs[missing]).all()
    assert np.isfinite(coeffs[~missing]).all()
    assert (keys["valid"][missing] == 0).all()
    assert facts["datasets"]["pa_train"]["missing"] + facts["datasets"]["pa_test"]["missing"] == absent
    assert facts["shape"] == (6, 4, 21)
    assert facts["years"] == (2000, 2020)


def test_coefficients_are_the_first_of_the_zero_padded_series(written):
    keys, found, coeffs = cubes.read(written[0] / "cubes")
    row = np.flatnonzero((keys["flag"] == "ok") & (keys["valid"] < 0.95))[0]
    zero_padded = np.zeros((6, 84))
    for quarter in range(4):
        zero_padded[:, quarter::4] = np.nan_to_num(found[row, :, quarter])
    assert_allclose(coeffs[row], fft.dct(zero_padded, norm="ortho")[:, :64], atol=1e-3)


def test_order_and_company_of_surveys_do_not_matter(virtual, places, written, tmp_path):
    shuffled = pa.Table.from_pandas(places.sample(frac=1, random_state=3))
    cubes.write_series(shuffled, virtual, tmp_path / "a")
    assert digest(tmp_path / "a") == digest(written[0])
    few = places.sample(n=30, random_state=4)
    cubes.write_series(few, virtual, tmp_path / "b")
    whole, some = cubes.read(written[0] / "cubes"), cubes.read(tmp_path / "b" / "cubes")
    row = pd.MultiIndex.from_frame(whole[0].iloc[:, :2]).get_indexer(pd.MultiIndex.from_frame(some[0].iloc[:, :2]))
    assert_array_equal(whole[1][row], some[1])
    assert not [path for path in (tmp_path / "b").iterdir() if path.name.startswith(".")]


def test_the_table_is_plain_lists_of_one_length_with_its_shape(written):
    table = pq.read_table(written[0] / "cubes")
    assert table.schema.field("cube").type == pa.list_(pa.float32())
    assert set(pa.compute.list_value_length(table["cube"]).to_pylist()) == {504}
    assert set(pa.compute.list_value_length(table["coeffs"]).to_pylist()) == {384}
    assert table.schema.metadata[b"shape"] == b"6,4,21"
    assert storage.read_table(written[0] / "quarantine", "quarantine").num_rows == 0


def test_datasets_without_tables_are_missing_and_a_few_corrupt_rows_do_not_stop_the_run(virtual, places, tmp_path):
    for path in virtual.glob("PA-train*/*.csv"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    path = tmp_path / virtual_series.path(virtual, "pa_train", "nir").name
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    frame.iloc[[3, 5], 7] = "?"
    frame.drop(index=9).to_csv(path, index=False)
    facts = cubes.write_series(places, tmp_path, tmp_path / "out")
    keys, found, _ = cubes.read(tmp_path / "out" / "cubes")
    assert facts["datasets"]["pa_test"] == {"ok": 0, "missing": 60, "corrupt": 0}
    assert facts["datasets"]["pa_train"]["corrupt"] == 2
    assert facts["partial"] == 1
    corrupt = (keys["flag"] == "corrupt").to_numpy()
    assert sorted(keys["surveyId"][corrupt]) == sorted(frame["surveyId"].iloc[[3, 5]].astype(int))
    assert np.isnan(found[corrupt]).all()
    listed = storage.read_table(tmp_path / "out" / "quarantine", "quarantine").to_pandas()
    assert listed[["dataset", "line", "found", "reason"]].values.tolist() == [
        ["pa_train", 5, "?", "value is not a number"],
        ["pa_train", 7, "?", "value is not a number"],
    ]
    with pytest.raises(DataError, match=r"2 of .* corrupt cubes, .* 2 times: value is not a number"):
        cubes.write_series(places, tmp_path, tmp_path / "again", max_corrupt_fraction=0.001)


def test_places_and_terms_are_checked(virtual, places, tmp_path):
    with pytest.raises(DataError, match="column 'surveyId' is missing"):
        cubes.write_series(places.drop(columns="surveyId"), virtual, tmp_path)
    with pytest.raises(DataError, match="appears twice"):
        cubes.write_series(pd.concat([places, places[:1]]), virtual, tmp_path)
    with pytest.raises(ConfigError, match="1 to 84"):
        cubes.write_series(places, virtual, tmp_path, terms=85)
    with pytest.raises(ConfigError, match="did you mean 'bioclim'"):
        cubes.write_files(places, virtual, tmp_path, kind="bioklim")


def test_cubes_of_the_virtual_world_are_read_from_npy_and_pt(virtual, places, tmp_path):
    facts = cubes.write_files(places, virtual, tmp_path / "npy")
    keys, found, coeffs = cubes.read(tmp_path / "npy" / "cubes")
    assert found.shape == (460, 4, 19, 12)
    assert coeffs is None
    assert facts["unused"] == 0
    there = 0
    for row, (dataset, survey, flag) in enumerate(zip(keys["dataset"], keys["surveyId"], keys["flag"], strict=True)):
        path = virtual_cubes.path(virtual, dataset, survey)
        assert flag == ("ok" if path.exists() else "missing")
        if path.exists():
            there += 1
            assert_array_equal(found[row], np.load(path))
            target = tmp_path / "in" / path.relative_to(virtual).with_suffix(".pt")
            target.parent.mkdir(parents=True, exist_ok=True)
            torch.save(torch.from_numpy(np.load(path)), target)
        else:
            assert np.isnan(found[row]).all()
    assert 0 < there < 460
    cubes.write_files(places.sample(frac=1, random_state=1), tmp_path / "in", tmp_path / "pt")
    assert digest(tmp_path / "pt") == digest(tmp_path / "npy")


def test_files_that_cannot_be_used_are_listed_with_their_cause(tmp_path):
    places = pd.DataFrame({"dataset": "pa_train", "surveyId": range(100, 200)})
    folder = tmp_path / "in"
    folder.mkdir()
    cube = np.random.default_rng(0).normal(size=(4, 19, 12)).astype(np.float32)
    for survey in range(101, 201):
        np.save(folder / f"GLC24-PA-train-bioclimatic_monthly_{survey}_cube.npy", cube + survey)
    np.save(folder / "GLC24-PA-train-bioclimatic_monthly_110_cube.npy", cube[:, :18])
    np.save(folder / "GLC24-PA-train-bioclimatic_monthly_111_cube.npy", np.array([open], object), allow_pickle=True)
    (folder / "GLC24-PA-train-bioclimatic_monthly_112_cube.npy").write_bytes(b"")
    np.save(folder / "GLC24-PA-train-bioclimatic_monthly_113_cube.npy", np.full_like(cube, np.nan))
    facts = cubes.write_files(places, folder, tmp_path / "out")
    keys, found, _ = cubes.read(tmp_path / "out" / "cubes")
    assert facts["datasets"] == {"pa_train": {"ok": 95, "missing": 2, "corrupt": 3}}
    assert facts["unused"] == 1
    assert keys["surveyId"][keys["flag"] == "corrupt"].tolist() == [110, 111, 112]
    assert keys["surveyId"][keys["flag"] == "missing"].tolist() == [100, 113]
    assert_array_equal(found[1], cube + 101)
    listed = storage.read_table(tmp_path / "out" / "quarantine", "quarantine").to_pandas()
    assert [os.path.basename(name).split("_")[2] for name in listed["file"]] == ["110", "111", "112"]
    assert listed["reason"][0] == "shape is (4, 18, 12), expected (4, 19, 12)"
    with pytest.raises(DataError, match=r"98 of 99 .* \(4, 19, 12\), expected \(4, 18, 12\)"):
        cubes.write_files(places, folder, tmp_path / "other", shape=(4, 18, 12))
    torch.save(torch.zeros(4, 19, 12), folder / "GLC24-PA-train-bioclimatic_monthly_120_cube.pt")
    with pytest.raises(DataError, match=r"survey 120 of pa_train has .* expected one file"):
        cubes.write_files(places, folder, tmp_path / "twice")


@pytest.mark.parametrize(("kind", "shape"), [("bioclim", (4, 19, 12)), ("landsat", (6, 4, 21))])
@pytest.mark.parametrize(("edition", "dataset", "survey"), [("24", "pa_train", 1322301), ("25", "pa_test", 5000108)])
def test_real_cubes_of_both_editions_are_found(shared_data, tmp_path, kind, shape, edition, dataset, survey):
    folder = shared_data / "fixtures" / f"glc{edition}_pre_extracted"
    places = pd.DataFrame({"dataset": ["pa_test", "pa_train"], "surveyId": survey})
    facts = cubes.write_files(places, folder, tmp_path, kind)
    keys, found, coeffs = cubes.read(tmp_path / "cubes")
    word = "landsat" if kind == "landsat" else "bioclim"
    (path,) = folder.rglob(f"*{word}*_cube.npy")
    row = keys.index[keys["dataset"] == dataset][0]
    assert keys["flag"].tolist() == ["ok" if name == dataset else "missing" for name in keys["dataset"]]
    assert_array_equal(found[row], np.load(path))
    assert facts["shape"] == shape
    if kind == "landsat":
        in_time = np.load(path).transpose(0, 2, 1).reshape(6, 84)
        assert_allclose(coeffs[row], fft.dct(in_time, norm="ortho")[:, :64], rtol=1e-4, atol=1e-3)


def test_real_series_are_joined_through_the_occurrence_table(shared_data, tmp_path):
    path = shared_data / GLC23
    occurrences = pd.read_csv(path, sep=";")
    places = occurrences.rename(columns={"glcID": "surveyId"})[["surveyId"]].assign(dataset="po")
    places = pd.concat([places, pd.DataFrame({"surveyId": [-1], "dataset": "pa_train"})])
    with pytest.raises(DataError, match="series_ids"):
        cubes.write_series(places, path.parents[1], tmp_path / "unjoined")
    joined = places.merge(series.series_ids(path, "glcID"), how="left")
    facts = cubes.write_series(joined, path.parents[1], tmp_path / "out")
    assert facts["datasets"] == {
        "pa_train": {"ok": 0, "missing": 1, "corrupt": 0},
        "po": {"ok": 100, "missing": 0, "corrupt": 0},
    }
    keys, found, _ = cubes.read(tmp_path / "out" / "cubes")
    nir = pd.read_csv(
        path.parents[1] / "SatelliteTimeSeries/time_series_nir.csv", sep=";", index_col=0, na_values="eos"
    )
    own = occurrences.set_index("glcID")["timeSerieID"].reindex(keys["surveyId"][1:])
    assert_array_equal(found[1:, 3, 2, 7], nir["2007_3"].reindex(own).to_numpy(np.float32))
