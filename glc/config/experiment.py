"""The sections of an experiment: what changes its scores, and what each value may be.

`glc.config` builds an `Experiment` from its TOML and checks what takes more than one section, or a registry, to know.
"""

from dataclasses import dataclass, field

from glc.config.fields import Choice, require

CUBES = ("series", "landsat", "bioclim")


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
    held_out: float = 0.025
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
    optional: bool = False
    """Do without it, or without the rasters of a table, where the dataset's folders have none (and say so)."""
    location: Choice = field(default_factory=lambda: Choice("none"))
    """What tells of the survey's longitude and latitude: a feature map of `glc.location.features`, or encoder, a
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
        require(not self.optional or self.stored, "optional", self, "false: no dataset lacks a graph or a location")
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
    precision: str = "float32"
    """float32; or bfloat16: products of the net's layers in bfloat16, its weights and the loss in float32."""
    optimizer: str = "adamw"
    """adamw; or sgd, whose `weight_decay` is the L2 penalty."""
    momentum: float = 0.0
    """Of sgd; Deneu et al. 2020 tell of none."""
    milestones: tuple[int, ...] = ()
    """Epochs done at which the learning rate is multiplied by `gamma`."""
    gamma: float = 0.1
    validate_every: int = 1
    """Epochs from one validation to the next."""

    def __post_init__(self):
        for name in ("batch_size", "max_epochs", "patience", "validate_every"):
            require(getattr(self, name) >= 1, f"train.{name}", self, "at least 1")
        expected = f"1 to {self.max_epochs}, the epochs of a training"
        require(self.validate_every <= self.max_epochs, "train.validate_every", self, expected)
        require(self.optimizer in ("adamw", "sgd"), "train.optimizer", self, "'adamw' or 'sgd'")
        require(0 <= self.momentum < 1, "train.momentum", self, "at least 0 and below 1")
        rising = list(self.milestones) == sorted(set(self.milestones)) and min(self.milestones, default=1) >= 1
        require(rising, "train.milestones", self, "epochs above 0, each above the one before")
        require(0 < self.gamma <= 1, "train.gamma", self, "above 0 and at most 1")
        require(self.precision in ("float32", "bfloat16"), "train.precision", self, "'float32' or 'bfloat16'")
        require(self.learning_rate > 0, "train.learning_rate", self, "a number above 0")
        require(self.weight_decay >= 0, "train.weight_decay", self, "0 or above")
        measures = ("f1", "loss", "top30") if self.loss.name == "cross_entropy" else ("f1", "loss")
        told = "'f1' or 'loss', or 'top30' beside the loss cross_entropy"
        require(self.monitor in measures, "train.monitor", self, told)


@dataclass(frozen=True)
class CrossFusion:
    """Cross-fusion of a net's folds (Liu et al. 2024): the first trains from scratch, the others start from its net.

    Through that net the others have seen the labels of their validation folds: only the first fold's scores are
    honest, and only they are evaluated.
    """

    use: bool = False
    max_epochs: int = 10
    """Most epochs of a fold that starts from the first fold's net."""
    rate: float = 0.2
    """Its learning rate, as a share of the rate that the first fold's net was trained with."""

    def __post_init__(self):
        require(self.max_epochs >= 1, "cross_fusion.max_epochs", self, "at least 1")
        require(self.rate > 0, "cross_fusion.rate", self, "a number above 0")


@dataclass(frozen=True)
class Scores:
    """Which scores are kept on disk."""

    keep: int = 4096
    """Highest scores kept for each survey; below this many species nothing is cut."""
    average: str = "probabilities"
    """Of the folds' nets for the test: probabilities; or logits, as Liu et al. 2024 (eq. 10)."""

    def __post_init__(self):
        require(self.keep >= 25, "scores.keep", self, "at least 25")
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
    cross_fusion: CrossFusion = field(default_factory=CrossFusion)
    predict: dict = field(default_factory=dict, hash=False)
    """Options of prediction only, which the net itself defines (its ``Prediction``); most nets have none."""
    scores: Scores = field(default_factory=Scores)
    decode: Choice = field(default_factory=lambda: Choice("expected_f1"))
    correct: Choice = field(default_factory=lambda: Choice("none"))
    """What corrects the decided sets: none, or lists (of species that nearly all of the nearest surveys hold)."""
    submission: str = ""
    """Format of the submission: sets; ranked, species with their scores, as of 2020; empty: that of the edition."""
    beside: tuple[str, ...] = ()
    """Experiments that the report compares this one with, survey by survey."""
    name: str = ""
