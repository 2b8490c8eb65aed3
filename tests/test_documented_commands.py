"""Every command of README, CONTRIBUTING and docs is understood by the real command line, and says whether it is run."""

import re
import shlex

import pytest

from tests.command_line import problem
from tests.pages import EXAMPLES, NOT_RUN, WRITTEN, Block, blocks

STARTS = re.compile(r"^(\$ )?(make|glc|luigi|python|pip|source|git|uv|docker|kaggle|gcloud) ", re.MULTILINE)


def modules_of_examples():
    """Modules that a page writes, which exist in nobody's checkout yet."""
    return {path.removesuffix(".py").replace("/", ".") for path in EXAMPLES if path.endswith(".py")}


@pytest.mark.parametrize("page", WRITTEN)
def test_commands_are_understood(page):
    wrong = []
    for block in blocks(page, "sh"):
        for command in block.commands:
            if not modules_of_examples() & set(shlex.split(command, comments=True)):
                wrong += [f"{page}:{block.line}: {text}" for text in [problem(command)] if text]
    assert wrong == []


@pytest.mark.parametrize("page", WRITTEN)
def test_blocks_of_commands_are_marked_as_such(page):
    for block in blocks(page):
        assert block.language == "sh" or not STARTS.search(block.text), f"{page}:{block.line}: write ```sh"
        assert not block.title or block.title.startswith(NOT_RUN) or block.language not in ("sh", "python")


def test_blocks_are_read_with_their_titles_and_joined_lines():
    run = Block("p", 1, "sh", "", "# why\nglc list \\\n  inria\n\nglc status\n")
    assert run.is_run
    assert run.commands == ["glc list    inria", "glc status"]
    assert not Block("p", 1, "sh", "not run here: hours", "").is_run
    titles = {block.title for page in WRITTEN for block in blocks(page, "sh")}
    assert {"", NOT_RUN} <= titles


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("glc run votes --dataset x && glc stats", "glc: no command stats"),
        ("nohup glc run vots > run.log 2>&1 &", "did you mean 'votes'"),
        ("glc predict votes --lon east", "Invalid value for '--lon'"),
        ("glc run votes+model.pryor=500", "pryor"),
        ("LUIGI_CONFIG_PATH=a.cfg luigi --module glc.tasks Fit --fold one", "invalid literal"),
        ("luigi --module glc.tasks Fit --experiment vots", "did you mean 'votes'"),
        ("make votes DATASETS=x", "make: no variable DATASETS"),
        ("rm -r out", "found rm, expected make"),
        ("python -c 'x ='", "invalid syntax"),
        ("glc run votes --dataset 'x", "No closing quotation"),
        ("glc list > list.txt", ""),
        ("nohup glc run my.toml &", ""),
        ("make votes  # why", ""),
    ],
)
def test_what_cannot_be_run_is_named(command, message):
    assert message in problem(command)
    assert bool(problem(command)) == bool(message)
