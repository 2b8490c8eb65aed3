"""The ecologist's questions as sections of the report."""

import dataclasses
import re
from itertools import pairwise

import numpy as np
import pytest

from glc.explain.citation import citation
from glc.explain.explanation import Explanation
from glc.explain.importance import measured
from glc.explain.odmap import odmap
from glc.report import explanation as drawing
from glc.report import page
from tests.explain.conftest import Known, by_used
from tests.explain.test_citation import GBIF
from tests.explain.test_odmap import run
from tests.report.test_page import text_of


@pytest.fixture(scope="module")
def answers():
    """Answers about three species, of which one has a name that must not become markup."""
    fitted = Known(by_used, count=300)
    fitted.species.loc[0, "name"] = "Quercus <b>ilex</b>"
    return Explanation.made(fitted, [10, 12], measured(fitted, repeats=2), background=60, progress=lambda *_: None)


@pytest.fixture(scope="module")
def story(make_story, answers):
    """A story with all three sections."""
    known = make_story(valid=40, test=5)
    cited = citation("plants", GBIF, ["A net (Liu et al. 2024)."])
    protocol = odmap(run(importance=answers.importance, curves=(10, 12)))
    return dataclasses.replace(known, explanation=answers, protocol=protocol, citation=cited)


@pytest.fixture(scope="module")
def html(story):
    """The page of the story."""
    return page.render(story)


def section(html, name):
    (body,) = re.findall(rf'<section id="{name}">(.*?)</section>', html, flags=re.S)
    return body


def test_the_sections_say_what_was_answered(html, answers):
    body = section(html, "explained")
    assert body.count("<svg") == 5  # importance; curves and a map of each of two species
    text = text_of(body)
    ranked = drawing.by_importance(answers.importance.frame)
    assert f"used {ranked.loc[ranked['variable'] == 'used', 'mean'].iloc[0]:+.4f}" in text
    assert "by the model of fold 0, which has not seen the held-out records" in text
    assert "Quercus &lt;b&gt;ilex&lt;/b&gt; (10)" in body
    assert "<b>ilex" not in body


def test_the_protocol_has_all_fields_and_the_citation_its_doi(html, story):
    body = section(html, "odmap")
    left = (story.protocol["source"] == "author").sum()
    assert f"({left} of 84 fields)" in text_of(body)
    assert body.count("<tr>") - 1 == 84
    assert "longitude -1.5000 to 7.2500" in body
    cited = section(html, "citation")
    assert "https://doi.org/10.15468/dl.abc123" in cited
    assert "Tighnari" in cited
    assert "@inproceedings{liu_2024_tighnari" in cited


def test_a_story_without_answers_has_none_of_the_sections(make_story):
    html = page.render(make_story(valid=20, test=5))
    for name in ("explained", "odmap", "citation"):
        assert f'id="{name}"' not in html
        assert f'href="#{name}"' not in html


def test_curves_are_drawn_of_the_most_important_variables_first(answers):
    keys = drawing.shown_variables(answers.responses, answers.importance)
    assert keys[0] == ("table", "used")
    means = drawing.by_importance(answers.importance.frame)["mean"].tolist()
    assert all(first >= second for first, second in pairwise(means))


def test_long_lists_of_correlated_variables_are_cut_and_counted(answers):
    frame = answers.importance.frame.assign(correlated_with="a_1, b, c, d, e")
    cut = dataclasses.replace(answers, importance=dataclasses.replace(answers.importance, frame=frame))
    assert {row[-1] for row in drawing.sections(cut)["importance_rows"]} == {"a 1, b, c and 2 more"}


def test_an_experiment_without_tables_says_why_there_are_no_curves(make_story):
    fitted = Known(by_used, count=60)
    fitted.inputs = lambda places, allow_missing: {}
    fitted.scores = lambda places, values=None, fold=None: fitted.data.labels_of(np.zeros(len(places), int)).astype(
        np.float32
    )
    answers = Explanation.made(fitted, [10], measured(fitted), progress=lambda *_: None)
    body = section(page.render(dataclasses.replace(make_story(valid=20, test=5), explanation=answers)), "explained")
    assert "there is no importance of inputs to measure" in body
    assert "no variable to draw a response to" in " ".join(body.split())
    assert "training mean" not in body
    (name,) = re.findall("<h3>(.*?)</h3>", body)
    assert name[0].isupper()
    assert body.count("<svg") == 1


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(html, tmp_path, browser, width):
    (tmp_path / "page.html").write_text(html.replace("<details>", "<details open>"))
    tab = browser.new_page(viewport={"width": width, "height": 900})
    tab.goto((tmp_path / "page.html").as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    tab.close()
