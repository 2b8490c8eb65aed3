"""Liu et al. 2024: the Tighnari system, third of GeoLifeCLEF 2024 (graph vectors, temporal Swin, cross-attention).

    python -m luigi --module tasks.tighnari_2024 tighnari_2024.Table3 --dataset virtual:small --preset cpu
    python -m luigi --module tasks.tighnari_2024 tighnari_2024.Table3 --preset cpu --only GFV

and so on: Table1, Table2, LossCurves. Every row is trained from three seeds (``--seeds``), each net of each fold is an
output of its own, and so a run that was broken off goes on where it was.
"""

import luigi

from glc import storage
from glc.tasks.curves import Losses
from glc.tasks.scores import Fit
from glc.tasks.submission import Predictions
from glc.tasks.tables import Row, SeedTable

PRESETS = {
    # a quarter of the published widths; depths and heads as published; images from the DCT terms that 32 pixels hold
    "cpu": {
        "inputs.0.block": 32,
        "validation.count": 5,
        "validation.run": 3,
        "model.resize": 32,
        "model.scale": 0.25,
        "model.width": 24,
        "model.hidden": 1024,
        "model.prior": "true",
        "train.learning_rate": 1e-3,
        "train.max_epochs": 5,
        "train.patience": 2,
        "cross_fusion.max_epochs": 2,
    },
    "gpu": {
        "validation.count": 10,
        "validation.run": 10,
        "model.resize": 224,
        "model.checkpointing": "true",
        "train.precision": "bfloat16",
    },
}
_SWIN = "model.temporal=swin"
_HCAM = "model.fusion=hcam"
_CLONED = ("cross_fusion.use=true", "scores.average=logits")
_DIFFERENT = (
    "The paper's figures (validation / public / private F1; seconds an epoch on an A100) are of the contest: judge "
    "order and direction, not size."
)


class TighnariTable(SeedTable):
    """Rows that change the organisers' baseline, at the size of a preset."""

    preset = luigi.ChoiceParameter(choices=tuple(PRESETS), default="cpu", description="sizes and epochs: cpu or gpu")
    remarks = (_DIFFERENT,)

    def table_name(self):
        name, mark, part = super().table_name().partition("~")
        return f"{name}-{self.preset}{mark}{part}"

    def experiment(self, *changes):
        """The baseline at this preset, with `changes`."""
        return "+".join(["official-baseline", *(f"{k}={v}" for k, v in PRESETS[self.preset].items()), *changes])

    def inputs(self, graph=""):
        """The change that adds tables to the baseline's inputs, and graph vectors whose `training` is `graph`."""
        block = PRESETS[self.preset].get("inputs.0.block", 0)
        parts = [f'{{tiles="sentinel2",block={block}}}', '{cube="series"}', '{cube="bioclim"}']
        parts += ['{table=["bioclim","elevation","soil","landcover_modis"]}']
        parts += [f'{{graph={{name="gfv",normalise="standard",training="{graph}"}}}}'] if graph else []
        return f"inputs=[{','.join(parts)}]"


class Table1(TighnariTable):
    """Nets of images (section 4.1)."""

    task_namespace = "tighnari_2024"
    title = "Tighnari, Table 1: nets of images"

    def all_rows(self):
        nets = {
            "Swin-T": ("swin_tiny_patch4_window7_224", ".42110 / .32774 / .32816; loss .00379, 271 s"),
            "ViT-B": ("vit_base_patch16_224", ".42645 / .33376 / .33280; loss .00379, 550 s"),
            "ConvNeXt-B": ("convnext_base", ".42066 / .33104 / .32792; loss .00381, 705 s"),
            "EfficientNet-B0": ("efficientnet_b0", ".41114 / .33316 / .33085; loss .00393, 130 s"),
        }
        return [
            Row(label, self.experiment(f"model.image={net}"), paper, over="" if label == "Swin-T" else "Swin-T")
            for label, (net, paper) in nets.items()
        ]


class Table2(TighnariTable):
    """Nets of time series (section 4.1)."""

    task_namespace = "tighnari_2024"
    title = "Tighnari, Table 2: nets of time series"

    def all_rows(self):
        nets = {
            "ResNet18": ("resnet18", ".42110 / .32774 / .32816; loss .00379, 271 s"),
            "Swin": ("swin", ".42319 / .33428 / .33476; loss .00377, 279 s"),
            "ViT": ("vit", ".41794 / .31680 / .31772; loss .00390, 277 s"),
            "EfficientNet-B0": ("efficientnet_b0", ".42083 / .31940 / .31996; loss .00381, 292 s"),
            "MobileNet-V3": ("mobilenetv3_large_100", ".41479 / .31435 / .31649; loss .00390, 284 s"),
            "Xception41": ("xception41", ".42737 / .32488 / .32216; loss .00377, 302 s"),
        }
        return [
            Row(label, self.experiment(f"model.temporal={net}"), paper, over="" if label == "ResNet18" else "ResNet18")
            for label, (net, paper) in nets.items()
        ]


