"""Science settings: frozen dataclasses built from ``conf/experiments/<name>.toml``; unknown keys are refused.

Machine settings (cores, memory, root, scheduler) are not here: they live in ``conf/luigi.cfg``.
"""

import dataclasses
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from glc import registry
from glc.errors import ConfigError, did_you_mean
from glc.sections import Choice, build, canonical, defaults, later, require, to_dict, value_of

__all__ = [
    "Choice",
    "Experiment",
    "build",
    "canonical",
    "defaults",
    "load",
    "options",
    "require",
    "to_dict",
    "value_of",
]

CUBES = ("series", "landsat", "bioclim")
CONF = Path(__file__).resolve().parent.parent / "conf"


@dataclass(frozen=True)
class Surveys:
    """Reading the survey CSVs."""

    max_quarantine_fraction: float = 0.05
    """More unusable rows than this fraction of a file stop the run."""

    def __post_init__(self):
        require(0 <= self.max_quarantine_fraction <= 1, "surveys.max_quarantine_fraction", self, "0 to 1")


@dataclass(frozen=True)
class Validation:
    """How training surveys are split into folds, and how many folds are run."""

    scheme: str = "block"
    """block: whole squares of `size_m` go to one fold; random: each survey by itself (the 90-10 of the 2024 paper);
    quadrats: as random, after a share `held_out` of the squares is set aside where the dataset has no test (2020)."""
    size_m: float = 30_000
    """Side of the squares; GeoLifeCLEF 2020's quadrats have 5,000 m."""
    count: int = 10
    run: int = 3
    """Folds that are fitted and scored, the first of `count`; a net's test scores are the mean of their models'."""
    seed: int = 0
    held_out: float = later(0.025)
    """Share of the quadrats that stand in for a missing test, under the scheme quadrats alone."""

    def __post_init__(self):
        schemes = ("block", "random", "quadrats")
        require(self.scheme in schemes, "validation.scheme", self, "'block', 'random' or 'quadrats'")
        require(0 < self.held_out < 1, "validation.held_out", self, "a share above 0 and below 1")
        require(self.size_m > 0, "validation.size_m", self, "metres above 0")
        require(self.count >= 2, "validation.count", self, "at least 2 folds")
        require(1 <= self.run <= self.count, "validation.run", self, "1 to validation.count")


@dataclass(frozen=True)
class Po:
    """How presence-only occurrences become training examples of a net (Miyaguchi et al. 2024, section 7)."""

    use: str = "none"
    """none; surveys: each occurrence's survey is an example; pseudo: occurrences within `radius_m` make one example."""
    radius_m: float = 3_000
    weight: float = 1.0
    """Weight of a presence-only example in the loss, beside 1 for a presence-absence survey."""
    min_species: int = 5
    """Pseudo-surveys with fewer species are left out (and counted)."""

    def __post_init__(self):
        require(self.use in ("none", "surveys", "pseudo"), "po.use", self, "'none', 'surveys' or 'pseudo'")
        require(0 < self.radius_m <= 50_000, "po.radius_m", self, "metres, above 0 and at most 50,000")
        require(self.weight > 0, "po.weight", self, "a number above 0")
        require(self.min_species >= 1, "po.min_species", self, "at least 1")


@dataclass(frozen=True)
class Neighbours:
    """A neighbour table: which surveys near which (Miyaguchi et al. 2024, section 4.5)."""

    method: str = "exact"
    """exact; lsh: Spark's BucketedRandomProjectionLSH."""
    k: int = 10
    """Nearest neighbours kept; 0 keeps all within `radius_m`."""
    radius_m: float = 50_000
    sources: tuple[str, ...] = ("train", "po")
    bucket_length: float = 20.0
    """Of the LSH, metres of the projection; 0 chooses it for `wanted_recall`."""
    tables: int = 5
    wanted_recall: float = 0.9


