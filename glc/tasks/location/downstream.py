"""Tasks of places on frozen features: folders of labelled places to scores, and to predictions of other places.

    DownstreamScores (one a benchmark and row) --- DownstreamPredictions (one a benchmark)

The tables lie in folders that the user names; they are no dataset of an edition.
`glc.location.downstream.problems` reads them.
"""

import json
from pathlib import Path

import luigi

from glc import config, registry, storage
from glc.config.fields import Choice
from glc.errors import ConfigError
from glc.location.downstream import problems
from glc.location.downstream.sources import ALL, Head, Source
from glc.tasks.base import GlcTask, ProductTask, Published, SectionParameter

FILES = {"location": problems.location_files, "habitats": problems.habitat_files}
TARGETS = {"location": problems.LOCATION_TARGETS, "habitats": problems.HABITAT_TARGETS}
PREDICTIONS = {"location": "query_predictions.parquet", "habitats": "habitat_predictions.csv"}
BLOCKS = {"location": "fold_block10", "habitats": "fold_block"}
"""The folds that choose what the predictions are made of."""
DEGREES = (10, 20, 40)


class PlacesFolderParameter(luigi.Parameter):
    """A folder of tables of places, or nothing where the default is that; checked when the command is read."""

    def normalize(self, x):
        if x and not Path(x).is_dir():
            raise ConfigError(f"{x}: no such folder; give the one that holds the tables of places")
        return str(Path(x).resolve()) if x else ""


class FileParameter(luigi.Parameter):
    """A file, or nothing; checked when the command is read."""

    def normalize(self, x):
        return _file(x, self.description) if x else ""


class EncodersParameter(luigi.DictParameter):
    """Label -> checkpoint, or label -> {target or *: checkpoint}, so that no target's bands are in its own encoder."""

    def normalize(self, x):
        known = [ALL, *(target.name for targets in TARGETS.values() for target in targets)]
        made = {}
        for label, paths in x.items():
            paths = {ALL: paths} if isinstance(paths, str) else paths
            for target in paths:
                if target not in known:
                    raise ConfigError(
                        f"encoder {label!r}: unknown target {target!r}; expected some of: {', '.join(known)}"
                    )
            made[label] = {target: _file(path, f"encoder {label!r}") for target, path in paths.items()}
        return super().normalize(made)


class PlacesTask(GlcTask):
    """A task on one folder of places; its content counts, not its path."""

    benchmark = luigi.ChoiceParameter(choices=sorted(FILES))
    places = PlacesFolderParameter(description="folder of the tables")
    random_folds = luigi.IntParameter(default=1, description="random folds of location held out in turn")
    seeds = luigi.IntParameter(default=3, description="heads of each target and fold")
    head = SectionParameter(Head, default=Head(), description="the heads' settings")

    @property
    def dataset(self):
        """What stands for the dataset in names and manifests: the folder."""
        return self.places

    def more_identity(self):
        return [[path.name, storage.file_digest(path)] for path in FILES[self.benchmark](self.places)]

    def problem(self):
        """The places, a `glc.location.downstream.problems.Problem`."""
        if self.benchmark == "location":
            return problems.location(self.places, self.random_folds)
        return problems.habitats(self.places)


class DownstreamScores(PlacesTask):
    """Scores of one source on all targets and folds, and what it predicts.

    ``scores.csv``, ``held_out/<folds>/<target>.npz`` and, unless a raster is read, ``query/<target>.npz``.
    """

    source = SectionParameter(Source, description="what is told of a place")
    paths = luigi.DictParameter(default={}, description="target, or *: file of the raster or the encoder")
    carried = ("places", "paths")

    def more_identity(self):
        choice, made = self.source.features, ""
        if choice.name != "none":
            made = repr(config.options(registry.locations.get(choice.name), choice, "features"))
        files = sorted([target, storage.file_digest(path)] for target, path in self.paths.items())
        return [*super().more_identity(), made, files]

    def write(self, out):
        from glc.location.downstream import validation

        problem, paths = self.problem(), dict(self.paths)
        self.status(f"{self.benchmark}: heads on {self.source.kind} {self.source.features.name}")
        found = validation.cross_validate(problem, self.source, paths, self.head, self.seeds)
        found.scores.to_csv(out / "scores.csv", index=False)
        for column, predictions in found.held_out.items():
            validation.save(predictions, out / "held_out" / column)
        if self.source.kind != "raster":
            validation.save(validation.predict(problem, self.source, paths, self.head, self.seeds), out / "query")
        storage.note(out, places=len(problem.places), query=len(problem.query))


class EncodersTask(GlcTask):
    """Which encoders, and which raster, stand beside the reference and the controls."""

    raster = FileParameter(default="", description="GeoTIFF for the raster-read rows, read at labelled places alone")
    encoders = EncodersParameter(default={}, description='JSON: {"label": "checkpoint", ...}')