class Table3(TighnariTable):
    """The ablation: what each part adds (section 4.2), and what the paper leaves open beside it (ours)."""

    task_namespace = "tighnari_2024"
    title = "Tighnari, Table 3: ablation"
    remarks = (
        _DIFFERENT,
        "The paper does not tell where its tables join, nor its widths: tables have a row of their own (ours). The "
        "baseline trains without mixup, whose effect is a row too.",
        "Cross-fusion: all folds' nets are averaged for the test. Its honest validation is fold 0 alone, whose net is "
        "that of the row it adds to (so there is no difference), optimistic F1 is what the paper reports; "
        "the validation loss of cloned nets is optimistic too.",
        "isolated: surveys without a neighbour whose labels they may see, so without a graph vector. lists: surveys "
        "with a non-empty list of highly probable species.",
    )

    def all_rows(self):
        folds = PRESETS[self.preset]["validation.run"]
        tables = self.inputs()
        gfv, block = (self.inputs(training) for training in ("leave_one_out", "block"))
        fused = (_SWIN, gfv, _HCAM, *_CLONED)
        threshold = "decode.name=threshold_top_k"
        swin, effnet = "temporal Swin for ResNet18", "EfficientNet-B0 for Swin-T"
        without, cross = f"{folds}-fold cross-fusion without HCAM, GFV", f"{folds}-fold cross-fusion with HCAM, GFV"
        rows = [
            ("baseline", (), ".42110 / .32774 / .32816; 271 s", ""),
            (swin, (_SWIN,), ".42319 / .33428 / .33476; 279 s", "baseline"),
            (effnet, ("model.image=efficientnet_b0",), ".41114 / .33316 / .33085; 130 s", "baseline"),
            (
                "EfficientNet-B0 and temporal Swin",
                ("model.image=efficientnet_b0", _SWIN),
                ".40824 / .30872 / .31349; 137 s",
                effnet,
            ),
            ("+ tables (ours)", (_SWIN, tables), "", swin),
            ("+ GFV", (_SWIN, gfv), ".43950 / .32251 / .32543; 290 s", "+ tables (ours)"),
            ("+ GFV, of other blocks (ours)", (_SWIN, block), "", "+ tables (ours)"),
            ("+ HCAM", (_SWIN, gfv, _HCAM), ".42489 / .33186 / .33358; 292 s", "+ GFV"),
            ("+ HCAM, GFV of other blocks (ours)", (_SWIN, block, _HCAM), "", "+ GFV, of other blocks (ours)"),
            ("+ HCAM over token maps (ours)", (_SWIN, gfv, _HCAM, "model.tokens=map"), "", "+ HCAM"),
            ("+ HCAM and mixup", (_SWIN, gfv, _HCAM, "model.mixup=0.4"), "", "+ HCAM"),
            (without, (_SWIN, *_CLONED), ".49120 / .34790 / .34625", swin),
            (cross, fused, ".50455 / .35170 / .34994", "+ HCAM"),
            ("+ threshold top-K", (*fused, threshold), ".52655 / .36428 / .36121", cross),
            ("+ K alone (ours)", (*fused, threshold, "decode.lowest=1.0", "decode.highest=1.0"), "", cross),
            (
                "+ output correction",
                (*fused, threshold, "postprocess.name=lists"),
                "- / .36478 / .36242",
                "+ threshold top-K",
            ),
            (
                "+ output correction, lists of PO alone",
                (*fused, threshold, "postprocess.name=lists", 'postprocess.sources=["po"]'),
                "steadier",
                "+ threshold top-K",
            ),
        ]
        return [Row(label, self.experiment(*changes), paper, over) for label, changes, paper, over in rows]

    def more(self, row, runs):
        """Isolated nodes and non-empty lists, which no seed changes."""
        run = runs[0]
        folds = range(run.settings.validation.run)
        graphs = [storage.manifest(run.below(Fit, fold=fold).folder).get("gfv") for fold in folds]
        lists = storage.manifest(run.below(Predictions).folder).get("corrected")
        return {"isolated": _isolated(graphs), "lists": _lists(lists)}


class LossCurves(Losses):
    """Training and validation loss of a table's nets, and of the folds of cross-fusion (Figures 10 and 12)."""

    task_namespace = "tighnari_2024"
    title = "Tighnari"
    preset = luigi.ChoiceParameter(choices=tuple(PRESETS), default="cpu", description="sizes and epochs: cpu or gpu")
    table = luigi.ChoiceParameter(choices=(1, 2, 3), var_type=int, default=3, description="whose nets are drawn")

    def picture_name(self):
        return f"{super().picture_name()}-table{self.table}-{self.preset}"

    def groups(self):
        table = self.clone({1: Table1, 2: Table2, 3: Table3}[self.table])
        nets = {row.label: (row.experiment, 0) for row in table.all_rows() if "fold" not in row.label}
        drawn = {"nets": {label: found for label, found in nets.items() if "decode" not in found[0]}}
        if self.table == 3:
            cross = next(row.experiment for row in table.all_rows() if "cross-fusion with HCAM" in row.label)
            folds = range(PRESETS[self.preset]["validation.run"])
            drawn["folds of cross-fusion with HCAM, GFV"] = {f"fold {fold}": (cross, fold) for fold in folds}
        return drawn


def _isolated(graphs):
    """Shares of isolated nodes by role, mean over the folds, as text."""
    if not all(graphs):
        return ""
    shares = {
        {"train": "training", "valid": "validation", "test": "test"}[role]: [one["isolated"][role] for one in graphs]
        for role in ("train", "valid", "test")
    }
    return ", ".join(f"{role} {sum(found) / len(found):.0%}" for role, found in shares.items())


def _lists(corrected):
    """How many surveys have a non-empty list, as text."""
    if not corrected:
        return ""
    parts = {"validation": [told for name, told in corrected.items() if name != "test"], "test": [corrected["test"]]}
    return ", ".join(
        f"{name} {sum(told['merged']['non_empty'] for told in found):,} of "
        f"{sum(told['merged']['queries'] for told in found):,}"
        for name, found in parts.items()
    )
