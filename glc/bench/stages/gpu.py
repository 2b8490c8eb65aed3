"""Training steps of three nets at the shapes of GeoLifeCLEF 2024; `python -m glc.bench.gpu` prints their rates."""

from pathlib import Path

import torch

from glc.bench import gpu, training
from glc.bench.stage import Facts, Stage, Way

SURVEYS, STEPS = (20_480, 200) if torch.cuda.is_available() else (256, 4)


def prepare(folder: Path, scale: float) -> None:
    """The scale; the surveys are random numbers, which each way makes."""
    (folder / "scale").write_text(str(scale))


def _train(folder: Path, setting: gpu.Setting) -> Facts:
    scale = float((folder / "scale").read_text())
    surveys, steps = max(64, int(SURVEYS * scale)), max(2, int(STEPS * scale))
    seconds = rows = 0.0
    for net in gpu.nets().values():
        (rates,) = gpu.measure(net, surveys, steps, (setting,))
        count = steps * net.batch[0 if torch.cuda.is_available() else 1]
        seconds, rows = seconds + count / rates.per_second, rows + count
    return {"rows": int(rows), "seconds": seconds}


def bfloat16(folder: Path, out: Path) -> Facts:
    """Products in bfloat16."""
    return _train(folder, gpu.SETTINGS[1])


def compiled(folder: Path, out: Path) -> Facts:
    """Products in bfloat16, nets compiled by torch."""
    return _train(folder, gpu.SETTINGS[2])


def float32(folder: Path, out: Path) -> Facts:
    """Products in float32."""
    return _train(folder, gpu.SETTINGS[0])


STAGE = Stage(
    title=f"{STEPS} steps of geolocation, tile CNN and Tighnari each ({training.chip()})",
    wanted="report",
    prepare=prepare,
    ways=(Way("glc, bfloat16", bfloat16), Way("bfloat16, compiled", compiled), Way("float32", float32)),
    always=False,
)
