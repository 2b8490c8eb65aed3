import numpy as np
import pytest
from matplotlib.image import imread

from glc.errors import ConfigError, DataError
from glc.report import embedding


def two_groups(n=40):
    rng = np.random.default_rng(0)
    group = np.arange(n) % 2
    vectors = rng.normal(0, 0.1, (n, 12))
    vectors[:, 0] += np.where(group, 2, -2)
    return vectors, group


@pytest.mark.parametrize("method", embedding.METHODS)
def test_groups_stay_apart_in_the_plane(method):
    vectors, group = two_groups()
    points, share = embedding.project(vectors, method)
    assert points.shape == (40, 2)
    apart = np.linalg.norm(points[:, None] - points, axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (group[apart.argmin(axis=1)] == group).all()
    assert (share > 0.9) if method == "pca" else share is None


def test_map_is_drawn_and_what_has_no_vector_or_place_is_counted(tmp_path):
    vectors, group = two_groups()
    vectors[3] = 0
    place = 43.0 + group
    place[8] = np.nan
    out = tmp_path / "made" / "species.png"
    facts = embedding.species_map(vectors, place, np.arange(40) * 5 + 1, out)
    assert facts == {"drawn": 38, "left_out": 2}
    picture = imread(out)[..., :3]
    # each group has its own side and its own end of viridis, at three quarters on white; the colour bar is to the right
    width = picture.shape[1]
    sides = picture[:, : int(0.3 * width)], picture[:, int(0.6 * width) : int(0.87 * width)]
    painted = [0.75 * np.array(colour) / 255 + 0.25 for colour in ((68, 1, 84), (253, 231, 37))]
    found = [[int((np.abs(side - colour).max(axis=2) < 0.03).sum()) for colour in painted] for side in sides]
    assert sorted(min(pair) for pair in found) == [0, 0]
    assert {int(np.argmax(pair)) for pair in found} == {0, 1}
    assert min(max(pair) for pair in found) > 100
    assert [path.name for path in out.parent.iterdir()] == ["species.png"]


def test_errors_say_what_and_the_remedy(tmp_path):
    vectors, group = two_groups()
    with pytest.raises(ConfigError, match="method: found 'umap'"):
        embedding.species_map(vectors, group, group, tmp_path / "a.png", method="umap")
    with pytest.raises(ConfigError, match=r"\.png, \.svg or \.pdf"):
        embedding.species_map(vectors, group, group + 1, tmp_path / "a.txt")
    with pytest.raises(DataError, match="found 0 species with a vector"):
        embedding.species_map(0 * vectors, group, group, tmp_path / "a.png")
    assert not list(tmp_path.iterdir())
