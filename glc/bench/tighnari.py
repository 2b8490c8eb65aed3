"""Training side by side: surveys a second of Tighnari with Swin-Tiny and with EfficientNet-B0, and the wait for data.

python -m glc.bench.tighnari [--surveys N] [--steps S] [--batch B] [--resize P] [--images NAME ...] [--bfloat16]

Inputs are synthetic, of GeoLifeCLEF 2024's shapes: an epoch there is 88,987 surveys, the default on a GPU, where
--bfloat16 is for; without one it is 256. The paper's ratio of the two is 279 : 137 seconds an epoch (Table 3).
"""

import argparse

import torch

from glc import config
from glc.bench import training
from glc.errors import run_command
from glc.nets.inputs import batches, features
from glc.nets.inputs.summary import Summary, summarise

INPUTS = {
    "sentinel2": features.Layout("pixels", ("red", "green", "blue", "nir"), 128, 128, 128),
    "bioclim_cube": features.Layout("cube", tuple("abcd"), 19, 12),
    "series_cube": features.Layout("cube", tuple("abcdef"), 4, 21),
    "table": features.Layout("table", tuple(f"v{i}" for i in range(60)), 1, 1),
}


def epoch(
    summary: Summary,
    inputs: features.Features,
    image: str,
    batch: int,
    steps: int,
    resize: int,
    bfloat16: bool,
) -> training.Rates:
    """Train Tighnari with the image net `image` for an epoch, or `steps` batches of it."""
    choice = config.Choice("tighnari", {"image": image, "resize": resize, "checkpointing": False})
    settings = config.Train(loss=config.Choice("bce"), batch_size=batch)
    learner = training.learner(choice, settings, summary, inputs)
    loader = batches.Batches(summary, batch, shuffle=True, features=inputs)
    return training.train(learner, loader, steps, bfloat16=bfloat16)


def main(argv=None):
    """Measure and print a Markdown table."""
    import tempfile
    from pathlib import Path

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--surveys", type=int, default=88_987 if torch.cuda.is_available() else 256)
    parser.add_argument("--steps", type=int, default=0, help="batches that are trained on; 0 for all")
    parser.add_argument("--batch", type=int, default=64 if torch.cuda.is_available() else 16)
    parser.add_argument("--resize", type=int, default=224, help="side of the images in pixels")
    parser.add_argument("--images", nargs="+", default=["swin_tiny_patch4_window7_224", "efficientnet_b0"])
    parser.add_argument("--bfloat16", action="store_true")
    args = parser.parse_args(argv)
    inputs = training.synthetic(args.surveys, INPUTS)
    with tempfile.TemporaryDirectory() as folder:
        training.examples(args.surveys, Path(folder))
        summary = batches.with_inputs(summarise(folder, training.CLASSES), inputs)
        rows = [
            epoch(summary, inputs, image, args.batch, args.steps, args.resize, args.bfloat16) for image in args.images
        ]
    print("| image net | parameters | surveys a second | to the first | waiting for data |\n|---|---|---|---|---|")
    for image, row in zip(args.images, rows, strict=True):
        ratio = row.per_second / rows[0].per_second
        print(f"| {image} | {row.parameters:,} | {row.per_second:.1f} | {ratio:.2f} x | {row.waiting:.1%} |")


if __name__ == "__main__":
    run_command(main)
