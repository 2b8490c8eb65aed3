import dataclasses
import json
import re

import pandas as pd
import pytest

from glc.classical import run
from glc.classical.votes import Votes
from glc.evaluation import baselines, suitability
from glc.report import suitability as report
from glc.report import templates
from glc.report.sections import relative
from tests.helpers import records_alone
from tests.report.test_page import text_of

SECTIONS = {
    False: ("map", "scores", "species", "neighbours", "data", "settings", "glossary"),
    True: ("map", "scores", "species", "learning", "data", "settings", "glossary"),
}


@pytest.fixture(scope="module")
def stories(make_story, tmp_path_factory):
    """Stories of votes and of a net on presence-only records alone, whose measures are those of real scores."""
    data, folder = records_alone(), tmp_path_factory.mktemp("relative")
    model = Votes(Votes.Options(prior=5.0, scales_m=(20_000, 10_000)))
    run.write(model, data, folder, folds=[0, 1], keep=100, progress=lambda *_: None)
    names = pd.DataFrame(
        {"speciesId": data.species[:-1], "name": [f"Planta {species}" for species in data.species[:-1]]}
    )
    metrics = suitability.write(folder, data, folder, names=names)
    species = pd.read_parquet(folder / suitability.SPECIES)
    parts = {
        "metrics": metrics,
        "per_survey": pd.read_parquet(folder / suitability.SURVEYS),
        "per_species": species,
        "baselines": baselines.write_relative(data, folder, [0, 1]),
        "decoder": {},
        "compared_species": {"knn": species.assign(auc=species["auc"] - 0.1)},
        "elsewhere": {"knn+validation.scheme=random": {"scheme": "random"}},
    }
    return {
        net: dataclasses.replace(make_story(net=net, neighbours=not net, held_out=90), **parts) for net in (True, False)
    }


@pytest.fixture(scope="module", params=[False, True], ids=["votes", "net"])
def rendered(request, stories):
    """A story and its page."""
    return stories[request.param], report.render(stories[request.param])


def test_sections_that_have_a_meaning_are_there_and_no_others(rendered):
    story, html = rendered
    wanted = SECTIONS[bool(story.histories)]
    assert re.findall(r'<section id="(\w+)">', html) == list(wanted)
    assert re.findall(r'<a\s+href="#(\w+)"', html) == list(wanted)
    for section in wanted:
        (body,) = re.findall(rf'<section id="{section}">(.*?)</section>', html, flags=re.S)
        assert len(text_of(body).split()) > 10, section
    assert "There is no error profile" in html or story.applicability is None


def test_no_f1_is_given_and_the_page_says_relative_suitability(rendered):
    _, html = rendered
    shown = text_of(html.split('<section id="settings">')[0])
    assert "Relative suitability." in shown
    assert shown.count("F1") == 1  # that there is none
    assert "no set of species is decided, and there is no F1" in shown


def test_measures_have_their_values_and_a_sentence_on_how_to_read_them(rendered):
    story, html = rendered
    valid, shown = story.metrics["valid"], text_of(html)
    for key, (title, _, form) in relative.MEASURES.items():
        low, high = (format(valid[f"{key}_{end}"], form) for end in ("low", "high"))
        assert f"{title} {format(valid[key], form)} {low}–{high}" in shown
    for title, how in relative.READINGS.items():
        assert f"{title} {how}" in shown
    assert "frequency everywhere 0.5000 –" in shown
    for row in valid["by_fold"]:
        assert f"{row['fold']} {row['records']} {row['sites']} {row['species']} {row['species_left_out']}" in shown


def test_species_are_called_by_name_and_id_and_those_without_a_name_by_id(rendered):
    story, html = rendered
    text = text_of(html.split('<section id="species">')[1].split("</section>")[0])
    *named, last = sorted(story.per_species["speciesId"].unique())
    assert all(f"Planta {species} ({species})" in text for species in named)
    assert f" {last} " in text
    assert f"({last})" not in text


def test_other_experiments_are_compared_by_species(rendered):
    shown = text_of(rendered[1])
    assert "+0.1000 +0.1000 to +0.1000 better" in shown
    assert "on other folds (random), so not compared" in shown


def test_a_net_shows_its_loss_and_other_models_that_they_have_none(stories):
    with_curves, without = (text_of(report.render(stories[net])) for net in (True, False))
    assert "Loss by epoch" in with_curves
    assert "Learning curves" not in without


def test_a_page_of_no_measured_species_says_what_to_do(stories):
    story = stories[False]
    valid = story.metrics["valid"]
    nothing = dict.fromkeys([key for key in valid if key.startswith(("auc", "boyce"))])
    rows = [{**row, "auc": None, "boyce": None, "species": 0} for row in valid["by_fold"]]
    metrics = {**story.metrics, "valid": {**valid, **nothing, "species": 0, "by_fold": rows}}
    flat = [{**row, "valid": {**row["valid"], "auc": None, "boyce": None}} for row in story.baselines]
    empty = dataclasses.replace(story, metrics=metrics, per_species=story.per_species.iloc[:0], baselines=flat)
    shown = text_of(report.render(empty))
    assert "No species has 5 sites in a fold. Choose fewer folds (validation.count)" in shown
    json.dumps(metrics, allow_nan=False)


def test_equal_stories_make_equal_pages(stories):
    assert report.render(stories[False]) == report.render(stories[False])
    assert templates.shown(None) == "–"
