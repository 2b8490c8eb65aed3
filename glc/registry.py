"""Register by name, look up, list the choices.

A registry finds its own members: it knows the packages (or modules) they live in and imports them when asked, so a new
net, loss, decoder, edition or model is one new file and no list anywhere has to change.
"""

import importlib
import pkgutil

from glc.errors import ConfigError, did_you_mean


class Registry:
    """Named members of one kind, found in `places` (dotted names of packages or modules).

    In a package, the member `name` is looked for in the module `name` first, so that looking up one classical model
    does not import torch for the sake of the nets.
    """

    def __init__(self, kind, *places):
        self.kind = kind
        self.places = places
        self._members = {}

    def register(self, name):
        """Decorator: make the decorated object available as `name` (and give it that ``name`` attribute)."""

        def add(member):
            if name in self._members and self._members[name] is not member:
                raise ConfigError(f"{self.kind} {name!r} is registered twice: {self._members[name]} and {member}")
            self._members[name] = member
            member.name = name
            return member

        return add

    def get(self, name):
        """Return the member called `name`; a ConfigError lists the choices when there is none."""
        if name not in self._members:
            self._import(lambda module: module == name)
        if name not in self._members:
            self._import(lambda module: True)
        if name not in self._members:
            choices = self.choices()
            raise ConfigError(
                f"unknown {self.kind} {name!r}; expected one of: {', '.join(choices)}{did_you_mean(name, choices)}"
            )
        return self._members[name]

    def choices(self):
        """Sorted names of all members."""
        self._import(lambda module: True)
        return sorted(self._members)

    def _import(self, wanted):
        for place in self.places:
            root = importlib.import_module(place)
            for info in pkgutil.iter_modules(getattr(root, "__path__", [])):
                if not info.name.startswith("_") and wanted(info.name):
                    importlib.import_module(f"{place}.{info.name}")


editions = Registry("edition", "glc.editions")
models = Registry("model", "glc.classical", "glc.nets.architectures", "glc.ensembles")
losses = Registry("loss", "glc.training.losses")
decoders = Registry("decoder", "glc.prediction.decode")
covariates = Registry("covariate", "glc.covariates")
pretrainings = Registry("pretraining", "glc.nets.pretraining")
corrections = Registry("correction", "glc.prediction.correction")
graphs = Registry("graph", "glc.neighbours")
sdms = Registry("species distribution model", "glc.sdm")
locations = Registry("feature map of places", "glc.location.features")