@dataclass(frozen=True)
class Input:
    """What a net reads beside the place: imagery, values, neighbours, features of the place itself.

    In a TOML each is a ``[[inputs]]`` table.
    """

    tiles: str = ""
    """A registered covariate; or"""
    cube: str = ""
    """series (six quarterly tables), landsat or bioclim (cube files); or"""
    table: tuple[str, ...] = ()
    """Registered rasters, whose values at the survey are read; or"""
    graph: Choice = field(default_factory=lambda: Choice("none"))
    """gfv: species of the neighbours in the ecological graph; kernels: records around; as far as a fold may see."""
    bands: tuple[str, ...] = ()
    """Bands of the tiles or table, or names along the cube's first axis; none: all. A categorical band means its
    classes."""
    block: int = 8
    """DCT terms kept an axis of a tile; 0 keeps the pixels."""
    size: int = 128
    """Side of a tile in pixels."""
    coeffs: bool = False
    """Of a series or landsat cube: not its values but its 64 1-D DCT terms, laid out 8 x 8 as published."""
    years: tuple[int, ...] = ()
    """Years of a cube; none: all."""
    optional: bool = later(False)
    """Do without it, or without the rasters of a table, where the dataset's folders have none (and say so)."""
    location: Choice = later(Choice("none"))  # noqa: RUF009 - nobody changes its options
    """What tells of the survey's longitude and latitude: a feature map of `glc.location.encoders`, or encoder, a
    pre-trained one, whose file is its `path` or that of the command line."""

    def __post_init__(self):
        chosen = [bool(self.tiles), bool(self.cube), bool(self.table)]
        chosen += [self.graph.name != "none", self.location.name != "none"]
        require(sum(chosen) == 1, "tiles", self, "one of tiles, cube, table, graph and location")
        require(not self.cube or self.cube in CUBES, "cube", self, f"one of: {', '.join(CUBES)}")
        require(self.size >= 2, "size", self, "2 pixels or more")
        require(0 <= self.block <= self.size, "block", self, "0 (pixels) to the side of the tile")
        require(
            not self.coeffs or self.cube in ("series", "landsat"), "coeffs", self, "false but for series or landsat"
        )
        require(not self.years or (self.cube and not self.coeffs), "years", self, "none but of the values of a cube")
        if self.location.name != "none":
            require(not self.bands, "bands", self, "none: of a location all features are read")
            for key in ("block", "size"):
                usual = getattr(type(self), key)
                require(getattr(self, key) == usual, key, self, f"its default, {usual}: a location has no tiles")

    @property
    def name(self):
        """Name of its column in a batch."""
        if self.location.name != "none":
            return f"location_{self.location.name}"
        if self.table:
            return "table"
        return self.tiles or (f"{self.cube}_cube" if self.cube else self.graph.name)

    @property
    def stored(self):
        """Whether it is a table on disk; graphs and locations are made when they are read."""
        return self.graph.name == self.location.name == "none"


@dataclass(frozen=True)
class EncoderFile:
    """Options of the location ``encoder``."""

    path: str = ""
    """The encoder's file (``location.ckpt``); empty: that of the command line."""


