import numpy as np
import pandas as pd
import pytest

from glc.errors import ConfigError, DataError
from glc.sdm import norberg


def table():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"partition": np.repeat([1, 2], 40), "split": np.tile(np.repeat(["train", "valid"], 20), 2)})
    for name in ("s1", "s2", "x1", "x2"):
        frame[name] = rng.normal(size=80)
    for name in ("sp001", "sp002", "sp003"):
        frame[name] = rng.integers(0, 2, 80)
    frame.loc[:19, "sp002"] = 0  # never seen in training of partition 1
    return frame


def test_a_partition_is_split_and_species_that_cannot_be_learnt_are_left_out(tmp_path):
    frame = table()
    frame.to_parquet(tmp_path / "norberg2019_birds.parquet")
    (group,) = norberg.read(tmp_path, "birds-1")
    assert group.examples.species == ("sp001", "sp003")
    assert group.examples.background.all()
    np.testing.assert_array_equal(group.examples.present, frame.loc[:19, ["sp001", "sp003"]] > 0)
    np.testing.assert_array_equal(group.truth, frame.loc[20:39, ["sp001", "sp003"]] > 0)
    assert list(group.sites) == ["x", "y", "x1", "x2"]
    assert norberg.truths(tmp_path, "birds-1") == {group.name: tmp_path / "norberg2019_birds.parquet"}
    assert norberg.read(tmp_path, "birds-2")[0].examples.species == ("sp001", "sp002", "sp003")


def test_errors_name_file_and_column(tmp_path):
    with pytest.raises(ConfigError, match="unknown region 'birds'"):
        norberg.read(tmp_path, "birds")
    with pytest.raises(DataError, match=r"norberg2019_birds.parquet: no such file; give the folder"):
        norberg.read(tmp_path, "birds-1")
    path = tmp_path / "norberg2019_birds.parquet"
    table().drop(columns="s2").to_parquet(path)
    with pytest.raises(DataError, match="column 's2' is missing"):
        norberg.read(tmp_path, "birds-1")
    frame = table()
    frame.assign(x2=frame["x2"].where(frame.index > 1)).to_parquet(path)
    with pytest.raises(DataError, match="column 'x2' has 2 missing values"):
        norberg.read(tmp_path, "birds-1")
    frame.assign(split="train").to_parquet(path)
    with pytest.raises(DataError, match=r"column 'split' of partition 1: found \['train'\]"):
        norberg.read(tmp_path, "birds-1")


def test_the_real_communities_are_there(shared_data):
    for region in norberg.REGIONS:
        (group,) = norberg.read(shared_data / "norberg2019", region)
        assert len(group.examples.table) == len(group.sites) == 600
