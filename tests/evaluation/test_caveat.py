"""Scores of validation surveys that were drawn one by one are marked wherever they are shown."""

import dataclasses
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from glc import config
from glc.cli import app
from glc.report import page, tables
from glc.tasks.submission import f1_of_splits
from tests.report.conftest import make

VALID = {"sample_f1": 0.5, "sample_f1_low": 0.4, "sample_f1_high": 0.6}
MARKED = {
    "block": "",
    "random": "random split: optimistic for new places",
    "quadrats": "quadrats split: optimistic for new places",
}
"""By scheme; the surveys of a quadrat, too, are dealt to folds one by one."""


def _metrics(scheme: str) -> dict:
    return {"valid": VALID, "test": {"sample_f1": 0.25}, "scheme": scheme}


def test_every_scheme_is_known() -> None:
    assert {scheme: config.caveat(scheme) for scheme in MARKED} == MARKED
    for scheme in MARKED:
        config.Validation(scheme=scheme)


@pytest.mark.parametrize("scheme", MARKED)
def test_the_last_lines_of_a_run(scheme: str) -> None:
    mark = f" ({MARKED[scheme]})" if MARKED[scheme] else ""
    assert f1_of_splits(_metrics(scheme)) == f"validation F1 0.5000 [0.4000, 0.6000]{mark}, test F1 0.2500"


def test_status_lists_both_splits_of_one_experiment(tmp_path: Path) -> None:
    folder = tmp_path / "metrics" / "place"
    folder.mkdir(parents=True)
    for name, scheme in (("votes", "block"), ("votes+validation.scheme=random", "random")):
        (folder / f"{name}.json").write_text(json.dumps(_metrics(scheme)))
    lines = CliRunner().invoke(app, ["status", "--root", str(tmp_path)], env={"COLUMNS": "200"}).output.splitlines()
    plain, drawn = (next(line for line in lines if line.startswith(f"{name}  ")) for name in
                    ("votes", "votes+validation.scheme=random"))  # fmt: skip
    assert "optimistic" not in plain
    assert f"0.5000 [0.4000, 0.6000] ({MARKED['random']})  0.2500" in drawn


@pytest.mark.parametrize("scheme", MARKED)
def test_the_report(scheme: str) -> None:
    story = make(valid=60, test=20)
    experiment = dataclasses.replace(story.experiment, validation=config.Validation(scheme=scheme))
    html = page.render(dataclasses.replace(story, experiment=experiment))
    assert html.count(MARKED[scheme] or "optimistic for new places") == (3 if MARKED[scheme] else 0)


def test_tables_name_the_rows(tmp_path: Path) -> None:
    folders = {}
    for scheme in MARKED:
        folders[f"row by {scheme}"] = tmp_path / scheme
        folders[f"row by {scheme}"].mkdir()
        (tmp_path / scheme / "metrics.json").write_text(json.dumps(_metrics(scheme)))
    assert tables.caveats({"row by block": folders["row by block"]}) == []
    drawn = {"row by random": folders["row by random"]}
    assert tables.caveats(drawn) == [f"Validation by a {MARKED['random']}."]
    assert tables.caveats(folders) == [
        f"Validation of row by {scheme} by a {MARKED[scheme]}." for scheme in ("random", "quadrats")
    ]
