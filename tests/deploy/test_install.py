"""deploy/install.sh: which Python it takes, and what it says where there is none."""

import os
import subprocess
import sys

import pytest

from tests.test_makefile import CHECKOUT

TOOLS = ("bash", "cat", "cut", "dirname", "du", "env")


@pytest.fixture
def path(tmp_path):
    """A path with the usual commands, and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        place = next(place for place in ("/bin", "/usr/bin") if os.path.exists(f"{place}/{tool}"))
        (folder / tool).symlink_to(f"{place}/{tool}")
    return folder


def command(path, name, text):
    (path / name).write_text(f"#!/bin/sh\n{text}\n")
    (path / name).chmod(0o755)


def python(path, name, version, ensurepip=True):
    """A command that says it is a Python of `version`, and writes its name where it should make an environment."""
    pretend = f"import sys; sys.version_info = ({version.replace('.', ', ')}, 0); exec(sys.argv[1])"
    lacks = "" if ensurepip else 'case "$2" in *ensurepip*) exit 1;; esac\n'
    made = f'if [ "$1" = -m ]; then echo "{name} makes $3"; exit 9; fi\n'
    command(path, name, f'{lacks}{made}exec {sys.executable} -c "{pretend}" "$2"')


def install(path, **settings):
    """(exit status, what is printed) of the script where no environment is there."""
    done = subprocess.run(
        ["bash", CHECKOUT / "deploy/install.sh", path.parent / "venv"],
        env={"PATH": str(path)} | settings,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_newest_python_that_runs_is_taken(path):
    command(path, "python3.13", "echo 'pyenv: python3.13: command not found' >&2; exit 127")  # a shim of pyenv
    python(path, "python3.12", "3.12", ensurepip=False)  # Debian's without python3-venv
    python(path, "python3.11", "3.11")
    python(path, "python3", "3.13")
    assert install(path) == (9, f"python3.11 makes {path.parent / 'venv'}\n")
    python(path, "python3.13", "3.13")
    assert install(path) == (9, f"python3.13 makes {path.parent / 'venv'}\n")
    assert install(path, PYTHON="python3.11") == (9, f"python3.11 makes {path.parent / 'venv'}\n")


def test_pythons_of_other_versions_are_not_taken(path):
    python(path, "python3", "3.14")
    code, text = install(path)
    assert code == 1
    assert text.startswith("No Python of 3.11 to 3.13 with venv is on the path")
    for word in ("Debian", "Ubuntu", "macOS", "uv"):
        assert word in text


def test_uv_brings_a_python_where_there_is_none(path):
    command(path, "uv", 'echo "uv $*"; exit 9')
    assert install(path) == (9, f"uv venv --quiet --seed --python 3.13 {path.parent / 'venv'}\n")


def test_another_torch_than_cpu_or_cuda_is_refused(path):
    command(path, "uv", "exit 0")
    (path.parent / "venv/bin").mkdir(parents=True)
    command(path.parent / "venv/bin", "python", "exit 1")
    assert install(path, TORCH="gpu") == (1, "TORCH=gpu: expected cpu or cuda\n")
