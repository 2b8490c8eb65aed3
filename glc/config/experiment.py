"""The sections of an experiment: what changes its scores, and what each value may be.

`glc.config` builds an `Experiment` from its TOML and checks what takes more than one section, or a registry, to know.
"""

from dataclasses import field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from glc.config.fields import (
    NONE,
    SOME,
    Choice,
    Count,
    Dropout,
    Member,
    Natural,
    NotNegative,
    OpenShare,
    Positive,
    Rate,
    Rule,
    Seed,
    Share,
    require,
    section,
)
from glc.types import JSON


@section
class Surveys:
    """Reading the survey CSVs."""

    max_quarantine_fraction: Share = 0.05
    """Share of unusable rows in a file above which the run stops."""
    incomplete: Literal["frequent", "fail"] = "frequent"
    """Test surveys that cannot be used. frequent: they get the 25 most frequent species; fail: the run stops."""
    max_uncertainty_m: Positive = 10_000
    """Records of Darwin Core whose place is known less well than this, in metres, are quarantined."""
    basis_of_record: Annotated[tuple[str, ...], SOME] = (
        "HUMAN_OBSERVATION", "OBSERVATION", "MACHINE_OBSERVATION", "OCCURRENCE", "PRESERVED_SPECIMEN",
        "MATERIAL_SAMPLE", "MATERIAL_ENTITY", "MATERIAL_CITATION",
    )  # fmt: skip
    """Values of basisOfRecord of the records of Darwin Core that are used, and records that have none."""
    check_countries: bool = True
    """Whether records of Darwin Core are quarantined whose countryCode is of another country than their place."""
    squares_m: NotNegative = 0
    """Side of the squares of an atlas, metres: models take each place for the middle of its square. Where the squares
    begin follows from the presence-only records. 0: places are what they are."""
    squares_crs: Annotated[int, Ge(0)] = 0
    """EPSG code of the projection of an atlas's squares, in metres; 0: the UTM zone of the records."""

    def __post_init__(self) -> None:
        require(self.squares_m > 0 or not self.squares_crs, "squares_crs", self, "0 without squares_m")


@section
class Validation:
    """How training surveys are split into folds, and how many folds are run."""

    scheme: Literal["block", "knndm", "random", "quadrats"] = "block"
    """block: whole squares of `size_m` go to one fold; knndm: squares of the size with which surveys are as far from
    other folds as the surveys to predict are from the training surveys (Linnenbrink et al. 2024); random: each survey
    by itself (as both papers of 2024); quadrats: as random, after a share `held_out` of the squares is held out if the
    dataset has no test (2020)."""
    match: Literal["test", "area"] = "test"
    """Whose distances knndm matches. test: the surveys to predict; area: places all over the land that a map of the
    dataset covers, for scores of maps."""
    size_m: Positive = 30_000
    """Side of the squares, metres; GeoLifeCLEF 2020's quadrats have 5,000."""
    count: Annotated[int, Ge(2)] = 10
    """Folds that the training surveys are split into."""
    run: Count = 3
    """Folds that are fitted and scored, the first of `count`; a net's test scores are the mean of their models'."""
    seed: Seed = 0
    """Seed of the split."""
    stop: Literal["own", "next"] = "next"
    """Fold that stops the training of a net. next: the one after the evaluated fold, so that neither is learnt from;
    own: the evaluated fold itself, as the papers of 2024 do: a tenth more to learn from, and optimistic scores."""
    held_out: OpenShare = 0.025
    """Share of the quadrats that is held out as the test if there is none; only for the scheme quadrats."""

    def __post_init__(self) -> None:
        require(self.run <= self.count, "run", self, "1 to validation.count")
        require(self.scheme == "knndm" or self.match == "test", "match", self, "test unless the scheme is knndm")

    def stopping_fold(self, fold: int) -> int | None:
        """The other fold whose surveys stop the training of the net that is validated on `fold`; it learns neither.

        returns : None where the surveys of `fold` itself stop it
        """
        return (fold + 1) % self.count if self.stop == "next" else None


