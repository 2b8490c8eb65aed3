"""Liu et al. 2024: the Tighnari system, third of GeoLifeCLEF 2024 (graph vectors, temporal Swin, cross-attention).

    python -m luigi --module tasks.tighnari_2024 tighnari_2024.Table3 --dataset virtual:small --preset cpu
    python -m luigi --module tasks.tighnari_2024 tighnari_2024.Table3 --preset gpu --only GFV --weights-folder FOLDER

and so on: Table1, Table2, LossCurves; Paper runs all and shows them on one page. Every row of a table is trained from
three seeds (``--seeds``); each net of each fold is one output, so an interrupted run continues where it stopped. The
folder has pre-trained weights of the image nets.
"""

import re
from dataclasses import replace

import luigi

from glc import config, storage
from glc.config import Variant
from glc.errors import ConfigError
from glc.report.papers import LEADERBOARD, Reported
from glc.report.published import TIGHNARI_2024 as PAPER
from glc.tasks.base import DatasetTask
from glc.tasks.curves import Losses
from glc.tasks.evaluate import Evaluate
from glc.tasks.paper import PaperPage, PaperTable, table
from glc.tasks.parameters import ChoiceParameter, CountParameter, imagery_folder
from glc.tasks.tables import Row, SeedTable
from glc.tasks.training import fits
from glc.tasks.weights import weights
from glc.types import JSON, Facts

luigi.namespace("tighnari_2024", scope=__name__)

PRESETS: dict[str, dict[str, JSON]] = {
    # a quarter of the published widths; depths and heads as published; images from the DCT coefficients of 32 pixels
    "cpu": {
        "inputs.0.block": 32,
        "validation.count": 5,
        "validation.run": 3,
        "model.resize": 32,
        "model.scale": 0.25,
        "model.width": 24,
        "model.hidden": 1024,
        "model.prior": True,
        "train.learning_rate": 1e-3,
        "train.max_epochs": 5,
        "train.patience": 2,
        "cross_fusion.max_epochs": 2,
    },
    "gpu": {
        "validation.count": 10,
        "validation.run": 10,
        "model.resize": 224,
        "model.checkpointing": True,
        "train.precision": "bfloat16",
    },
}
_SWIN = {"model.temporal": "swin"}
_HCAM = {"model.fusion": "hcam"}
_EFFICIENTNET = {"model.image": "efficientnet_b0"}
_CROSS_FUSION = {"cross_fusion.use": True, "scores.average": "logits"}
TABLES_READ = ("metadata", "coordinates", "bioclim", "elevation", "soil", "landcover_modis", "footprint")
"""The tabular modality (section 3.1): metadata of the surveys, and every environmental table of the contest."""
WINDOWS: list[dict[str, JSON]] = [
    {"tiles": "bioclim", "size": 32, "block": 8, "optional": True},
    {"tiles": "elevation", "size": 64, "block": 16, "optional": True},
]
"""Windows of rasters, each of its own size in pixels; what is smooth needs few coefficients (ours)."""
_FIGURES = re.compile(r"(-|\.\d+) / (-|\.\d+) / (-|\.\d+)")
_BLOCKS = {"validation.scheme": "block", "validation.stop": "next"}
"""Folds of whole spatial blocks, another one stopping the training: what a new place can expect (ours)."""
_RANDOM_WEIGHTS = {"model.weights": "random"}
_BEST_K = {"decode.name": "threshold_top_k", "decode.lowest": 1.0, "decode.highest": 1.0}


