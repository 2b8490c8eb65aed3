"""What a new user missed in the report, a test for each; those that need a browser are in `test_browser`."""

import dataclasses
import re

import numpy as np
import pytest

from glc import config
from glc.report import figures, maps, page, palette, svg
from glc.report.sections import scores
from glc.report.sections.settings import as_toml
from tests.report.test_page import text_of


@pytest.fixture(scope="module")
def story(make_story):
    """A net, with three folds and learning curves."""
    return make_story(valid=300, test=60, net=True, area_by="coordinates")


@pytest.fixture(scope="module")
def html(story):
    """Its page."""
    return page.render(story)


def body(html, name):
    (found,) = re.findall(rf'<section id="{name}">(.*?)</section>', html, flags=re.S)
    return found


def test_the_page_and_its_figures_take_their_colours_from_variables_that_have_a_dark_shade(html):
    assert "@media screen and (prefers-color-scheme: dark)" in html
    drawn = "".join(re.findall(r"<svg.*?</svg>", html, flags=re.S))
    used = set(re.findall(r"var\(--([\w-]+)\)", drawn))
    assert {"validation", "test", "ink", "grid"} <= used <= {shade.name for shade in palette.SHADES}
    assert "#ffffff" not in drawn.lower()
    light = [shade.light.lower() for shade in palette.SHADES]
    assert len(set(light)) == len(light)


def test_species_are_named_ranked_and_shown_in_three_surveys(html, story):
    text, part = text_of(body(html, "species")), body(html, "species")
    for heading in ("Best predicted species", "Worst predicted species", "By frequency", "Three surveys"):
        assert heading in text
    assert part.count("<svg") == 2
    first = story.species.table[story.species.table["present"] >= 10].sort_values("f1").iloc[-1]
    assert story.species.name(first["speciesId"]).startswith("Plantago")
    assert re.search(rf"Best predicted species .*? {story.species.name(first['speciesId'])} {first['f1']:.3f}", text)
    for one in story.species.examples:
        assert f"survey {one.survey} at" in text
        row = one.species.iloc[0]
        decided = "yes" if row["predicted"] else "no", "yes" if row["present"] else "no"
        assert f"{row['probability']:.1%} {decided[0]} {decided[1]}" in text
    assert "fitted to other folds" in text


def test_a_species_without_a_name_is_called_by_its_number(story):
    table = story.species.table.assign(name=None)
    without = dataclasses.replace(story, species=dataclasses.replace(story.species, table=table))
    assert re.search(r"Best predicted species.*?species 1\d\d", text_of(page.render(without)))


def test_maps_next_to_each_other_show_the_same_coasts_and_the_same_area(html):
    drawn = re.findall(
        r"<svg[^>]*viewBox=\"([^\"]*)\".*?aria-label=\"([^\"]*)\"(.*?)</svg>", body(html, "map"), flags=re.S
    )
    assert len(drawn) == 2
    (size, alt, first), (other_size, other_alt, other) = drawn
    assert size == other_size
    assert alt.split("; ")[-1] == other_alt.split("; ")[-1]
    ticks = [re.findall(r">(-?[\d.]+°[NSEW]?)</text>", text) for text in (first, other)]
    assert ticks[0] == ticks[1]
    assert ticks[0]
    assert "<image" in first  # coasts and points


@pytest.mark.parametrize(("lon", "lat"), [([0, 10], [45, 45.1]), ([0, 0.1], [40, 60]), ([5, 5], [45, 45])])
def test_no_map_is_much_wider_or_higher_than_others(lon, lat):
    west, south, east, north = maps.bounds_of(np.array(lon), np.array(lat))
    ratio = (north - south) / np.cos(np.radians((north + south) / 2)) / (east - west)
    assert maps.LEAST_HIGH - 0.02 <= ratio <= maps.MOST_HIGH + 0.02
    assert west <= min(lon) <= max(lon) <= east
    assert south <= min(lat) <= max(lat) <= north


def test_macro_auc_is_the_mean_of_the_folds(html):
    assert "mean over species, then over folds" in text_of(html)


def test_a_test_without_labels_has_surveys_and_no_counts_of_species(make_story):
    story = make_story(valid=30, test=5)
    story.surveys["datasets"]["pa_test"] = {"occurrences": 900, "surveys": 900, "species": 0}
    assert "presence-absence, test 900 – –" in text_of(page.render(story))


def test_the_head_names_the_best_baseline_of_the_test_and_equal_baselines_are_explained(make_story):
    story = make_story(valid=50, test=20)
    rows = [{**row, "test": value} for row, value in zip(story.baselines, (0.1317, 0.9, 0.2, 0.1317), strict=True)]
    told = text_of(page.render(dataclasses.replace(story, baselines=rows)))
    assert (
        "On the test, the best is another baseline, top 25 of the country, with 0.900; this experiment is below" in told
    )
    assert "“top 25 of the district” and “top 25 of all surveys” are the same on the test" in told


