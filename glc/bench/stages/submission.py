"""From survey files to a submission: seconds, and the peak memory of each task, of one experiment."""

import json
import os
import shutil
from pathlib import Path

from glc import storage
from glc.bench import luigi_task
from glc.bench.stage import Facts, Stage, Way
from glc.bench.stages.surveys import size_of

EXPERIMENT = "votes"


def prepare(folder: Path, scale: float) -> None:
    """The files of the virtual world, which are not a part of the work."""
    make_world(folder, scale, "metadata")


def ours(folder: Path, out: Path) -> Facts:
    """`glc run votes`."""
    return run(folder, out, EXPERIMENT)


def make_world(folder: Path, scale: float, *parts: str) -> None:
    """Write parts of the virtual world below ``root``, as the tasks of a run look for them."""
    dataset = f"virtual:{size_of(scale)}"
    for part in parts:
        luigi_task.run("VirtualPart", root=str(folder / "root"), dataset=dataset, part=part)
    (folder / "dataset").write_text(dataset)


def run(folder: Path, out: Path, experiment: str) -> Facts:
    """Run an experiment, and note in ``stages.json`` the seconds and memory that each task took."""
    dataset, root = (folder / "dataset").read_text(), out / "root"
    shutil.copytree(folder / "root", root, copy_function=os.link)
    luigi_task.run("Submission", root=str(root), dataset=dataset, experiment=experiment)
    facts = [storage.manifest(path.parent) for path in sorted(root.glob(f"store/*/*/{storage.MANIFEST}"))]
    costs = {
        f"{each['task']} {each['identity']}": {
            "seconds": each["seconds"], "cpu_seconds": each["cpu_seconds"], "peak_mb": each["peak_memory_mb"],
        }
        for each in facts
    }  # fmt: skip
    (out / "stages.json").write_text(json.dumps(costs, indent=1) + "\n")
    surveys = next(each for each in facts if each["task"] == "Surveys")
    return {"rows": surveys["rows"]}


STAGE = Stage(
    title="submission end to end, votes, 6.57 M rows",
    wanted="< 5 minutes, < 6 GB",
    prepare=prepare,
    ways=(Way("glc", ours),),
)
