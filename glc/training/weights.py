"""Weights of a file for a net of timm: where the file is, how it fits, and what is taken of it. Nothing is fetched."""

import os
import pickle
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import nn

from glc.errors import ConfigError
from glc.types import Facts, StrPath

ENOUGH = 0.95
"""Share of a net's tensors that a file must have, by name and shape."""
RANDOM = "random"
"""In place of a path: random weights, even where the command line names a folder."""
RGB = ("red", "green", "blue")
_ENDS = (".safetensors", ".pth")
_WRAPPERS = ("_orig_mod", "module", "model", "net", "backbone", "encoder")
"""First words of names that compiling, distributing or wrapping a net puts before timm's own."""

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Match:
    """How a file fits a net of timm.

    path : the file; net : timm's name
    taken : number of tensors that are taken; expected : those of the net, without its head
    at_random : names of tensors of the net that the file lacks or has in another shape, and that start at random
    unused : names of tensors of the file that the net lacks, without those of its head
    """

    path: Path
    net: str
    taken: int
    expected: int
    at_random: tuple[str, ...]
    unused: tuple[str, ...]

    def facts(self) -> Facts:
        """Plain values for a manifest."""
        return {
            "net": self.net,
            "taken": self.taken,
            "expected": self.expected,
            "at_random": list(self.at_random),
            "unused": list(self.unused),
        }

    def note(self) -> str:
        """One line for the user."""
        text = f"{self.net}: {self.taken} of {self.expected} tensors from {self.path}, the head is new"
        parts = ((self.at_random, "start at random"), (self.unused, "not used"))
        for names, what in parts:
            if names:
                few = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
                text += f"; {what}: {few}"
        return text


def named(weights: str) -> bool:
    """Whether the option `weights` names a file or folder."""
    return weights not in ("", RANDOM)


def find(weights: StrPath, name: str) -> Path:
    """The file of weights of the net `name` of timm.

    weights : the file itself, or a folder that has it as ``<name>.safetensors`` or ``<name>.pth``, with or without the
        tag of a name such as ``swin_tiny_patch4_window7_224.ms_in1k``
    A ConfigError says what was looked for, and how to make it.
    """
    path = Path(weights).expanduser()
    if path.is_file():
        return path
    stems = dict.fromkeys((name, name.partition(".")[0]))
    names = [f"{stem}{end}" for stem in stems for end in _ENDS]
    for own in names:
        if (path / own).is_file():
            return path / own
    if path.is_dir():
        raise ConfigError(
            f"weights: folder {path} has no {' or '.join(names)}, expected one; {_remedy(name, path / names[-1])}"
        )
    raise ConfigError(
        f"weights: found no file or folder {path}, expected weights of {name}, or a folder that has them; "
        f"{_remedy(name, path if path.suffix else path / names[-1])}"
    )


def check(weights: StrPath, name: str, scale: float = 1.0) -> Match:
    """How the weights fit the net `name`, found before anything is trained; a ConfigError refuses what does not.

    weights : as of `find`
    scale : share of the net's published widths, see `glc.training.timm_nets.backbone`
    """
    if scale != 1:
        raise ConfigError(
            f"scale: found {scale} with weights for {name} ({weights}), expected 1: weights have the published widths; "
            "leave one of the two out (of Tighnari's tables --preset gpu has the published widths)"
        )
    path = find(weights, name)
    stat = os.stat(path)
    return _checked(path, name, stat.st_size, stat.st_mtime_ns)


def take(net: nn.Module, weights: StrPath, name: str, bands: Sequence[str]) -> Match:
    """Give `net`, of `glc.training.timm_nets.backbone`, the weights of a file.

    weights : as of `find`; name : of timm
    bands : names of the net's channels, in order. Weights of three channels are spread over them as timm does: each
        channel takes those of red, green or blue, by its name or else in turn, times 3 / channels; one channel takes
        their sum
    """
    path = find(weights, name)
    state, match = _fitting(path, name, net, bands)
    net.load_state_dict(state, strict=False)
    return match


