"""Names that a person or a stranger's file chooses decide the names of files, not their folders."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from glc.tasks import Compare, DctBudget, Evaluate, Report, Submission
from glc.tasks.base import ProductTask
from glc.tasks.console.logs import _file_name
from glc.tasks.location.pretraining import PretrainLocationOnTiles
from glc.training.lightning import wandb_logger

HOSTILE = (
    "/../../../../escaped/x",
    "..",
    ".",
    "~",
    "/etc/passwd",
    "\\..\\..\\x",
    "a\0b",
    "a\nb",
    "\x1b[31m",
    "é" * 5_000,
    "a/b",
    "",
)
LONGEST = 143
"""Bytes of a file's name that every file system holds, encrypted ones too."""


def products(root: Path, text: str) -> Iterator[ProductTask]:
    """Every task whose stable paths hold a name of a person's choice."""
    settings = {"root": str(root), "dataset": "virtual:tiny"}
    for task in (Submission, Evaluate, Report):
        yield task(experiment=f"votes+description={text}", **settings)
    yield Compare(experiments=[f"votes+description={text}"], **settings)
    yield Compare(name=text, **settings)
    yield DctBudget(experiment=f"tile-cnn+description={text}", **settings)
    yield PretrainLocationOnTiles(label=text, **settings)


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:20])
def test_products_stay_where_those_of_a_plain_name_are(tmp_path: Path, text: str) -> None:
    for task, usual in zip(products(tmp_path, text), products(tmp_path, "plain"), strict=True):
        kept = task.published()
        assert len(kept) == len(usual.published())
        for target, plain in zip(kept, usual.published(), strict=True):
            path = Path(os.path.realpath(target.path))
            assert path == target.path, "no part of it is . or .."
            assert len(path.parts) == len(plain.path.parts)
            assert path.parent.parent == plain.path.parent.parent
            assert max(len(part.encode()) for part in path.relative_to(tmp_path).parts) <= LONGEST
            assert str(path).isascii()
            assert str(path).isprintable()


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:20])
def test_the_log_of_a_command_stays_in_its_folder(text: str) -> None:
    name = _file_name(["Submission", "--module", "glc.tasks", "--experiment", f"votes+description={text}"])
    assert name.startswith("Submission-votes+description=")
    assert len(name.encode()) <= LONGEST
    assert "/" not in name
    assert name.isascii()
    assert name.isprintable()


def test_a_run_of_wandb_stays_below_its_folder(tmp_path: Path) -> None:
    inside = tmp_path / "a" / "b" / "c" / "root"
    inside.mkdir(parents=True)
    text = f"votes+description={HOSTILE[0]}"
    with wandb_logger({"mode": "offline", "project": "glc", "group": text, "name": text, "dir": str(inside)}):
        pass
    made = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert made
    assert all(inside in path.parents for path in made)