class DownstreamPredictions(EncodersTask, PlacesTask, ProductTask):
    """Places without labels, predicted by the mean of sources that the block folds choose for each target.

    ``scores.csv`` of all rows, the blend among them, ``chosen.json``, ``held_out.parquet`` (the blend's predictions of
    each block fold by sources that the other folds choose, by which it is judged) and the predictions, which also stand
    at ``ROOT/location``. No source may know the target: a raster is never among them, nor is an encoder whose imagery
    had the target's own bands.
    """

    carried = ("places", "raster", "encoders", "random_folds", "seeds", "head")

    def rows(self):
        """label -> (`Source`, paths)."""
        reference = {"location": "10 nearest places", "habitats": "20 nearest places"}[self.benchmark]
        made = {reference: (Source("nearest"), {}), "kriging": (Source("kriging"), {})}
        maps = {"raw coordinates": Choice("raw"), "xyz": Choice("xyz"), "sphereC+": Choice("spherec_plus")}
        if self.benchmark == "habitats":  # they change within kilometres
            maps["sphereC+, finer"] = Choice("spherec_plus", {"shortest": 0.001})
        harmonics = {f"harmonics, L = {degree}": Choice("harmonics", {"degree": degree}) for degree in DEGREES}
        made |= {label: (Source("features", features), {}) for label, features in (maps | harmonics).items()}
        if self.raster:
            left_out = {"all bands": ""}
            if self.benchmark == "location":
                left_out |= {"without the target's bands": "own", "without temperature and altitude": "climate"}
            for label, without in left_out.items():
                made[f"raster-read, {label}"] = Source("raster", left_out=without), {ALL: self.raster}
        beside = Choice("harmonics", {"degree": DEGREES[0]})
        for label, paths in self.encoders.items():
            if label in made:
                raise ConfigError(f"encoder {label!r}: another row has that label; give it a label of its own")
            names = (ALL, *(target.name for target in TARGETS[self.benchmark]))
            own = {name: path for name, path in paths.items() if name in names}
            if own:
                made[label] = Source("encoder"), own
                # the control and the embedding together: what pre-training adds to it
                made[f"{label} + harmonics, L = {DEGREES[0]}"] = Source("encoder", beside), own
        return made

    def requires(self):
        settings = {name: getattr(self, name) for name in ("root", "benchmark", "places", "seeds", "head")}
        if self.benchmark == "location":
            settings["random_folds"] = self.random_folds
        return {
            label: DownstreamScores(source=source, paths=paths, **settings)
            for label, (source, paths) in self.rows().items()
        }

    def more_identity(self):
        return [*super().more_identity(), list(self.rows())]

    def published(self):
        name = PREDICTIONS[self.benchmark]
        return [Published(Path(self.root) / "location" / name, self.folder / name)]

    def write(self, out):
        import pandas as pd

        from glc.location.downstream import blending, validation

        problem, column, tasks = self.problem(), BLOCKS[self.benchmark], self.requires()
        scores = [read_scores(task.folder).assign(row=label) for label, task in tasks.items()]
        held_out = problem.places[["lon", "lat"]].copy()
        chosen, query = {}, {}
        for target in problem.targets:
            self.status(f"{self.benchmark}: choosing what predicts {target.title}")
            fills = {label: row for label, row in self.rows().items() if row[0].kind != "raster"}
            reasons = {label: validation.knows(*row, target) for label, row in fills.items()}
            may = {label: tasks[label].folder for label, reason in reasons.items() if not reason}
            found = {label: validation.load(folder / "held_out" / column, target.name) for label, folder in may.items()}
            found = {label: one for label, one in found.items() if one is not None}
            truth, fold = problem.places[target.name].to_numpy(), problem.places[column].to_numpy()
            mean = blending.held_out(target, truth, found, fold)
            held_out[target.name] = mean.best
            weights = blending.choose(target, truth, found)
            chosen[target.name] = {
                "mean of": dict(weights),
                "not asked": {label: reason for label, reason in reasons.items() if reason},
            }
            scores.append(validation.pooled_scores(problem, target, mean, column).assign(row="blend"))
            asked = {label: validation.load(may[label] / "query", target.name) for label in weights}
            query[target.name] = blending.weighted(asked, weights)
        pd.concat(scores, ignore_index=True).to_csv(out / "scores.csv", index=False)
        (out / "chosen.json").write_text(json.dumps(chosen, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        held_out.to_parquet(out / "held_out.parquet", index=False)
        validation.write_predictions(problem, query, out / PREDICTIONS[self.benchmark])
        storage.note(out, chosen=chosen, query=len(problem.query))


def read_scores(folder):
    """The ``scores.csv`` of a task, its folds as text."""
    import pandas as pd

    return pd.read_csv(folder / "scores.csv", keep_default_na=False, na_values={"score": [""]}, dtype={"fold": str})


def _file(path, what):
    if not Path(path).is_file():
        raise ConfigError(f"{what}: {path}: no such file")
    return str(Path(path).resolve())
