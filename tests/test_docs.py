"""What README, docs and CONTRIBUTING promise: commands, targets, keys, links and examples that exist and work."""

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
from tests.test_makefile import CHECKOUT, targets

WRITTEN = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    *sorted(f"docs/{path.name}" for path in (CHECKOUT / "docs").glob("*.md")),
)
TEXTS = {name: (CHECKOUT / name).read_text() for name in WRITTEN}
EXAMPLES = {
    path: block
    for path, block in re.findall(
        r"^`([\w/.-]+)`[^\n]*\n(?:[^\n]+\n)*\n```\w+\n(.*?)^```", TEXTS["CONTRIBUTING.md"], re.MULTILINE | re.DOTALL
    )
}
"""Files that CONTRIBUTING writes: a path, and the code below it."""


def blocks(name, language):
    """Code blocks of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", TEXTS[name], re.MULTILINE | re.DOTALL)


def test_the_readme_is_one_screen():
    assert len(TEXTS["README.md"].splitlines()) <= 90


def test_there_are_the_targets_that_pages_and_cfgs_name():
    cfgs = [(CHECKOUT / "conf" / name).read_text() for name in ("luigi.cfg", "luigi-vm.cfg")]
    examples = {Path(path).stem for path in EXAMPLES if path.startswith("conf/experiments/")}
    named = set(re.findall(r"(?:`|^)make ([a-z][a-z0-9-]*)", "".join([*TEXTS.values(), *cfgs]), re.MULTILINE))
    assert {"demo", "test", "scheduler", "submission"} <= named
    assert named <= {*targets(), *config.experiment_names(), *examples}


def test_commands_of_glc_and_their_options_exist():
    import typer

    from glc.cli import app

    commands = typer.main.get_command(app).commands
    found = re.findall(r"^glc ([a-z]+)([^#\n&|]*)", "\n".join(TEXTS.values()), re.MULTILINE)
    assert {"run", "list", "show", "status", "doctor", "clean"} <= {name for name, _ in found}
    for name, words in found:
        known = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"(?<=\s)--[a-z-]+", words)) <= known, f"glc {name}{words}"


def test_experiments_that_pages_run_load():
    text = "\n".join(TEXTS.values())
    names = re.findall(r"glc (?:run|show|clean) '?([a-z][\w+.=-]*)", text)
    assert len(names) > 5
    for name in names:
        config.load_any(name)


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
    for page in ("docs/experiments.md", "docs/imagery.md"):
        for number, block in enumerate(blocks(page, "toml")):
            path = tmp_path / f"{Path(page).stem}{number}.toml"
            path.write_text(block)
            loaded[path.stem] = config.load(path)
    assert loaded["experiments0"].po.use == "pseudo"
    assert loaded["experiments0"].train.loss.options == {"gamma_neg": 4.0}
    assert loaded["experiments1"].model.options["prior"] == 3_000
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
    for target in re.findall(r"\]\(([^)]+)\)", TEXTS[name]):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        page = (CHECKOUT / name).parent / path if path else CHECKOUT / name
        assert page.exists(), target
        assert not anchor or anchor in anchors(page.read_text()), target


def test_contributing_names_folders_and_modules_that_exist():
    for path in re.findall(r"`((?:glc|tests|tasks|conf|docs)/[\w/.-]+)`", TEXTS["CONTRIBUTING.md"]):
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
        [sys.executable, "-c", block],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT), "LUIGI_CONFIG_PATH": str(tmp_path / "luigi.cfg")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert 0 < float(done.stdout.splitlines()[-1]) < 1


@pytest.mark.slow
def test_members_written_by_contributing_pass_the_contract_tests(tmp_path):
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