@dataclass(frozen=True)
class Train:
    """Training of a net (Lightning), shared by every architecture."""

    loss: Choice = field(default_factory=lambda: Choice("asl"))
    batch_size: int = 256
    max_epochs: int = 60
    patience: int = 6
    """Validations without a better score after which training stops."""
    monitor: str = "f1"
    """f1: sample-averaged F1 of the top 25 on validation (higher is better); loss: validation loss; top30: share of
    the true species among the 30 best, for the loss cross_entropy."""
    learning_rate: float = 2e-3
    find_learning_rate: bool = False
    """Let Lightning's learning-rate finder choose; `learning_rate` is then only its starting point."""
    weight_decay: float = 1e-4
    class_weights: bool = False
    """Weight each class by its normalised training frequency, as the 2024 paper tried with BCE."""
    freeze: bool = False
    """Keep a pretrained encoder as it is, and train the classifier on it alone."""
    seed: int = 0
    precision: str = later("float32")
    """float32; or bfloat16: products of the net's layers in bfloat16, its weights and the loss in float32."""
    clone: bool = later(False)
    """Cross-fusion: the first fold trains from scratch, the others start from its net and are fine-tuned. Through it
    they have seen their validation folds' labels: only the first fold's scores are honest, and only they are judged."""
    clone_epochs: int = later(10)
    """Most epochs of a cloned net."""
    clone_rate: float = later(0.2)
    """Learning rate of a cloned net as a share of `learning_rate`."""
    optimizer: str = later("adamw")
    """adamw; or sgd, whose `weight_decay` is the L2 penalty."""
    momentum: float = later(0.0)
    """Of sgd; Deneu et al. 2020 tell of none."""
    milestones: tuple[int, ...] = later(())
    """Epochs done at which the learning rate is multiplied by `gamma`."""
    gamma: float = later(0.1)
    validate_every: int = later(1)
    """Epochs from one validation to the next."""

    def __post_init__(self):
        for name in ("batch_size", "max_epochs", "patience", "clone_epochs", "validate_every"):
            require(getattr(self, name) >= 1, f"train.{name}", self, "at least 1")
        epochs = min(self.max_epochs, self.clone_epochs) if self.clone else self.max_epochs
        require(self.validate_every <= epochs, "train.validate_every", self, f"1 to {epochs}, the epochs of a training")
        require(self.optimizer in ("adamw", "sgd"), "train.optimizer", self, "'adamw' or 'sgd'")
        require(0 <= self.momentum < 1, "train.momentum", self, "at least 0 and below 1")
        rising = list(self.milestones) == sorted(set(self.milestones)) and min(self.milestones, default=1) >= 1
        require(rising, "train.milestones", self, "epochs above 0, each above the one before")
        require(0 < self.gamma <= 1, "train.gamma", self, "above 0 and at most 1")
        require(self.precision in ("float32", "bfloat16"), "train.precision", self, "'float32' or 'bfloat16'")
        require(self.clone_rate > 0, "train.clone_rate", self, "a number above 0")
        require(self.learning_rate > 0, "train.learning_rate", self, "a number above 0")
        require(self.weight_decay >= 0, "train.weight_decay", self, "0 or above")
        measures = ("f1", "loss", "top30") if self.loss.name == "cross_entropy" else ("f1", "loss")
        told = "'f1' or 'loss', or 'top30' beside the loss cross_entropy"
        require(self.monitor in measures, "train.monitor", self, told)


@dataclass(frozen=True)
class Scores:
    """Which scores are kept on disk."""

    keep: int = 4096
    """Highest scores kept for each survey; below this many species nothing is cut."""
    dropout: bool = later(False)
    """Predict with the net's dropout on, as run 2 of Deneu et al. 2020 does."""
    damaged_country: str = later("")
    """Country of whose surveys a share `damaged` has its patches spoilt before a net predicts (run 4 of 2020)."""
    damaged: float = later(0.5)
    average: str = later("probabilities")
    """Of the folds' nets for the test: probabilities; or logits, as Liu et al. 2024 (eq. 10)."""

    def __post_init__(self):
        require(self.keep >= 25, "scores.keep", self, "at least 25")
        require(0 <= self.damaged <= 1, "scores.damaged", self, "0 to 1")
        require(self.average in ("probabilities", "logits"), "scores.average", self, "'probabilities' or 'logits'")


@dataclass(frozen=True)
class Experiment:
    """One experiment: everything that changes its scores."""

    model: Choice
    description: str = ""
    surveys: Surveys = field(default_factory=Surveys)
    validation: Validation = field(default_factory=Validation)
    po: Po = field(default_factory=Po)
    inputs: tuple[Input, ...] = ()
    """Imagery that the net reads."""
    pretrain: Choice = field(default_factory=lambda: Choice("none"))
    """How the net's encoder is trained before it sees species: none, or a registered pretraining such as tile2vec."""
    train: Train = field(default_factory=Train)
    scores: Scores = field(default_factory=Scores)
    decode: Choice = field(default_factory=lambda: Choice("expected_f1"))
    correct: Choice = field(default_factory=lambda: Choice("none"))
    """What corrects the decided sets: none, or lists (of species that nearly all of the nearest surveys hold)."""
    submission: str = ""
    """Format of the submission: sets; ranked, species with their scores, as of 2020; empty: that of the edition."""
    beside: tuple[str, ...] = ()
    """Experiments that the report compares this one with, survey by survey."""
    name: str = ""