SPATIAL = ("block", "knndm")
"""Schemes of `Validation` that keep a survey's surroundings out of what its fold is learnt from."""


def caveat(scheme: str, stop: str = "next") -> str:
    """What a validation score has to be shown with; empty where whole blocks are held out and another fold stops.

    scheme : of `Validation`, by which surveys were dealt to folds
    stop : of `Validation`, which fold stopped the training
    """
    if stop == "own":
        if scheme in SPATIAL:
            return "fold that also stopped the training: optimistic"
        return f"{scheme} split whose fold also stopped the training: optimistic, more so for new places"
    return "" if scheme in SPATIAL else f"{scheme} split: optimistic for new places"


@section
class Po:
    """How presence-only occurrences become training examples of a net (Miyaguchi et al. 2024, section 7)."""

    use: Literal["none", "surveys", "only", "pseudo"] = "none"
    """none; surveys: each occurrence's survey is an example, too; only: they alone are, for a stage of a training (see
    `Start`); pseudo: occurrences within `radius_m` make one example."""
    radius_m: Annotated[float, Gt(0), Le(50_000)] = 3_000
    """Radius of a pseudo-survey, metres."""
    weight: Positive = 1.0
    """Weight of a presence-only example in the loss; a presence-absence survey has 1."""
    min_species: Count = 5
    """Pseudo-surveys with fewer species are dropped (and counted)."""


DECODER = "expected_f1"
"""The decoder where an experiment names none; options without a name are its own."""
Sources = Annotated[tuple[Literal["train", "po"], ...], SOME]
"""Datasets of labelled surveys: train, presence-absence; po, presence-only."""


@section
class Neighbours:
    """A neighbour table: which surveys near which (Miyaguchi et al. 2024, section 4.5)."""

    method: Literal["exact", "lsh"] = "exact"
    """exact; lsh: Spark's BucketedRandomProjectionLSH."""
    k: Natural = 10
    """Nearest neighbours kept; 0 keeps all within `radius_m`."""
    radius_m: Annotated[float, Gt(0), Le(500_000)] = 50_000
    """Largest distance of a neighbour, metres."""
    sources: Sources = ("train", "po")
    """Surveys among which neighbours are sought: train, presence-absence; po, presence-only."""
    bucket_length: NotNegative = 20.0
    """Length of the LSH's buckets, metres of the projection; 0 chooses it for `wanted_recall`."""
    tables: Count = 5
    """Hash tables of the LSH."""
    wanted_recall: OpenShare = 0.9
    """Share of the pairs 10 km apart (or `radius_m`, if that is less) that the LSH should find."""