def normalisation(net: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation (red, green, blue) of values from 0 to 1 that the weights of `net` were trained with."""
    facts = net.pretrained_cfg
    return tuple(facts["mean"]), tuple(facts["std"])


@lru_cache(maxsize=256)
def _checked(path: Path, name: str, size: int, mtime_ns: int) -> Match:
    import timm  # seconds, which a run without weights need not take

    with torch.device("meta"):
        net = timm.create_model(name, num_classes=0)
    return _fitting(path, name, net, None)[1]


def _fitting(path: Path, name: str, net: nn.Module, bands: Sequence[str] | None) -> tuple[State, Match]:
    """What of a file fits `net`; without `bands`, whatever its number of channels."""
    state = _read(path)
    wanted = {key: value for key, value in net.state_dict().items() if not key.endswith("num_batches_tracked")}
    if not wanted.keys() & state.keys():
        state = _unwrapped(state, wanted)
    state = _filter(net)(state, net)
    for key in _weights_of(net, "first_conv"):
        if key in state and key in wanted:
            if bands is None:
                state[key] = state[key][:, :1].expand(-1, wanted[key].shape[1], *state[key].shape[2:])
            else:
                state[key] = _spread(state[key], wanted[key].shape[1], bands)
    fits = {key: value for key, value in state.items() if key in wanted and value.shape == wanted[key].shape}
    lacking = tuple(key for key in wanted if key not in fits)
    if len(fits) < ENOUGH * len(wanted):
        first = lacking[0]
        has = f"of shape {tuple(state[first].shape)}" if first in state else "nothing"
        few = ", ".join(list(state)[:3])
        raise ConfigError(
            f"weights: {path} fits {len(fits)} of the {len(wanted)} tensors of {name} by name and shape (of {first} it "
            f"has {has}, expected {tuple(wanted[first].shape)}; its names begin with {few}), expected at least "
            f"{ENOUGH:.0%}; {_remedy(name, path)}"
        )
    head = tuple(key.rpartition(".")[0] for key in _weights_of(net, "classifier"))
    unused = tuple(
        key
        for key in state
        if key not in wanted and not key.endswith("num_batches_tracked") and key.rpartition(".")[0] not in head
    )
    return fits, Match(path, name, len(fits), len(wanted), lacking, unused)


def _read(path: Path) -> State:
    """The tensors of a file by name, out of what training programs wrap them in (``state_dict``, ``model``, DDP)."""
    import timm
    from safetensors import SafetensorError

    try:
        state = timm.models.load_state_dict(str(path))
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError, SafetensorError) as error:
        raise ConfigError(
            f"weights: {path} cannot be read ({str(error).splitlines()[0]}), expected tensors by name, as "
            "torch.save(net.state_dict(), …) or safetensors write them"
        ) from None
    tensors = {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise ConfigError(
            f"weights: {path} holds no tensors by name, expected a state_dict; save net.state_dict(), not the net"
        )
    return tensors


def _unwrapped(state: State, wanted: State) -> State:
    """`state` without the first words of its names, one by one, until some fit; as it is if none ever do."""
    own = state
    while own and not wanted.keys() & own.keys():
        own = {
            rest: value for key, value in own.items() for word, _, rest in (key.partition("."),) if word in _WRAPPERS
        }
    return own or state


def _filter(net: nn.Module) -> Callable[[State, nn.Module], State]:
    """timm's own conversion of a file for this kind of net: older names, positions and windows of another size."""
    module = vars(sys.modules[type(net).__module__])
    return module.get("checkpoint_filter_fn") or (lambda state, net: dict(state))


def _weights_of(net: nn.Module, part: str) -> tuple[str, ...]:
    """Names of the weights of timm's ``first_conv`` or ``classifier``, of which a net may have several."""
    names = net.pretrained_cfg.get(part) or ()
    return tuple(f"{name}.weight" for name in ((names,) if isinstance(names, str) else names))


def _spread(weight: torch.Tensor, channels: int, bands: Sequence[str]) -> torch.Tensor:
    """Weights (out, in, row, col) of the first convolution for `channels` called `bands`."""
    if weight.shape[1] == channels != 3 or weight.shape[1] not in (3, channels) or len(bands) != channels:
        return weight
    if channels == 1:
        return weight.sum(dim=1, keepdim=True)
    order = [RGB.index(band) if band in RGB else number % 3 for number, band in enumerate(bands)]
    return weight[:, order] * (3 / channels)


def _remedy(name: str, path: Path) -> str:
    return (
        'save them where there is a network: python -c "import timm, torch; torch.save('
        f"timm.create_model('{name}', pretrained=True).state_dict(), '{path.with_suffix('.pth')}')\""
    )
