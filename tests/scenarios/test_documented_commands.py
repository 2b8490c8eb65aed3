"""The commands and the Python of the pages are run in their order, on the smallest virtual world.

Blocks that are titled *not run here* are left out; tests/test_documented_commands.py parses those as well.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_line import expanded
from tests.pages import TEXTS, WRITTEN, Block, blocks
from tests.test_makefile import CHECKOUT

SMALLEST = ((r"virtual:small", "virtual:tiny"), (r"virtual-small", "virtual-tiny"), (r"\S+\.zip", "virtual:gbif"))
"""What a page says -> what is run: the same on data of seconds, and an archive that exists."""
PAGES = [
    page
    for page in WRITTEN
    if page.startswith("docs/") and page != "docs/extending.md"  # whose Python is files: tests/test_docs.py
    if any(block.is_run for block in blocks(page, "sh", "python"))
]
ENDS = {"glc doctor": (0, 1)}
"""Commands that may end with another code than 0: doctor says that this machine lacks something."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder in which a reader works; outputs go to its ``out``."""
    folder = tmp_path_factory.mktemp("reader")
    settings = f"[machine]\nroot = {folder}/out\nmemory_gb = 4\nwandb_mode = disabled\n"
    (folder / "luigi.cfg").write_text(settings)
    return folder


def smallest(text):
    """What is run of what a page says."""
    for pattern, replacement in SMALLEST:
        text = re.sub(pattern, replacement, text)
    return text


def run(words, folder, codes=(0,)):
    """Run a program of this environment, as a reader would."""
    env = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(CHECKOUT),
        "LUIGI_CONFIG_PATH": str(folder / "luigi.cfg"),
    }
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=900)
    assert done.returncode in codes, f"{words}\n{done.stdout[-3_000:]}{done.stderr[-3_000:]}"


def written_before(block):
    """The file that a block of TOML is, if the page names one above it: its name, or nothing."""
    above = "\n".join(TEXTS[block.page].splitlines()[: block.line - 1])
    named = re.search(r"`([\w-]+\.toml)`:\s*$", above)
    return named[1] if named else ""


def test_commands_are_made_smaller_and_no_others():
    assert smallest("glc run votes --dataset virtual:small --root out/virtual-small") == (
        "glc run votes --dataset virtual:tiny --root out/virtual-tiny"
    )
    assert (
        smallest("glc map votes --dataset 1-2.zip --resolution 5")
        == "glc map votes --dataset virtual:gbif --resolution 5"
    )
    assert {"docs/tutorial.md", "docs/predict.md", "docs/api.md"} <= set(PAGES)
    (own,) = (block for block in blocks("docs/tutorial.md", "toml"))
    assert written_before(own) == "my-votes.toml"
    assert written_before(Block("docs/tutorial.md", 1, "toml", "", "")) == ""


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_says_works(page, folder):
    for block in blocks(page):
        if block.language == "toml" and (name := written_before(block)):
            (folder / name).write_text(block.text)
        elif block.is_run and block.language == "python":
            run([sys.executable, "-c", smallest(block.text)], folder)
        elif block.is_run and block.language == "sh":
            for command in block.commands:
                words = shlex.split(command, comments=True)
                line = expanded(*words[1:]) if words[0] == "make" else command
                run(["bash", "-euc", smallest(line)], folder, ENDS.get(" ".join(words[:2]), (0,)))