def test_origin_and_links_are_given(html, story):
    text = text_of(body(html, "settings"))
    for value in (story.made.date, "glc run votes --dataset", story.made.commit, story.made.fingerprint):
        assert value in text
    for what, path, _ in story.made.links:
        assert f'<a href="{path}">{what}</a>' in body(html, "settings")
    assert "as far as" not in text


def test_settings_have_only_what_the_model_reads(make_story):
    told = text_of(body(page.render(make_story(valid=20, test=5)), "settings"))
    for absent in ("[train]", "[po]", "[pretrain]", "[cross_fusion]", "submission ="):
        assert absent not in told
    for there in ("[model]", "[validation]", "[decode]"):
        assert there in told
    first = config.load("geolocation-staged")
    assert 'experiment = "geolocation-maxent"' in as_toml(first, frozenset({"start"}))
    assert "[start]" not in as_toml(config.load("geolocation"), frozenset({"start"}))
    used = as_toml(config.Experiment(model=config.Choice("votes", {})), frozenset({"train"}))
    assert "[train]" in used


def test_plain_words_stand_for_identifiers(html, make_story):
    pages = (html, page.render(make_story(valid=20, test=5)))
    told = " ".join(
        text_of(re.sub("<pre>.*?</pre>", "", text, flags=re.S)) for text in pages
    )  # settings are quoted as they are written
    for identifier in ("pa_train", "validation_pairs", "(fitted)", "validation_f1", "radius_m", "geoUncertaintyInM "):
        assert identifier not in told
    assert "the first epoch is 1" in told
    assert "numbered from 0, as in file names" in told


def test_sections_that_the_model_does_not_have_are_not_linked(make_story):
    html = page.render(make_story(valid=20, test=5, neighbours=False))
    assert "Neighbours" not in html
    assert "Learning curves" not in html


def test_figures_are_never_scaled_below_legible_text(html):
    for width, least, drawn in re.findall(
        r'viewBox="0 0 ([\d.]+) [^"]*" style="min-width:(\d+)px(.*?)</svg>', html, re.S
    ):
        sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", drawn)]
        assert int(least) / float(width) * min(sizes) >= svg.LEGIBLE - 0.1
        assert float(width) <= 72 * figures.WIDTH + 0.1


def test_every_figure_has_an_alternative_with_values(html):
    alternatives = re.findall(r'<svg[^>]*role="img" aria-label="([^"]*)"', html)
    assert len(alternatives) == html.count("<svg") >= 10
    figures_of_one_number = [text for text in alternatives if len(re.findall(r"\d+\.?\d*", text)) < 3]
    assert figures_of_one_number == []


def test_validation_comes_before_test_and_one_colour_has_one_meaning(html):
    drawn = re.findall(r"<svg.*?</svg>", html, flags=re.S)
    legends = [re.findall(r">(validation|test)</text>", text) for text in drawn]
    both = [names for names in legends if set(names) == {"validation", "test"}]
    assert len(both) >= 2
    assert all(names == ["validation", "test"] for names in both)
    (sizes,) = [text for text in drawn if "predicted, validation" in text]
    assert "var(--predicted)" in sizes
    assert "var(--present)" in sizes
    assert "var(--test)" not in sizes


def test_a_set_larger_than_what_is_present_is_explained(make_story):
    story = make_story(valid=30, test=5)
    story.metrics["valid"].update(mean_set=62.4, mean_species=21.8)
    told = text_of(page.render(story))
    assert (
        "(62.4 on average) than are present (21.8). This is no mistake: the set is chosen to maximise the expected F1"
        in told
    )
    story.metrics["valid"].update(mean_set=12.0)
    assert "This is no mistake" not in text_of(page.render(story))


def test_navigation_stays_in_sight_and_other_experiments_can_be_compared(html, story):
    assert "nav { position: sticky; top: 0;" in html
    told = text_of(page.render(dataclasses.replace(story, compared={"knn": story.per_survey})))
    assert "glc compare compares all finished experiments" in told


@pytest.mark.parametrize(("edition", "there"), [("glc2023", False), ("glc2020", True)])
def test_measures_of_2020_are_shown_for_its_edition_alone(make_story, edition, there):
    story = make_story(valid=30, test=5)
    story.metrics["valid"].update(top_30=0.5, adaptive_top_30=0.6)
    story.surveys["edition"] = edition
    titles = [title for title, _ in scores.head(story)["measures"]]
    assert any("GeoLifeCLEF 2020" in title for title in titles) is there


def test_words_are_explained_and_only_those_that_are_used(html, make_story):
    words = text_of(body(html, "glossary"))
    for word in ("F1", "Spatial block", "Decoder", "Epoch", "Area of applicability"):
        assert f"{word} " in words
    assert "Epoch" not in text_of(body(page.render(make_story(valid=20, test=5)), "glossary"))
