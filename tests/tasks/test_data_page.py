"""The page of a dataset as a task: from surveys and imagery to a page at a stable place."""

import re
from pathlib import Path

import pytest

from glc.tasks import DataPage
from tests.tasks.pipeline import TINY, build, run


@pytest.fixture(scope="module")
def page(root):
    """The page of the tiny virtual world."""
    run(DataPage(root=root, dataset=TINY))
    return (Path(root) / "reports" / "virtual-tiny" / "data.html").read_text()


@pytest.mark.slow
def test_the_virtual_world_has_every_section_and_every_modality(page):
    assert re.findall(r"<h2>(.*?)</h2>", page) == ["Places", "Species", "Features", "Ecological graph", "One survey"]
    survey = page[page.index("<h2>One survey</h2>") :]
    assert "hold no" not in survey
    for modality in ("sentinel-2", "elevation", "land cover", "soil", "landsat", "monthly climate"):
        assert modality in survey.lower()
    pictures = re.findall(r"<svg|<img[^>]+src=\"data:image/png", survey)
    assert len(pictures) >= 10
    assert not re.search(r"(src|href)=\"https?:", page)


@pytest.mark.slow
def test_a_survey_is_chosen_by_its_id_and_an_unknown_one_is_refused(page, root, caplog):
    shown = int(re.search(r"[Ss]urvey (\d+)", page[page.index("<h2>One survey</h2>") :])[1])
    task = DataPage(root=root, dataset=TINY, survey=shown)
    run(task)
    named = (Path(root) / "reports" / "virtual-tiny" / f"data-{shown}.html").read_text()
    captions = [re.findall("<figcaption>.*?</figcaption>", text, re.DOTALL) for text in (named, page)]
    assert captions[0] == captions[1]
    done, _ = build(DataPage(root=root, dataset=TINY, survey=99_999_999))
    assert not done
    assert "--survey 99999999: found no survey of this id" in caplog.text
    assert not (Path(root) / "reports" / "virtual-tiny" / "data-99999999.html").exists()