def options(member, choice, where):
    """The ``Options`` of a registered `member` for a `Choice`, validated."""
    return build(member.Options, choice.options, f"{where} {choice.name!r}")


def experiment_path(name):
    """Path of an experiment: ``conf/experiments/<name>.toml``, or `name` itself when it is a path."""
    path = Path(name)
    if path.suffix == ".toml" or len(path.parts) > 1:
        if not path.is_file():
            raise ConfigError(f"{path}: no such experiment file; expected a TOML file or one of: {_known()}")
        return path.resolve()
    path = CONF / "experiments" / f"{name}.toml"
    if not path.is_file():
        raise ConfigError(
            f"unknown experiment {name!r}; looked for {path}; expected one of: {_known()}, or the path of a TOML file"
            f"{did_you_mean(name, experiment_names())}"
        )
    return path


def experiment_names():
    """Names of the experiments in ``conf/experiments``, sorted."""
    return sorted(path.stem for path in (CONF / "experiments").glob("*.toml"))


def _known():
    return ", ".join(experiment_names())


def parts(name):
    """The base of an experiment's name and its changes; a ``+`` between quotes parts nothing."""
    return re.findall(r"""(?:[^+"']|"[^"]*"|'[^']*')+""", str(name))


def load(name):
    """Read and validate an experiment, the options of its model, loss and decoder included.

    name : of an experiment or the path of its TOML, and, to try other values without a new file, any number of
        ``+table.key=value`` behind it: ``votes+model.prior=500+validation.run=1``. The experiment is then called so.
    """
    base, *changes = parts(name)
    path = experiment_path(base)
    try:
        values = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not a TOML file: {error}") from error
    if "name" in values:
        raise ConfigError(f"{path}: unknown key 'name'; an experiment is called by its file's name")
    for change in changes:
        _change(values, change, name)
    experiment = build(Experiment, values, str(path))
    experiment = dataclasses.replace(experiment, name="+".join([path.stem, *changes]))
    try:
        _check(experiment)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    return experiment


def _change(values, change, where):
    key, equals, text = change.partition("=")
    if not equals or not key:
        raise ConfigError(
            f"experiment {where}: found {change!r}, expected table.key=value, as in votes+model.prior=500"
        )
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a string
    *tables, last = key.split(".")
    for table in tables:
        if isinstance(values, list):  # inputs.0.block
            if not table.isdigit() or int(table) >= len(values):
                raise ConfigError(f"experiment {where}: found {table!r} in {key!r}, expected 0 to {len(values) - 1}")
            values = values[int(table)]
            continue
        inner = values.get(table, {})
        if isinstance(inner, list):
            values[table] = values = [dict(one) for one in inner]
            continue
        # a choice may be written as its bare name
        values[table] = inner = {"name": inner} if isinstance(inner, str) else dict(inner)
        values = inner
    if last == "name" and values.get("name", value) != value:
        values.clear()  # another member has other options
    values[last] = value


def _check_bands(wanted):
    """Look up the bands of an input where its covariate declares what it has."""
    known = registry.covariates.get(wanted.tiles).declared
    unknown = [band for band in wanted.bands if known and band not in known and band.rpartition("_")[0] not in known]
    if unknown:
        raise ConfigError(
            f"inputs: tiles {wanted.tiles!r} has no band {unknown[0]!r}; expected some of: {', '.join(known)}"
            f"{did_you_mean(unknown[0], known)}"
        )


