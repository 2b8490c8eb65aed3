"""Installing: the distribution's name, the pinned versions, Python 3.12, the Dockerfile, and what README says."""

import re
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.test_makefile import CHECKOUT

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
PINS = dict(
    line.split("==") for line in (CHECKOUT / "constraints.txt").read_text().splitlines() if not line.startswith("#")
)
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]


def uv(*words, folder):
    """(exit status, output) of ``uv words`` with its own cache."""
    done = subprocess.run(
        [sys.executable, "-m", "uv", *words, "--cache-dir", folder / "cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=900,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """A folder to work in, or a skip where no package index answers."""
    folder = tmp_path_factory.mktemp("index")
    (folder / "one.txt").write_text("packaging\n")
    code, output = uv("pip", "compile", "one.txt", folder=folder)
    if code:
        pytest.skip(f"no package index answers, so nothing is resolved: {output.strip().splitlines()[-1]}")
    return folder


def requirements(*extras):
    """What the distribution and these extras ask for, the extras that they name included."""
    asked = [Requirement(line) for extra in extras for line in EXTRAS[extra]]
    named = [name for entry in asked if entry.name == PROJECT["name"] for name in entry.extras]
    own = [entry for entry in asked if entry.name != PROJECT["name"]]
    return own + (requirements(*named) if named else [Requirement(line) for line in PROJECT["dependencies"]])


def test_the_distribution_is_called_glc_sdm_and_its_command_glc():
    assert PROJECT["name"] == "glc-sdm"
    assert PROJECT["scripts"] == {"glc": "glc.cli:main"}
    assert PROJECT["authors"] == [{"name": "The glc developers"}]
    assert "urls" not in PROJECT  # there is no page that they could name
    own = [line for lines in EXTRAS.values() for line in lines if re.match(r"glc\b", line)]
    assert all(line.startswith("glc-sdm[") for line in own)


def test_every_requirement_is_pinned_within_its_bounds():
    asked = requirements("dev", "gcs", "s3")
    assert len(asked) > 40
    for entry in asked:
        assert entry.specifier.contains(PINS[canonicalize_name(entry.name)]), entry


def test_pins_are_names_and_versions_and_nothing_of_a_machine():
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]*", name) for name in PINS)
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", version) for version in PINS.values())
    assert not {"pip", "setuptools", "glc", "glc-sdm"} & set(PINS)


def test_python_3_12_is_refused_and_the_page_on_installing_says_so():
    assert "3.11" in SpecifierSet(PROJECT["requires-python"])
    assert "3.12" not in SpecifierSet(PROJECT["requires-python"])
    page = (CHECKOUT / "docs/installing.md").read_text()
    assert all(word in page for word in ("Python 3.12", "Colab", "Kaggle", "not built"))


def test_no_page_claims_an_installation_from_the_index():
    for page in PAGES:
        assert not re.search(r"pip install (-\S+ )*['\"]?glc", page.read_text()), page


def test_the_dockerfile_runs_what_the_readme_says():
    run = re.findall(r"^RUN (.*)$", (CHECKOUT / "Dockerfile").read_text(), re.MULTILINE)
    section = (CHECKOUT / "README.md").read_text().partition("## Install")[2]
    block = re.search(r"^```\w*\n(.*?)^```", section, re.MULTILINE | re.DOTALL).group(1)
    assert run == [line.partition("#")[0].strip() for line in block.splitlines()]
    assert len(run) > 1


@pytest.mark.slow
def test_the_pins_are_all_that_is_installed(index):
    """Resolved again under the pins, for the oldest 3.11, nothing is left unpinned."""
    code, output = uv(
        *("pip", "compile", CHECKOUT / "pyproject.toml", "--all-extras", "--python-version", "3.11", "--no-annotate"),
        *("--constraints", CHECKOUT / "constraints.txt", "--quiet", "--no-header"),
        folder=index,
    )
    assert code == 0, output
    resolved = dict(line.split("==") for line in output.split())
    assert {name: version for name, version in resolved.items() if name not in ("pip", "setuptools")} == PINS


@pytest.mark.slow
def test_the_pins_resolve_for_python_3_12(index):
    """As ``pip download --python-version 3.12 --only-binary=:all:`` would, from metadata alone and not gigabytes.

    pyspark is the one package without wheels: its source distribution holds no code to compile.
    """
    words = ("pip", "compile", CHECKOUT / "constraints.txt", "--quiet", "--python-version", "3.12")
    linux = ("--python-platform", "x86_64-manylinux_2_28", "--only-binary", ":all:", "--no-binary", "pyspark")
    code, output = uv(*words, *linux, folder=index)
    assert code == 0, output
    resolved = set(re.findall(r"^([a-z0-9-]+)==", output, re.MULTILINE))
    assert set(PINS) <= resolved
    code, output = uv(*words, "--only-binary", ":all:", folder=index)
    assert code != 0
    assert "pyspark==3" in output
