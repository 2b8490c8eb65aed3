"""The page of compared experiments, and its tables as CSV and JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from glc import storage
from glc.evaluation.comparison import Comparison
from glc.report import palette, papers
from glc.report.comparison_sections import folds_in_words, named, relative_path, sections
from glc.report.parts import Cell, Part, Section, Table, link, render
from glc.report.sections import relative
from glc.report.templates import shown
from glc.results import Result
from glc.types import Facts

WORDS = (
    ("F1", "Of a survey 2 |P ∩ A| / (|P| + |A|), with the predicted species P and the present ones A; the score is the "
     "mean over surveys. Of a class of species the decisions on all surveys are pooled."),
    ("95% interval", "From 2,000 draws of whole spatial blocks (of a test without blocks: squares of that size). That "
     "of a difference is drawn from the differences survey by survey: what makes a place hard for both cancels out, so "
     "that it is narrower than the intervals of the scores suggest."),
    ("better, worse", "The interval of the difference leaves out 0. With many experiments some do so by chance: of "
     "twenty that are alike, about one."),
    ("best baseline", "The 25 most frequent species of everywhere, the country, the region or a district of 50 km, "
     "whichever has the highest F1 on these folds."),
    ("optimistic for new places", "Surveys were dealt to folds one by one, so that most have a training survey next to "
     "them, which a new place has not. Whole blocks tell what to expect there."),
)  # fmt: skip
RELATIVE_WORDS = (
    *relative.READINGS.items(),
    ("95% interval", "Of a score from draws of spatial blocks of presences; of a difference over the species that both "
     "have an AUC of."),
    ("better, worse", "The interval of the difference leaves out 0. With many experiments some do so by chance."),
    ("best baseline", "The frequency of species in all records, the country, the region or a district of 50 km, "
     "whichever has the highest AUC."),
)  # fmt: skip
COST_COLUMNS = ["experiment", "minutes", "cpu_minutes", "peak_memory_gb", "preparation_minutes",
                "preparation_cpu_minutes", "removed", "finished"]  # fmt: skip


@dataclass(frozen=True)
class Contents:
    """What the page shows.

    dataset : its name; comparisons : one for each set of folds
    page : where the page will be, for links to reports and submissions
    published : frame of the papers' figures next to ours (`glc.report.published.compare`); empty for another dataset
    left_out : sentences on experiments that are not shown
    """

    dataset: str
    comparisons: Sequence[Comparison]
    page: Path
    published: pd.DataFrame
    left_out: Sequence[str] = ()

    @property
    def results(self) -> list[Result]:
        """All experiments."""
        return [result for comparison in self.comparisons for result in comparison.results]

    @property
    def relative(self) -> bool:
        """Whether the scores are relative suitability."""
        return self.comparisons[0].relative


def costs(results: Sequence[Result]) -> pd.DataFrame:
    """What each experiment took, with the `COST_COLUMNS`: to fit, score and evaluate it, and to prepare the dataset."""
    rows = []
    for result in results:
        own, before = result.costs(preparation=False), result.costs(preparation=True)
        rows.append(
            (
                result.name, own.seconds / 60, own.cpu_seconds / 60, own.peak_memory_mb / 1024, before.seconds / 60,
                before.cpu_seconds / 60, ", ".join(own.removed), result.when.strftime("%Y-%m-%d %H:%M"),
            )
        )  # fmt: skip
    return pd.DataFrame(rows, columns=COST_COLUMNS)


def write(contents: Contents, out: Path) -> None:
    """Write ``page.html``, ``tables.csv`` (one long table) and ``tables.json`` (the same by table) into `out`."""
    took = costs(contents.results)
    (out / "page.html").write_text(page(contents, took), encoding="utf-8")
    frames, groups = [], []
    for comparison in contents.comparisons:
        tables = {"scores": comparison.scores, "differences": comparison.pairs, "groups": comparison.groups}
        facts = {"folds": folds_in_words(comparison), "baseline": comparison.baseline, "against": comparison.against}
        groups.append(facts | {name: _records(table) for name, table in tables.items()})
        frames += [table.assign(table=name, folds=facts["folds"]) for name, table in tables.items()]
    frames += [took.assign(table="costs"), contents.published.assign(table="published")]
    long = pd.concat([frame for frame in frames if len(frame)], ignore_index=True)
    storage.write_csv(long[["table", *(name for name in long if name != "table")]], out / "tables.csv")
    facts = {"dataset": contents.dataset, "comparisons": groups, "costs": _records(took)}
    facts |= {"published": _records(contents.published), "left_out": list(contents.left_out)}
    (out / "tables.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _records(frame: pd.DataFrame) -> list[Facts]:
    """Rows as dicts that JSON can hold: NaN is null."""
    return json.loads(frame.to_json(orient="records"))


def page(contents: Contents, took: pd.DataFrame) -> str:
    """The page as HTML text."""
    names = [result.name for result in contents.results]
    colours = {name: palette.category(number) for number, name in enumerate(names)}
    colours |= {comparison.baseline: palette.BASELINE for comparison in contents.comparisons}
    parts: list[Section] = []
    several = len(contents.comparisons) > 1
    for number, comparison in enumerate(contents.comparisons, 1):
        parts += sections(comparison, contents.page, colours, number if several else 0)
    parts += [_costs(took, contents), *_published(contents)]
    if contents.left_out:
        parts.append(Section("Not shown", "left-out", "Not shown", [Part(texts=contents.left_out)]))
    count = len(names)
    return render(
        "Comparison of experiments",
        f"{count} experiment{'' if count == 1 else 's'} on {contents.dataset}",
        [summary(comparison) for comparison in contents.comparisons],
        parts,
        RELATIVE_WORDS if contents.relative else WORDS,
        "The tables of this page are next to it, as .csv and .json.",
    )


def summary(comparison: Comparison) -> str:
    """One or two sentences: the best experiment, and how it compares with the best baseline."""
    best, measure = comparison.results[0], "AUC" if comparison.relative else "F1"
    if best.score != best.score:
        return f"On {folds_in_words(comparison)}, no experiment has an {measure}."
    values = best.metrics["valid"]
    key = "auc" if comparison.relative else "sample_f1"
    bounds = ""
    if values.get(f"{key}_low") is not None:
        bounds = f" [{values[f'{key}_low']:.3f}, {values[f'{key}_high']:.3f}]"
    text = f"On {folds_in_words(comparison)}, {best.name} is best: {measure} {best.score:.3f}{bounds}"
    text += f" ({best.optimism})" if best.optimism else ""
    pairs = comparison.pairs
    row = pairs[
        (pairs["experiment"] == best.name) & (pairs["against"] == comparison.baseline) & (pairs["split"] == "valid")
    ]
    if len(row) == 1 and comparison.baseline:
        first = row.iloc[0]
        judged = {"better": "clearly better", "worse": "clearly worse"}.get(first["verdict"], first["verdict"])
        text += f"; against the best baseline ({comparison.baseline}) {first['difference']:+.3f}"
        text += f" [{first['low']:+.3f}, {first['high']:+.3f}], {judged}" if judged else ""
    return f"{text}."


def _costs(took: pd.DataFrame, contents: Contents) -> Section:
    results = {result.name: result for result in contents.results}
    rows = []
    for row in took.itertuples():
        result = results[row.experiment]
        files: list[Cell] = [
            link(relative_path(path, contents.page), "submission" if number == 0 else path.stem)
            for number, path in enumerate(result.submissions[:1])
        ]
        rows.append(
            [
                named(result, row.experiment, contents.page), shown(row.minutes, ".1f"), shown(row.cpu_minutes, ".1f"),
                shown(row.peak_memory_gb, ".1f"), shown(row.preparation_minutes, ".1f"),
                shown(row.preparation_cpu_minutes, ".1f"), row.finished, files[0] if files else "–",
            ]
        )  # fmt: skip
    header = ["Experiment", "Minutes", "CPU minutes", "Memory, GB", "Preparation, minutes", "Preparation, CPU minutes",
              "Finished", "File"]  # fmt: skip
    removed = sorted({name for text in took["removed"] for name in text.split(", ") if name})
    remarks = [f"Outputs of {', '.join(removed)} have been removed since, and do not count."] if removed else []
    texts = [
        "Fitting, scoring, deciding sets and evaluating, members of an ensemble included; steps that experiments share "
        "count in each. Minutes are of wall time on the machine that made them; CPU minutes are of all processes; "
        "memory is the highest of any step, which earlier steps of the same run raise. Preparation makes surveys, "
        "folds and imagery ready, once for all.",
    ]
    table = Table("What each took, from the manifests", header, rows, frozenset(range(1, 6)))
    return Section("Time and memory", "costs", "Time", [Part(texts=texts, tables=[table], remarks=remarks)])


def _published(contents: Contents) -> list[Section]:
    frame = contents.published
    if frame.empty:
        return []
    header = ["System", "Paper", "Figures", "Experiment", "Ours", "Compared"]
    rows = [
        [row.system, row.paper, row.figures, row.experiment or "not run", row.ours or "–", row.compared or "–"]
        for row in frame.itertuples()
    ]
    table = Table("Published figures of these data", header, rows)
    return [Section("Published figures", "published", "Papers", [Part(texts=[papers.LEGEND], tables=[table])])]
