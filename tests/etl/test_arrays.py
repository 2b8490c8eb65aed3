import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from glc.errors import DataError
from glc.etl import arrays

CUBE = np.random.default_rng(0).normal(size=(4, 19, 12)).astype(np.float32)


class Touch:
    """Unpickled in the ordinary way, makes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def zipped(path, data):
    """A zip in the form of torch.save with `data` as its pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cube/data.pkl", data)
        archive.writestr("cube/version", "3\n")
    return path


@pytest.mark.parametrize("form", [{}, {"_use_new_zipfile_serialization": False}, {"pickle_protocol": 4}])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.float16, torch.int16, torch.int64, torch.uint8])
def test_tensors_are_read_as_torch_reads_them(tmp_path, form, kind):
    tensor = torch.from_numpy(100 + 20 * CUBE).to(kind)
    torch.save(tensor, tmp_path / "a.pt", **form)
    found = arrays.read(tmp_path / "a.pt")
    assert found.dtype == tensor.numpy().dtype
    assert_array_equal(found, tensor.numpy())


@pytest.mark.parametrize("form", [{}, {"_use_new_zipfile_serialization": False}])
def test_views_with_offset_and_strides_are_read_in_the_right_order(tmp_path, form):
    tensor = torch.from_numpy(CUBE)[1:, ::3].permute(2, 0, 1)
    torch.save(tensor, tmp_path / "a.pt", **form)
    assert_array_equal(arrays.read(tmp_path / "a.pt"), tensor.numpy())


def test_npy_is_read_in_any_version_and_byte_order(tmp_path):
    np.save(tmp_path / "a.npy", CUBE.astype(">f8"))
    with open(tmp_path / "b.npy", "wb") as file:
        np.lib.format.write_array(file, np.asfortranarray(CUBE), version=(2, 0))
    assert arrays.read(tmp_path / "a.npy").dtype == np.float64
    for name in "ab":
        assert_array_equal(arrays.read(tmp_path / f"{name}.npy").astype(np.float32), CUBE)


@pytest.mark.parametrize("wrap", ["zip", "legacy", "bare", "npy", "beside a tensor"])
def test_what_a_file_carries_is_never_run(tmp_path, wrap):
    touched = tmp_path / "touched"
    attack = pickle.dumps(Touch(touched), protocol=2)
    path = tmp_path / "a.pt"
    if wrap == "zip":
        zipped(path, attack)
    elif wrap == "legacy":
        path.write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + attack)
    elif wrap == "bare":
        path.write_bytes(attack)
    elif wrap == "npy":
        path = tmp_path / "a.npy"
        np.save(path, np.array([Touch(touched)], object), allow_pickle=True)
    else:
        torch.save([torch.from_numpy(CUBE), Touch(touched)], path)
    with pytest.raises(DataError, match=r"a\.(pt|npy)"):
        arrays.read(path)
    assert not touched.exists()
    if wrap == "beside a tensor":  # the attack is a real one
        torch.load(path, weights_only=False)
        assert touched.exists()


def test_reading_a_pt_file_does_not_need_torch(tmp_path):
    torch.save(torch.from_numpy(CUBE), tmp_path / "a.pt")
    code = "import sys; from glc.etl import arrays; arrays.read(sys.argv[1]); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.pt")], check=True, timeout=120)


def test_pickles_that_make_or_change_objects_are_refused(tmp_path):
    build = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x03\x00\x00\x00abcK\x01sb."
    with pytest.raises(DataError, match="BUILD"):
        arrays.read(zipped(tmp_path / "a.pt", build))
    with pytest.raises(DataError, match=r"torch\.load"):
        arrays.read(zipped(tmp_path / "b.pt", b"\x80\x02ctorch\nload\n."))
    with pytest.raises(DataError, match="memo index"):
        arrays.read(zipped(tmp_path / "c.pt", b"\x80\x02Nr\xff\xff\xff\xff."))


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [((9,), (1,), 0), ((4,), (3,), 0), ((4,), (1,), 6), ((4,), (-1,), 4), ((2, 2), (1,), 0)],
)
def test_sizes_and_strides_never_reach_beyond_the_numbers(size, stride, offset):
    tensor = arrays._Tensor(arrays._Storage("f4", "0", 8), offset, size, stride)
    with pytest.raises(ValueError, match="numbers"):
        arrays._array(tensor, np.zeros(8, "f4").tobytes(), "<")


@pytest.mark.parametrize("form", ["npy", "zip", "legacy"])
def test_every_truncation_is_a_data_error(tmp_path, form):
    path = tmp_path / ("a.npy" if form == "npy" else "a.pt")
    if form == "npy":
        np.save(path, CUBE)
    else:
        torch.save(torch.from_numpy(CUBE), path, _use_new_zipfile_serialization=form == "zip")
    content = path.read_bytes()
    for length in {0, 1, 5, 60, 200, 1000, len(content) // 2, len(content) - 1}:
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match=str(path)):
            arrays.read(path)


def test_random_damage_is_an_array_or_a_data_error(tmp_path):
    rng = np.random.default_rng(1)
    for form in (True, False):
        torch.save(torch.arange(24.0).reshape(4, 6), tmp_path / "a.pt", _use_new_zipfile_serialization=form)
        content = np.frombuffer((tmp_path / "a.pt").read_bytes(), np.uint8)
        refused = 0
        for _ in range(300):
            damaged = content.copy()
            damaged[rng.integers(0, len(content), 3)] = rng.integers(0, 256, 3)
            (tmp_path / "a.pt").write_bytes(damaged.tobytes())
            try:
                arrays.read(tmp_path / "a.pt")
            except DataError:
                refused += 1
        assert refused > 30


def test_a_header_cannot_make_numpy_allocate(tmp_path):
    with open(tmp_path / "a.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)})
        file.write(b"1234")
    with pytest.raises(DataError, match="bytes follow"):
        arrays.read(tmp_path / "a.npy")


def test_other_contents_are_named(tmp_path):
    torch.save({"cube": torch.zeros(3)}, tmp_path / "a.pt")
    with pytest.raises(DataError, match="found a dict, expected one tensor"):
        arrays.read(tmp_path / "a.pt")
    np.save(tmp_path / "b.npy", np.array(["text"]))
    with pytest.raises(DataError, match="expected numbers"):
        arrays.read(tmp_path / "b.npy")
    (tmp_path / "c.pth").touch()
    with pytest.raises(DataError, match=r"\.npy or \.pt"):
        arrays.read(tmp_path / "c.pth")
    with pytest.raises(DataError, match="No such file"):
        arrays.read(tmp_path / "none.npy")


def test_real_cubes_are_read(shared_data):
    for edition, shape in (("24", (6, 4, 21)), ("25", (6, 4, 21)), ("24", (4, 19, 12)), ("25", (4, 19, 12))):
        word = "landsat" if shape[0] == 6 else "bioclim"
        (path,) = (shared_data / "fixtures" / f"glc{edition}_pre_extracted").rglob(f"*{word}*_cube.npy")
        assert_array_equal(arrays.read(path), np.load(path))
        assert arrays.read(path).shape == shape
