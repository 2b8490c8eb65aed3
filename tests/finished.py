"""Finished experiments below a ROOT, without Luigi and Spark: outputs with the manifests that tasks would write."""

import hashlib
import json

import numpy as np
import pandas as pd

from glc import config, labels, storage
from glc.classical import run
from glc.classical.frequency import Frequency
from glc.evaluation import evaluate, per_species, suitability
from glc.prediction import sets
from tests.helpers import records_alone, survey_data

DATASET = "virtual-tiny"


def output(root, task, identity, write, inputs=(), published=None, **facts):
    """Write an output as a task does; `write` is called with its folder. Returns the folder."""
    folder = root / "store" / DATASET / f"{task}-{identity}"
    if storage.exists(folder):
        return folder
    needed = [
        {"task": other.name.partition("-")[0], "identity": other.name.partition("-")[2],
         "folder": other.relative_to(root).as_posix()}
        for other in inputs
    ]  # fmt: skip
    facts = {"seconds": 60.0, "cpu_seconds": 90.0, "peak_memory_mb": 512, "parameters": {}} | facts
    manifest = {"task": task, "identity": identity, "inputs": needed, "published": published or {}}
    with storage.atomic_directory(folder, **manifest, **facts) as out:
        write(out)
    return folder


def metrics(root, dataset, name, values):
    """A published evaluation with these metrics alone; returns the published file."""
    place = f"metrics/{dataset}/{config.file_name(name)}.json"
    identity = hashlib.sha256(name.encode()).hexdigest()[:12]
    folder, path = root / "store" / dataset / f"Evaluate-{identity}", root / place
    with storage.atomic_directory(folder, task="Evaluate", published={place: "metrics.json"}) as out:
        (out / "metrics.json").write_text(json.dumps(values))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((folder / "metrics.json").read_bytes())
    return path


def data_of(relative=False, **kwargs):
    """Surveys, or presence-only records alone, large enough for intervals."""
    return records_alone(**kwargs) if relative else survey_data(**({"n_train": 240, "n_test": 30} | kwargs))


def tables(root, data, split="0", **validation):
    """The outputs of `Surveys` and `Folds`; returns their folders. split : identity of the folds"""
    places = data.places.assign(year=2020, geoUncertaintyInM=np.nan, areaInM2=np.nan)
    places["species"] = labels.to_lists(data.label_matrix, data.species).to_pylist()
    training = data.places["dataset"] == data.train_name
    counts = {name: {"surveys": len(part), "occurrences": 1, "species": 1} for name, part in places.groupby("dataset")}

    def surveys(out):
        storage.write_table(places.drop(columns=["fold", "block"]), "surveys", out / "surveys")

    def folds(out):
        rows = data.places.loc[training, ["surveyId", "fold", "block"]].sort_values("surveyId")
        storage.write_table(rows.astype({"fold": np.int32, "block": np.int64}), "folds", out)

    facts = {"edition": "glc2024", "train": data.train_name, "test": data.test_name, "datasets": counts}
    facts |= {"widens": False, "presence_only": data.relative}
    first = output(root, "Surveys", "0", surveys, **facts)
    settings = config.to_dict(config.Validation(**({"size_m": 20_000, "count": 3, "run": 2} | validation)))
    held_out = int((data.places.loc[training, "fold"] < 0).sum())
    return first, output(root, "Folds", split, folds, [first], parameters=settings, held_out=held_out)


def add(root, name, data, level="global", k=4, split="0", folds=(0, 1), truth=None, **validation):
    """An evaluated experiment: the frequencies of a level, the `k` best species of each survey."""
    scheme = validation.get("scheme", "block")
    needs = tables(root, data, split, **validation)
    identity = name if name.isalnum() else hashlib.sha256(name.encode()).hexdigest()[:12]
    sources = ("po",) if data.relative else ("train",)
    model = Frequency(Frequency.Options(level=level, least=1, sources=sources))

    def score(out):
        run.write(model, data, out, folds=list(folds), keep=100, progress=lambda *_: None)

    scores = output(root, "ClassicalScores", identity, score, needs)
    place = f"metrics/{DATASET}/{config.file_name(name)}.json"
    facts = {"parameters": {"experiment": name}, "published": {place: "metrics.json"}}
    names = pd.DataFrame({"speciesId": data.species, "name": [f"Species {key}" for key in data.species]})
    if data.relative:

        def measure_relative(out):
            suitability.write(scores, data, out, resamples=50, scheme=scheme)
            per_species.write(suitability.by_species(out), names, out)

        folder = output(root, "Evaluate", identity, measure_relative, [*needs, scores], **facts)
    else:
        choice = config.Choice("top_k", {"k": k})
        predictions = output(
            root, "Predictions", identity, lambda out: sets.write(scores, data, out, choice), [*needs, scores]
        )

        def measure(out):
            evaluate.write(predictions, scores, data, out, truth, scheme=scheme, names=names)

        folder = output(root, "Evaluate", identity, measure, [*needs, predictions, scores], **facts)
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((folder / "metrics.json").read_bytes())
    return folder
