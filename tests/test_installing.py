"""Installing: the distribution's name, the pinned versions, the Pythons, the Dockerfile, and what README says."""

import os
import re
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from glc.cli import doctor
from tests.test_makefile import CHECKOUT

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
PYTHONS = ("3.11", "3.12", "3.13")
PATCH = 14  # a release of each; some pins are for the first ones of 3.11 alone


def of(entries, python, platform):
    """Those of some requirements that hold for a Python and a platform."""
    machine = {"linux": "x86_64", "darwin": "arm64"}[platform]
    facts = {"python_version": python, "python_full_version": f"{python}.{PATCH}", "sys_platform": platform}
    facts |= {
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    return [entry for entry in entries if entry.marker is None or entry.marker.evaluate(facts)]


def pins(python, platform="linux"):
    """name -> version of constraints.txt for a Python and a platform."""
    lines = (CHECKOUT / "constraints.txt").read_text().splitlines()
    held = of([Requirement(line) for line in lines if not line.startswith("#")], python, platform)
    assert len({line.name for line in held}) == len(held)
    return {line.name: str(line.specifier).removeprefix("==") for line in held}


PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]


def uv(*words, folder):
    """(exit status, output) of ``uv words`` with its own cache."""
    done = subprocess.run(
        [sys.executable, "-m", "uv", *words, "--cache-dir", folder / "cache"],
        cwd=folder,
        env=os.environ | {"MACOSX_DEPLOYMENT_TARGET": "15.0"},  # where wheels are chosen for macOS
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


@pytest.mark.parametrize("platform", ["linux", "darwin"])
@pytest.mark.parametrize("python", PYTHONS)
def test_every_requirement_is_pinned_within_its_bounds(python, platform):
    asked = requirements("dev", "gcs", "s3")
    assert len(asked) > 40
    held = pins(python, platform)
    for entry in of(asked, python, platform):
        if entry.name != "setuptools":  # of the environment, as pip
            assert entry.specifier.contains(held[canonicalize_name(entry.name)]), entry


def test_pins_are_names_and_versions_and_nothing_of_a_machine():
    held = pins("3.11")
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]*", name) for name in held)
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", version) for version in held.values())
    assert not {"pip", "setuptools", "glc", "glc-sdm"} & set(held)


def test_pythons_that_are_admitted_are_those_that_every_page_and_tool_names():
    admitted = SpecifierSet(PROJECT["requires-python"])
    assert [version for version in ("3.10", *PYTHONS, "3.14") if version in admitted] == list(PYTHONS)
    known = [f"Programming Language :: Python :: {version}" for version in PYTHONS]
    assert [line for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)] == known
    assert (doctor.OLDEST, doctor.NEWEST) == ((3, 11), (3, 13))
    script = (CHECKOUT / "deploy/install.sh").read_text()
    assert f"in {' | '.join(PYTHONS)})" in script


def test_no_page_claims_an_installation_from_the_index():
    for page in PAGES:
        assert not re.search(r"pip install (-\S+ )*['\"]?glc", page.read_text()), page


def test_readme_starts_with_the_two_commands_and_the_dockerfile_runs_the_first():
    section = (CHECKOUT / "README.md").read_text().partition("## Install")[2]
    block = re.search(r"^```\w*\n(.*?)^```", section, re.MULTILINE | re.DOTALL).group(1)
    commands = [line.partition("#")[0].strip() for line in block.splitlines()]
    assert commands == ["make demo", "make test"]
    run = re.findall(r"^RUN (.*)$", (CHECKOUT / "Dockerfile").read_text(), re.MULTILINE)
    assert run[-1] == "make demo"


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
def test_the_pins_are_all_that_is_installed(index, python):
    """Resolved again under the pins, nothing is left unpinned."""
    code, output = uv(
        *("pip", "compile", CHECKOUT / "pyproject.toml", "--all-extras", "--no-annotate"),
        *("--python-version", f"{python}.{PATCH}"),
        *("--constraints", CHECKOUT / "constraints.txt", "--quiet", "--no-header"),
        folder=index,
    )
    assert code == 0, output
    resolved = dict(line.split("==") for line in output.split())
    assert {name: version for name, version in resolved.items() if name not in ("pip", "setuptools")} == pins(python)


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["x86_64-manylinux_2_28", "aarch64-apple-darwin"])
@pytest.mark.parametrize("python", PYTHONS)
def test_the_pins_resolve_for_linux_and_for_macos(index, python, platform):
    """From metadata alone. pyspark is the one package without wheels; it holds no code to compile."""
    words = ("pip", "compile", CHECKOUT / "pyproject.toml", "--quiet", "--python-version", f"{python}.{PATCH}")
    code, output = uv(
        *(*words, "--constraints", CHECKOUT / "constraints.txt", "--no-annotate", "--no-header"),
        *("--python-platform", platform, "--only-binary", ":all:", "--no-binary", "pyspark"),
        folder=index,
    )
    assert code == 0, output
    held = pins(python, "darwin" if "darwin" in platform else "linux")
    for line in output.split():
        name, _, version = line.partition("==")
        assert name in ("pip", "setuptools") or held[name] == version
