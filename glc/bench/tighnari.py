"""Training side by side: surveys a second of Tighnari with Swin-Tiny and with EfficientNet-B0, and the wait for data.

python -m glc.bench.tighnari [--surveys N] [--steps S] [--batch B] [--resize P] [--images NAME ...] [--bfloat16]

Inputs are synthetic, of GeoLifeCLEF 2024's shapes: an epoch there is 88,987 surveys, the default on a GPU, where
--bfloat16 is for; without one it is 256. The paper's ratio of the two is 279 : 137 seconds an epoch (Table 3).
"""

import argparse
import time

import numpy as np
import torch
from scipy import sparse

from glc import config, storage
from glc.errors import run_command
from glc.nets import trainer
from glc.nets.inputs import batches, features
from glc.nets.inputs.summary import summarise
from glc.progress import tqdm

CLASSES, SPECIES = 5_016, 11_255
_LABELS, _NEIGHBOURS = 17, 60  # species of a survey; species in its graph vector
INPUTS = {
    "sentinel2": features.Layout("pixels", ("red", "green", "blue", "nir"), 128, 128, 128),
    "bioclim_cube": features.Layout("cube", tuple("abcd"), 19, 12),
    "series_cube": features.Layout("cube", tuple("abcdef"), 4, 21),
    "table": features.Layout("table", tuple(f"v{i}" for i in range(60)), 1, 1),
}


def synthetic(surveys, seed=0):
    """`Features` of `surveys` surveys of the dataset number 1, ids 0 .. surveys - 1, images as bytes."""
    rng = np.random.default_rng(seed)
    keys = np.column_stack([np.ones(surveys, np.int64), np.arange(surveys)])
    values = {}
    for name, layout in INPUTS.items():
        shape = (surveys, *layout.shape)
        if layout.kind == "pixels":
            values[name] = np.frombuffer(rng.bytes(int(np.prod(shape))), np.uint8).reshape(shape)
        else:
            values[name] = rng.standard_normal(shape, np.float32)
    known = {name: np.ones((surveys, len(layout.bands)), bool) for name, layout in INPUTS.items()}
    inputs = features.Features(dict(INPUTS), values, known, dict.fromkeys(INPUTS, keys))
    indptr = np.arange(surveys + 1) * _NEIGHBOURS
    columns = rng.integers(SPECIES, size=surveys * _NEIGHBOURS)
    weights = rng.random(len(columns), np.float32)
    inputs.add_graph("gfv", sparse.csr_matrix((weights, columns, indptr), (surveys, SPECIES)), np.arange(SPECIES), keys)
    return inputs


def examples(surveys, folder, seed=0):
    """An examples table of the same surveys, each with random species."""
    import pyarrow as pa

    rng = np.random.default_rng(seed)
    species = np.sort(rng.integers(CLASSES, size=(surveys, _LABELS)), axis=1).astype(np.int32)
    columns = {"dataset": np.ones(surveys, np.int8), "surveyId": np.arange(surveys)}
    columns |= {name: rng.uniform(2e6, 4e6, surveys).astype(np.float32) for name in ("easting", "northing")}
    columns |= {"weight": np.ones(surveys, np.float32), "species": pa.array(list(species), pa.list_(pa.int32()))}
    storage.write_table(pa.table(columns), "examples", folder, row_group_rows=8_192)


def epoch(summary, inputs, image, batch, steps, resize, bfloat16):
    """Train one net for an epoch, or `steps` batches of it: dict of surveys a second, share of the time spent waiting.

    The first batches, in which a GPU's kernels are chosen, are not timed.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    choice = config.Choice("tighnari", {"image": image, "resize": resize, "checkpointing": False})
    settings = config.Train(loss=config.Choice("bce"), batch_size=batch)
    learner = trainer.Learner(choice, settings, CLASSES, summary, inputs.layouts).to(device).train()
    learner.log = lambda *_, **__: None  # no Lightning trainer is there to take it
    optimizer = learner.configure_optimizers()
    loader = batches.Batches(summary, batch, shuffle=True, features=inputs)
    total = min(len(loader), steps) if steps else len(loader)
    warm = min(3, total - 1)
    waited = surveys = 0
    began = asked = time.perf_counter()
    for step, piece in enumerate(tqdm(loader, total=total, desc=image, unit="batch")):
        got = time.perf_counter()
        if step == warm:
            began, waited, surveys = asked, 0, 0
        waited, surveys = waited + got - asked, surveys + len(piece["surveyId"])
        piece = {name: values.to(device, non_blocking=True) for name, values in piece.items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            loss = learner.training_step(piece)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        asked = time.perf_counter()
        if step + 1 == total:
            break
    taken = asked - began
    parameters = sum(weight.numel() for weight in learner.net.parameters())
    return {"parameters": parameters, "surveys_per_s": surveys / taken, "waiting": waited / taken}


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
    inputs = synthetic(args.surveys)
    with tempfile.TemporaryDirectory() as folder:
        examples(args.surveys, Path(folder))
        summary = batches.with_inputs(summarise(folder, CLASSES), inputs)
        rows = [
            epoch(summary, inputs, image, args.batch, args.steps, args.resize, args.bfloat16) for image in args.images
        ]
    print("| image net | parameters | surveys a second | to the first | waiting for data |\n|---|---|---|---|---|")
    for image, row in zip(args.images, rows, strict=True):
        ratio = row["surveys_per_s"] / rows[0]["surveys_per_s"]
        print(
            f"| {image} | {row['parameters']:,} | {row['surveys_per_s']:.1f} | {ratio:.2f} x | {row['waiting']:.1%} |"
        )


if __name__ == "__main__":
    run_command(main)