@section
class Input:
    """What a net reads besides the coordinates: imagery, values, neighbours, features of the coordinates themselves.

    In a TOML each is a ``[[inputs]]`` table, with exactly one of tiles, cube, table, graph and location.
    """

    tiles: str = ""
    """Name of a covariate whose tiles are read; or"""
    cube: Literal["", "series", "landsat", "bioclim"] = ""
    """series (six quarterly tables), landsat or bioclim (cube files); or"""
    table: tuple[str, ...] = ()
    """Names of rasters whose values at the survey are read, and of what the survey files say: metadata (year, area,
    uncertainty, one-hot region and country), coordinates; or"""
    graph: Annotated[Choice, Member("graphs", ("none",))] = NONE
    """gfv: species of the neighbours in the ecological graph; kernels: records around; both only of surveys that the
    fold may see; or"""
    bands: tuple[str, ...] = ()
    """Bands of the tiles or table, or names along the cube's first axis; none: all. A categorical band stands for its
    classes."""
    block: Natural = 8
    """DCT coefficients kept per axis of a tile; 0 keeps the pixels."""
    size: Annotated[int, Ge(2)] = 128
    """Side of a tile, pixels."""
    classes_as: Literal["declared", "codes"] = "declared"
    """Categorical bands of tiles. declared: as the covariate declares them, usually a channel of zeros and ones per
    class; codes: class numbers as if they were measurements, one channel per band (Miyaguchi et al. 2024)."""
    coeffs: bool = False
    """Read the 64 1-D DCT coefficients of a series or landsat cube, laid out 8 x 8 as published, not its values."""
    years: tuple[int, ...] = ()
    """Years of a cube; none: all."""
    by_year: bool = False
    """Make a channel of each variable and year of a cube: the year's mean, missing where a month is. Otherwise a tile
    CNN takes one mean over all years and months per variable."""
    optional: bool = False
    """Skip tiles, a cube, or rasters of a table that the dataset does not have; what is skipped is reported."""
    location: Annotated[Choice, Member("locations", ("none", "encoder"))] = NONE
    """Features of the survey's longitude and latitude: a feature map of `glc.location.features`; or encoder, a
    pre-trained one, whose file is its `path` or that of the command line."""

    def __post_init__(self) -> None:
        chosen = [bool(self.tiles), bool(self.cube), bool(self.table)]
        chosen += [self.graph.name != "none", self.location.name != "none"]
        require(sum(chosen) == 1, "tiles", self, "one of tiles, cube, table, graph and location")
        require(self.block <= self.size, "block", self, "0 (pixels) to the side of the tile")
        of_a_series = self.cube in ("series", "landsat")
        require(not self.coeffs or of_a_series, "coeffs", self, "false: only series and landsat have them")
        require(not self.years or (self.cube and not self.coeffs), "years", self, "none: only cubes without coeffs")
        require(
            not self.by_year or (self.cube and not self.coeffs), "by_year", self, "false: only cubes without coeffs"
        )
        require(self.classes_as == "declared" or self.tiles, "classes_as", self, "'declared': only tiles have codes")
        require(not self.optional or self.stored, "optional", self, "false: only tiles, cubes and tables can be absent")
        if self.location.name != "none":
            require(not self.bands, "bands", self, "none: a location input uses all its features")
            for key in ("block", "size"):
                usual = getattr(Input, key)
                require(getattr(self, key) == usual, key, self, f"its default, {usual}: a location has no tiles")

    @property
    def name(self) -> str:
        """Name of its column in a batch."""
        if self.location.name != "none":
            return f"location_{self.location.name}"
        if self.table:
            return "table"
        return self.tiles or (f"{self.cube}_cube" if self.cube else self.graph.name)

    @property
    def stored(self) -> bool:
        """Whether it is a table on disk; graphs and locations are made when they are read."""
        return self.graph.name == self.location.name == "none"


@section
class EncoderFile:
    """Options of the location ``encoder``."""

    path: str = ""
    """The encoder's file (``location.ckpt``); empty: that of the command line."""


def _rising(values: tuple[float, ...]) -> bool:
    return list(values) == sorted(set(values))


@section
class Train:
    """Training of a net (Lightning), shared by every architecture."""

    loss: Annotated[Choice, Member("losses")] = field(default_factory=lambda: Choice("asl"))
    """Loss of the species."""
    batch_size: Count = 256
    """Examples per step."""
    max_epochs: Count = 60
    """Maximum number of epochs."""
    patience: Count = 6
    """Validations without a better score after which training stops."""
    monitor: Literal["f1", "loss", "top30"] = "f1"
    """f1: sample-averaged F1 of the top 25 on validation (higher is better); loss: validation loss; top30: share of
    the true species among the 30 best, for a loss that has it (`Loss.monitors`), such as cross_entropy."""
    learning_rate: Positive = 2e-3
    """Step size of the optimiser."""
    find_learning_rate: bool = False
    """Let Lightning's learning-rate finder choose; `learning_rate` is then only its starting point."""
    weight_decay: NotNegative = 1e-4
    """Decoupled weight decay of adamw; L2 penalty of sgd."""
    class_weights: bool = False
    """Weight each class by its normalised training frequency, as the 2024 paper tried with BCE."""
    freeze: bool = False
    """Keep a pretrained encoder as it is, and train the classifier on it alone."""
    seed: Seed = 0
    """Seed of the weights at the start, the batches and dropout."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """float32; or bfloat16: products of the net's layers in bfloat16, its weights and the loss in float32."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """adamw or sgd."""
    momentum: Dropout = 0.0
    """Momentum of sgd; Deneu et al. 2020 mention none."""
    milestones: Annotated[tuple[Count, ...], Rule(_rising, "epochs, each above the one before")] = ()
    """Epochs done at which the learning rate is multiplied by `gamma`."""
    gamma: Rate = 0.1
    """Factor of the learning rate at a milestone."""
    validate_every: Count = 1
    """Epochs from one validation to the next."""

    def __post_init__(self) -> None:
        within = self.validate_every <= self.max_epochs
        require(within, "validate_every", self, f"1 to {self.max_epochs}, the epochs of a training")


