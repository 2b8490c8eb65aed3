from collections import Counter
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from glc import geo, schema, storage
from glc.report import dataset, modalities
from glc.report import dataset_figures as figures
from tests.test_security import PAYLOADS, _Page

BANDS = ("red", "green", "blue", "nir", "swir1", "swir2")


def surveys(name, count, seed=0, region="ATLANTIC", species=True):
    """Rows of the surveys table: clusters of 10 surveys within 3 km in two regions."""
    rng = np.random.default_rng(seed)
    centre = np.repeat(rng.uniform((0, 44), (6, 49), (-(-count // 10), 2)), 10, axis=0)[:count]
    lon, lat = (centre + rng.normal(0, 0.012, (count, 2))).T
    easting, northing = geo.project(lon, lat)
    frame = pd.DataFrame(
        {
            "dataset": name,
            "surveyId": np.arange(count, dtype=np.int64) + 1,
            "lon": lon,
            "lat": lat,
            "easting": easting,
            "northing": northing,
            "crs": 3035,
            "year": 2018 + np.arange(count) % 2,
            "geoUncertaintyInM": rng.uniform(1, 99, count),
            "country": "France",
            "region": np.where(np.arange(count) // 10 % 2, region, "ALPINE"),
            "areaInM2": rng.uniform(10, 400, count),
        }
    )
    frame["species"] = [sorted(rng.choice(40, rng.integers(1, 9), replace=False)) if species else [] for _ in lon]
    return frame


@pytest.fixture
def folder(tmp_path):
    """A finished surveys output of training, test and presence-only surveys."""
    parts = [surveys("pa_train", 120), surveys("pa_test", 30, 1, species=False), surveys("po", 300, 2)]
    counts = {part["dataset"][0]: {"surveys": len(part)} for part in parts}
    facts = {"edition": "glc2024", "train": "pa_train", "test": "pa_test", "datasets": counts}
    with storage.atomic_directory(tmp_path / "surveys", **facts) as out:
        storage.write_table(pd.concat(parts)[schema.TABLES["surveys"].names], "surveys", out / "surveys")
    return tmp_path / "surveys"


def imagery(folder, survey):
    """RGB, near infrared and quarterly series of one training survey, in the layout of 2024."""
    rng = np.random.default_rng(3)
    digits = f"{survey:04d}"
    for kind, shape in (("RGB", (128, 128, 3)), ("NIR", (128, 128))):
        path = (
            folder / f"PA_Train_SatellitePatches_{kind}/pa_train_patches_{kind.lower()}/{digits[-2:]}/{digits[-4:-2]}"
        )
        path.mkdir(parents=True)
        Image.fromarray(rng.integers(0, 255, shape).astype(np.uint8)).save(path / f"{survey}.jpeg")
    quarters = [f"{year}_{quarter}" for year in range(2000, 2021) for quarter in range(1, 5)]
    for band in BANDS:
        frame = pd.DataFrame(rng.integers(1, 200, (1, len(quarters))), columns=quarters).astype(float)
        frame.iloc[0, 5] = np.nan
        frame.insert(0, "surveyId", survey)
        frame.to_csv(folder / f"GLC24-PA-train-landsat_time_series-{band}.csv", index=False)
    return folder


@pytest.fixture
def undrawn(monkeypatch):
    """Figures are laid out but not rendered, which takes most of a page's time."""
    monkeypatch.setattr("glc.report.figures._inline", lambda figure, alt: f"<svg aria-label='{escape(alt)}'></svg>")


def draw(folder, below, survey=None):
    contents = dataset.scan(folder, survey)
    return dataset.render("some-data", contents, [below], dataset.candidates(contents, survey), survey)


def test_all_rows_are_counted_and_few_are_sampled(folder, monkeypatch):
    monkeypatch.setattr(dataset, "SAMPLE", 60)
    contents = dataset.scan(folder, survey=299)
    po = contents.parts["po"]
    table = storage.read_table(folder / "surveys", "surveys").to_pandas()
    own = table[table["dataset"] == "po"]
    assert list(contents.parts) == ["pa_train", "pa_test", "po"]
    assert po.surveys == 300
    assert po.occurrences == sum(map(len, own["species"]))
    assert po.species == Counter(species for known in own["species"] for species in known)
    assert po.sizes == Counter(map(len, own["species"]))
    assert 30 < len(po.sample) < 100
    assert 299 in set(po.sample["surveyId"])
    assert len(contents.parts["pa_train"].nodes) == 120
    assert contents.parts["pa_test"].nodes is not None
    assert po.nodes is None


def test_the_page_shows_what_there_is_and_says_what_there_is_not(folder, tmp_path, undrawn):
    html, facts = draw(folder, imagery(tmp_path, 7), survey=7)
    page = _Page(html)
    for text in ("Figure 5", "Figure 6", "Figure 3", "Figure 4", "Figure 7", "Sentinel-2 RGB", "DS@GT, Figure 6"):
        assert text in page.text, text
    for text in ("folders hold no rasters", "hold no monthly climate cubes", "Without labels: presence-absence, test"):
        assert text in page.text, text
    assert page.text.count("Correlations by") == 2
    assert facts["survey"] == 7
    assert facts["isolated"] == {"presence-absence, training": 0, "presence-absence, test": 1}
    assert "http" not in html.replace("http://www.w3.org", "")
    assert html.count("<script") == 1  # the page's own, which loads nothing
    assert "src=" not in html


def test_the_survey_that_has_most_modalities_is_chosen(folder, tmp_path, monkeypatch, undrawn):
    monkeypatch.setattr(dataset, "CANDIDATES", 120)
    _, facts = draw(folder, imagery(tmp_path, 7))
    assert (facts["survey"], facts["survey_dataset"]) == (7, "pa_train")


def test_a_dataset_of_csvs_alone_has_a_page(folder, tmp_path, undrawn):
    text = _Page(draw(folder, tmp_path)[0]).text
    assert "Nothing of this survey can be shown" in text
    assert "no images of the surveys" in text


@pytest.mark.parametrize("payload", PAYLOADS)
def test_text_from_data_makes_no_element_of_a_figure(payload):
    alt = "boxes of " + payload
    plain, hostile = (
        _Page(figures.boxes(alt, {name: {name: np.arange(9.0), "other": np.arange(5.0)}}))
        for name in ("Bellis", payload)
    )
    assert hostile.elements == plain.elements
    assert hostile.handlers == []


@pytest.mark.slow
@pytest.mark.parametrize("payload", PAYLOADS)
def test_text_from_data_makes_no_element_of_the_data_page(payload, folder, tmp_path):
    pages = []
    for region in ("Bellis", payload):
        contents = dataset.scan(folder)
        for part in contents.parts.values():
            part.sample["region"] = part.sample["region"].replace("ATLANTIC", region)
            part.sample["country"] = region
        html, _ = dataset.render(region, contents, [tmp_path], dataset.candidates(contents))
        pages.append(_Page(html))
    plain, hostile = pages
    assert hostile.elements == plain.elements
    assert hostile.handlers == []
    assert hostile.text.count(payload) >= 3


def test_cluster_radii_are_those_of_clusters_on_a_line():
    """Five places 2 km apart on a meridian: 4 km from their middle; a sixth far away is no cluster."""
    step = 2 / 111.195
    lat = np.array([*(45 + step * np.arange(5)), 50])
    radii = dataset.cluster_radii(pd.Series(np.zeros(6)), pd.Series(lat))
    assert radii == pytest.approx([4_000], rel=0.25)  # places are rounded to a hundredth of a degree
    assert len(dataset.cluster_radii(pd.Series(np.zeros(6)), pd.Series(lat), link_m=500)) == 0


def test_colours_of_reflectances_are_stretched_and_bytes_are_not():
    bytes_ = np.full((4, 4, 3), 51, np.uint8)
    assert modalities.rgb(bytes_) == pytest.approx(0.2)
    reflectance = np.linspace(0, 4000, 48).reshape(4, 4, 3)
    assert modalities.rgb(reflectance).min() == 0
    assert modalities.rgb(reflectance).max() == 1


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_the_page_without_scrolling_sideways(folder, tmp_path, browser_dom, width):
    html, _ = draw(folder, imagery(tmp_path, 7), survey=7)
    probe = (
        "<script>addEventListener('load', () => {const wide = [...document.querySelectorAll('figure, p, nav, h1')]"
        ".filter(x => x.getBoundingClientRect().right > innerWidth + 1).length;"
        "document.title = `${document.documentElement.scrollWidth} ${innerWidth} ${wide}`})</script>"
    )
    path = Path(tmp_path / "index.html")
    path.write_text(html.replace("</body>", f"{probe}</body>"), encoding="utf-8")
    dom = browser_dom(path, f"--window-size={width},2000")
    shown, window, wide = map(int, dom.split("<title>")[1].split("</title>")[0].split())
    assert shown <= window
    assert wide == 0
