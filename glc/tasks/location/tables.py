"""Tables and pictures of downstream tasks: every encoder beside the reference and the controls.

DownstreamPredictions --+-- LocationPictures --+-- LocationTasks
                        +----------------------+
"""

import json
import re
from pathlib import Path

from glc import storage
from glc.location.downstream import problems
from glc.location.downstream.sources import ALL
from glc.report.markdown import markdown
from glc.tasks.base import ProductTask, Published
from glc.tasks.location.downstream import (
    DownstreamPredictions,
    EncodersTask,
    PlacesFolderParameter,
    PlacesTask,
    read_scores,
)


class WorldTask(EncodersTask, ProductTask):
    """A task on all benchmarks of places; its settings count through its inputs."""

    places = PlacesFolderParameter(description="folder of location_tasks.parquet and location_query.parquet")
    habitats = PlacesFolderParameter(default="", description="folder of surveys_train.csv and surveys_test.csv")
    random_folds = PlacesTask.random_folds
    seeds = PlacesTask.seeds
    head = PlacesTask.head
    carried = ("habitats", *DownstreamPredictions.carried)

    @property
    def dataset(self):
        """What stands for the dataset in names and manifests: the folder."""
        return self.places

    def predictions(self, benchmark):
        """The `DownstreamPredictions` of a benchmark."""
        names = ("root", "random_folds", "seeds", "head", "raster", "encoders")
        settings = {name: getattr(self, name) for name in names}
        return DownstreamPredictions(
            benchmark=benchmark, places={"location": self.places, "habitats": self.habitats}[benchmark], **settings
        )


class LocationPictures(WorldTask):
    """Maps of errors and of embeddings: ``ROOT/location/pictures``.

    Errors are those of the blend on the block folds, which is what the predictions are made of; embeddings are those of
    the encoders that have a checkpoint for all targets.
    """

    def requires(self):
        return self.predictions("location")

    def shown(self):
        """label -> checkpoint of the encoders whose embedding is drawn."""
        return {label: paths[ALL] for label, paths in self.encoders.items() if ALL in paths}

    def more_identity(self):
        raster = storage.file_digest(self.raster) if self.raster else ""
        return [raster, *([label, storage.file_digest(path)] for label, path in self.shown().items())]

    def names(self):
        """File names of the pictures."""
        values = [f"error_{target.name}" for target in problems.LOCATION_TARGETS if target.kind == "value"]
        made = [*values, "country_map", "country_errors"]
        for label in self.shown():
            made += [
                f"embedding_{_slug(label)}",
                *(f"similarity_{_slug(label)}_{_slug(p)}" for p in problems.LANDMARKS),
            ]
        return [f"{name}.png" for name in made]

    def published(self):
        place = Path(self.root) / "location" / "pictures"
        return [Published(place / name, self.folder / name) for name in self.names()]

    def write(self, out):
        from glc.report import location, location_errors

        problem = self.requires().problem()
        found = location_errors.draw(problem, self.requires().folder / "held_out.parquet", self.raster, out)
        for label, path in self.shown().items():
            self.status(f"drawing the embedding {label}")
            location.draw_encoder(path, label, problem, out, _slug(label))
        (out / "errors.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


class LocationTasks(WorldTask):
    """Every encoder beside the nearest places, raw coordinates and the control, on random and on block folds.

    ``table.md`` and ``table.csv``, also at ``ROOT/tables/<folder>``.
    """

    title = "Downstream tasks of places"
    remarks = ()

    def requires(self):
        benchmarks = ["location", *(["habitats"] if self.habitats else [])]
        return {name: self.predictions(name) for name in benchmarks} | {"pictures": self.clone(LocationPictures)}

    def more_identity(self):
        return [self.title, *self.remarks]

    def published(self):
        name, place = self.task_family.replace(".", "-").lower(), Path(self.root) / "tables" / self.dataset_name
        return [Published(place / f"{name}{kind}", self.folder / f"table{kind}") for kind in (".md", ".csv")]

    def write(self, out):
        import pandas as pd

        from glc.location.downstream import tables

        tasks = self.requires()
        drawn = tasks.pop("pictures")
        page, long, chosen = [f"# {self.title}", ""], [], {}
        for name, task in tasks.items():
            scores, problem = read_scores(task.folder), task.problem()
            long.append(scores.assign(benchmark=name))
            chosen[name] = json.loads((task.folder / "chosen.json").read_text(encoding="utf-8"))
            for column in reversed(problem.folds):
                rows = tables.table(scores, problem, column)
                page.append(markdown(f"{name}, {column}", rows, tables.remarks(scores, problem, column)))
        page.append(markdown("What predicts the places without labels", tables.chosen(chosen), self.remarks))
        errors = json.loads((drawn.folder / "errors.json").read_text(encoding="utf-8"))
        page.append(markdown("Errors of the blend, block folds", pd.DataFrame(errors["values"])))
        page.append(markdown("Wrong countries of the blend, block folds", pd.DataFrame(errors["country"])))
        page += [] if drawn.shown() else ["No encoder with a checkpoint for all targets: no map of an embedding.", ""]
        (out / "table.md").write_text("\n".join(page), encoding="utf-8")
        pd.concat(long, ignore_index=True).to_csv(out / "table.csv", index=False)

    def results(self):
        """The tables, and where the predictions and the pictures are."""
        tasks = self.requires()
        drawn = tasks.pop("pictures").published()[0].path.parent
        files = [f"predictions {task.published()[0].path}" for task in tasks.values()]
        table = self.published()[0].path
        return [table.read_text(encoding="utf-8"), f"tables {table}", *files, f"pictures {drawn}"]


def _slug(text):
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
