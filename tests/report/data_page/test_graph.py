import numpy as np
import pandas as pd
import pytest

from glc.report.data_page import graph


def test_cluster_radii_are_those_of_clusters_on_a_line():
    """Five places 2 km apart on a meridian: 4 km from their middle; a sixth far away is no cluster."""
    step = 2 / 111.195
    lat = np.array([*(45 + step * np.arange(5)), 50])
    radii = graph.cluster_radii(pd.Series(np.zeros(6)), pd.Series(lat))
    assert radii == pytest.approx([4_000], rel=0.25)  # places are rounded to a hundredth of a degree
    assert len(graph.cluster_radii(pd.Series(np.zeros(6)), pd.Series(lat), link_m=500)) == 0