def _check_location(wanted):
    """Look up what an input tells of the place, and validate its options; the file itself is the task's concern."""
    choice, known = wanted.location, ["encoder", *registry.locations.choices()]
    if choice.name not in known:
        raise ConfigError(
            f"inputs: unknown location {choice.name!r}; expected one of: {', '.join(known)}"
            f"{did_you_mean(choice.name, known)}"
        )
    if choice.name == "encoder":
        build(EncoderFile, choice.options, "location 'encoder'")
    else:
        options(registry.locations.get(choice.name), choice, "location")


def _check_scores(experiment, net):
    """Refuse what a model cannot do when it predicts."""
    scores, name = experiment.scores, experiment.model.name
    if scores.dropout and not hasattr(registry.models.get(name), "dropped"):
        raise ConfigError(f"scores.dropout: found true, expected false for the model {name!r}; inception can")
    if scores.damaged_country and not any(one.tiles and not one.block for one in experiment.inputs):
        raise ConfigError(
            f"scores.damaged_country: found {scores.damaged_country!r}, expected none but of a net with pixels among "
            "its [[inputs]] (tiles, with block = 0)"
        )
    if scores.average != "probabilities" and not net:
        raise ConfigError(
            f"scores.average: found {scores.average!r}, expected 'probabilities' for the model {name!r}: only the nets "
            "of several folds are averaged"
        )


def _check_table(experiment):
    """Look up whether a model that is no net reads a table, and nothing else does it read."""
    name, inputs = experiment.model.name, experiment.inputs
    if "table" not in getattr(registry.models.get(name), "reads", ()):
        if inputs:
            raise ConfigError(f"inputs: model {name!r} is no net and reads no imagery; leave them out")
    elif [bool(one.table) for one in inputs] != [True]:
        found = ", ".join(one.name for one in inputs) or "none"
        raise ConfigError(
            f"inputs: found {found}, expected for model {name!r} one [[inputs]] with the rasters whose values it "
            'reads, such as table = ["bioclim", "soil"]'
        )


def _check(experiment):
    """Look up all that the experiment names, and validate the options."""
    chosen = [(registry.models, experiment.model), (registry.decoders, experiment.decode)]
    require(experiment.submission in ("", "sets", "ranked"), "submission", experiment, "'sets' or 'ranked'")
    net = registry.models.get(experiment.model.name).kind == "net"
    _check_scores(experiment, net)
    if net:
        chosen.append((registry.losses, experiment.train.loss))
    if experiment.pretrain.name != "none":
        chosen.append((registry.pretrainings, experiment.pretrain))
    if experiment.correct.name != "none":
        chosen.append((registry.corrections, experiment.correct))
    for kind, choice in chosen:
        options(kind.get(choice.name), choice, kind.kind)
    for one in experiment.inputs:
        for name in one.table:
            registry.covariates.get(name)
        if one.graph.name != "none":
            options(registry.graphs.get(one.graph.name), one.graph, "graph")
        if one.location.name != "none":
            _check_location(one)
        if one.tiles:
            registry.covariates.get(one.tiles)
            _check_bands(one)
    names = [one.name for one in experiment.inputs]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"inputs: {name!r} is there twice; join its bands in one [[inputs]] table")
    if not net:
        _check_table(experiment)
    if experiment.pretrain.name != "none" and not (net and experiment.inputs):
        raise ConfigError(
            f"pretrain: found {experiment.pretrain.name!r}, expected 'none' without [[inputs]] to learn from"
        )
    if experiment.pretrain.name != "none" and any(one.graph.name != "none" for one in experiment.inputs):
        raise ConfigError("pretrain: found a graph among [[inputs]], expected none: it is made of each fold's labels")
    if experiment.train.freeze and experiment.pretrain.name == "none":
        raise ConfigError("train.freeze: found true, expected a [pretrain] table: a random encoder would be kept")
    for name in experiment.beside:
        experiment_path(name.split("+")[0])
    if experiment.inputs and experiment.po.use == "pseudo":
        raise ConfigError("po.use: found 'pseudo', expected 'surveys' or 'none': pseudo-surveys have no inputs")
