"""Self-describing checkpoints: make a net by its name, save it, load it, predict with it.

``model.ckpt`` is a plain dict, read by ``torch.load(weights_only=True)``: model name, options, n_classes, layouts of
the inputs, what was known of the training examples, the link of logits to probabilities, and the net's weights and
buffers.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from glc import __version__, config
from glc.errors import ConfigError, DataError, GlcError
from glc.nets.inputs.features import Layout
from glc.registry import models
from glc.training import loading
from glc.types import MemberOptions, StrPath

if TYPE_CHECKING:
    import pandas as pd

    from glc.nets.architectures._base import Net
    from glc.nets.inputs.features import Features


CHECKPOINT, ENCODER = "model.ckpt", "encoder.ckpt"
LINKS = {"sigmoid": torch.sigmoid, "softmax": partial(torch.softmax, dim=1)}
"""Logits (batch, class) to probabilities, by the link of the loss they were trained with."""


def make(model: config.Choice, n_classes: int, layouts: "dict[str, Layout] | None" = None) -> "Net":
    """The registered net that `model` names, untrained.

    model : name and options
    n_classes : number of logits
    layouts : of its inputs by name; None: there are none
    returns : the net; a ConfigError where `model` is none
    """
    member = models.get(model.name)
    if member.kind != "net":
        raise ConfigError(f"model {model.name!r} is {member.kind}, expected a net; choose one that is trained")
    return member(config.options(member, model, "model"), n_classes, layouts or {})


def save(path, net, model, n_classes, layouts, facts, link="sigmoid"):
    """Write the checkpoint of `net`, made by `model` (config.Choice).

    facts : plain values about its training; link : of `LINKS`, that of its loss
    """
    content = {
        "glc": __version__,
        "model": model.name,
        "options": config.to_dict(model)["options"],
        "n_classes": n_classes,
        "inputs": {name: layout.to_dict() for name, layout in layouts.items()},
        "train": facts,
        "link": link,
        "state_dict": {name: value.cpu() for name, value in net.state_dict().items()},
    }
    torch.save(content, path)


def load(checkpoint: StrPath) -> tuple["Net", int, dict[str, Layout]]:
    """The net of a checkpoint, on the CPU and in evaluation mode, its n_classes and the layouts of its inputs."""
    return _net(read(checkpoint), checkpoint)


def _net(content, checkpoint):
    try:
        layouts = {name: Layout.from_dict(values) for name, values in content["inputs"].items()}
        net = make(config.Choice(content["model"], content["options"]), content["n_classes"], layouts)
        net.load_state_dict(content["state_dict"])
    except GlcError as error:
        raise DataError(f"{checkpoint}: {error}") from error
    except Exception as error:
        raise _unreadable(checkpoint, error) from error
    return net.eval(), content["n_classes"], layouts


def read(path):
    """The plain dict of a checkpoint; a DataError tells of one that is not there or cannot be read."""
    try:
        return loading.load(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such checkpoint; train the net first") from None
    except Exception as error:
        raise _unreadable(path, error) from error


def save_encoder(path, encoder, facts):
    """Write the checkpoint of a pretraining: the weights and buffers of `encoder`, and `facts` about it."""
    state = {name: value.cpu() for name, value in encoder.state_dict().items()}
    torch.save({"glc": __version__, "train": facts, "encoder": state}, path)


def load_encoder(encoder, checkpoint):
    """Give `encoder` the weights of a pretraining's checkpoint; a DataError tells what does not fit."""
    content = read(checkpoint)
    try:
        encoder.load_state_dict(content["encoder"])
    except (KeyError, RuntimeError) as error:
        raise DataError(
            f"{checkpoint}: the pretrained encoder does not fit the net ({error}); give both the same [model] and "
            "[[inputs]]"
        ) from error


