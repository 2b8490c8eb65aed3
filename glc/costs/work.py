"""How much a task has to do, from its parameters, its inputs' and the sizes of the dataset.

The same for a task before it runs and for a finished output, whose manifest has the same parameters and inputs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from glc.costs.sizes import CELL_M, Sizes
from glc.ensembles.fit_options import FitOptions
from glc.types import Facts


@dataclass(frozen=True, eq=False)
class Job:
    """A task.

    task : its name
    parameters : as its manifest has them
    inputs : the tasks that it requires
    seen : examples that a finished training has seen, each pass counted; 0 where nothing was trained yet
    """

    task: str
    parameters: Facts
    inputs: Sequence["Job"] = ()
    seen: int = 0

    @cached_property
    def folds(self) -> int:
        """Folds that are run: of this task, or the most of its inputs."""
        for key in ("validation.run", "run"):
            if key in self.parameters:
                return int(self.parameters[key])
        fitted = sum(needed.task == "FoldScores" for needed in self.inputs)
        return fitted or max((needed.folds for needed in self.inputs), default=1)

    @cached_property
    def fold_count(self) -> int:
        """Folds that the training surveys are split into."""
        if self.task == "Folds":
            return int(self.parameters["count"])
        return max((needed.fold_count for needed in self.inputs), default=10)

    @cached_property
    def most_kept(self) -> int:
        """Scores that are kept of a survey at most: by this task, or by its inputs; 0 where none has scores."""
        if "scores.keep" in self.parameters:
            return int(self.parameters["scores.keep"])
        return max((needed.most_kept for needed in self.inputs), default=0)

    def member(self, section: str) -> str:
        """Name of the chosen member of a section, such as that of the model."""
        return str(self.parameters[section]["name"])

    def scored(self, sizes: Sizes) -> float:
        """Surveys that have scores: those of the validation folds that are run, and the test's."""
        return sizes.training_surveys * min(self.folds / self.fold_count, 1) + sizes.tested


@dataclass(frozen=True)
class Work:
    """What a task has to do.

    kind : of task, those with the same curve: ``Fit geolocation``
    terms : amounts that time, memory and disk grow with
    """

    kind: str
    terms: tuple[float, ...]


Rule = Callable[[Job, Sizes], tuple[str, tuple[float, ...]]]
"""(job, sizes) -> what follows the task's name in the kind, and the terms."""


def _of_scores(job: Job, sizes: Sizes) -> tuple[float, float]:
    """Tasks that read the survey tables and the scores that were kept."""
    return sizes.rows, job.scored(sizes) * _kept(job, sizes)


def _kept(job: Job, sizes: Sizes) -> int:
    """Scores of a survey."""
    return min(job.most_kept or sizes.species, sizes.species)


def _virtual_part(job: Job, sizes: Sizes) -> tuple[str, tuple[float, ...]]:
    part = str(job.parameters["part"])
    imaged = float(sizes.training_surveys + sizes.test_surveys)
    amounts = {"metadata": float(sizes.rows), "rasters": float(sizes.raster_cells), "po_images": sizes.po_surveys}
    return part, (amounts.get(part, imaged),)


def _classical(job: Job, sizes: Sizes) -> tuple[str, tuple[float, ...]]:
    return job.member("model"), ((job.folds + 1) * sizes.rows, job.scored(sizes) * sizes.species)


def _net_scores(job: Job, sizes: Sizes) -> tuple[str, tuple[float, ...]]:
    return "", ((job.scored(sizes) + job.folds * sizes.tested) * _kept(job, sizes),)


def _ensemble(job: Job, sizes: Sizes) -> tuple[str, tuple[float, ...]]:
    """Pairs of survey and species that are learned from, again for each fold; and scores that are joined."""
    options = FitOptions()
    chosen = {name: getattr(options, name) for name in ("surveys", "best", "sampled", "candidates", "fit")}
    chosen |= job.parameters["model"]["options"]
    surveys = min(sizes.training_surveys * job.folds / job.fold_count, chosen["surveys"])
    pairs = chosen["best"] + chosen["sampled"] + (chosen["candidates"] if chosen["fit"] == "boosted" else 0)
    joined = job.scored(sizes) * len(chosen["members"]) * _kept(job, sizes)
    return job.member("model"), ((job.folds + 1) * surveys * pairs, joined)


def _predictions(job: Job, sizes: Sizes) -> tuple[str, tuple[float, ...]]:
    return job.member("decode"), _of_scores(job, sizes)


_PASSES = 4.5
"""Passes of a training until it stops, as a multiple of ``train.patience``: the median of geolocation nets."""


def _fit(job: Job, sizes: Sizes) -> tuple[str, tuple[float, ...]]:
    train = job.parameters["train"]
    passes = min(int(train["max_epochs"]), _PASSES * max(int(train["patience"]), 1))
    seen = job.seen or passes * _examples(job, sizes)
    inputs = sorted({name for wanted in job.parameters["inputs"] for name in _input_names(wanted)})
    return " ".join([job.member("model"), *inputs]), (seen, seen * sizes.species)


