import dataclasses
import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from glc import config
from glc.report import page, templates
from glc.report.other_split import OtherSplit
from glc.report.sections import data, learning, neighbours, settings

ALWAYS = ("map", "scores", "species", "distance", "decoder", "data", "settings", "glossary")
SOME = {
    "classical": ("trust", "neighbours"),
    "net without test labels": ("trust", "learning"),
    "held-out test": (),
    "one survey": ("learning", "neighbours"),
    "no test survey": ("neighbours",),
}
VARIANTS = {
    "classical": {"area_by": "coordinates"},
    "net without test labels": {"area_by": "table", "net": True, "neighbours": False, "truth": False},
    "held-out test": {"held_out": 200, "neighbours": False},
    "one survey": {"valid": 1, "test": 1, "net": True},
    "no test survey": {"test": 0, "truth": False},
}


@pytest.fixture(scope="module")
def rendered(make_story):
    """Each variant's story and its page."""
    stories = {name: make_story(**options) for name, options in VARIANTS.items()}
    return {name: (story, page.render(story)) for name, story in stories.items()}


def text_of(html):
    """The words a reader sees, without styles, markup and line breaks."""
    html = re.sub(r"<(style|script).*?</\1>", " ", html, flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_sections_that_the_model_has_are_there_and_say_something(rendered, variant):
    _, html = rendered[variant]
    assert set(re.findall(r'<section id="(\w+)">', html)) == {*ALWAYS, *SOME[variant]}
    for section in (*ALWAYS, *SOME[variant]):
        (body,) = re.findall(rf'<section id="{section}">(.*?)</section>', html, flags=re.S)
        assert len(text_of(body).split()) > 10, section
        assert f'href="#{section}"' in html


def test_the_data_are_told_in_a_line_and_what_is_odd_about_them_in_a_table(rendered):
    story, html = rendered["classical"]
    text = text_of(html)
    assert "6,804 surveys, 120,000 presence-only records, 3,650 species, 1.7" in text
    assert "1.7–7.6° E 42.3–45.1° N (France 96 %, Italy 4 %), 2017–2021." in text
    assert re.search(r"What is odd about these data.*1,111 6,804 surveys share one place .* lon 2.5", text)
    clean = dataclasses.replace(story, surveys={name: facts for name, facts in story.surveys.items() if name != "odd"})
    assert "odd about these data" not in data.data(clean).html


@pytest.mark.parametrize("variant", VARIANTS)
def test_page_asks_for_nothing_outside_of_itself(rendered, variant):
    _, html = rendered[variant]
    loaded = re.findall(r'\b(?:src|srcset|action)\s*=\s*["\']?([^"\'\s>]*)', html) + re.findall(r"url\(([^)]*)\)", html)
    linked = re.findall(r'\bhref\s*=\s*["\']?([^"\'\s>]*)', html)
    assert len(loaded + linked) > 10
    assert [address for address in loaded if not address.startswith(("#", "data:"))] == []
    assert [address for address in linked if not address.startswith(("#", "data:", "../../../"))] == []
    assert "@import" not in html
    assert html.count("<script") == 1
    assert not re.search(r"fetch|XMLHttpRequest|import\(|innerHTML", html.split("<script>")[1])


@pytest.mark.parametrize("variant", VARIANTS)
def test_links_within_the_page_lead_somewhere_and_ids_are_unique(rendered, variant):
    _, html = rendered[variant]
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', html)) | set(re.findall(r"url\(#([^)]+)\)", html)) <= set(ids)


def test_values_of_the_data_are_escaped(rendered, nasty):
    _, html = rendered["classical"]
    escaped = "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt;"
    assert nasty not in html
    assert html.count(escaped) >= 4  # the title, the head, the quarantined value and a species' name
    assert "<code>PO_&lt;metadata&gt;.csv</code>" in html
    assert "around &amp; beyond" in html


def test_head_tells_the_scores_and_the_baselines(rendered):
    story, html = rendered["classical"]
    valid, told = story.metrics["valid"], text_of(html)
    for value in (valid["sample_f1"], valid["sample_f1_low"], valid["sample_f1_high"]):
        assert f"{value:.3f}" in told.split("Scores compared")[0]
    assert f"and {story.metrics['test']['sample_f1']:.3f} on the test." in told
    assert "On validation it is clearly above the best frequency baseline (top 25 of the district, F1 0.099)" in told


@pytest.mark.parametrize(
    ("best", "verdict"),
    [
        (0.09, "it is clearly above the best"),
        (0.105, "but not clearly"),
        (0.11, "it equals the best"),
        (0.12, "it does not reach the best"),
        (None, "No frequency baseline was computed."),
    ],
)
def test_verdict_weighs_the_score_against_the_best_baseline(make_story, undrawn, best, verdict):
    story = make_story(valid=50, test=5)
    story.metrics["valid"].update(sample_f1=0.11, sample_f1_low=0.1, sample_f1_high=0.12)
    rows = [{"level": level, "valid": f, "valid_low": f, "valid_high": f, "test": None} for level, f in
            (("region", 0.01), ("district", best or 0), ("global", 0.02))]  # fmt: skip
    story = dataclasses.replace(story, baselines=rows if best else [])
    assert verdict in text_of(page.render(story))


def test_an_experiment_on_other_folds_is_shown_with_its_score_and_not_compared(make_story, undrawn):
    story = make_story(valid=50, test=5)
    other = {"valid": {"sample_f1": 0.4321}, "scheme": "random"}
    told = text_of(page.render(dataclasses.replace(story, elsewhere={"votes+validation.scheme=random": other})))
    own = story.metrics["valid"]["sample_f1"]
    assert f"votes+validation.scheme=random 0 0.4321 {own:.4f} – – to – on other folds (random; here block)" in told
    assert "so not compared" not in text_of(page.render(story))


def test_scores_of_nets_that_saw_the_labels_stand_apart_and_say_so(make_story, undrawn):
    story = make_story(valid=50, test=5)
    assert "optimistic" not in text_of(page.render(story))
    story.metrics["optimistic"] = story.metrics["valid"] | {"sample_f1": 0.98765}
    told = text_of(page.render(story))
    assert "0.9877" in told
    assert "no measure of what to expect" in told


def test_scores_table_holds_each_baseline_with_interval_and_test(rendered):
    story, html = rendered["classical"]
    table = text_of(html.split("Mean F1 over surveys</caption>")[1].split("</table>")[0])
    for row in story.baselines:
        assert f"{row['valid']:.4f} {row['valid_low']:.4f}–{row['valid_high']:.4f} {row['test']:.4f}" in table
    measures = text_of(html.split("<caption>All measures")[1].split("</table>")[0])
    assert "(micro) 0.1234 0.1234" in measures
    assert "25 best scores 21.8% 21.8%" in measures
    assert "Surveys 600 200" in measures


def test_data_are_counted_by_file_and_the_first_bad_line_of_each_reason_is_shown(rendered):
    told = text_of(rendered["classical"][1])
    assert (
        "PO_&lt;metadata&gt;.csv presence-only 120,003 120,000 3 2 missing coordinate 1 species is not an integer"
        in told
    )
    assert "Sum 268,545 268,542 3" in told
    assert "17 kept without their area (areaInM2)" in told
    assert "PO_&lt;metadata&gt;.csv 12 latitude (lat) nothing missing coordinate 2" in told
    assert "1,234" not in told  # a later line of the same reason
    assert "do not add up" not in told


def test_rows_that_do_not_add_up_are_told(make_story, undrawn):
    story = make_story(valid=20, test=5)
    story.surveys["files"][0]["kept"] -= 1
    assert "The rows do not add up" in page.render(story)


def test_no_quarantine_and_no_counts_are_told(make_story, undrawn):
    story = make_story(valid=20, test=5)
    story = dataclasses.replace(story, quarantine=story.quarantine.iloc[:0], surveys={})
    told = text_of(page.render(story))
    assert "No row was quarantined." in told
    assert "counts no files" in told
    assert "glc not recorded" in told


def test_more_kinds_of_bad_rows_than_are_shown_are_counted(make_story, undrawn):
    story = make_story(valid=20, test=5)
    kinds = data.EXAMPLES + 7
    bad = pd.concat([story.quarantine.iloc[:1].assign(reason=f"reason {i}", line=kinds - i) for i in range(kinds)])
    told = text_of(page.render(dataclasses.replace(story, quarantine=bad)))
    assert "7 more kinds are in the quarantine table" in told
    assert f"reason {kinds - 1}" in told
    assert "reason 6 " not in told


def test_held_out_test_is_said_plainly(rendered):
    told = text_of(rendered["held-out test"][1])
    assert "This dataset has no test set. 200 training surveys" in told
    assert "on the held-out fold that replaces the test" in told
    assert "no test set" not in text_of(rendered["classical"][1])


def test_notes_on_the_folds_are_sentences_of_the_data(make_story, undrawn):
    story = make_story(valid=20, test=5)
    notes = ["3 of 9 records <repeat> surveys", "folds are uneven"]
    html = page.render(dataclasses.replace(story, folds=story.folds | {"notes": notes}))
    told = text_of(re.search(r'<section id="data">.*?</section>', html, flags=re.S)[0])
    assert "3 of 9 records &lt;repeat&gt; surveys." in told
    assert "Folds are uneven." in told


def test_missing_parts_say_why(rendered):
    told = text_of(rendered["net without test labels"][1])
    assert "the labels of the test are not known, so it has no F1" in told
    assert "coloured by predicted richness" in told
    assert "The test is not shown because its labels are not known." in told
    told = text_of(rendered["classical"][1])
    assert "fits no calibration curve" in told
    assert "There are no test surveys to map." in text_of(rendered["no test survey"][1])


@pytest.mark.parametrize(
    ("reading", "caption"),
    [
        ("union", "when the k best species and those above the threshold are predicted together; the circle"),
        ("intersection", "when those of the k best species that are above the threshold are predicted; the circle"),
    ],
)
def test_the_grid_of_a_decoder_is_drawn_and_not_listed(make_story, undrawn, reading, caption):
    grid = {"k": [1, 2], "threshold": [0.1, 0.2], "f1": [[0.1, 0.2], [0.15, 0.12]]}
    story = dataclasses.replace(
        make_story(valid=50, test=5),
        decoder={"reading": reading, "k": 1, "threshold": 0.2, "validation_f1": 0.2, "grid": grid},
    )
    told = text_of(page.render(story))
    assert " ".join(caption.split()) in " ".join(told.split())
    assert "reading learned" not in told
    assert "grid learned" not in told


def test_neighbour_recall_is_given_by_radius(rendered):
    told = text_of(rendered["classical"][1])
    assert "1 120 119 99.17%" in told
    assert "50 100,000 140 0.14%" in told
    assert "search approximate (locality-sensitive hashing)" in told
    assert "sought among training surveys and presence-only records" in told
    assert "bucket length used, m 20.0" in told


def test_exact_neighbours_show_no_settings_of_the_hashing(make_story):
    story = make_story(valid=20, test=5)
    story.neighbours["parameters"]["neighbours"] = '{"method": "exact", "k": 10, "tables": 5, "bucket_length": 20.0}'
    del story.neighbours["bucket_length"]
    assert neighbours.facts(story.neighbours) == {
        "method": "exact",
        "k": 10,
        "queries": 800,
        "rows": 68_000,
        "without_neighbours": 12,
    }


@pytest.mark.parametrize(("monitor", "best"), [("f1", [7, 8, 9]), ("loss", [10, 10, 10])])
def test_best_epoch_follows_the_monitored_measure(make_story, monitor, best):
    story = make_story(valid=20, test=5, net=True)
    for frame in story.histories.values():
        frame.loc[10, "valid_loss"] = 1.0
    column, sign, _ = learning.MONITORS[monitor]
    rows = learning.best_rows(story.histories, column, sign)
    assert [int(row["epoch"]) for row in rows.values()] == best


def test_net_without_a_finished_epoch_is_told(make_story, undrawn):
    story = make_story(valid=20, test=5, net=True)
    story.histories[1] = story.histories[1].iloc[:0]
    told = text_of(page.render(story))
    assert "No epoch was finished in fold 1." in told
    assert "Best epochs" in told


def test_decoder_shows_what_was_fitted_and_its_options(rendered):
    told = text_of(rendered["classical"][1])
    for row in (
        "number of species learned 19",
        "threshold of the score learned 0.27",
        "F1 on all of validation learned 0.1043",
        "most species in a set option 60",
        "lowest threshold tried option 0.1",
    ):
        assert row in told
    told = text_of(rendered["net without test labels"][1])
    assert "pairs of survey and species it learned from learned 2,457,600" in told
    assert "most species in a set option 150 bins of the calibration option 2,000" in told


def test_settings_are_a_file_of_the_same_experiment(rendered):
    for story, _ in rendered.values():
        values = tomllib.loads(settings.as_toml(story.experiment))
        again = config.build(config.Experiment, values, "settings")
        assert dataclasses.replace(again, name=story.experiment.name) == story.experiment


def test_settings_survive_quotes_lists_and_umlauts():
    experiment = config.Experiment(
        model=config.Choice("votes", {"scales_m": [40_000, 0.5], "deep": {"on": True, "none": {}}}),
        description='say "über" \\ and\nso on',
    )
    assert config.build(config.Experiment, tomllib.loads(settings.as_toml(experiment)), "settings") == experiment


@pytest.mark.slow
def test_equal_stories_render_to_equal_bytes_in_another_process(rendered):
    variant = "net without test labels"
    code = (
        "import hashlib, sys; from glc.report import page; from tests.report import conftest;"
        f"print(hashlib.sha256(page.render(conftest.make(**{VARIANTS[variant]})).encode()).hexdigest(),"
        "[m for m in ('luigi', 'torch', 'pyspark', 'matplotlib.pyplot') if m in sys.modules])"
    )
    here = hashlib.sha256(rendered[variant][1].encode()).hexdigest()
    there = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert there.stdout.strip() == f"{here} []"


def test_another_story_is_another_page(rendered):
    story, html = rendered["one survey"]
    other = dataclasses.replace(story, per_survey=story.per_survey.assign(lon=story.per_survey["lon"] + 1))
    assert page.render(other) != html


@pytest.mark.parametrize(("value", "told"), [(None, "–"), (float("nan"), "–"), (0.12345, "0.1235"), (0, "0.0000")])
def test_shown(value, told):
    assert templates.shown(value) == told


def test_the_head_has_the_score_on_the_other_split_of_the_surveys(make_story, undrawn):
    caveat = config.caveat("random")
    other = OtherSplit("votes+validation.scheme=random", "random", caveat, {"sample_f1": 0.4321})
    text = text_of(page.render(dataclasses.replace(make_story(), other_splits=(other,))))
    assert f"Validated on a random split: F1 0.432; {caveat}." in text
