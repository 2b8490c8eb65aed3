import numpy as np
import pandas as pd
from scipy.special import ndtr

from glc import world
from glc.world import SIZES, environment, images, series

TINY = SIZES["tiny"]


def test_six_csvs_of_84_quarters_with_gaps_and_ends(tmp_path):
    world.write_series(TINY, tmp_path)
    surveys = images.surveys_of(TINY, "pa_train")
    for band in series.BANDS:
        frame = pd.read_csv(series.path(tmp_path, "pa_train", band), dtype=str, keep_default_na=False)
        assert list(frame.columns) == ["surveyId", *series.QUARTERS]
        assert frame.columns[1] == "2000_1"
        assert frame.columns[-1] == "2020_4"
        assert 0.9 * len(surveys) < len(frame) < len(surveys)
        values = frame.iloc[:, 1:].to_numpy()
        assert 0.003 < (values == "").mean() < 0.03
        ended = values == "eos"
        assert ended.any()
        assert (np.diff(ended.astype(int), axis=1) >= 0).all()  # once ended, a series stays ended
        numbers = pd.to_numeric(pd.Series(values[(values != "") & ~ended]))
        assert numbers.between(0, 255).all()
    assert series.path(tmp_path, "pa_test", "nir").name == "GLC24-PA-test-landsat_time_series-nir.csv"
    assert series.path(tmp_path, "pa_test", "nir").exists()


def test_forests_lose_infrared_in_the_year_of_disturbance():
    surveys = images.surveys_of(SIZES["small"], "pa_train")
    lon, lat = surveys.lon.to_numpy(), surveys.lat.to_numpy()
    forest, *_ = environment.cover_shares(*environment.cover(2024, lon, lat))
    when = 2000 + 21 * ndtr(environment.disturbance(2024, lon, lat))
    wooded = (forest > 0.7) & (when > 2004) & (when < 2017)
    nir = series.series(2024, lon[wooded], lat[wooded], np.random.default_rng(0))[:, 3].reshape(-1, 21, 4).mean(axis=2)
    year = (when[wooded] - 2000).astype(int)
    row = np.arange(len(year))
    assert wooded.sum() > 50
    loss = nir[row, year - 1] - nir[row, year + 1]
    assert loss.mean() > 10
    assert np.mean(loss > 0) > 0.8