class TighnariTable(SeedTable):
    """Rows that change the organisers' baseline, at the size of a preset."""

    preset = ChoiceParameter(
        variable="PRESET", choices=tuple(PRESETS), default="cpu", description="sizes and epochs: cpu or gpu"
    )
    paper = PAPER
    published_in = PAPER.name
    heading: str
    """The title, without what the image nets start from."""

    @property
    def title(self) -> str:  # type: ignore[override]
        return self.heading if self.has_weights else f"{self.heading}, random weights"

    @property
    def has_weights(self) -> bool:
        """Whether the command line names a folder of pre-trained weights."""
        return bool(weights().folder)

    @property
    def reduced(self) -> str:
        lacking = {"preset cpu": self.preset == "cpu", "random weights": not self.has_weights}
        return "; ".join(text for text, there in lacking.items() if there)

    def check(self) -> None:
        super().check()
        if self.has_weights and self.preset == "cpu":
            raise ConfigError(
                "--preset: found cpu with --weights-folder (make: WEIGHTS=), expected gpu: the weights have the "
                "published widths, of which the preset cpu has a quarter; leave one of the two out"
            )

    def measured_on(self) -> list[str]:
        changes = ", ".join(f"{key} {value}" for key, value in PRESETS[self.preset].items())
        return [*super().measured_on(), f"Preset {self.preset}: {changes}."]

    def reported(self, row: Row) -> Reported:
        figures = _FIGURES.match(str(row.paper))
        if not figures:
            return super().reported(row)
        own = "optimistic F1" if config.load(row.experiment).cross_fusion.use else "validation F1"
        columns = (own, *LEADERBOARD)
        values = {column: float(text) for column, text in zip(columns, figures.groups(), strict=True) if text != "-"}
        return Reported(str(row.paper), values)

    def table_name(self) -> str:
        name, mark, part = super().table_name().partition("~")
        return f"{name}-{self.preset}{'-weights' if self.has_weights else ''}{mark}{part}"

    @property
    def baseline(self) -> Variant:
        """The organisers' baseline at this preset."""
        return Variant("official-baseline").changed(PRESETS[self.preset])

    def inputs(self, graph: str = "", windows: bool = False) -> dict[str, JSON]:
        """The change that adds tables to the baseline's inputs.

        graph : `training` of graph vectors that are added; empty: none
        windows : add windows of rasters around the survey as images (section 5.2)
        """
        inputs: list[dict[str, JSON]] = [
            {"tiles": "sentinel2", "block": PRESETS[self.preset].get("inputs.0.block", 0)},
            {"cube": "series"},
            {"cube": "bioclim"},
            {"table": [*TABLES_READ], "optional": True},
        ]
        if windows:
            inputs += WINDOWS
        if graph:
            inputs.append({"graph": {"name": "gfv", "normalise": "standard", "training": graph}})
        return {"inputs": inputs}

    def nets(self, key: str, nets: dict[str, tuple[str, str]]) -> list[Row]:
        """The baseline with each net as ``model.<key>``; label -> (net, the paper's figures). They add to the first.

        Each is a row on spatial blocks, too; the first also without pre-trained weights where the others have them.
        """
        first = next(iter(nets))
        rows = [
            Row(label, self.baseline.changed(model={key: net}), paper, over="" if label == first else first)
            for label, (net, paper) in nets.items()
        ]
        on_blocks = f"{first}, spatial blocks (ours)"
        rows += [
            Row(
                f"{row.label}, spatial blocks (ours)",
                row.experiment.changed(_BLOCKS),
                over=None if row.label == first else on_blocks,
            )
            for row in list(rows)
        ]
        if self.has_weights:
            at_random = self.baseline.changed(_RANDOM_WEIGHTS | {f"model.{key}": nets[first][0]})
            rows.append(Row(f"{first}, random weights (ours)", at_random, over=first))
        return rows

    def trainings(self) -> dict[str, dict[str, tuple[Variant, int]]]:
        """Learning curves that are worth a look: title -> label -> (experiment, fold); rows that share a net once."""
        nets: dict[str, tuple[Variant, int]] = {}
        shown: set[str] = set()
        for row in self.all_rows():
            settings = config.load(row.experiment)
            trained = repr(
                [settings.model, settings.inputs, settings.train, config.to_dict(settings.validation) | {"run": 0}]
            )
            if trained not in shown and not settings.cross_fusion.use:
                nets[row.label] = (row.experiment, 0)
            shown.add(trained)
        return {"nets": nets}


class Table1(TighnariTable):
    """Nets of images (section 4.1)."""

    heading = "Tighnari, Table 1: nets of images"

    def all_rows(self) -> list[Row]:
        nets = {
            "Swin-T": ("swin_tiny_patch4_window7_224", ".42110 / .32774 / .32816; loss .00379, 271 s"),
            "ViT-B": ("vit_base_patch16_224", ".42645 / .33376 / .33280; loss .00379, 550 s"),
            "ConvNeXt-B": ("convnext_base", ".42066 / .33104 / .32792; loss .00381, 705 s"),
            "EfficientNet-B0": ("efficientnet_b0", ".41114 / .33316 / .33085; loss .00393, 130 s"),
        }
        return self.nets("image", nets)


class Table2(TighnariTable):
    """Nets of time series (section 4.1)."""

    heading = "Tighnari, Table 2: nets of time series"

    def all_rows(self) -> list[Row]:
        nets = {
            "ResNet18": ("resnet18", ".42110 / .32774 / .32816; loss .00379, 271 s"),
            "Swin": ("swin", ".42319 / .33428 / .33476; loss .00377, 279 s"),
            "ViT": ("vit", ".41794 / .31680 / .31772; loss .00390, 277 s"),
            "EfficientNet-B0": ("efficientnet_b0", ".42083 / .31940 / .31996; loss .00381, 292 s"),
            "MobileNet-V3": ("mobilenetv3_large_100", ".41479 / .31435 / .31649; loss .00390, 284 s"),
            "Xception41": ("xception41", ".42737 / .32488 / .32216; loss .00377, 302 s"),
        }
        return self.nets("temporal", nets)


