"""An experiment's story as one self-contained HTML page: what went in, how well it did and where, the settings."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from glc import config, schema, storage
from glc.applicability import area
from glc.applicability.area import Applicability
from glc.applicability.space import COORDINATES
from glc.evaluation import evaluate
from glc.evaluation.baselines import BASELINES
from glc.evaluation.suitability import SPECIES
from glc.explain.citation import Citation, citation
from glc.explain.explanation import Explanation
from glc.explain.odmap import VERSION, odmap
from glc.explain.run import Run
from glc.registry import decoders
from glc.report import distance, explanation, figures, maps, trust
from glc.report.templates import shown, template
from glc.types import Facts

MEASURES = {
    "sample_f1": ("F1, mean over surveys (the contest's)", ".4f"),
    "micro_f1": ("F1, all decisions pooled (micro)", ".4f"),
    "macro_f1": ("F1, mean over species (macro)", ".4f"),
    "recall_at_25": ("Share of a survey's species among its 25 best scores", ".1%"),
    "recall_at_100": ("Share of a survey's species among its 100 best scores", ".1%"),
    "top_30": ("Surveys whose species is among the 30 best scores (GeoLifeCLEF 2020)", ".1%"),
    "adaptive_top_30": (
        "Surveys whose species passes a threshold for 30 species per survey (GeoLifeCLEF 2020)",
        ".1%",
    ),
    "macro_auc": ("Area under the ROC curve, mean over species, then over folds", ".4f"),
    "mean_set": ("Species predicted per survey, mean", ".1f"),
    "mean_species": ("Species present per survey, mean", ".1f"),
    "surveys": ("Surveys", ","),
    "folds": ("Folds fitted and scored", ","),
}
"""Measures of `glc.evaluation.evaluate.measure`: what they are called on the page, and how they are rounded."""
NO_MEASURES = ("sample_f1_low", "sample_f1_high", "by_fold")
"""Other keys of the metrics of a split."""
LEVELS = {
    "global": "of all surveys",
    "country": "of the country",
    "region": "of the region",
    "district": "of the district",
}
DATASETS = {
    "po": "presence-only",
    "pa_train": "presence-absence, training",
    "pa_test": "presence-absence, test",
    **{f"pa_test_{name}": f"presence-absence, test {name}" for name in schema.TESTS},
}
NEIGHBOUR_FACTS = {
    "queries": "surveys whose neighbours were sought",
    "rows": "neighbours found",
    "without_neighbours": "surveys without any neighbour",
    "bucket_length": "bucket length used, m",
}
READINGS = {
    "union": "the k best species and those above the threshold are predicted together",
    "intersection": "those of the k best species that are above the threshold are predicted",
}
"""What the grid of `threshold_top_k` is of, by its option `reading`."""
EXAMPLES = 40
_DRAWN = ("calibration", "grid", "reading")
"""Facts of a decoder that are in a figure or its caption."""


@dataclass(frozen=True)
class Story:
    """What the page shows; manifests are those of `glc.storage`, tables and dicts are as their stages write them.

    surveys, folds : manifests; neighbours : manifest, or None where the model uses none
    quarantine : schema ``quarantine``; metrics, per_survey : see `glc.evaluation.evaluate.write`
    baselines : see `glc.evaluation.baselines.write`; decoder : facts of the fitted decoder
    histories : fold -> ``history.csv`` of its net; empty for models without gradient
    members : of joined experiments, fold -> name of each -> its weight; empty for others
    compared : name of another experiment -> its per-survey table
    elsewhere : name of another experiment that was validated on other folds -> its metrics
    applicability, trusted : area of applicability and error profile, and its table of surveys; None where not fitted
    per_species, compared_species : of presence-only records alone, the table ``species.parquet`` of
        `glc.evaluation.suitability.write`, and those of the experiments of `compared`
    explanation : answers to the ecologist's questions, if they were asked
    protocol : see `glc.explain.odmap`; citation : what to cite
    """

    experiment: config.Experiment
    dataset: str
    surveys: Facts
    quarantine: pd.DataFrame
    folds: Facts
    metrics: dict[str, Facts]
    per_survey: pd.DataFrame
    baselines: list[Facts]
    decoder: Facts
    neighbours: Facts | None
    histories: dict[int, pd.DataFrame]
    compared: dict[str, pd.DataFrame] = dataclasses.field(default_factory=dict)
    elsewhere: dict[str, dict[str, Facts]] = dataclasses.field(default_factory=dict)
    members: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    applicability: Applicability | None = None
    trusted: pd.DataFrame | None = None
    per_species: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame)
    compared_species: dict[str, pd.DataFrame] = dataclasses.field(default_factory=dict)
    explanation: Explanation | None = None
    protocol: pd.DataFrame | None = None
    citation: Citation | None = None


def read(
    *,
    experiment: config.Experiment,
    dataset: str,
    surveys: Path,
    folds: Path,
    metrics: Path,
    baselines: Path,
    compared: dict[str, Path],
    elsewhere: dict[str, Path],
    fits: dict[int, Path],
    predictions: Path | None = None,
    neighbours: Path | None = None,
    joined: Path | None = None,
    applicability: Path | None = None,
    explanation: Path | None = None,
    tables: tuple[Path, ...] = (),
    joins: tuple[config.Experiment, ...] = (),
) -> Story:
    """The `Story` of an experiment, from the folders that its stages wrote.

    compared : name of another experiment -> its evaluation
    elsewhere : the same, of those that were validated on other folds
    fits : fold -> trained net
    predictions : None where no sets are decided
    neighbours : the model's neighbour table
    joined : scores of a stack or blend; joins : its members
    applicability : of the task `Applicability`
    explanation : of the task `Explanation`
    tables : tables of values that the model reads
    """
    measured = json.loads((metrics / "metrics.json").read_text())
    species = {}
    if "relative" in measured:
        species["per_species"] = pd.read_parquet(metrics / SPECIES)
        species["compared_species"] = {name: pd.read_parquet(folder / SPECIES) for name, folder in compared.items()}
    answers = Explanation.read(explanation) if explanation else None
    run = Run.read(
        experiment,
        dataset,
        surveys=surveys,
        folds=folds,
        predictions=predictions,
        metrics=metrics,
        tables=tables,
        members=joins,
        answers=answers,
    )
    descriptions = [part.description for part in (experiment, *joins)]
    return Story(
        experiment=experiment,
        dataset=dataset,
        surveys=storage.manifest(surveys),
        quarantine=storage.read_table(surveys / "quarantine", "quarantine").to_pandas(),
        folds=storage.manifest(folds),
        metrics=measured,
        per_survey=pd.read_parquet(metrics / "surveys.parquet"),
        baselines=json.loads((baselines / BASELINES).read_text()),
        decoder=storage.manifest(predictions)["fitted"] if predictions else {},
        neighbours=storage.manifest(neighbours) if neighbours else None,
        compared={name: pd.read_parquet(folder / "surveys.parquet") for name, folder in compared.items()},
        elsewhere={name: json.loads((folder / "metrics.json").read_text()) for name, folder in elsewhere.items()},
        members={fold: facts["members"] for fold, facts in storage.manifest(joined)["model_facts"].items()}
        if joined
        else {},
        histories={fold: pd.read_csv(folder / "history.csv") for fold, folder in fits.items()},
        applicability=area.load(applicability / area.FILE) if applicability else None,
        trusted=pd.read_parquet(applicability / area.SURVEYS) if applicability else None,
        explanation=answers,
        protocol=odmap(run),
        citation=citation(dataset, run.surveys, descriptions),
        **species,
    )


def render(story: Story) -> str:
    """The page of a `Story` as HTML text: no file or address outside of it is asked for; equal stories, equal bytes."""
    parts = (_scores, _compared, _data, _distance, _trust, _neighbours, _learning, _decoder, _maps, _settings)
    return rendered("report.html.j2", story, (*parts, _explained))


def rendered(name: str, story: Story, parts: Sequence[Callable[[Story], Facts]]) -> str:
    """A template of the page with what `parts` make of the story.

    name : of the template in this folder
    parts : each gives names and values of the template
    """
    facts = {name: value for part in parts for name, value in part(story).items()}
    return template(name).render(story=story, experiment=story.experiment, **facts)


def common(story: Story) -> Facts:
    """What any page of an experiment says: data, area of applicability, neighbours, learning curves and settings."""
    return _data(story) | _trust(story) | _neighbours(story) | _learning(story) | _explained(story) | _settings(story)


def _scores(story):
    valid, tests = story.metrics["valid"], {test: story.metrics[test] for test in _tests(story)}
    known = {measure for test in tests.values() for measure in test}
    rows = [
        (
            story.experiment.name,
            *(valid[f"sample_f1{end}"] for end in ("", "_low", "_high")),
            *([test["sample_f1"] for test in tests.values()] or [None]),
        )
    ]
    rows += [
        (
            f"top 25 {LEVELS.get(row['level'], row['level'])}",
            *(row.get(key) for key in ("valid", "valid_low", "valid_high", *(tests or ["test"]))),
        )
        for row in story.baselines
    ]
    names = [*MEASURES, *sorted({*valid, *known} - {*MEASURES, *NO_MEASURES})]
    splits = {"validation": valid, **({evaluate.title(name): test for name, test in tests.items()} or {"test": None})}
    if "optimistic" in story.metrics:
        splits["validation, optimistic"] = story.metrics["optimistic"]
    measures = [
        (title, [shown((split or {}).get(name), form) for split in splits.values()])
        for name, (title, form) in ((name, MEASURES.get(name, (name, ".4g"))) for name in names)
        if name in valid or name in known
    ]
    scored = _split(story, "valid").groupby("fold")["f1"].agg(["size", "mean"])
    areas = {row["fold"]: row["macro_auc"] for row in valid.get("by_fold", ())}
    alt = "Bars of F1 with intervals: " + ", ".join(f"{label} {value:.3f}" for label, value, *_ in rows)
    best = max(rows[1:], key=lambda row: row[1], default=None)
    return {
        "valid": valid,
        "tests": {evaluate.title(name): test for name, test in tests.items()},
        "caveat": config.caveat(story.metrics["scheme"], story.metrics["stop"]),
        "score_rows": rows,
        "score_figure": figures.scores(alt, [(*row[:4], row[4] if len(tests) < 2 else None) for row in rows]),
        "best": best,
        "test_text": _test_text(story, tests),
        "verdict": _verdict(valid, best),
        "splits": list(splits),
        "measures": measures,
        "by_fold": [(fold, int(row["size"]), row["mean"], areas.get(fold)) for fold, row in scored.iterrows()],
    }


def _compared(story):
    rows = []
    for name, other in story.compared.items():
        valid = evaluate.compare(story.per_survey, other, "valid")
        on_tests = [evaluate.compare(story.per_survey, other, test) for test in _tests(story) or ["test"]]
        if valid is None:
            verdict = "no validation survey in common"
        elif valid["low"] > 0:
            verdict = "better"
        elif valid["high"] < 0:
            verdict = "worse"
        else:
            verdict = "no clear difference"
        rows.append((name, valid, on_tests, verdict))
    nothing = dict.fromkeys(("difference", "low", "high"))
    for name, metrics in story.elsewhere.items():
        own, other = story.metrics["valid"]["sample_f1"], metrics["valid"]["sample_f1"]
        verdict = f"on other folds ({metrics['scheme']}; here {story.experiment.validation.scheme}), so not compared"
        rows.append(
            (name, {"surveys": 0, "own": own, "other": other, **nothing}, [None] * max(len(_tests(story)), 1), verdict)
        )
    return {"compared": rows}


def _test_text(story, tests):
    if not tests:
        return "; the labels of the test are not known, so it has no F1."
    if "test" not in tests:
        values = [f"{test['sample_f1']:.3f} on {evaluate.title(name)}" for name, test in tests.items()]
        return f", {', '.join(values)}."
    name = "held-out fold that replaces the test" if story.folds.get("held_out") else "test"
    return f" and {tests['test']['sample_f1']:.3f} on the {name}."


def _verdict(valid, best):
    if best is None:
        return "No frequency baseline was computed."
    baseline = f"the best frequency baseline ({best[0]}, F1 {best[1]:.3f})"
    if valid["sample_f1_low"] > best[1]:
        return f"It is clearly above {baseline}, which lies below its interval."
    if valid["sample_f1"] > best[1]:
        return f"It is above {baseline}, but not clearly: the baseline lies within its interval."
    if valid["sample_f1"] == best[1]:
        return f"It equals {baseline}."
    return f"It does not reach {baseline}."


def _data(story):
    bad = story.quarantine.sort_values(["file", "line"], kind="stable")
    # the same file may serve two datasets (GLC 2023: presence-only and presence-absence rows of one table)
    groups = bad.groupby(["dataset", "file", "reason"], sort=False, dropna=False)
    first = groups.head(1).assign(count=groups["line"].transform("size"))
    wanted = ["file", "line", "column", "found", "reason", "count"]
    first = first[wanted].astype(object).where(first[wanted].notna(), None)
    return {
        "files": story.surveys.get("files", []),
        "datasets": {DATASETS.get(name, name): counts for name, counts in story.surveys.get("datasets", {}).items()},
        "examples": first.head(EXAMPLES).to_dict("records"),
        "examples_left": max(0, len(first) - EXAMPLES),
        "unscored": story.surveys.get("unscored", []),
        "held_out": story.folds.get("held_out", 0),
    }


def _distance(story):
    splits = {split: frame for split in _splits(story) if len(frame := _split(story, split).dropna(subset="f1"))}
    labels, series, lacking = distance.by_distance(splits, story.experiment.validation.size_m)
    return {
        "distance_labels": labels,
        "distance_series": {evaluate.title(split): points for split, points in series.items()},
        "distance_lacking": lacking,
        "distance_figure": figures.by_distance("F1 by distance to the nearest training survey", labels, series)
        if series
        else None,
    }


def _trust(story):
    fitted = story.applicability
    profile = fitted.profile if fitted else None
    return {
        "trust_km": trust.radius_m(fitted) / 1000 if fitted and fitted.kind == COORDINATES else None,
        "trust_rows": trust.rows(story.trusted) if fitted else [],
        "trust_parts": trust.parts(profile) if profile else [],
        "trust_figure": trust.figure(fitted, story.trusted) if profile else None,
    }


def _neighbours(story):
    rows = (story.neighbours or {}).get("recall") or []
    bars = [(f"{row['radius_m'] / 1000:g} km", row["recall"]) for row in rows]
    known = story.neighbours or {}
    asked = json.loads(known.get("parameters", {}).get("neighbours", "{}"))
    if asked.get("method") == "exact":  # it has no use for the settings of the hashing
        asked = {key: asked[key] for key in ("method", "k", "radius_m", "sources") if key in asked}
    facts = {title: known[key] for key, title in NEIGHBOUR_FACTS.items() if known.get(key) is not None}
    return {
        "recall_rows": rows,
        "recall_figure": figures.recall("Recall of true neighbours by radius", bars) if bars else None,
        "neighbour_facts": asked | facts,
    }


def _learning(story):
    column, sign, best_text = {
        "f1": ("valid_f1", -1, "highest F1"),
        "loss": ("valid_loss", 1, "lowest loss"),
        "top30": ("valid_top30", -1, "highest top-30 accuracy"),
    }[story.experiment.train.monitor]
    histories = {fold: frame for fold, frame in sorted(story.histories.items()) if len(frame)}
    rows = {fold: frame.loc[(sign * frame[column]).idxmin()] for fold, frame in histories.items()}
    best = {fold: row["epoch"] for fold, row in rows.items()}
    return {
        "best_text": best_text,
        "member_rows": [
            (name, [weights[name] for weights in story.members.values()])
            for name in next(iter(story.members.values()), {})
        ],
        "unfinished": sorted(set(story.histories) - set(histories)),
        "learning_rows": [
            (fold, len(histories[fold]), row, histories[fold]["seconds"].sum()) for fold, row in rows.items()
        ],
        "learning_figures": [
            figures.learning(f"{label} by epoch for each fold", histories, measures, best, label)
            for measures, label in (
                (("train_loss", "valid_loss"), "loss"),
                (("valid_f1",), "F1 of the 25 best species"),
            )
            if histories
        ],
    }


def _decoder(story):
    points = story.decoder.get("calibration") or []
    sizes = {}
    for split in _splits(story):
        frame, name = _split(story, split), evaluate.title(split)
        predicted, actual = frame["predicted"], frame["actual"][frame["actual"] >= 0]
        sizes |= {("predicted", name): predicted} if len(predicted) else {}
        sizes |= {("present", name): actual} if len(actual) and split == "valid" else {}
    limit = int(max(1, *(np.ceil(np.quantile(values, 0.99)) for values in sizes.values())))
    options = config.options(decoders.get(story.experiment.decode.name), story.experiment.decode, "decoder")
    return {
        "decoder_options": dataclasses.asdict(options),
        "decoder_facts": {key: value for key, value in story.decoder.items() if key not in _DRAWN},
        "grid_figure": figures.heat("F1 by k and threshold", story.decoder["grid"])
        if "grid" in story.decoder
        else None,
        "grid_reading": READINGS.get(story.decoder.get("reading"), ""),
        "calibration_figure": figures.calibration("Presence rate by score", points) if points else None,
        "sizes_figure": figures.set_sizes("Distribution of species per survey", sizes, limit),
        "size_rows": [
            (", ".join(name), values.mean(), values.min(), values.median(), values.max())
            for name, values in sizes.items()
        ],
        "size_limit": limit,
    }


def _maps(story):
    limits = maps.colour_limits(story.per_survey["f1"])
    drawn = {}
    for split in _splits(story):
        frame, name = _split(story, split), evaluate.title(split)
        known = frame["f1"].notna()
        if len(frame) and known.any():
            frame, value, label, ends = frame[known], "f1", "F1 of the survey", limits
        else:
            value, label, ends = "predicted", "species predicted", maps.colour_limits(frame["predicted"])
        alt = f"Map of {len(frame)} {name} surveys by {label}"
        svg = maps.surveys(alt, frame["lon"], frame["lat"], frame[value], label, ends) if len(frame) else None
        drawn[split] = {"name": name, "svg": svg, "by": value, "count": len(frame), "high": ends[1]}
    return {"maps": drawn}


def _explained(story):
    return {
        "explained": explanation.sections(story.explanation) if story.explanation else None,
        "protocol": None if story.protocol is None else story.protocol.to_dict("records"),
        "protocol_version": VERSION,
        "citation": story.citation,
    }


def _settings(story):
    steps = {"surveys to tables": story.surveys, "folds": story.folds, "neighbours": story.neighbours or {}}
    seconds = {step: facts["seconds"] for step, facts in steps.items() if "seconds" in facts}
    if story.histories:
        seconds["training, all folds"] = sum(float(frame["seconds"].sum()) for frame in story.histories.values())
    versions = {"glc": story.surveys.get("glc")} | story.surveys.get("versions", {})
    return {"toml": as_toml(story.experiment), "versions": versions, "seconds": seconds}


def as_toml(experiment):
    """The experiment with all its settings as the text of an ``experiments/<name>.toml``."""
    values = {key: value for key, value in config.to_dict(experiment).items() if key != "name"}
    tables = [key for key, value in values.items() if isinstance(value, dict)]
    arrays = [key for key, value in values.items() if isinstance(value, list) and value and isinstance(value[0], dict)]
    lines = [f"{key} = {_toml(value)}" for key, value in values.items() if key not in (*tables, *arrays)]
    sections = [(f"[{key}]", values[key]) for key in tables]
    sections += [(f"[[{key}]]", table) for key in arrays for table in values[key]]
    for heading, table in sections:
        lines += ["", heading, *(f"{key} = {_toml(value)}" for key, value in table.items())]
    return "\n".join(lines)


def _toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }" if value else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _tests(story):
    """Names of the tests whose labels are known."""
    return evaluate.tests(story.metrics)


def _splits(story):
    """Validation and each test, those without labels as well."""
    own = [split for split in story.per_survey["split"].unique() if split != "valid"]
    return ["valid", *(own or ["test"])]


def _split(story, split):
    return story.per_survey[story.per_survey["split"] == split]
