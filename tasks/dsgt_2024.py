"""Miyaguchi, Aphiwetsa and McDuffie 2024: tile compression and embeddings (DS@GT at GeoLifeCLEF 2024).

    python -m luigi --module tasks.dsgt_2024 dsgt_2024.Table1 --dataset virtual:small
    python -m luigi --module tasks.dsgt_2024 dsgt_2024.Table2 --dataset virtual:small

and so on: Table3, Table4, Alternatives, Tile2vecCurves; Paper runs all of them and shows them on one page.
Of the paper's tables only the prose survives; its figures are scores on the contest's leaderboard.
"""

import json

import luigi

from glc import storage
from glc.config import Variant
from glc.report.papers import AS_PUBLISHED, Reported
from glc.report.published import DSGT_2024 as PAPER
from glc.tasks.base import DatasetTask
from glc.tasks.curves import Curves
from glc.tasks.evaluate import Evaluate
from glc.tasks.limits import LimitedTable, LimitParameter
from glc.tasks.paper import PaperPage, PaperTable, table
from glc.tasks.parameters import CountParameter, imagery_folder
from glc.tasks.scores import ClassicalScores
from glc.tasks.surveys import Surveys
from glc.tasks.tables import CostTable, Row, Table
from glc.types import JSON, Facts

luigi.namespace("dsgt_2024", scope=__name__)

_MEMORY = (
    "Memory is that of the whole process, with what earlier models left in it and an idle Java of Spark: to measure a "
    "single model, run it alone."
)


class Table1(Table):
    """Nearest-neighbour models at 5, 10 and 50 km: LSH as published and exact, all species and the 25 most voted."""

    title = "DS@GT 2024, Table 1: nearest-neighbour models"
    paper = PAPER
    published_in = PAPER.name
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


def _public(text: str, score: float) -> Reported:
    """A score on the public leaderboard."""
    return Reported(text, {"public": score})


_SIGMOID_F1: dict[str, dict[str, JSON]] = {
    "sigmoidF1": {},
    "sigmoidF1 micro": {"average": "micro"},
    "sigmoidF1 of the authors' code": {"squeeze": True},
}


