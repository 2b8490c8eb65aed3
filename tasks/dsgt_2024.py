"""Miyaguchi, Aphiwetsa and McDuffie 2024: tile compression and embeddings (DS@GT at GeoLifeCLEF 2024).

    python -m luigi --module tasks.dsgt_2024 dsgt_2024.Table1 --dataset virtual:small
    python -m luigi --module tasks.dsgt_2024 dsgt_2024.Table2 --dataset virtual:small

and so on: Table3, Table4, Alternatives, Tile2vecCurves.
Of the paper's tables only the prose survives; its figures are scores on the contest's leaderboard.
"""

import json

import luigi

from glc import storage
from glc.config import Variant
from glc.report.papers import Paper
from glc.tasks.curves import Curves
from glc.tasks.evaluate import Evaluate
from glc.tasks.parameters import CountParameter
from glc.tasks.scores import ClassicalScores
from glc.tasks.tables import CostTable, Row, Table
from glc.types import JSON, Facts

luigi.namespace("dsgt_2024", scope=__name__)

_MEMORY = (
    "Memory is that of the whole process, with what earlier models left in it and an idle Java of Spark: to measure a "
    "single model, run it alone."
)
PAPER = Paper(
    data="GeoLifeCLEF 2024, 88,987 PA surveys",
    split="the contest's hidden test",
    score="F1 on the leaderboard, of which only the prose survives",
    editions=("glc2024",),
    surveys=88_987,
)


class Table1(Table):
    """Nearest-neighbour models at 5, 10 and 50 km: LSH as published and exact, all species and the 25 most voted."""

    title = "DS@GT 2024, Table 1: nearest-neighbour models"
    paper = PAPER
    remarks = (
        "recall: share of the true neighbours within the radius (of the k nearest, for k-NN) that the search found.",
        "LSH as published: bucket length 20 m and 5 tables; 'LSH, chosen': the length for 90 % recall at 10 km.",
    )

    def rows(self) -> list[Row]:
        methods = {
            "exact": {"method": "exact"},
            "LSH as published": {"method": "lsh"},
            "LSH, chosen": {"method": "lsh", "bucket_length": 0.0},
        }
        decoders = {"all species": {"name": "all"}, "top 25 by votes": {"name": "top_k", "k": 25}}
        paper = {("NN", 5): "about .10", ("NN", 50): "about .08", ("k-NN", 50): "better than NN, rising with radius"}
        knn = Variant("knn").changed(validation={"run": 2})
        rows = []
        for name, k in (("NN", 0), ("k-NN", 10)):
            for km in (5, 10, 50):
                for method, search in methods.items():
                    if method == "LSH, chosen" and (name, km) != ("k-NN", 10):
                        continue  # one row shows what a chosen bucket brings
                    model = {"k": k, "radius_m": km * 1000.0, **search}
                    for decoder, decode in decoders.items():
                        as_published = decoder == "all species" and method == "LSH as published"
                        rows.append(
                            Row(
                                f"{name} {km} km, {method}, {decoder}",
                                knn.changed(model=model, decode=decode),
                                paper.get((name, km), "") if as_published else "",
                            )
                        )
        return rows

    def columns(self, task: Evaluate) -> Facts:
        table = task.clone(ClassicalScores).neighbours()
        recall = json.loads((table.folder / "recall.json").read_text())
        return {"recall": recall[-1]["recall"], "seconds": storage.manifest(table.folder)["seconds"]}


