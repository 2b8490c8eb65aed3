"""Register by name, look up, list the choices.

A registry finds its own members: it knows the packages (or modules) they live in and imports them when asked, so a new
net, loss, decoder, edition or model is one new file and no list anywhere has to change. In a package, a member has a
module of its own, which is named as the member: to look one up imports that module and no other.
"""

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path

from glc.errors import ConfigError, did_you_mean
from glc.types import Registered


class Registry:
    """Named members of one kind, found in `places` (dotted names of packages or modules).

    A module comes before the package that it is in: it holds several members, and a new one has its own file.
    """

    def __init__(self, kind: str, *places: str) -> None:
        self.kind = kind
        self.places = places
        self._members: dict[str, Registered] = {}

    def register(self, name: str) -> Callable[[Registered], Registered]:
        """Decorator: make the decorated object available as `name` (and give it that ``name`` attribute)."""

        def add(member: Registered) -> Registered:
            known = self._members.get(name, member)
            # a cell of a notebook that is run again replaces its own member
            if known is not member and {known.__module__, member.__module__} != {"__main__"}:
                raise ConfigError(f"{self.kind} {name!r} is registered twice: {known} and {member}")
            self._members[name] = member
            member.name = name
            return member

        return add

    def get(self, name: str) -> Registered:
        """Return the member called `name`; a ConfigError lists the choices when there is none."""
        for module in self.modules(name) if name not in self._members else ():
            importlib.import_module(module)
            if name in self._members:  # another module of that name, such as a helper's, need not be imported
                break
        if name not in self._members:
            choices = self.choices()
            raise ConfigError(
                f"unknown {self.kind} {name!r}; expected one of: {', '.join(choices)}{did_you_mean(name, choices)}"
            )
        return self._members[name]

    def choices(self) -> list[str]:
        """Sorted names of all members."""
        for module in self.modules():
            importlib.import_module(module)
        return sorted(self._members)

    def modules(self, name: str | None = None) -> list[str]:
        """Dotted names of the modules that may hold the member `name`, or any (None); none of them is imported."""
        dotted = []
        for place in self.places:
            top, *inner = place.split(".")
            # by its folder: to import a package such as glc.nets takes seconds, in which it loads torch
            folders = [str(Path(folder, *inner)) for folder in importlib.import_module(top).__path__]
            if not any(Path(folder).is_dir() for folder in folders):
                dotted.append(place)
                continue
            names = [info.name for info in pkgutil.iter_modules(folders) if not info.name.startswith("_")]
            dotted += [f"{place}.{module}" for module in names if name in (None, module)]
        return dotted


editions = Registry("edition", "glc.editions")
models = Registry("model", "glc.classical", "glc.nets.architectures", "glc.ensembles")
losses = Registry("loss", "glc.training.losses", "glc.training")
decoders = Registry("decoder", "glc.prediction.decode", "glc.prediction")
covariates = Registry("covariate", "glc.covariates")
pretrainings = Registry("pretraining", "glc.nets.pretraining")
corrections = Registry("correction", "glc.prediction.correction", "glc.prediction")
graphs = Registry("graph", "glc.neighbours")
sdms = Registry("species distribution model", "glc.sdm")
locations = Registry("feature map of coordinates", "glc.location.features", "glc.location")
networks = Registry("network", "glc.location.networks", "glc.location")
images = Registry("image encoder", "glc.location.pretraining.image_encoder", "glc.location.pretraining")
