"""Scores of surveys that were drawn one by one, or that stopped the training, are marked wherever they are shown."""

import dataclasses
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from glc import config
from glc.cli import app
from glc.report import page, tables
from glc.tasks.submission import f1_of_splits
from tests import finished
from tests.report.conftest import make

VALID = {"sample_f1": 0.5, "sample_f1_low": 0.4, "sample_f1_high": 0.6}
MARKED = {
    ("block", "next"): "",
    ("random", "next"): "random split: optimistic for new places",
    ("quadrats", "next"): "quadrats split: optimistic for new places",
    ("block", "own"): "fold that also stopped the training: optimistic",
    ("random", "own"): "random split whose fold also stopped the training: optimistic, more so for new places",
}
"""By scheme and stop; the surveys of a quadrat, too, are dealt to folds one by one."""
splits = pytest.mark.parametrize(("scheme", "stop"), MARKED)


def _metrics(scheme: str, stop: str = "next") -> dict:
    return {"valid": VALID, "test": {"sample_f1": 0.25}, "scheme": scheme, "stop": stop}


def test_every_scheme_is_known() -> None:
    assert {split: config.caveat(*split) for split in MARKED} == MARKED
    for scheme, stop in MARKED:
        config.Validation(scheme=scheme, stop=stop)


@splits
def test_the_last_lines_of_a_run(scheme: str, stop: str) -> None:
    mark = f" ({MARKED[scheme, stop]})" if MARKED[scheme, stop] else ""
    assert f1_of_splits(_metrics(scheme, stop)) == f"validation F1 0.5000 [0.4000, 0.6000]{mark}, test F1 0.2500"


def test_status_lists_both_splits_of_one_experiment(tmp_path: Path) -> None:
    for name, scheme in (("votes", "block"), ("votes+validation.scheme=random", "random")):
        finished.metrics(tmp_path, "place", name, _metrics(scheme))
    lines = CliRunner().invoke(app, ["status", "--root", str(tmp_path)], env={"COLUMNS": "200"}).output.splitlines()
    plain, drawn = (next(line for line in lines if line.startswith(f"{name}  ")) for name in
                    ("votes", "votes+validation.scheme=random"))  # fmt: skip
    assert "optimistic" not in plain
    assert f"0.5000 [0.4000, 0.6000] ({MARKED['random', 'next']})  0.2500" in drawn


@splits
def test_the_report(scheme: str, stop: str) -> None:
    story = make(valid=60, test=20)
    html = page.render(dataclasses.replace(story, metrics=story.metrics | {"scheme": scheme, "stop": stop}))
    assert html.count(MARKED[scheme, stop] or "optimistic") == (3 if MARKED[scheme, stop] else 0)
    assert ("drawn one by one" in html, "Each fold also stopped" in html) == (scheme != "block", stop == "own")


def test_tables_name_the_rows(tmp_path: Path) -> None:
    folders = {}
    for split in MARKED:
        folders[f"row by {' '.join(split)}"] = folder = tmp_path / "-".join(split)
        folder.mkdir()
        (folder / "metrics.json").write_text(json.dumps(_metrics(*split)))
    assert tables.caveats({"row": folders["row by block next"]}) == []
    assert tables.caveats({"row": folders["row by random next"]}) == [f"Validation by a {MARKED['random', 'next']}."]
    assert tables.caveats(folders) == [
        f"Validation of “row by {' '.join(split)}” by a {text}." for split, text in MARKED.items() if text
    ]
