"""Nets at the shapes of GeoLifeCLEF 2024 on this machine's GPU: rates, waiting, the loader's headroom, memory.

python -m glc.bench.gpu [--surveys N] [--steps S] [--nets NAME ...]

Each net is trained in float32, in bfloat16, and in bfloat16 compiled by torch. *busy* is the share of the time that is
not spent waiting for batches; *headroom* how many times faster the loader alone is than the training. Without a GPU
the counts are tiny, and the table says that there is none.
"""

import argparse
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from glc import config
from glc.bench import tighnari, training
from glc.errors import run_command
from glc.nets.inputs import batches, features
from glc.nets.inputs.summary import summarise

TILES = {"tiles": features.Layout("coeffs", tuple(f"band{i}" for i in range(19)), 8, 8, 128)}
_ASL = config.Train(loss=config.Choice("asl"))
_BCE = config.Train(loss=config.Choice("bce"))


@dataclass(frozen=True)
class Net:
    """A net with the inputs and the batches that it is trained on.

    classes : of its last layer
    batch : surveys per step, on a GPU and on a CPU
    graph : whether it reads neighbours' votes
    """

    model: config.Choice
    settings: config.Train
    layouts: dict[str, features.Layout]
    classes: int
    batch: tuple[int, int]
    graph: bool = False


def nets() -> dict[str, Net]:
    """By name."""
    image = "swin_tiny_patch4_window7_224"
    resize = 224 if torch.cuda.is_available() else 64
    choice = config.Choice("tighnari", {"image": image, "resize": resize, "checkpointing": False})
    return {
        "geolocation": Net(config.Choice("geolocation", {}), _ASL, {}, training.SPECIES, (256, 256)),
        "tile_cnn": Net(config.Choice("tile_cnn", {}), _ASL, TILES, training.SPECIES, (256, 64)),
        "tighnari": Net(choice, _BCE, tighnari.INPUTS, training.CLASSES, (64, 4), graph=True),
    }


@dataclass(frozen=True)
class Setting:
    """How a net is trained."""

    name: str
    bfloat16: bool = False
    compiled: bool = False


SETTINGS = (Setting("float32"), Setting("bfloat16", True), Setting("bfloat16, compiled", True, True))


def measure(net: Net, surveys: int, steps: int, settings: tuple[Setting, ...] = SETTINGS) -> list[training.Rates]:
    """Rates of each of `settings`, of a net that is new each time.

    surveys : of the examples table, at most; a few batches are enough
    steps : batches that are trained on
    """
    batch = net.batch[0 if torch.cuda.is_available() else 1]
    with tempfile.TemporaryDirectory() as folder:
        training.examples(surveys, Path(folder), classes=net.classes)
        inputs = training.synthetic(surveys, net.layouts, net.graph) if net.layouts else None
        summary = batches.with_inputs(summarise(folder, net.classes), inputs)

        def loader() -> batches.Batches:
            return batches.Batches(summary, batch, shuffle=True, features=inputs)

        alone = training.read(loader(), steps)
        return [
            replace(
                training.train(
                    training.learner(net.model, net.settings, summary, inputs),
                    loader(),
                    steps,
                    bfloat16=setting.bfloat16,
                    compiled=setting.compiled,
                ),
                loader_per_second=alone,
            )
            for setting in settings
        ]


def main(argv: list[str] | None = None) -> None:
    """Measure and print a Markdown table."""
    gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--surveys", type=int, default=20_480 if gpu else 512)
    parser.add_argument("--steps", type=int, default=200 if gpu else 6)
    parser.add_argument("--nets", nargs="+", default=list(nets()), choices=list(nets()))
    args = parser.parse_args(argv)
    print(f"{training.chip()}{'' if gpu else ': tiny counts, which say nothing of a GPU'}\n")
    print("| net | products | surveys a second | busy | headroom of the loader | GPU memory, GB |")
    print("|---|---|---|---|---|---|")
    for name in args.nets:
        for setting, row in zip(SETTINGS, measure(nets()[name], args.surveys, args.steps), strict=True):
            memory = f"{row.peak_bytes / 2**30:.1f}" if row.peak_bytes else "–"
            print(
                f"| {name} | {setting.name} | {row.per_second:,.1f} | {1 - row.waiting:.1%} | {row.headroom:.1f} x | "
                f"{memory} |",
                flush=True,
            )


if __name__ == "__main__":
    run_command(main)