class Table2(Table):
    """Linear and nonlinear geolocation nets by loss, with the threshold 0.5 as published."""

    title = "DS@GT 2024, Table 2: losses of the geolocation nets, threshold 0.5"
    paper = PAPER
    remarks = (
        "ASL(0, 0) without clip and with the mean of BCE is BCE: the rows with clip 0 and with each reduction show "
        "which of clip and reduction makes the difference that the paper leaves open.",
    )

    def rows(self) -> list[Row]:
        losses: dict[str, tuple[dict[str, JSON], str]] = {
            "BCE": ({"loss": {"name": "bce"}}, ".03 linear, .14 nonlinear"),
            "BCE, class weights": ({"loss": {"name": "bce"}, "class_weights": True}, "no better than BCE"),
        }
        for positive in (0, 1):
            for negative in (0, 2, 4):
                losses[f"ASL γ+ {positive} γ− {negative}"] = (
                    {"loss": {"name": "asl", "gamma_pos": float(positive), "gamma_neg": float(negative)}},
                    "best, as (1, 4)" if (positive, negative) == (0, 0) else "",
                )
        for clip in (0.0, 0.05):
            for reduction in ("mean", "sum"):
                asl = {"name": "asl", "gamma_pos": 0.0, "gamma_neg": 0.0, "clip": clip, "reduction": reduction}
                losses[f"ASL(0, 0) clip {clip:g}, {reduction}"] = (
                    {"loss": asl},
                    "equal to BCE" if clip == 0 and reduction == "mean" else "",
                )
        losses["Hill"] = ({"loss": {"name": "hill"}}, "between BCE and ASL (nonlinear)")
        for S in (-1, -15, -30):
            for E in (0, 1):
                losses[f"sigmoidF1 S {S} E {E}"] = (
                    {"loss": {"name": "sigmoid_f1", "S": float(S), "E": float(E)}},
                    "worst",
                )
        return [
            Row(
                f"{architecture}, {label}",
                Variant("geolocation-table2").changed(model={"architecture": architecture}, train=train),
                paper,
            )
            for architecture in ("linear", "nonlinear")
            for label, (train, paper) in losses.items()
        ]


# asymmetric loss and one random 90-10 split (sections 5.3 and 6.2), from random weights
_PUBLISHED: dict[str, JSON] = {
    "model": {"prior": False},
    "train": {"loss": {"name": "asl", "gamma_pos": 1.0, "gamma_neg": 4.0, "clip": 0.05}},
    "validation": {"scheme": "random", "run": 1},
}
_TILE2VEC = {
    "triplet loss alone": "none",
    "triplet + ASL, plain sum": "sum",
    "triplet + ASL, normalised": "normalised",
    "triplet + ASL, learned": "learned",
}


class Table3(CostTable):
    """Nets on coordinates, on tiles, on series, and on a tile2vec embedding, with the top 20 and with a threshold."""

    title = "DS@GT 2024, Table 3: torch-based models, the 20 most probable species and threshold 0.5"
    paper = PAPER
    remarks = (
        "All with asymmetric loss (1, 4) on one random 90-10 split, as published. seconds: pretraining, training and "
        "scoring, which both decoders share. " + _MEMORY,
    )

    pixel_epochs = CountParameter(default=60, description="most epochs of nets on 128 x 128 pixels; use 3 on a CPU")
    pairs = CountParameter(default=1_000_000, description="training pairs of tile2vec; use 100000 on a CPU")

    def rows(self) -> list[Row]:
        # 256 surveys of 64 channels of pixels would take 10 GB and more
        train = {"max_epochs": self.pixel_epochs, "batch_size": 64}
        tile_cnn = Variant("tile-cnn")
        pixels = tile_cnn.changed(model={"expand": True}, train=train)
        cut = f" (at most {self.pixel_epochs} epochs)" if self.pixel_epochs < 60 else ""
        models = {
            "geolocation, nonlinear": (Variant("geolocation-published"), "about .14"),
            "tile CNN, RGB-NIR": (tile_cnn, "best, .161"),
            f"tile CNN, RGB-NIR, expanded to pixels{cut}": (pixels, ""),
            f"efficientnetv2, RGB-NIR, expanded{cut}": (
                pixels.changed(model={"backbone": "tf_efficientnetv2_b0"}),
                "suboptimal convergence",
            ),
            "tile CNN, + 13 land cover + 19 bioclim": (Variant("tile-cnn-rasters"), "did not converge, .02"),
            "tile CNN, chosen bands": (Variant("tile-cnn-chosen"), "no large gain over RGB-NIR"),
            "CNN of the time series": (Variant("cube-cnn"), ".10"),
        }
        for label, species in _TILE2VEC.items():
            paper = {"none": "slightly below the CNN", "sum": "better than triplets alone"}.get(species, "")
            few = f" ({self.pairs:,} pairs)" if self.pairs < 1_000_000 else ""
            models[f"tile2vec, {label}{few}"] = (
                Variant("tile2vec").changed(train={"freeze": True}, pretrain={"species": species, "pairs": self.pairs}),
                paper,
            )
        decoders = {
            "top 20": {"name": "top_k", "k": 20},
            "threshold 0.5": {"name": "threshold", "threshold": 0.5},
        }
        return [
            Row(
                f"{label}, {decoder}",
                experiment.changed(**_PUBLISHED, decode=decode),
                paper if decoder == "top 20" else "",
            )
            for label, (experiment, paper) in models.items()
            for decoder, decode in decoders.items()
        ]


