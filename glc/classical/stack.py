"""A stack as a model: which experiments' scores are joined; the joining is `glc.prediction.stack`."""

from dataclasses import dataclass

from glc import config
from glc.errors import ConfigError
from glc.prediction import stack
from glc.registry import models


@models.register("stack")
class Stack:
    """Several experiments' scores in one, weighted on their validation surveys (`glc.prediction.stack`).

    The members run on the folds of the stack, whatever number of folds they run by themselves.
    """

    kind = "stack"

    @dataclass(frozen=True)
    class Options(stack.Options):
        """members : names of experiments, with changes where wanted (``votes+model.prior=500``); the rest: the fit."""

        members: tuple[str, ...] = ()

        def __post_init__(self):
            super().__post_init__()
            config.require(len(self.members) > 0, "members", self, "names of experiments")
            config.require(len(set(self.members)) == len(self.members), "members", self, "each experiment once")


def check_member(name, member, surveys, validation):
    """Refuse the experiment `member`, called `name`, in a stack over other surveys or folds than its own.

    surveys, validation : sections of the stack. Both must be equal, but for how many folds are run.
    """
    from glc import registry

    if registry.models.get(member.model.name).kind in ("stack", "blend"):
        raise ConfigError(f"model.members: {name!r} is a {member.model.name} itself; name its members instead")
    if member.train.clone:
        raise ConfigError(
            f"model.members: {name!r} has train.clone, whose scores are honest on the first fold alone; write "
            f"{name}+train.clone=false"
        )
    for section, wanted, found in (
        ("surveys", surveys, member.surveys),
        ("validation", validation, member.validation),
    ):
        own, theirs = config.to_dict(wanted), config.to_dict(found)
        for key in own:
            if key != "run" and own[key] != theirs[key]:
                more = f"+validation.run={validation.run}" if key == "count" else ""
                raise ConfigError(
                    f"model.members: {name!r} has {section}.{key} = {theirs[key]!r}, expected this experiment's own "
                    f"{own[key]!r}; write {name}+{section}.{key}={own[key]}{more}, or change this one's"
                )