def _chosen_epoch(job: Job, sizes: Sizes) -> tuple[str, tuple[float, ...]]:
    kind, _ = _fit(job, sizes)
    surveys = int(job.parameters["train"]["max_epochs"]) * sizes.training_surveys / job.fold_count
    return kind, (surveys, surveys * sizes.species)


def _input_names(wanted: Facts) -> list[str]:
    """What a net's time depends on: images, series; values and graphs are small."""
    return [str(wanted[kind]) for kind in ("tiles", "cube") if wanted.get(kind)]


def _examples(job: Job, sizes: Sizes) -> float:
    """Examples of a training, without the folds that validate and stop it."""
    use = job.parameters["po"]["use"]
    if use == "only":
        return sizes.po_surveys
    own = sizes.training_surveys * max(job.fold_count - 2, 1) / job.fold_count
    return own + {"none": 0, "surveys": sizes.po_surveys, "pseudo": _pseudo_surveys(job, sizes)}[use]


def _pseudo_surveys(job: Job, sizes: Sizes) -> float:
    """One for each square with records of the side ``po.radius_m``, or that of the atlas where this is larger."""
    # two in three places of presence-only records have too few species around for a pseudo-survey
    most = sizes.po_surveys / 3
    if not sizes.po_cells:
        return most
    atlas = (float(needed.parameters["squares_m"]) for needed in job.inputs if needed.task == "AtlasGrid")
    side = max(float(job.parameters["po"]["radius_m"]), *atlas, 0.0)
    return min(most, sizes.po_cells * (CELL_M / side) ** 2)


def _make_examples(job: Job, sizes: Sizes) -> tuple[str, tuple[float, ...]]:
    return str(job.parameters["po"]["use"]), (sizes.rows,)


def _fold_scores(job: Job, sizes: Sizes) -> tuple[str, tuple[float, ...]]:
    surveys = sizes.training_surveys / job.fold_count + sizes.tested
    net = next((needed for needed in job.inputs if needed.task in ("Fit", "FineTune", "ChosenEpoch")), None)
    kind = _fit(net, sizes)[0] if net and "model" in net.parameters else ""
    return kind, (sizes.rows, surveys * sizes.species)


def _imagery(job: Job, sizes: Sizes) -> float:
    """Surveys of a table of imagery."""
    po = "po" in str(job.parameters.get("datasets", ""))
    return sizes.po_surveys if po else sizes.training_surveys + sizes.test_surveys


def _tiles(job: Job, sizes: Sizes) -> tuple[str, tuple[float, ...]]:
    kind = f"{job.parameters['covariate']} {job.parameters['block']}"
    return kind, (_imagery(job, sizes) * int(job.parameters["size"]) ** 2,)


def _cubes(job: Job, sizes: Sizes) -> tuple[str, tuple[float, ...]]:
    return str(job.parameters["kind"]), (_imagery(job, sizes),)


def _neighbours(job: Job, sizes: Sizes) -> tuple[str, tuple[float, ...]]:
    surveys = sizes.training_surveys + sizes.po_surveys
    return "", (surveys, job.scored(sizes))


_RULES: dict[str, Rule] = {
    "Applicability": lambda job, sizes: ("", (sizes.rows, sizes.training_surveys)),
    "Baselines": lambda job, sizes: ("", _of_scores(job, sizes)),
    "ChosenEpoch": _chosen_epoch,
    "ClassicalScores": _classical,
    "Cubes": _cubes,
    "EnsembleScores": _ensemble,
    "Evaluate": lambda job, sizes: ("", _of_scores(job, sizes)),
    "Examples": _make_examples,
    "Fit": _fit,
    "FitAllFolds": _fit,
    "FoldScores": _fold_scores,
    "Folds": lambda job, sizes: ("", (sizes.training_surveys,)),
    "Neighbours": _neighbours,
    "NetScores": _net_scores,
    "Predictions": _predictions,
    "Report": lambda job, sizes: ("", _of_scores(job, sizes)),
    "Submission": lambda job, sizes: ("", (sizes.rows, sizes.tested)),
    "Surveys": lambda job, sizes: ("", (sizes.rows,)),
    "Tabular": lambda job, sizes: ("", (_imagery(job, sizes),)),
    "Tiles": _tiles,
    "VirtualPart": _virtual_part,
}


def of(job: Job, sizes: Sizes) -> Work | None:
    """The work of a task; None of one whose costs nothing here describes."""
    if job.task not in _RULES:
        return None
    more, terms = _RULES[job.task](job, sizes)
    return Work(f"{job.task} {more}".strip(), tuple(float(term) for term in terms))
