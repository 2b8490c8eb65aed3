"""The stages of decoding at a small size: loops agree with ours, and the comparison notices what differs."""

import numpy as np
import pytest

from glc.bench import decoding, stage
from glc.bench.stages import decode, decode_expected_f1
from glc.errors import DataError


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scores")
    decoding.prepare(folder, 0.001)
    return folder


@pytest.mark.parametrize("name", ["decode", "decode-sets", "decode-expected-f1"])
def test_loops_agree(name, data, tmp_path, monkeypatch):
    monkeypatch.setattr(decode, "ROWS", 2)
    monkeypatch.setattr(decode_expected_f1, "ROWS", 2)
    each, results = stage.get(name), {}
    for i, way in enumerate(each.ways):
        results[way.name] = tmp_path / str(i)
        results[way.name].mkdir()
        assert way.run(data, results[way.name])["rows"] > 0
    each.check(data, results)
    path = tmp_path / "0" / "result.npz"
    with np.load(path) as arrays:
        changed = {name: values + 0.001 for name, values in arrays.items()}
    np.savez(path, **changed)
    with pytest.raises(DataError, match="expected"):
        each.check(data, results)