class Table2(Table):
    """Linear and nonlinear geolocation nets by loss, with the threshold 0.5 as published."""

    title = "DS@GT 2024, Table 2: losses of the geolocation nets, threshold 0.5"
    paper = PAPER
    published_in = PAPER.name
    remarks = (
        "ASL(0, 0) without clip and with the mean of BCE is BCE: the rows with clip 0 and with each reduction show "
        "which of clip and reduction makes the difference that the paper leaves open.",
        "sigmoidF1: equations 6 to 8 with F1 per class; micro: with F1 of all classes together, as the equations may "
        "be read; authors' code: the logits are squeezed through a sigmoid before S and E, which then mean another "
        "loss. The paper's figures are most likely of the last.",
    )

    def rows(self) -> list[Row]:
        losses: dict[str, tuple[dict[str, JSON], str]] = {
            "BCE": ({"loss": {"name": "bce"}}, ""),
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
        for variant, options in _SIGMOID_F1.items():
            for S in (-1, -15, -30):
                for E in (0, 1):
                    losses[f"{variant} S {S} E {E}"] = (
                        {"loss": {"name": "sigmoid_f1", "S": float(S), "E": float(E), **options}},
                        "worst",
                    )
        return [
            Row(
                f"{architecture}, {label}",
                Variant("geolocation-table2").changed(model={"architecture": architecture}, train=train),
                bce if label == "BCE" else paper,
                setting="loss of the authors' code, not of its equations" if "authors' code" in label else "",
            )
            for architecture, bce in (("linear", _public(".03", 0.03)), ("nonlinear", _public(".14", 0.14)))
            for label, (train, paper) in losses.items()
        ]


_TOP_20: dict[str, JSON] = {"decode": {"name": "top_k", "k": 20}}
_TILE2VEC: dict[str, tuple[dict[str, JSON], str]] = {
    "triplet loss alone": ({"species": "none"}, "slightly below the CNN"),
    "triplet + ASL, plain sum": ({"species": "sum"}, "better than triplets alone"),
    "triplet + ASL of the anchor, plain sum (ours)": ({"species": "sum", "species_of": "anchor"}, ""),
    "triplet + ASL, normalised (ours)": ({"species": "normalised"}, ""),
    "triplet + ASL, learned (ours)": ({"species": "learned"}, ""),
}


class Table3(CostTable):
    """Nets on coordinates, on tiles, on series, and on a tile2vec embedding, with the top 20 and with a threshold."""

    title = "DS@GT 2024, Table 3: torch-based models, the 20 most probable species and threshold 0.5"
    paper = PAPER
    published_in = PAPER.name
    remarks = (
        "All are *-published experiments: asymmetric loss (1, 4), one random 90-10 split. The text gives the public "
        "leaderboard's scores; its table of private and public ones has not survived. seconds: pretraining, training "
        "and scoring, which both decoders share. " + _MEMORY,
    )

    pixel_epochs = CountParameter(default=60, description="most epochs of nets on 128 x 128 pixels; use 3 on a CPU")
    pairs = CountParameter(default=1_000_000, description="training pairs of tile2vec; use 100000 on a CPU")

    def rows(self) -> list[Row]:
        # 256 surveys of 64 channels of pixels would take 10 GB and more
        train = {"max_epochs": self.pixel_epochs, "batch_size": 64}
        tile_cnn = Variant("tile-cnn-published")
        pixels = tile_cnn.changed(model={"expand": True}, train=train)
        cut = f" (at most {self.pixel_epochs} epochs)" if self.pixel_epochs < 60 else ""
        models: dict[str, tuple[Variant, str | Reported, str]] = {
            "geolocation, nonlinear": (Variant("geolocation-published"), _public(".161", 0.161), ""),
            "tile CNN, RGB-NIR": (tile_cnn, _public("best, .161", 0.161), ""),
            f"tile CNN, RGB-NIR, expanded to pixels{cut}": (pixels, "", "averaged to 8 x 8 before the linear layer"),
            f"efficientnetv2, RGB-NIR, expanded{cut}": (
                pixels.changed(model={"backbone": "tf_efficientnetv2_b0"}),
                "suboptimal convergence",
                "its smallest size, from random weights",
            ),
            "tile CNN, + 13 land cover + 19 bioclim": (
                Variant("tile-cnn-rasters-published"),
                _public("did not converge, .02", 0.02),
                "",
            ),
            "tile CNN, + land cover as 118 layers of single classes + 19 bioclim (ours)": (
                Variant("tile-cnn-rasters-published").changed({"inputs.1.classes_as": "declared"}),
                "",
                "",
            ),
            "tile CNN, chosen bands": (
                Variant("tile-cnn-chosen-published"),
                "no large gain over RGB-NIR",
                "four climate variables, means of the year",
            ),
            "CNN of the time series": (Variant("cube-cnn-published"), _public(".10", 0.1), ""),
        }
        for label, (pretrain, paper) in _TILE2VEC.items():
            few = f" ({self.pairs:,} pairs)" if self.pairs < 1_000_000 else ""
            models[f"tile2vec, {label}{few}"] = (
                Variant("tile2vec-published").changed(pretrain=pretrain | {"pairs": self.pairs}),
                paper,
                "species within 3 km" if label == "triplet + ASL, plain sum" else "",
            )
        decoders = {"top 20": _TOP_20, "threshold 0.5": {"decode": {"name": "threshold", "threshold": 0.5}}}
        return [
            Row(
                f"{label}, {decoder}",
                experiment.changed(**decode),
                paper if decoder == "top 20" else "",
                setting="" if "(ours)" in label else setting or AS_PUBLISHED,
            )
            for label, (experiment, paper, setting) in models.items()
            for decoder, decode in decoders.items()
        ]


class Table4(CostTable):
    """The best models as published and ours, compared with the organisers' frequency baselines."""

    title = "DS@GT 2024, Table 4: the best models compared with the frequency baselines"
    paper = PAPER
    published_in = PAPER.name
    remarks = (
        "Public leaderboard, as the text has it: winner of the contest .4089, the organisers' baselines about .25, the "
        "team .161 after the contest and .152 in it.",
        "Published rows: one random 90-10 split (k-NN and the baselines: spatial blocks), the 20 most probable species "
        "(k-NN: all species of the neighbours). Rows of ours: spatial blocks, sets of the highest expected F1, binary "
        "cross-entropy, biases that start at the class frequencies and, for geolocation, plane waves.",
        _MEMORY,
    )

    pairs = CountParameter(default=1_000_000, description="training pairs of tile2vec; use 100000 on a CPU")

    def rows(self) -> list[Row]:
        frequency = Variant("frequency").changed(validation={"run": 5})
        levels = {"global": "", "country": "", "region": "", "district": "about .25"}
        knn = Variant("knn").changed(model={"method": "lsh"}, validation={"run": 2})
        tile2vec, few = Variant("tile2vec"), ""
        if self.pairs < 1_000_000:
            tile2vec, few = tile2vec.changed(pretrain={"pairs": self.pairs}), f" ({self.pairs:,} pairs)"
        return [
            *(
                Row(
                    f"25 most frequent species {'overall' if level == 'global' else f'of the {level}'}",
                    frequency.changed(model={"level": level}),
                    paper,
                    setting=AS_PUBLISHED,
                )
                for level, paper in levels.items()
            ),
            Row("k-NN 50 km, LSH, all species, as published", knn, setting=AS_PUBLISHED),
            Row(
                "geolocation, top 20, as published",
                Variant("geolocation-published").changed(**_TOP_20),
                _public(".161", 0.161),
            ),
            Row("tile CNN, RGB-NIR, top 20, as published", Variant("tile-cnn-published"), _public(".161", 0.161)),
            Row("CNN of the time series, top 20, as published", Variant("cube-cnn-published"), _public(".10", 0.1)),
            Row("votes of the neighbours (ours)", Variant("votes").changed(validation={"run": 5})),
            Row("geolocation (ours)", Variant("geolocation")),
            Row("tile CNN, RGB-NIR (ours)", Variant("tile-cnn")),
            Row("tile CNN, rasters (ours)", Variant("tile-cnn-rasters")),
            Row("CNN of the time series (ours)", Variant("cube-cnn")),
            Row("tile CNN, land cover and bioclim (ours)", Variant("tile2vec").changed(pretrain="none")),
            Row(f"the same, from tile2vec{few}, fine-tuned (ours)", tile2vec),
            Row(f"the same, from tile2vec{few}, encoder kept (ours)", tile2vec.changed(train={"freeze": True})),
        ]


def _settings(name: str, model: dict[str, JSON]) -> str:
    """What of an alternative is not the paper's, which says little of them."""
    if name == "logistic":
        return "pooled by 1 km; L-BFGS, not SGD"
    if name.startswith("node2vec"):
        return "walks, weights and the step to the species are ours"
    if name in ("label-dct", "svd-ridge", "svd-nearest", "svd-boosting"):
        rank = "" if model else "32 components (published: a budget of 4 to 8); "
        return rank + ("scikit-learn's boosting, not XGBoost" if name == "svd-boosting" else "plane waves, ridge")
    return "32 bins of frequency (published: every species)"


class Alternatives(LimitedTable):
    """What the paper's section 7.1 tried and mostly gave up, each within a limit of time and of memory."""

    title = "DS@GT 2024, section 7.1: alternative methods"
    paper = PAPER
    published_in = PAPER.name
    sources = luigi.ListParameter[tuple[str, ...]](
        default=("train", "po"), description="surveys that are learned from: train, po, or both as in the paper"
    )
    remarks = (
        "A row is fitted twice, for the one fold of a random 90-10 split and for the test, in its own process, which "
        "is stopped at the limit; reading the surveys and scoring count. share finished: of both fits, with the share "
        "of the step that ran. A row that finished has the seconds and peak memory of fitting and scoring alone.",
        "The paper's column is about 5 million rows and 10,358 species on 8 virtual CPUs with 16 GB (out of memory "
        "with scikit-learn and statsmodels, over 48 h for Spark's logistic regression with 3-fold cross-validation): "
        "only virtual:glc24 and the contest's own files are as large, and times of another machine are not alike.",
        "Ours has ways around some of that: species in 32 bins of frequency, 1 km pooling for the logistic regression.",
    )

    def rows(self) -> list[Row]:
        rows: dict[str, tuple[str, dict[str, JSON], str]] = {
            "Spark logistic regression, 10 most frequent species, 3-fold": (
                "logistic",
                {},
                "over 48 h for all species; macro-F1 .09 of 10",
            ),
            "label-space SVD, ridge": ("svd-ridge", {}, "30 min a response"),
            "label-space SVD, boosting": ("svd-boosting", {}, "30 min a response"),
            "label-space SVD, nearest labels": ("svd-nearest", {}, "not finished"),
            "label-space DCT, 4 coefficients, ridge": ("label-dct", {"rank": 4}, "untenable"),
            "label-space DCT, 8 coefficients, ridge": ("label-dct", {"rank": 8}, "untenable"),
            "label-space DCT, 32 coefficients, ridge (ours)": ("label-dct", {}, ""),
            "XGBoost, 32 frequency bins": ("xgboost", {}, "out of memory, many classes"),
            "naive Bayes, 32 frequency bins": ("naive-bayes", {}, "not finished"),
            "linear SVM, 32 frequency bins": ("linear-svm", {}, "not tractable"),
            "factorisation machine, 32 frequency bins": ("factorisation-machine", {}, "not tractable"),
            "random forest, 32 frequency bins": ("forest", {}, "at most 100 classes"),
            "node2vec of species, mean over neighbours": ("node2vec-species", {}, "20 min"),
            "node2vec of surveys": ("node2vec-survey", {}, "intractable"),
        }
        made = [
            Row(label, self._learning(Variant(name).changed(model=model)), paper, setting=_settings(name, model))
            for label, (name, model, paper) in rows.items()
        ]
        return [*made, Row("25 most frequent species", self._learning(Variant("frequency")))]

    def _learning(self, experiment: Variant) -> Variant:
        """The experiment on the wanted surveys and one random 90-10 split."""
        sources: dict[str, JSON] = {"sources": list(self.sources)}
        graph = experiment.base.startswith("node2vec")
        model: dict[str, JSON] = {"edges": sources} if graph else sources
        return experiment.changed(model=model, validation={"scheme": "random", "run": 1})

    def content(self) -> JSON:
        return [super().content(), list(self.sources)]

    def size(self) -> list[str]:
        facts = storage.manifest(self.clone(Surveys).folder)
        datasets = facts["datasets"]
        names = [facts["train"] if name == "train" else name for name in self.sources]
        counts = [
            f"{datasets[name]['occurrences']:,} records of {datasets[name]['surveys']:,} {name} surveys"
            for name in names
            if name in datasets
        ]
        return [f"Learned from (less the fold's): {' and '.join(counts)}."]


class Tile2vecCurves(Curves):
    """How the triplet loss develops with and without the species loss (section 6.4)."""

    title = "tile2vec, by how the species term joins"
    published_in = PAPER.name
    pairs = CountParameter(default=200_000, description="training pairs per epoch; use 40000 on a CPU")
    epochs = CountParameter(default=5, description="passes over the pairs")

    def variants(self) -> dict[str, Variant]:
        size = {"pairs": self.pairs, "epochs": self.epochs}
        return {
            label: Variant("tile2vec-published").changed(pretrain=pretrain | size)
            for label, (pretrain, _) in _TILE2VEC.items()
        }


class Paper(DatasetTask, PaperPage):
    """All tables and the curves of tile2vec on one page; what is long is cut for a CPU by default."""

    paper_name = "dsgt-2024"
    heading = "DS@GT 2024: tile compression and embeddings"
    about = (
        "Miyaguchi, Aphiwetsa and McDuffie 2024, GeoLifeCLEF 2024. Of the paper's tables only the prose survives.",
    )
    pixel_epochs = CountParameter(default=3, description="most epochs of nets on 128 x 128 pixels; published: 60")
    pairs = CountParameter(default=100_000, description="training pairs of tile2vec; published: 1000000")
    epochs = CountParameter(default=2, description="passes over the pairs, of the curves of tile2vec")
    minutes = LimitParameter(default=5.0, description="minutes after which an alternative is stopped")
    memory_gb = LimitParameter(default=8.0, description="memory above which an alternative is stopped, GB")
    imagery_folder = imagery_folder()

    def entries(self) -> list[PaperTable]:
        names = {"1": Table1, "2": Table2, "3": Table3, "4": Table4, "alternatives": Alternatives}
        tables = [table(key, self.clone(family)) for key, family in names.items()]
        return [*tables, table("curves", self.clone(Tile2vecCurves))]

    def further(self) -> list[str]:
        return [
            f"Nets on pixels train at most {self.pixel_epochs} epochs, tile2vec on {self.pairs:,} pairs; an "
            f"alternative is stopped after {self.minutes:g} minutes or at {self.memory_gb:g} GB."
        ]
