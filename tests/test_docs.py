"""What README, docs and CONTRIBUTING promise: targets, keys, links and examples that exist and work.

Commands are in test_documented_commands.py.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import glc
from glc import config, registry
from tests.pages import EXAMPLES, TEXTS, WRITTEN, blocks
from tests.test_makefile import CHECKOUT, targets

GENERATED = {"commands.md", "task-reference.md"}
"""Pages that docs/_site/pages.py writes while the site is built."""


def test_the_readme_is_one_screen():
    assert len(TEXTS["README.md"].splitlines()) <= 90


def test_there_are_the_targets_that_pages_and_cfgs_name():
    cfgs = [(CHECKOUT / "conf" / name).read_text() for name in ("luigi.cfg", "luigi-vm.cfg")]
    examples = {Path(path).stem for path in EXAMPLES if path.startswith("conf/experiments/")}
    named = set(re.findall(r"(?:`|^)make ([a-z][a-z0-9-]*)", "".join([*TEXTS.values(), *cfgs]), re.MULTILINE))
    assert {"demo", "test", "scheduler", "submission"} <= named
    assert named <= {*targets(), *config.experiment_names(), *examples}


def test_the_page_on_experiments_names_every_key():
    text = TEXTS["docs/experiments.md"]
    for section in ("Surveys", "Validation", "Po", "Train", "Scores"):
        row = re.search(rf"^\| `\[{section.lower()}\]` \|.*$", text, re.MULTILINE).group()
        for key in getattr(config, section).__dataclass_fields__:
            assert f"`{key}`" in row
    row = re.search(r"^\| `\[\[inputs\]\]` \|.*$", text, re.MULTILINE).group()
    for key in config.Input.__dataclass_fields__:
        assert f"`{key}`" in row
    row = re.search(r"^\| `model` \|.*$", text, re.MULTILINE).group()
    named = set(re.findall(r"`(\w+)`", row)) - {"model", "name"}
    assert named <= set(registry.models.choices())


def test_the_experiments_of_the_pages_load(tmp_path):
    loaded = {}
    for page in ("docs/experiments.md", "docs/imagery.md", "docs/tutorial.md"):
        for number, block in enumerate(blocks(page, "toml")):
            path = tmp_path / f"{Path(page).stem}{number}.toml"
            path.write_text(block.text)
            loaded[path.stem] = config.load(path)
    assert loaded["experiments0"].po.use == "pseudo"
    assert loaded["experiments0"].train.loss.options == {"gamma_neg": 4.0}
    assert loaded["experiments1"].model.options["prior"] == 3_000
    assert loaded["tutorial0"].model.options["prior"] == 500
    assert loaded["experiments1"].validation == config.load("votes").validation
    assert [entry.name for entry in loaded["imagery0"].inputs] == ["sentinel2", "series_cube"]
    assert [entry.name for entry in loaded["imagery1"].inputs] == ["landcover_modis", "climate_years", "bioclim_cube"]
    assert [entry.size for entry in loaded["imagery2"].inputs] == [128, 32]


def anchors(text):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", WRITTEN)
def test_links_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)]+)\)", TEXTS[name]) + re.findall(
        r'<\w+ [^>]*src(?:set)?="([^"]+)"', TEXTS[name]
    ):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        if name.startswith("docs/") and path in GENERATED:
            continue
        page = (CHECKOUT / name).parent / path if path else CHECKOUT / name
        assert page.exists(), target
        if page.suffix == ".png":  # the anchor says which of two a light, and a dark page shows
            assert anchor in ("", "only-light", "only-dark"), target
        else:
            assert not anchor or anchor in anchors(page.read_text()), target


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/extending.md"])
def test_folders_and_modules_for_contributors_exist(name):
    for path in re.findall(r"`((?:glc|tests|tasks|conf|docs)/[\w/.-]+)`", TEXTS[name]):
        assert path in EXAMPLES or (CHECKOUT / path).exists(), path


def test_the_citation_has_the_version_of_the_package():
    citation = yaml.safe_load((CHECKOUT / "CITATION.cff").read_text())
    assert citation["version"] == glc.__version__
    assert citation["cff-version"] == "1.2.0"
    assert all({"type", "title", "authors"} <= set(reference) for reference in citation["references"])


@pytest.mark.slow
def test_the_python_example_of_the_readme_runs(tmp_path):
    (block,) = blocks("README.md", "python")
    (tmp_path / "luigi.cfg").write_text(f"[machine]\nroot = {tmp_path}/out\n")
    done = subprocess.run(
        [sys.executable, "-c", block.text],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT), "LUIGI_CONFIG_PATH": str(tmp_path / "luigi.cfg")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert 0 < float(done.stdout.splitlines()[-1]) < 1


@pytest.mark.slow
def test_members_written_by_the_page_on_extending_pass_the_contract_tests(tmp_path):
    """In a copy of the checkout: nothing there changes except the new files and what `make options` generates."""
    ignore = shutil.ignore_patterns(".git", ".venv", "build", "out", "*.egg-info", "__pycache__")
    copy = tmp_path / "copy"
    shutil.copytree(CHECKOUT, copy, ignore=ignore)
    for path, block in EXAMPLES.items():
        assert not (copy / path).exists()
        (copy / path).write_text(block)
    env = os.environ | {"PYTHONPATH": str(copy)}

    def run(*words):
        done = subprocess.run([sys.executable, "-m", *words], cwd=copy, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    run("glc.config.reference")
    files = (
        "tests/nets/architectures/test_all.py",
        "tests/classical/test_all.py",
        "tests/covariates",
        "tests/config",
        "tests/training/test_losses.py",
        "tests/sdm/test_models.py",
    )
    words = " or ".join(
        {Path(path).stem.replace("-", "_") for path in EXAMPLES} | {Path(path).stem for path in EXAMPLES}
    )
    run("pytest", "-q", "-p", "no:cacheprovider", *files, "-k", words)
    run(
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/config/test_reference.py",
        "tests/editions",
        "tests/test_registry.py",
        "tests/test_types.py",
    )