class Table3(TighnariTable):
    """The ablation: what each part adds (section 4.2), and what the paper leaves open (ours)."""

    heading = "Tighnari, Table 3: ablation"
    remarks = (
        "The paper does not say where its tables are joined, nor its widths: tables have their own row (ours). All "
        "nets train with mixup, as published; a row shows the baseline without.",
        "The organisers' own baseline has .31626 on the private leaderboard, and .32359 with the best K, which is "
        "chosen on validation; the nets here are the baseline that the paper rebuilt in timm, of .32816.",
        "Section 3.7 contradicts itself: eq. 14 predicts the species above the threshold and the K best (union); the "
        "text before it filters the K best by the threshold (intersection), so that no survey is forced to K species. "
        "The paper's figures are those of one of the two, which it does not say; both are rows.",
        "Cross-fusion: the nets of all folds are averaged for the test. Its honest validation is fold 0 alone, whose "
        "net is that of the row it adds to (so there is no difference); optimistic F1 is what the paper reports; "
        "the validation loss of cloned nets is optimistic too.",
        "skipped: inputs that the dataset does not have; a virtual world has no human footprint. "
        "isolated: surveys without a neighbour whose labels they may see, hence without a graph vector. lists: surveys "
        "with a non-empty list of highly probable species.",
    )

    def all_rows(self) -> list[Row]:
        folds = PRESETS[self.preset]["validation.run"]
        tables = _SWIN | self.inputs()
        gfv, block = (_SWIN | self.inputs(training) for training in ("leave_one_out", "block"))
        fused = gfv | _HCAM | _CROSS_FUSION
        threshold = fused | {"decode.name": "threshold_top_k"}
        intersection = threshold | {"decode.reading": "intersection"}
        corrected = threshold | {"postprocess.name": "lists"}
        swin, effnet = "temporal Swin for ResNet18", "EfficientNet-B0 for Swin-T"
        without, cross = f"{folds}-fold cross-fusion without HCAM, GFV", self.fused_label
        rows: list[tuple[str, dict[str, JSON], str, str]] = [
            ("baseline", {}, ".42110 / .32774 / .32816; 271 s", ""),
            ("baseline, best K", _BEST_K, "- / - / .32359", "baseline"),
            ("baseline, without mixup (ours)", {"model.mixup": 0.0}, "", "baseline"),
            (swin, _SWIN, ".42319 / .33428 / .33476; 279 s", "baseline"),
            (effnet, _EFFICIENTNET, ".41114 / .33316 / .33085; 130 s", "baseline"),
            ("EfficientNet-B0 and temporal Swin", _EFFICIENTNET | _SWIN, ".40824 / .30872 / .31349; 137 s", effnet),
            ("+ tables (ours)", tables, "", swin),
            ("+ raster windows (ours)", _SWIN | self.inputs(windows=True), "", "+ tables (ours)"),
            ("+ GFV", gfv, ".43950 / .32251 / .32543; 290 s", "+ tables (ours)"),
            ("+ GFV, of other blocks (ours)", block, "", "+ tables (ours)"),
            ("+ HCAM", gfv | _HCAM, ".42489 / .33186 / .33358; 292 s", "+ GFV"),
            ("+ HCAM, GFV of other blocks (ours)", block | _HCAM, "", "+ GFV, of other blocks (ours)"),
            ("+ HCAM over token maps (ours)", gfv | _HCAM | {"model.tokens": "map"}, "", "+ HCAM"),
            (without, _SWIN | _CROSS_FUSION, ".49120 / .34790 / .34625", swin),
            (cross, fused, ".50455 / .35170 / .34994", "+ HCAM"),
            ("+ threshold top-K", threshold, ".52655 / .36428 / .36121", cross),
            ("+ threshold top-K, intersection", intersection, "", cross),
            ("+ K alone (ours)", fused | _BEST_K, "", cross),
            ("+ output correction", corrected, "- / .36478 / .36242", "+ threshold top-K"),
            (
                "+ output correction, lists of PO alone",
                corrected | {"postprocess.sources": ["po"]},
                "steadier",
                "+ threshold top-K",
            ),
        ]
        if self.has_weights:
            rows.append(("baseline, random weights (ours)", _RANDOM_WEIGHTS, "", "baseline"))
        settings = {"baseline, best K": "net rebuilt in timm, not the organisers' own"}
        made = [
            Row(label, self.baseline.changed(changes), paper, over, settings.get(label, ""))
            for label, changes, paper, over in rows
        ]
        on_blocks = {"baseline": {}, swin: _SWIN, "+ tables (ours)": tables, "+ GFV": gfv, "+ HCAM": gfv | _HCAM}
        before = None
        for label, changes in on_blocks.items():
            name = f"{label.removesuffix(' (ours)')}, spatial blocks (ours)"
            made.append(Row(name, self.baseline.changed(changes | _BLOCKS), over=before))
            before = name
        return made

    @property
    def fused_label(self) -> str:
        """Label of the row of cross-fusion with all parts."""
        return f"{PRESETS[self.preset]['validation.run']}-fold cross-fusion with HCAM, GFV"

    def trainings(self) -> dict[str, dict[str, tuple[Variant, int]]]:
        """The nets, and the folds of cross-fusion."""
        fused = next(row.experiment for row in self.all_rows() if row.label == self.fused_label)
        folds = range(PRESETS[self.preset]["validation.run"])
        return {
            **super().trainings(),
            f"folds of {self.fused_label.partition('-fold ')[2]}": {f"fold {fold}": (fused, fold) for fold in folds},
        }

    def columns(self, task: Evaluate) -> Facts:
        """Inputs that the dataset lacks, isolated nodes and non-empty lists, which no seed changes."""
        facts = [storage.manifest(fit.folder) for fit in fits(task)]
        lists = storage.manifest(task.predictions().folder).get("corrected")
        return {
            "skipped": ", ".join(facts[0].get("left_out", ())),
            "isolated": _isolated([of_fold.get("gfv") for of_fold in facts]),
            "lists": _lists(lists),
        }


