"""What the report of an experiment shows, read from the folders that its stages wrote."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from glc import config, results, storage
from glc.applicability import area
from glc.applicability.area import Applicability
from glc.evaluation import evaluate
from glc.evaluation.species import SpeciesResults
from glc.explain.citation import Citation, citation
from glc.explain.explanation import Explanation
from glc.explain.odmap import odmap
from glc.explain.run import Run
from glc.report.other_split import OtherSplit
from glc.types import Facts


@dataclass(frozen=True)
class Made:
    """Where a page comes from.

    date : day and time, UTC; command : that makes it again
    commit : of the checkout, and whether files were changed since; None outside of a checkout
    fingerprint : identities of the survey tables and folds, which follow from the content of the dataset's files
    links : (what, path relative to the page, note) of what belongs to it
    leaderboard : scores of the submission at its contest, as a sentence; empty where there are none
    """

    date: str
    command: str
    commit: str | None
    fingerprint: str
    links: tuple[tuple[str, str, str], ...] = ()
    leaderboard: str = ""


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
    other_splits : scores on another split of the surveys, where the experiment was run on one
    applicability, trusted : area of applicability and error profile, and its table of surveys; None where not fitted
    per_species, compared_species : of presence-only records alone, the table ``species.parquet`` of
        `glc.evaluation.suitability.write`, and those of the experiments of `compared`
    explanation : answers to the ecologist's questions, if they were asked
    protocol : see `glc.explain.odmap`; citation : what to cite
    species : how well each species is predicted; None of presence-only records alone
    sections : of the experiment that its tasks read; None: all
    steps : what was done -> (seconds, peak memory in MB, or None)
    made : where the page comes from
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
    other_splits: tuple[OtherSplit, ...] = ()
    members: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    applicability: Applicability | None = None
    trusted: pd.DataFrame | None = None
    per_species: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame)
    compared_species: dict[str, pd.DataFrame] = dataclasses.field(default_factory=dict)
    explanation: Explanation | None = None
    protocol: pd.DataFrame | None = None
    citation: Citation | None = None
    species: SpeciesResults | None = None
    sections: frozenset[str] | None = None
    steps: dict[str, tuple[float, int | None]] = dataclasses.field(default_factory=dict)
    made: "Made | None" = None


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
    species: SpeciesResults | None = None,
    other_splits: tuple[OtherSplit, ...] = (),
    sections: frozenset[str] | None = None,
    steps: dict[str, list[Path]] | None = None,
    made: Made | None = None,
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
    species, other_splits, sections, made : see `Story`
    steps : what was done -> the folders of its outputs
    """
    measured = results.read_metrics(metrics)
    relative = {}
    if "relative" in measured:
        relative["per_species"] = results.read_species(metrics)
        relative["compared_species"] = {name: results.read_species(folder) for name, folder in compared.items()}
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
        per_survey=results.read_surveys(metrics),
        baselines=results.read_baselines(baselines),
        decoder=storage.manifest(predictions)["fitted"] if predictions else {},
        neighbours=storage.manifest(neighbours) if neighbours else None,
        compared={name: results.read_surveys(folder) for name, folder in compared.items()},
        elsewhere={name: results.read_metrics(folder) for name, folder in elsewhere.items()},
        other_splits=other_splits,
        members={fold: facts["members"] for fold, facts in storage.manifest(joined)["model_facts"].items()}
        if joined
        else {},
        histories={fold: pd.read_csv(folder / "history.csv") for fold, folder in fits.items()},
        applicability=area.load(applicability / area.FILE) if applicability else None,
        trusted=pd.read_parquet(applicability / area.SURVEYS) if applicability else None,
        explanation=answers,
        protocol=odmap(run),
        citation=citation(dataset, run.surveys, descriptions),
        species=species,
        sections=sections,
        steps={step: _cost(folders) for step, folders in (steps or {}).items()},
        made=made,
        **relative,
    )


def _cost(folders: list[Path]) -> tuple[float, int | None]:
    manifests = [storage.manifest(folder) for folder in dict.fromkeys(folders)]
    memory = [facts["peak_memory_mb"] for facts in manifests if "peak_memory_mb" in facts]
    return sum(facts.get("seconds", 0.0) for facts in manifests), max(memory, default=None)


def tests(story: Story) -> list[str]:
    """Names of the tests whose labels are known."""
    return evaluate.tests(story.metrics)


def splits(story: Story) -> list[str]:
    """Validation and each test, those without labels as well."""
    own = [split for split in story.per_survey["split"].unique() if split != "valid"]
    return ["valid", *(own or ["test"])]


def split(story: Story, name: str) -> pd.DataFrame:
    """The surveys of one split."""
    return story.per_survey[story.per_survey["split"] == name]