def clone(net, checkpoint, columns):
    """Give `net` the weights and buffers of the net in `checkpoint`, which has the same architecture and inputs.

    columns : (n_classes,) for each class of `net` that class in the checkpoint, or -1: its part of the last layer stays
    """
    content, own, last = read(checkpoint), net.state_dict(), classifier(net)
    there, state = np.flatnonzero(columns >= 0), content["state_dict"]
    try:
        for name in last:
            saved, state[name] = state[name], own[name].clone()
            state[name][there] = saved[columns[there]]
        net.load_state_dict(state)
    except (KeyError, RuntimeError) as error:
        raise DataError(
            f"{checkpoint}: this net does not fit the one that should go on from it ({error}); give both the same "
            "[model] and [[inputs]], or train it again: make clean-experiment EXPERIMENT=... ARGS='--task Fit'"
        ) from error


def classifier(net):
    """Names of the tensors of the last layer of `net`, whose first axis are the classes."""
    names = [name for name, module in net.named_modules() if isinstance(module, torch.nn.Linear)]
    return {f"{name}.{part}" for name in names[-1:] for part in ("weight", "bias")}


def _unreadable(path, error):
    return DataError(f"{path}: cannot be read as a checkpoint of this version ({error}); train the net again")


def predict(checkpoint, places, features=None, batch=1024, accelerator="auto", prediction=None):
    """Probabilities (n, n_classes) float32 of all classes at `places`.

    places : frame or dict of surveyId, easting and northing (metres); and dataset, its number in `schema.DATASETS`,
        for a net with inputs, which `features` holds
    accelerator : auto takes a GPU where there is one, cpu does not
    prediction : the net's own options of prediction (`Net.Prediction`); None: its defaults
    """
    return np.concatenate(list(predict_blocks(checkpoint, places, features, batch, accelerator, prediction)))


@torch.inference_mode()
def predict_blocks(
    checkpoint: StrPath,
    places: "pd.DataFrame | Mapping[str, np.ndarray]",
    features: "Features | None" = None,
    batch: int = 1024,
    accelerator: str = "auto",
    prediction: MemberOptions = None,
    embedded: Callable[[np.ndarray], None] | None = None,
) -> Iterator[np.ndarray]:
    """Yield what `predict` returns in blocks of `batch` rows, for results that would fill the memory.

    embedded : called with the embedding of each block, (rows, d) float32: what the net's `last` layer reads; never
        where it has none

    A net of large maps may tell how many rows it takes `at_once`, at most.
    """
    content = read(checkpoint)
    net, n_classes, layouts = _net(content, checkpoint)
    link = LINKS[content["link"]]
    prediction = prediction or net.Prediction()
    batch = batch if net.at_once is None else min(batch, net.at_once)
    given = features.layouts if features else {}
    if given != layouts:
        raise DataError(
            f"{checkpoint}: the net reads the inputs {layouts}, found {given}; give those it was trained on"
        )
    device = "cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu"
    net.to(device)
    if embedded is not None and net.last is not None:
        net.last.register_forward_pre_hook(lambda _, given: embedded(given[0].float().cpu().numpy()))
    types = {"surveyId": np.int64, "easting": np.float32, "northing": np.float32}
    types |= {"dataset": np.int64} if layouts else {}
    columns = {name: torch.as_tensor(np.array(places[name], dtype)) for name, dtype in types.items()}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"predict: columns differ in length: {lengths}; expected one value per survey")
    for name in ("easting", "northing"):
        if not torch.isfinite(columns[name]).all():
            raise DataError(f"predict: column {name!r} has values that are not finite; leave such surveys out")
    if not lengths["surveyId"]:
        yield np.zeros((0, n_classes), np.float32)
    for start in range(0, lengths["surveyId"], batch):
        block = {name: values[start : start + batch] for name, values in columns.items()}
        if layouts:
            block |= features.of(block["dataset"], block["surveyId"])
        block = {name: values.to(device) for name, values in block.items()}
        yield link(net.logits(block, prediction)).float().cpu().numpy()