class Table4(CostTable):
    """The best models compared with the organisers' frequency baselines."""

    title = "DS@GT 2024, Table 4: the best models compared with the frequency baselines"
    paper = PAPER
    remarks = (
        "Validation on spatial blocks; sets of the highest expected F1, except for the baselines' 25 species.",
        _MEMORY,
    )

    def rows(self) -> list[Row]:
        frequency = Variant("frequency").changed(validation={"run": 5})
        levels = {"global": "", "country": "", "region": "", "district": "about .25"}
        tile2vec = Variant("tile2vec")
        return [
            *(
                Row(f"25 most frequent species of the {level}", frequency.changed(model={"level": level}), paper)
                for level, paper in levels.items()
            ),
            Row("votes of the neighbours", Variant("votes").changed(validation={"run": 5})),
            Row("geolocation", Variant("geolocation")),
            Row("tile CNN, RGB-NIR", Variant("tile-cnn"), ".161"),
            Row("tile CNN, rasters", Variant("tile-cnn-rasters")),
            Row("CNN of the time series", Variant("cube-cnn"), ".10"),
            Row("tile CNN, land cover and bioclim", tile2vec.changed(pretrain="none")),
            Row("the same, from tile2vec, fine-tuned", tile2vec),
            Row(
                "the same, from tile2vec, encoder kept",
                tile2vec.changed(train={"freeze": True}),
                "slightly below the CNN",
            ),
        ]


class Alternatives(CostTable):
    """What the paper's section 7.1 tried, and reported as intractable, with the time and memory that it takes."""

    title = "DS@GT 2024, section 7.1: alternative methods"
    paper = PAPER
    remarks = ("seconds and peak memory: fitting and scoring of both folds and the test. " + _MEMORY,)

    def rows(self) -> list[Row]:
        rows = {
            "Spark logistic regression, 10 most frequent species, 3-fold": (
                "logistic",
                "over 48 h; macro-F1 .09 of 10",
            ),
            "label-space SVD, ridge": ("svd-ridge", "30 min a response"),
            "label-space SVD, boosting": ("svd-boosting", "30 min a response"),
            "label-space SVD, nearest labels": ("svd-nearest", "not finished"),
            "label-space DCT, ridge": ("label-dct", "untenable"),
            "XGBoost, 32 frequency bins": ("xgboost", "out of memory"),
            "naive Bayes, 32 frequency bins": ("naive-bayes", "not finished"),
            "linear SVM, 32 frequency bins": ("linear-svm", "not tractable"),
            "factorisation machine, 32 frequency bins": ("factorisation-machine", "not tractable"),
            "random forest, 32 frequency bins": ("forest", "at most 100 classes"),
            "node2vec of species, mean over neighbours": ("node2vec-species", "20 min"),
            "node2vec of surveys": ("node2vec-survey", "intractable"),
        }
        baseline = Row("25 most frequent species", Variant("frequency").changed(validation={"run": 2}))
        return [*(Row(label, Variant(name), paper) for label, (name, paper) in rows.items()), baseline]


class Tile2vecCurves(Curves):
    """How the triplet loss develops with and without the species loss (section 6.4)."""

    title = "tile2vec, by how the species term joins"
    pairs = CountParameter(default=200_000, description="training pairs per epoch; use 40000 on a CPU")
    epochs = CountParameter(default=5, description="passes over the pairs")

    def variants(self) -> dict[str, Variant]:
        size = {"pairs": self.pairs, "epochs": self.epochs}
        return {
            label: Variant("tile2vec").changed(pretrain={"species": species, **size})
            for label, species in _TILE2VEC.items()
        }
