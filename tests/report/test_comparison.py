"""The page of compared experiments: three of the same folds, and one of random folds."""

import json
import re

import pandas as pd
import pytest

from glc import results
from glc.evaluation import comparison
from glc.report import comparison as page
from glc.report import published
from tests import finished

NAMES = ("few", "many", 'votes+description="<script>x</script>"')
RANDOM = "many+validation.scheme=random"


def written(root, out, known=None, left_out=()):
    groups = comparison.by_folds(results.finished(root))
    known = pd.DataFrame(columns=published.COLUMNS) if known is None else known
    place = root / "comparisons" / finished.DATASET / "all.html"
    contents = page.Contents(finished.DATASET, [comparison.compare(group) for group in groups], place, known, left_out)
    out.mkdir(exist_ok=True)
    page.write(contents, out)
    return (out / "page.html").read_text()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    data = finished.data_of(held_out=True, n_test=0)
    for name, k in zip(NAMES, (3, 8, 6), strict=True):
        finished.add(root, name, data, k=k)
    finished.add(root, RANDOM, data, k=8, split="r", scheme="random")
    report = root / "reports" / finished.DATASET / "many" / "index.html"
    report.parent.mkdir(parents=True)
    report.write_text("the report")
    return root


@pytest.fixture(scope="module")
def html(root, tmp_path_factory):
    return written(root, tmp_path_factory.mktemp("out"), left_out=["old: its output has been removed"])


def test_the_page_shows_scores_differences_and_groups_of_each_split(html):
    for anchor in ("scores", "differences", "groups", "scores-2", "groups-2", "costs", "left-out", "words"):
        assert f'id="{anchor}"' in html
        assert f'href="#{anchor}"' in html
    assert "Scores: blocks of 20 km, 3 folds, seed 0" in html
    assert "Scores: random split, 3 folds, seed 0" in html
    assert "Validation by a random split: optimistic for new places." in html
    assert html.count("random split: optimistic for new places") >= 3  # summary, note and row
    for title in ("By distance to the nearest training survey", "By training surveys that have the species",
                  "By species present in the survey", "By region", "By country"):  # fmt: skip
        assert title in html
    assert "old: its output has been removed" in html
    assert html.count("(best baseline)") >= 4  # validation and test, of both splits


def test_figures_tell_their_values_to_those_who_cannot_see_them(html):
    labels = re.findall(r'role="img" aria-label="([^"]*)"', html)
    assert len(labels) >= 12
    for label in labels:
        assert re.search(r"\d\.\d\d", label), label


def test_text_from_names_is_text_and_nothing_is_fetched(html):
    assert "<script>x" not in html
    assert "&lt;script&gt;x" in html
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', html)
    assert 'href="../../reports/virtual-tiny/many/index.html"' in html


def test_equal_results_give_equal_bytes(root, html, tmp_path):
    assert written(root, tmp_path, left_out=["old: its output has been removed"]) == html


def test_the_tables_are_next_to_the_page(root, tmp_path):
    written(root, tmp_path)
    long = pd.read_csv(tmp_path / "tables.csv")
    assert set(long["table"]) == {"scores", "differences", "groups", "costs"}
    facts = json.loads((tmp_path / "tables.json").read_text())
    assert [group["folds"] for group in facts["comparisons"]] == [
        "blocks of 20 km, 3 folds, seed 0", "random split, 3 folds, seed 0",
    ]  # fmt: skip
    costs = {row["experiment"]: row for row in facts["costs"]}
    assert costs["few"]["minutes"] == pytest.approx(3)
    assert costs["few"]["cpu_minutes"] == pytest.approx(4.5)
    scores = long[(long["table"] == "scores") & (long["measure"] == "sample_f1") & (long["split"] == "valid")]
    for result in results.finished(root):
        row = scores[scores["experiment"] == result.name].iloc[0]
        assert row["value"] == pytest.approx(result.metrics["valid"]["sample_f1"])
        assert row["low"] == pytest.approx(result.metrics["valid"]["sample_f1_low"])


def test_an_experiment_of_fewer_folds_is_named_with_its_number_of_surveys(html, tmp_path):
    assert "Not all were evaluated on" not in html
    data = finished.data_of()
    finished.add(tmp_path, "two", data)
    finished.add(tmp_path, "one", data, k=6, folds=(0,))
    scores = {result.name: len(result.surveys) for result in results.finished(tmp_path)}
    assert scores["one"] < scores["two"]
    (note,) = re.findall(
        r"Not all were evaluated on all ([\d,]+) surveys: one on ([\d,]+)\.", written(tmp_path, tmp_path / "out")
    )
    assert int(note[1].replace(",", "")) < int(note[0].replace(",", ""))


def test_relative_suitability_has_no_f1_on_its_page(tmp_path):
    data = finished.data_of(relative=True)
    finished.add(tmp_path, "everywhere", data)
    finished.add(tmp_path, "country", data, level="country")
    html = written(tmp_path, tmp_path / "out")
    assert "AUC" in html
    assert "F1" not in re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    assert "share of the species among the 25 best" in html


def test_figures_of_papers_are_shown_where_the_dataset_is_theirs(root, tmp_path):
    surveys = {"edition": "glc2024", "train": "pa_train", "test": "pa_test"}
    many = {"pa_train": {"surveys": 88_000}, "pa_test": {"surveys": 4_716}}
    known = published.table(results.finished(root), surveys | {"datasets": many})
    assert "Tighnari, final submission" in set(known["system"])
    assert set(known["compared"]) == {""}  # none of their experiments is finished
    html = written(root, tmp_path, known)
    assert "public .36478, private .36242" in html
    assert html.count("<td>not run</td>") == len(known)
    few = many | {"pa_train": {"surveys": 800}}
    assert published.table(results.finished(root), surveys | {"datasets": few}).empty


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "light"), (390, "dark")])
def test_a_browser_shows_the_page_at_any_width_and_in_the_dark(html, tmp_path, browser, width, scheme):
    path = tmp_path / "page.html"
    path.write_text(html, encoding="utf-8")
    shown = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    problems = []
    shown.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    shown.on("pageerror", lambda error: problems.append(str(error)))
    shown.goto(path.as_uri())
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    ground = shown.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 150) == (scheme == "dark")
    table = shown.locator("#scores table").first
    header = table.locator("th button", has_text="mean over surveys")
    order = []
    for _ in range(2):
        header.click()
        order.append(table.locator("tbody tr th").all_inner_texts())
    assert order[0] == order[1][::-1] != order[1]
    shown.locator("details summary").first.click()
    assert shown.locator("details[open] table").first.is_visible()
    assert problems == []
    shown.close()
