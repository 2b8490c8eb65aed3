import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from glc.report.data_page import contents, figures, page
from tests.test_security import PAYLOADS, _Page

BANDS = ("red", "green", "blue", "nir", "swir1", "swir2")


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


def draw(folder, below, survey=None):
    counted = contents.scan(folder, survey)
    return page.render("some-data", counted, [below], contents.candidates(counted, survey), survey)


def test_the_page_shows_what_there_is_and_says_what_there_is_not(folder, tmp_path, undrawn):
    html, facts = draw(folder, imagery(tmp_path, 7), survey=7)
    read = _Page(html)
    for text in ("Figure 5", "Figure 6", "Figure 3", "Figure 4", "Figure 7", "Sentinel-2 RGB", "DS@GT, Figure 6"):
        assert text in read.text, text
    for text in ("folders hold no rasters", "hold no monthly climate cubes", "Without labels: presence-absence, test"):
        assert text in read.text, text
    assert read.text.count("Correlations by") == 2
    assert facts["survey"] == 7
    assert facts["isolated"] == {"presence-absence, training": 0, "presence-absence, test": 1}
    assert not re.search(r"https?:", html.replace("http://www.w3.org", ""))
    assert html.count("<script") == 1  # the page's own, which loads nothing
    assert "src=" not in html


def test_the_survey_that_has_most_modalities_is_chosen(folder, tmp_path, monkeypatch, undrawn):
    monkeypatch.setattr(contents, "CANDIDATES", 120)
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
        counted = contents.scan(folder)
        for part in counted.parts.values():
            part.sample["region"] = part.sample["region"].replace("ATLANTIC", region)
            part.sample["country"] = region
        html, _ = page.render(region, counted, [tmp_path], contents.candidates(counted))
        pages.append(_Page(html))
    plain, hostile = pages
    assert hostile.elements == plain.elements
    assert hostile.handlers == []
    assert hostile.text.count(payload) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_the_page_without_scrolling_sideways(folder, tmp_path, browser, width):
    html, _ = draw(folder, imagery(tmp_path, 7), survey=7)
    (tmp_path / "index.html").write_text(html, encoding="utf-8")
    problems = []
    tab = browser.new_page(viewport={"width": width, "height": 2000})
    tab.on("console", lambda message: problems.append(message.text))
    tab.goto((tmp_path / "index.html").as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    wide = (
        "[...document.querySelectorAll('figure, p, nav, h1')]"
        ".filter(x => x.getBoundingClientRect().right > innerWidth + 1).length"
    )
    assert tab.evaluate(wide) == 0
    assert problems == []  # the page's own policy forbids nothing that it needs
    tab.close()
