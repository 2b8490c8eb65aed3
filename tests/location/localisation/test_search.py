"""Places of tiles: no query from where pre-training looked, the search against brute force, errors that are known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import rasterio

from glc import geo
from glc.config import EncoderPretraining
from glc.config.fields import Choice
from glc.errors import ConfigError, DataError
from glc.location import LocationEncoder
from glc.location.localisation import gallery, search
from glc.location.pretraining import sampling, scenes, train
from glc.location.pretraining.image_encoder import ImageEncoder
from glc.location.pretraining.sampling import fibonacci
from glc.training.machine import Machine
from tests.location import places
from tests.rasters.geotiffs import geotiff

OPTIONS = EncoderPretraining(
    features=Choice("harmonics", {"degree": 4}),
    network=Choice("siren", {"hidden": 16}),
    image=Choice("cnn", {"channels": [8]}),
    dim=8,
    places=600,
    size=2,
    holdout=0.1,
    batch_size=64,
    epochs=2,
    apart_km=0.0,
    bounds=(-180.0, -60.0, 180.0, 60.0),
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A raster of the world, and the folder of encoders that were trained on it."""
    folder = tmp_path_factory.mktemp("trained")
    places.write_raster(folder / "r.tif")
    train.pretrain(folder / "r.tif", folder, OPTIONS, Machine("cpu", threads=1, progress=False))
    return folder


@pytest.fixture(scope="module")
def asked(trained):
    pair = search.Pair.load(trained / "location.ckpt")
    return pair, *search.queries(trained / "r.tif", pair, 150, progress=False)


class Sphere:
    """A location encoder whose cosine tells the distance."""

    def embed(self, lon, lat):
        return geo.unit_sphere(lon, lat).astype(np.float32)


def world(n, seed=0):
    return sampling.uniform(n, (-180.0, -90.0, 180.0, 90.0), np.random.default_rng(seed))


def test_squares_are_those_that_are_held_out_whole():
    lon, lat = world(5000)
    held = sampling.held_out(lon, lat, 0.2, np.random.default_rng(1), 4.0)
    numbers = sampling.squares(lon, lat, 4.0)
    assert held.any()
    assert not set(numbers[held]) & set(numbers[~held])
    assert len(np.unique(numbers)) > 1000


def test_queries_lie_where_pre_training_did_not_look(trained, asked):
    pair, found, squares, lost = asked
    drawn = scenes.draw(trained / "r.tif", OPTIONS, progress=False)
    facts = pair.location.facts
    held = np.isin(pair.square(drawn.lon, drawn.lat), squares)
    assert (facts["places"], facts["places_validated"]) == ((~held).sum(), held.sum())
    new, seen = found[search.HELD_OUT], found[search.TRAINED]
    assert len(new.lon) == len(seen.lon) == 150
    assert lost == {"left_out": 0, "trained_on_fewer": 0}
    assert np.isin(pair.square(new.lon, new.lat), squares).all()
    pairs = set(zip(drawn.lon[~held], drawn.lat[~held], strict=True))
    assert set(zip(seen.lon, seen.lat, strict=True)) <= pairs
    assert not set(zip(new.lon, new.lat, strict=True)) & set(zip(drawn.lon, drawn.lat, strict=True))
    assert max(new.lon.max(), seen.lon.max()) <= 150  # the rest is water
    assert np.abs(new.lat).max() <= 60
    to_all = geo.great_circle_m(new.lon[:, None], new.lat[:, None], drawn.lon[~held], drawn.lat[~held])
    np.testing.assert_allclose(new.trained_km, to_all.min(axis=1) / 1000, atol=1e-6)
    assert seen.trained_km.max() < 1e-6
    for some in (new, seen):
        assert np.array_equal(some.tiles, pair.stack(trained / "r.tif").cut(some.lon, some.lat)[0])


def test_other_imagery_than_that_of_the_pre_training_is_refused(trained, asked, tmp_path):
    pair = asked[0]
    bands = places.write_raster(tmp_path / "r.tif")
    with rasterio.open(tmp_path / "r.tif", "r+") as file:
        file.write((bands[0] + 5).astype(np.int16), 1)
    with pytest.raises(DataError, match=r"r.tif: found \d+ places .* other means of bands; give the imagery"):
        search.queries(tmp_path / "r.tif", pair, 10, progress=False)
    with rasterio.open(tmp_path / "r.tif", "r+") as file:
        file.descriptions = ("height", *places.BANDS[1:])
    with pytest.raises(DataError, match=r"r.tif: found the bands height, .* expected .* altitude_m"):
        pair.stack(tmp_path / "r.tif")