@section
class CrossFusion:
    """Cross-fusion of a net's folds (Liu et al. 2024): the first trains from scratch, the others start from its net.

    Through that net the others have seen the labels of their validation folds: only the first fold's scores are
    honest, and only they are evaluated.
    """

    use: bool = False
    """Start the other folds from the first fold's net."""
    max_epochs: Count = 10
    """Maximum number of epochs of a fold that starts from the first fold's net."""
    rate: Positive = 0.2
    """Its learning rate, as a share of the rate that the first fold's net was trained with."""


@section
class Start:
    """Training in stages: the net of each fold goes on from the same fold's net of another experiment.

    Presence-only records first, presence-absence surveys after them: winners of GeoLifeCLEF 2023 and 2025 trained so.
    Neither stage sees the fold that is evaluated.
    """

    experiment: str = ""
    """The stage before: an experiment with the same net and inputs, trained on the surveys, the folds and with the seed
    of this one; empty: the net starts from weights at random."""


@section
class Scores:
    """Which scores are kept on disk."""

    keep: Annotated[int, Ge(25)] = 4096
    """Number of highest scores kept per survey; with fewer species, all are kept."""
    average: Literal["probabilities", "logits"] = "probabilities"
    """What is averaged over the folds' nets for the test: probabilities; or logits, as Liu et al. 2024 (eq. 10)."""
    refit: bool = True
    """Whether a classical model is fitted once more, to all training surveys, to score the test; false: the mean of the
    folds' models scores it, as nets always do and as Deneu et al. 2020 did with their forest."""


@section
class Experiment:
    """One experiment: everything that changes its scores."""

    model: Annotated[Choice, Member("models")]
    """What predicts."""
    description: str = ""
    """What it is, in one sentence."""
    surveys: Surveys = field(default_factory=Surveys)
    validation: Validation = field(default_factory=Validation)
    po: Po = field(default_factory=Po)
    inputs: tuple[Input, ...] = ()
    """What the model reads besides the coordinates."""
    pretrain: Annotated[Choice, Member("pretrainings", ("none",))] = NONE
    """How the net's encoder is trained before it sees species: none, or a registered pretraining such as tile2vec."""
    train: Train = field(default_factory=Train)
    cross_fusion: CrossFusion = field(default_factory=CrossFusion)
    start: Start = field(default_factory=Start)
    predict: dict[str, JSON] = field(default_factory=dict, hash=False)
    """Options of prediction only, which the net itself defines (its ``Prediction``); most nets have none."""
    scores: Scores = field(default_factory=Scores)
    decode: Annotated[Choice, Member("decoders")] = field(default_factory=lambda: Choice(DECODER))
    """How scores become a set of species."""
    postprocess: Annotated[Choice, Member("corrections", ("none",))] = NONE
    """What is done to the decided sets: none, or lists (of species that nearly all of the nearest surveys have)."""
    submission: Literal["", "sets", "ranked"] = ""
    """Format of the submission: sets; ranked, species with their scores, as of 2020; empty: that of the edition."""
    compare_with: tuple[str, ...] = ()
    """Experiments that the report compares this one with, survey by survey; of those on other folds it shows the
    score."""
    name: str = ""
    """Name of the experiment: that of its file, not a key in it."""
