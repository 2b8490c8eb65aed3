import numpy as np
import pytest

from glc.report.data_page import survey_figures


def test_colours_of_reflectances_are_stretched_and_bytes_are_not():
    bytes_ = np.full((4, 4, 3), 51, np.uint8)
    assert survey_figures.rgb(bytes_) == pytest.approx(0.2)
    reflectance = np.linspace(0, 4000, 48).reshape(4, 4, 3)
    assert survey_figures.rgb(reflectance).min() == 0
    assert survey_figures.rgb(reflectance).max() == 1
