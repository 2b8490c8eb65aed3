"""The first page of the scheduler: what runs is on top, names are short, texts are escaped, nothing is loaded."""

import re

from glc.report.scheduler import render

NOW = 1_800_000_000.0


def task(status, name="Fit", **facts):
    defaults = {
        "status": status,
        "name": name,
        "params": {},
        "status_message": None,
        "progress_percentage": None,
        "time_running": None,
        "last_updated": NOW - 60,
    }
    return defaults | facts


def words(page):
    """The text of the page's body."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.split("<body>")[1]))


def test_what_runs_is_on_top_with_its_message_and_progress():
    running = task(
        "RUNNING",
        params={"fold": "3", "experiment": "votes", "dataset": "/data/medflora", "surveys": '{"x": 1}'},
        status_message="epoch 4 of at most 60",
        progress_percentage=25,
        time_running=NOW - 125,
    )
    page = render([task("DONE"), task("PENDING"), running, task("FAILED", "Tiles")], NOW)
    assert re.findall("<h2>(.*?)</h2>", page) == ["Running", "Failed", "Waiting", "Done"]
    assert "<h1>1 running, 1 failed, 1 waiting, 1 done</h1>" in page
    assert "fold 3 · votes · medflora" in page
    assert "epoch 4 of at most 60" in words(page)
    assert 'value="25"' in page
    assert "2 min 05 s" in page
    assert "/data" not in page
    assert "{" not in words(page)


def test_texts_of_tasks_are_escaped():
    page = render([task("RUNNING", status_message="<script>alert(1)</script>", name="<b>")], NOW)
    assert "<script" not in page
    assert "<b><b>" not in page
    assert "&lt;script&gt;" in page


def test_the_page_fits_a_phone_and_loads_nothing():
    page = render([], NOW)
    assert 'name="viewport" content="width=device-width' in page
    assert "Nothing is scheduled" in page
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)


def test_a_long_group_is_cut_and_says_so():
    page = render([task("DONE", last_updated=NOW - number) for number in range(45)], NOW)
    assert page.count("<li>") == 30
    assert "and 15 more" in page
