"""From the zip of a GBIF download to a map: the two commands of docs/data.md, on the virtual archive."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

from glc import world
from glc.tasks import Surveys

DOCS = Path(__file__).parents[2] / "docs" / "data.md"


@pytest.mark.slow
def test_two_commands_lead_from_a_download_to_a_map(tmp_path):
    world.write(world.SIZES["gbif"], tmp_path / "made")
    section = DOCS.read_text(encoding="utf-8").split("## A download of GBIF")[1].split("\n## ")[0]
    commands = re.search(r"```sh\n(.*?)```", section, re.DOTALL)[1].strip().splitlines()
    assert [command.split()[:3] for command in commands] == [["glc", "run", "votes"], ["glc", "map", "votes"]]
    (name,) = {word for command in commands for word in command.split() if word.endswith(".zip")}
    archive = tmp_path / name
    (tmp_path / "made" / "gbif.zip").rename(archive)
    root = tmp_path / "out"
    for command in commands:
        words = shlex.split(command.replace(name, str(archive)))[1:]
        ended = subprocess.run(
            [sys.executable, "-m", "glc", *words, "--root", str(root)], capture_output=True, text=True, cwd=tmp_path
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
    subject = Surveys(root=str(root), dataset=str(archive)).subject
    folder = root / "maps" / subject / "votes"
    with rasterio.open(folder / "probability.tif") as raster:
        values = raster.read(masked=True)
        assert raster.tags()["GLC_DOI"] == "10.5072/dl.virtual"
        assert re.fullmatch(r"\d+ [A-Z][a-z]+ [a-z]+", raster.descriptions[0])
        assert set(raster.units) == {"relative suitability"}
    assert values.count() > 1_000
    assert np.ma.max(values) > np.ma.min(values)
    assert json.loads((folder / "item.json").read_text())["properties"]["sci:doi"] == "10.5072/dl.virtual"
    assert (folder / "preview.png").stat().st_size > 10_000
