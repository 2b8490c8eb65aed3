"""The scores of an experiment on another split of the surveys, where that was run too.

A random split says how well the places around the known ones are predicted, a split by blocks how well new ones are:
a page that has both can show both.
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from glc import config
from glc.config import Variant
from glc.errors import GlcError
from glc.results import Result
from glc.types import Facts

_WORDS = {
    "block": "spatial blocks",
    "knndm": "folds as far from each other as the places to predict are from the training surveys",
    "random": "a random split",
    "quadrats": "a random split",
}


@dataclass(frozen=True)
class OtherSplit:
    """Finished metrics of the same experiment on folds of another scheme.

    experiment : its full name, with the changed settings
    split : the scheme, as in ``[validation]``
    caveat : what its score has to be shown with; may be empty (`glc.config.caveat`)
    valid : metrics of its validation
    """

    experiment: str
    split: str
    caveat: str
    valid: Facts

    def sentence(self, measure: str = "sample_f1") -> str:
        """A sentence for people: the split, the score with its interval, and what to think of it."""
        name = {"sample_f1": "F1", "auc": "AUC"}.get(measure, measure)
        low, high = (self.valid.get(f"{measure}_{end}") for end in ("low", "high"))
        interval = f" (95% interval {low:.3f} to {high:.3f})" if low is not None and high is not None else ""
        caveat = f"; {self.caveat}" if self.caveat else ""
        return f"Validated on {_WORDS[self.split]}: {name} {self.valid[measure]:.3f}{interval}{caveat}."


def read(folder: Path, settings: config.Experiment) -> list[OtherSplit]:
    """The other splits on which an experiment was validated, by name.

    folder : ``ROOT/metrics/<dataset>``
    settings : the experiment; another one is the same if it differs in ``[validation]`` alone, and another split if its
        scheme differs. Metrics of experiments that can no longer be read are left out.
    """
    own, splits = _without_validation(settings), []
    for path in sorted(folder.glob("*.json")):
        name = unquote(path.stem)
        if name == settings.name:
            continue
        try:
            other = config.load(Variant.parse(name))
        except GlcError:
            continue  # of a file of one's own that has gone
        if other.validation.scheme != settings.validation.scheme and _without_validation(other) == own:
            result = Result(folder.parents[1], path)
            if result.problem:
                continue  # not what an experiment has published
            metrics = result.metrics
            caveat = config.caveat(metrics["scheme"], metrics["stop"])
            splits.append(OtherSplit(name, metrics["scheme"], caveat, metrics["valid"]))
    return sorted(splits, key=lambda other: other.experiment)


def _without_validation(settings):
    content = config.to_dict(settings)
    apart = ("name", "description", "validation", "compare_with")
    return {key: value for key, value in content.items() if key not in apart}