def test_encoders_of_two_trainings_are_no_pair(trained, tmp_path):
    location = LocationEncoder.load(trained / "location.ckpt")
    location.save(tmp_path / "location.ckpt")
    with pytest.raises(DataError, match=r"image.ckpt: no such file"):
        search.Pair.load(tmp_path / "location.ckpt")
    (tmp_path / "image.ckpt").write_bytes((trained / "image.ckpt").read_bytes())
    assert search.Pair.load(tmp_path / "location.ckpt").options == OPTIONS
    location.facts["steps"] += 1
    location.save(tmp_path / "location.ckpt")
    with pytest.raises(DataError, match=r"location.ckpt: does not belong to the same pre-training"):
        search.Pair.load(tmp_path / "location.ckpt")


def test_queries_of_a_region_are_found_in_its_held_out_squares(tmp_path):
    bands = np.random.default_rng(0).normal(size=(3, 200, 200)).astype(np.float32)
    path = geotiff(tmp_path / "r.tif", bands, step=0.01, west=5, north=45, names=("a", "b", "c"))
    everywhere = (-180.0, -90.0, 180.0, 90.0)
    options = replace(OPTIONS, bounds=everywhere, land_band="", holdout_deg=0.25, epochs=1)
    train.pretrain(path, tmp_path, options, Machine("cpu", threads=1, progress=False))
    pair = search.Pair.load(tmp_path / "location.ckpt")
    found, squares, _ = search.queries(path, pair, 300, progress=False)
    new = found[search.HELD_OUT]
    assert len(new.lon) == 300
    assert np.isin(pair.square(new.lon, new.lat), squares).all()


def test_encoders_of_an_edition_s_tiles_are_refused(trained, tmp_path):
    for name, kind in (("location.ckpt", LocationEncoder), ("image.ckpt", ImageEncoder)):
        encoder = kind.load(trained / name)
        assert encoder.facts.pop("source") == "raster"
        encoder.save(tmp_path / name)
    assert search.Pair.load(tmp_path / "location.ckpt").options == OPTIONS  # made before it was told
    for name, kind in (("location.ckpt", LocationEncoder), ("image.ckpt", ImageEncoder)):
        encoder = kind.load(trained / name)
        encoder.facts["source"] = "tiles"
        encoder.save(tmp_path / name)
    with pytest.raises(DataError, match=r"location.ckpt: found a pre-training on tiles, expected .*location-encoder"):
        search.Pair.load(tmp_path / "location.ckpt")


def test_a_gallery_is_even_over_the_land(monkeypatch):
    def land(lon, lat):
        return (lon > 20) & (lat > 10)

    lon, lat = gallery.spiral(1000, land)
    assert len(lon) == 1000
    assert land(lon, lat).all()
    area = 4 * np.pi * geo.EARTH_RADIUS_M**2 * (160 / 360) * (1 - np.sin(np.radians(10))) / 2
    assert gallery.spacing_km(lon, lat) == pytest.approx(np.sqrt(area / 1000) / 1000, rel=0.15)
    heights = np.histogram(np.sin(np.radians(lat)), 5, (np.sin(np.radians(10)), 1))[0]
    assert np.ptp(heights) < 30
    monkeypatch.setattr(gallery, "_MOST_SPIRAL", 100_000)
    with pytest.raises(ConfigError, match=r"gallery: found 0 of .* expected 1,000; lower --gallery"):
        gallery.spiral(1000, lambda lon, lat: lat > 91)


def test_the_ceiling_of_100_000_places_over_the_sphere_is_that_of_their_area():
    lon, lat = world(20_000)
    at = gallery.spiral(100_000)
    unknown = np.zeros(len(lon))
    asked = search.Queries(lon, lat, None, unknown)
    found = search.Found(lon[:, None], lat[:, None], unknown[:, None])
    frame = search.results(asked, found, at, False)
    cap = (1 - np.cos(25_000 / geo.EARTH_RADIUS_M)) / 2  # they lie more than 50 km apart, so caps do not overlap
    assert (frame["gallery_km"] <= 25).mean() == pytest.approx(100_000 * cap, abs=0.015)
    assert frame["error_km"].max() == 0


def test_the_search_is_that_of_all_pairs():
    rng = np.random.default_rng(0)
    images, vectors = (rng.normal(size=(n, 5)).astype(np.float32) for n in (30, 200))
    lon, lat = world(200)
    found = search.search(images, vectors, lon, lat, k=4, batch=7, progress=False)
    similar = images @ vectors.T
    order = np.argsort(-similar, axis=1)[:, :4]
    np.testing.assert_array_equal(found.lon, lon[order])
    np.testing.assert_array_equal(found.lat, lat[order])
    np.testing.assert_allclose(found.similarity, np.take_along_axis(similar, order, axis=1), rtol=1e-5)
    with pytest.raises(ConfigError, match=r"found 3 places in the gallery, expected at least 4"):
        search.search(images, vectors[:3], lon[:3], lat[:3], k=4)


