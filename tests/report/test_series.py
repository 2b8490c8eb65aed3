import numpy as np
import pandas as pd
import pytest
from matplotlib import image
from numpy.testing import assert_allclose
from scipy import fft

from glc import world
from glc.errors import ConfigError, DataError
from glc.report import series
from glc.world.series import path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("virtual")
    world.write_series(world.SIZES["tiny"], made)
    return made


def test_the_approximation_is_the_low_pass_of_the_zero_padded_series():
    values = np.random.default_rng(0).normal(size=(6, 84)).astype(np.float32)
    values[:, 80:] = np.nan
    coeffs = fft.dct(np.nan_to_num(values), norm="ortho")
    coeffs[:, 16:] = 0
    assert_allclose(series.approximate(values, 16), fft.idct(coeffs, norm="ortho"), atol=1e-5)
    assert_allclose(series.approximate(values, 84), np.nan_to_num(values), atol=1e-5)


def test_a_series_of_the_virtual_world_is_drawn_and_its_errors_told(folder, tmp_path, capsys):
    ids = pd.read_csv(path(folder, "pa_test", "red"), usecols=["surveyId"])["surveyId"]
    for survey in ids[:3]:
        series.main([str(folder), str(tmp_path / "a.png"), "--id", str(survey), "--dataset", "pa_test"])
        values, first_year = series.read(folder, survey, "pa_test")
        assert first_year == 2000
        coeffs = fft.dct(np.nan_to_num(values[2]), norm="ortho")
        wanted = np.sqrt(np.sum(coeffs[64:] ** 2) / 84)  # Parseval
        assert f"blue: 64 of 84 coefficients, RMSE {wanted:.3g}" in capsys.readouterr().out
    picture = image.imread(tmp_path / "a.png")
    assert picture.shape[1] > 1000
    assert picture.std() > 0.01


def test_what_cannot_be_drawn_is_told(folder, tmp_path):
    with pytest.raises(DataError, match=r"series 123456789 .* in 0 sets"):
        series.read(folder, 123456789)
    with pytest.raises(DataError, match="no tables of po"):
        series.read(folder, 1, "po")
    with pytest.raises(ConfigError, match="picture's suffix"):
        series.draw(np.zeros((6, 84)), 2000, tmp_path / "a.txt")
    with pytest.raises(ConfigError, match="band='x'"):
        series.draw(np.zeros((6, 84)), 2000, tmp_path / "a.png", band="x")


def test_a_real_series_is_read_and_approximated(shared_data, tmp_path):
    values, first_year = series.read(shared_data / "glc23_sample", 3900275)
    assert first_year == 2000
    assert values[2, :4].tolist() == [75, 4, 1, 1]
    assert np.isnan(values[:, 83]).all()
    errors = series.draw(values, first_year, tmp_path / "a.svg", terms=(84, 64, 16))
    assert errors[0] < 1e-3 < errors[1] < errors[2]