TABLES = {1: Table1, 2: Table2, 3: Table3}


class LossCurves(Losses):
    """Training and validation loss of a table's nets, and of the folds of cross-fusion (Figures 10 and 12)."""

    title = "Tighnari"
    published_in = PAPER.name
    preset = ChoiceParameter(
        variable="PRESET", choices=tuple(PRESETS), default="cpu", description="sizes and epochs: cpu or gpu"
    )
    table = luigi.ChoiceParameter(choices=tuple(TABLES), var_type=int, default=3, description="whose nets are drawn")

    def table_name(self) -> str:
        return f"{super().table_name()}-table{self.table}-{self.preset}"

    def groups(self) -> dict[str, dict[str, tuple[Variant, int]]]:
        return self.clone(TABLES[self.table]).trainings()


class Paper(DatasetTask, PaperPage):
    """Tables 1 to 3 and the curves of their nets on one page; by default each row is trained once."""

    paper_name = "tighnari-2024"
    heading = "Tighnari 2024: graph vectors, temporal Swin and cross-attention"
    about = ("Liu et al. 2024, third of GeoLifeCLEF 2024.",)
    preset = ChoiceParameter(
        variable="PRESET", choices=tuple(PRESETS), default="cpu", description="sizes and epochs: cpu or gpu"
    )
    seeds = CountParameter(default=1, description="trainings of each row; published tables: 3 here")
    only = luigi.Parameter(
        default="", description="run only rows whose label contains this text; separate several with |"
    )
    imagery_folder = imagery_folder()

    def entries(self) -> list[PaperTable]:
        entries = []
        for number, family in TABLES.items():
            task = self.clone(family)
            entries.append(table(str(number), task, "" if task.chosen() else f"No row is called {self.only!r}."))
        whole = not self.only
        curves = [self.clone(LossCurves, table=number) for number in TABLES] if whole else []
        return [
            *entries,
            *(
                replace(table(f"curves-{task.table}", task), title=f"Training and validation loss, table {task.table}")
                for task in curves
            ),
        ]

    def page_name(self) -> str:
        return self.clone(Table1).table_name().replace("tighnari_2024-table1", self.paper_name)

    def further(self) -> list[str]:
        weights_of = "pre-trained weights" if self.clone(Table1).has_weights else "random weights"
        return [f"Preset {self.preset}, {weights_of}, {self.seeds} training{'s' * (self.seeds > 1)} of each row."]


def _isolated(graphs: list[dict[str, JSON] | None]) -> str:
    """Shares of isolated nodes by role, mean over the folds, as text."""
    if not all(graphs):
        return ""
    shares = {
        {"train": "training", "valid": "validation", "test": "test"}[role]: [
            graph["isolated"][role] for graph in graphs
        ]
        for role in ("train", "valid", "test")
    }
    return ", ".join(f"{role} {sum(share) / len(share):.0%}" for role, share in shares.items())


def _lists(corrected: dict[str, JSON] | None) -> str:
    """How many surveys have a non-empty list, as text."""
    if not corrected:
        return ""
    parts = {"validation": [facts for name, facts in corrected.items() if name != "test"], "test": [corrected["test"]]}
    return ", ".join(
        f"{name} {sum(facts['merged']['non_empty'] for facts in part):,} of "
        f"{sum(facts['merged']['queries'] for facts in part):,}"
        for name, part in parts.items()
    )