def test_a_disc_is_even_by_area_everywhere():
    lon, lat = np.array([0.0, 179.9, 33.0]), np.array([0.0, -45.0, 89.99])
    around = gallery.disc(lon, lat, 500, 64, turn=2)
    km = geo.great_circle_m(lon[:, None], lat[:, None], *around) / 1000
    np.testing.assert_allclose(km, np.broadcast_to(500 * np.sqrt((np.arange(64) + 0.5) / 64), (3, 64)), rtol=1e-6)
    assert np.abs(around[0]).max() <= 180
    for place in range(3):
        points = geo.unit_sphere(around[0][place], around[1][place])
        middle = geo.unit_sphere(lon[place : place + 1], lat[place : place + 1])[0]
        assert np.linalg.norm(points.mean(axis=0) / np.linalg.norm(points.mean(axis=0)) - middle) < 0.006


def test_refinement_climbs_to_what_the_gallery_lacks(monkeypatch):
    monkeypatch.setattr(search, "_AT_ONCE", 2000)  # blocks of a few queries
    lon, lat = world(60)
    images, at = Sphere().embed(lon, lat), fibonacci(2000)
    found = search.search(images, Sphere().embed(*at), *at, k=5, progress=False)
    better = search.refine(Sphere(), images, found, gallery.spacing_km(*at), rounds=8, progress=False)
    km = [geo.great_circle_m(lon, lat, one.lon[:, 0], one.lat[:, 0]) / 1000 for one in (found, better)]
    assert np.median(km[0]) > 100
    assert np.median(km[1]) < 10
    assert (np.diff(better.similarity, axis=1) <= 0).all()
    assert (better.similarity[:, 0] >= found.similarity[:, 0]).all()
    np.testing.assert_allclose(
        better.similarity[:, 0], np.cos(1000 * km[1] / geo.EARTH_RADIUS_M), atol=1e-6
    )  # of the place that is told


def test_metrics_have_known_answers():
    at = fibonacci(4000)
    degree = geo.great_circle_m(0, 0, 1, 0) / 1000
    asked = search.Queries(np.zeros(4), np.zeros(4), None, np.zeros(4))
    frames = []
    for refined, degrees in ((False, [0.1, 1.0, 6.0, 50.0]), (True, [0.1, 0.1, 0.1, 0.1])):
        where = np.array(degrees)[:, None]
        found = search.Found(where, np.zeros((4, 1)), np.ones((4, 1)))
        frames.append(search.results(asked, found, at, refined).assign(queries="held out"))
    table = search.metrics(pd.concat(frames), at, 4.0).set_index("line")
    assert list(table.index) == ["gallery", "refined", "ceiling", "chance"]
    shares = [f"within_{km}_km" for km in search.WITHIN_KM]
    assert list(table.loc["gallery", shares]) == [0.25, 0.5, 0.75, 0.75]
    assert table.loc["gallery", "median_km"] == pytest.approx(3.5 * degree)
    assert table.loc["gallery", "mean_km"] == pytest.approx(57.1 / 4 * degree)
    assert list(table.loc["refined", shares]) == [1, 1, 1, 1]
    assert table.loc["ceiling", "median_km"] == pytest.approx(geo.great_circle_m(0, 0, *at).min() / 1000)
    # a random place of an even gallery is a quarter of the way round, in the median
    assert table.loc["chance", "median_km"] == pytest.approx(90 * degree, rel=0.1)
    assert table.loc["chance", "within_2500_km"] == pytest.approx(
        (1 - np.cos(2.5e6 / geo.EARTH_RADIUS_M)) / 2, abs=0.03
    )
    assert set(table["squares"]) == {1}
    whole = search.metrics(frames[0], at, 4.0)
    assert list(whole["line"]) == ["gallery", "ceiling", "chance"]


def test_a_tile_that_cannot_be_cut_is_told(asked, tmp_path):
    bands = np.arange(300, dtype=np.float32).reshape(3, 10, 10)
    stack = asked[0].stack(geotiff(tmp_path / "r.tif", bands, step=0.1, west=5, north=45, names=places.BANDS))
    np.testing.assert_allclose(search.tile(stack, 5.5, 44.5), bands[None, :, 4:6, 4:6])
    with pytest.raises(DataError, match=r"r.tif: the tile at lon 20, lat -40 is outside; give another place"):
        search.tile(stack, 20.0, -40.0)


def test_the_gallery_of_the_real_land(shared_data):
    options = EncoderPretraining()
    stack = scenes.Stack(shared_data / "rasters_global" / "imagery_15m.tif", size=8)
    lon, lat = gallery.spiral(5000, search.on_land(stack, options))
    assert len(lon) == 5000
    # 29 % of the Earth is land
    area = 0.29 * 4 * np.pi * (geo.EARTH_RADIUS_M / 1000) ** 2
    assert gallery.spacing_km(lon, lat) == pytest.approx(np.sqrt(area / 5000), rel=0.1)
