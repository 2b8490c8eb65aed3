"""Secrets of the environment reach no file and no output of a run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from glc.config.paths import CHECKOUT

SECRETS = {"WANDB_API_KEY": "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c", "SECRET_TOKEN": "correct-horse-battery-staple"}


@pytest.mark.slow
def test_no_log_manifest_page_or_run_of_wandb_holds_a_secret(root: str, tmp_path: Path) -> None:
    """A net's whole run, with W&B offline as conf/luigi.cfg has it, and one that fails."""
    shown, short = "", "geolocation+train.max_epochs=1+validation.count=3+validation.run=1"
    for experiment in (short, "geolocation+train.max_epochs=-1"):
        command = [sys.executable, "-m", "glc", "run", experiment, "--dataset", "virtual:tiny", "--root", root]
        environment = (
            os.environ | SECRETS | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONPATH": str(CHECKOUT)}
        )
        done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path, timeout=400)
        shown += done.stdout + done.stderr
        assert (done.returncode == 0) == (experiment == short), shown[-2000:]
    files = [path for folder in (root, tmp_path) for path in Path(folder).rglob("*") if path.is_file()]
    kinds = {path.suffix for path in files}
    assert {".log", ".html", ".json", ".csv", ".wandb"} <= kinds
    for name, secret in SECRETS.items():
        assert secret not in shown, name
        assert not [path for path in files if secret.encode() in path.read_bytes()], name
