"""What the Inception v3 of the 2020 system costs: GFLOP a sample and surveys a second, by the map's side and its stem.

python -m glc.bench.inception [--sides SIDE:STRIDE ...] [--seconds S] [--batch B] [--unstack] [--bfloat16]

GFLOP are those of the forward pass (a multiplication and an addition are two); training takes three times as many.
Maps are random, of 6 bands, or of 5 and 34 layers of land cover with --unstack. Seconds are those of a GPU where there
is one, else of a core. The last column is an epoch of 6,000 occurrences. Seen on a core of a shared server:

| side | stem stride | GFLOP | trained a second | predicted a second | minutes an epoch |
|---|---|---|---|---|---|
| 101 | 2 | 1.05 | 35.49 | 125.36 | 2.8 |
| 128 | 2 | 1.55 | 25.61 | 99.57 | 3.9 |
| 256 | 2 | 7.91 | 5.85 | 19.39 | 17.1 |
| 64 | 1 | 1.55 | 30.12 | 108.36 | 3.3 |
| 128 | 1 | 7.91 | 5.57 | 20.05 | 17.9 |
| 256 | 1 | 35.53 | 1.08 | 3.95 | 92.2 |
"""

import argparse
import time
from types import SimpleNamespace

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from glc import config
from glc.errors import run_command
from glc.nets import trainer
from glc.nets.architectures import inception
from glc.nets.inputs import features
from glc.progress import tqdm

CLASSES, EPOCH = 150, 6_000
SIDES = ((101, 2), (128, 2), (256, 2), (64, 1), (128, 1), (256, 1))
_STEM_PIXELS = 1 << 18  # of a batch on a CPU: its activations then take about a gigabyte
_TILES, _CODES = "tiles", "landcover"


def gflop(side, stem_stride=1, channels=6):
    """10^9 floating-point operations of a map's forward pass, without the classifier."""
    with torch.device("meta"):
        net = inception.body(channels, stem_stride).eval()
        with FlopCounterMode(display=False) as counter:
            net(torch.empty(1, channels, side, side))
    return counter.get_total_flops() / 1e9


def speed(side, stem_stride=1, unstack=False, batch=32, seconds=5.0, bfloat16=False):
    """Surveys a second: dict of trained and predicted, each measured for about `seconds` after a first batch.

    Without a GPU it is seconds of a core, whatever else runs on it.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    bands = tuple(f"band{number}" for number in range(5 if unstack else 6))
    layouts = {_TILES: features.Layout("pixels", bands, side, side, side)}
    if unstack:
        layouts[_CODES] = features.Layout("pixels", (_CODES,), side, side, side)
    model = config.Choice("inception", {"stem_stride": stem_stride, "unstack": _CODES if unstack else ""})
    settings = config.Train(loss=config.Choice("cross_entropy"), optimizer="sgd", learning_rate=0.1, weight_decay=0.0)
    moments = {
        name: features.Moments(np.zeros(layout.shape, np.float32), np.ones(layout.shape, np.float32), 1.0)
        for name, layout in layouts.items()
    }
    summary = SimpleNamespace(rows=1, counts=np.ones(CLASSES, np.int64), inputs=moments)
    learner = trainer.Learner(model, settings, CLASSES, summary, layouts).to(device)
    learner.log = lambda *_, **__: None  # no Lightning trainer is there to take it
    optimizer = learner.configure_optimizers()
    if device.type == "cpu":
        batch = int(np.clip(_STEM_PIXELS * stem_stride**2 // side**2, 2, batch))
    sample = {name: torch.randn(batch, *layout.shape, device=device) for name, layout in layouts.items()}
    if unstack:
        sample[_CODES] = torch.randint(inception.CODES, sample[_CODES].shape, device=device).float()
    sample |= {name: torch.arange(batch, device=device) for name in ("dataset", "surveyId")}
    sample |= {"species": torch.randint(CLASSES, (batch, 1), device=device), "weight": torch.ones(batch, device=device)}

    def train():
        loss = learner.training_step(sample)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    @torch.inference_mode()
    def predict():
        learner.net(sample)

    rates = {}
    with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
        for name, step in (("trained", train), ("predicted", predict)):
            learner.train(name == "trained")
            rates[name] = batch * _steps_a_second(step, seconds, device)
    return rates


def _steps_a_second(step, seconds, device):
    gpu = device.type == "cuda"
    wait, clock = (torch.cuda.synchronize, time.perf_counter) if gpu else (lambda: None, time.process_time)
    step()  # kernels are chosen, memory is taken
    wait()
    steps, began = 0, clock()
    while clock() - began < seconds:
        step()
        wait()
        steps += 1
    return steps / (clock() - began)


def _side(text):
    side, _, stride = text.partition(":")
    return int(side), int(stride or 1)


def main(argv=None):
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", nargs="+", type=_side, default=SIDES, help="such as 256:1 or 72:2")
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement")
    parser.add_argument("--batch", type=int, default=128 if torch.cuda.is_available() else 32)
    parser.add_argument("--unstack", action="store_true", help="land cover as 34 layers")
    parser.add_argument("--bfloat16", action="store_true")
    args = parser.parse_args(argv)
    channels = 5 + inception.CODES if args.unstack else 6
    rows = []
    for side, stride in tqdm(args.sides, unit="size", leave=False):
        rates = speed(side, stride, args.unstack, args.batch, args.seconds, args.bfloat16)
        rows.append((side, stride, gflop(side, stride, channels), rates["trained"], rates["predicted"]))
    print(f"{channels} channels, seconds of a {'GPU' if torch.cuda.is_available() else 'core'}\n")
    print("| side | stem stride | GFLOP | trained a second | predicted a second | minutes an epoch |")
    print("|---|---|---|---|---|---|")
    for side, stride, cost, trained, predicted in rows:
        print(f"| {side} | {stride} | {cost:.2f} | {trained:.2f} | {predicted:.2f} | {EPOCH / trained / 60:.1f} |")


if __name__ == "__main__":
    run_command(main)
