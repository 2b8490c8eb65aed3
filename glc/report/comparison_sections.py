"""Sections of the page of compared experiments: scores, differences, and scores by group."""

import os
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from glc.evaluation import evaluate
from glc.evaluation.comparison import Comparison
from glc.evaluation.grouped import BY
from glc.report import comparison_figures as figures
from glc.report.parts import Cell, Part, Picture, Section, Table, link
from glc.report.sections import relative
from glc.report.templates import shown
from glc.results import Result

MEASURES = {
    "sample_f1": ("F1, mean over surveys", ".4f"),
    "micro_f1": ("F1, pooled", ".4f"),
    "macro_f1": ("F1, mean over species", ".4f"),
    "recall_at_25": ("in the 25 best", ".1%"),
    "recall_at_100": ("in the 100 best", ".1%"),
    "macro_auc": ("AUC", ".4f"),
    "top_30": ("top-30", ".1%"),
    "adaptive_top_30": ("adaptive top-30", ".1%"),
    "mean_set": ("species per set", ".1f"),
}


def folds_in_words(comparison: Comparison) -> str:
    """The split: ``blocks of 30 km, 10 folds, seed 0``."""
    settings = comparison.folds.get("parameters", {})
    if not settings:
        return f"{comparison.scheme} split"
    size = f"{settings['size_m'] / 1000:g} km"
    split = {
        "block": f"blocks of {size}",
        "knndm": "folds at the distances of the places to predict",
        "random": "random split",
        "quadrats": f"random split, quadrats of {size}",
    }
    return f"{split[settings['scheme']]}, {settings['count']} folds, seed {settings['seed']}"


def sections(comparison: Comparison, page: Path, colours: dict[str, str], number: int = 0) -> list[Section]:
    """The sections of experiments of the same folds.

    page : where the page will be; colours : of each experiment, and of the baseline
    number : of the comparison on a page with several, from 1; 0: there is only one
    """
    end = f"-{number}" if number > 1 else ""
    title = folds_in_words(comparison)
    caveats = sorted({result.optimism for result in comparison.results if result.optimism})
    notes = [f"Validation by a {text}." for text in caveats]
    if any(result.optimism != comparison.results[0].optimism for result in comparison.results):
        marked = ", ".join(result.name for result in comparison.results if result.optimism)
        notes = [f"{note[:-1]}: {marked}." for note in notes]
    if end:
        notes.append(
            "Other folds than above: each survey was predicted from other training surveys, so these are not compared."
        )
    short = {"block": "Blocks", "knndm": "Distances"}.get(comparison.scheme, "Random")
    link_end = f", {short.lower()}" if number else ""
    scores = Section(
        f"Scores: {title}",
        f"scores{end}",
        f"Scores{link_end}",
        [
            Part(
                notes=[*notes, *_other_surveys(comparison), *comparison.left_out],
                pictures=_score_picture(comparison),
                tables=_score_tables(comparison, page),
            )
        ],
    )
    differences = Section(
        f"Differences: {title}", f"differences{end}", f"Differences{link_end}", _differences(comparison)
    )
    groups = Section(
        f"Where and for which species: {title}", f"groups{end}", f"Where{link_end}", _groups(comparison, colours)
    )
    return [section for section in (scores, differences, groups) if section.parts]


def _other_surveys(comparison: Comparison) -> list[str]:
    """A sentence if the scores are not all of the same number of surveys, as with `validation.run` of some folds."""
    rows = _score_rows(comparison)
    rows = rows[(rows["split"] == "valid") & (rows["kind"] == "experiment")]
    most = int(rows["surveys"].max()) if len(rows) else 0
    fewer = [f"{row.experiment} on {int(row.surveys):,}" for row in rows.itertuples() if row.surveys < most]
    if not fewer or comparison.relative:
        return []
    return [
        f"Not all were evaluated on all {most:,} surveys: {', '.join(fewer)}. These scores are of other surveys; the "
        "differences below are over those that both have."
    ]


def _score_rows(comparison: Comparison) -> pd.DataFrame:
    key = "auc" if comparison.relative else "sample_f1"
    rows = comparison.scores[comparison.scores["measure"] == key]
    return rows.sort_values("value", ascending=False, kind="stable")


def _score_picture(comparison: Comparison) -> list[Picture]:
    rows = _score_rows(comparison)
    valid = rows[(rows["split"] == "valid") & rows["value"].notna()]
    if valid.empty:
        return []
    tests = [split for split in rows["split"].unique() if split not in ("valid", "optimistic")]
    on_test = rows[rows["split"] == tests[0]].set_index("experiment")["value"] if len(tests) == 1 else {}
    lines = [
        (row.experiment, row.value, row.low, row.high, on_test.get(row.experiment), row.kind == "baseline")
        for row in valid.itertuples()
    ]
    measure = "AUC, mean over species, then over folds" if comparison.relative else "F1, mean over surveys"
    alt = f"{measure}: " + ", ".join(f"{name} {value:.3f}" for name, value, *_ in lines)
    caption = "Validation with its 95% interval" + (", and the test." if len(tests) == 1 else ".")
    return [Picture(figures.scores(alt, lines, measure), caption)]


def _with_bounds(value: float, low: float, high: float, form: str = ".4f") -> str:
    text = shown(value, form)
    return text if low is None or low != low else f"{text} [{format(low, form)}, {format(high, form)}]"


def _score_tables(comparison: Comparison, page: Path) -> list[Table]:
    scores = comparison.scores
    order = list(dict.fromkeys(_score_rows(comparison)["experiment"])) or list(scores["experiment"].unique())
    titles = (
        {key: (short, form) for key, (_, short, form) in relative.MEASURES.items()} if comparison.relative else MEASURES
    )
    results = {result.name: result for result in comparison.results}
    tables = []
    for split in ["valid", *(name for name in scores["split"].unique() if name != "valid")]:
        part = scores[scores["split"] == split].set_index(["experiment", "measure"])
        known = [name for name in titles if name in part.index.get_level_values(1)]
        rows = []
        for name in order:
            if name not in part.index.get_level_values(0):
                continue
            of = part.loc[name]
            cells: list[Cell] = [named(results.get(name), name, page), f"{int(of['surveys'].iloc[0]):,}"]
            for key in known:
                values = of.loc[key] if key in of.index else None
                cells.append(
                    "–" if values is None else _with_bounds(values.value, values.low, values.high, titles[key][1])
                )
            caveat = results[name].optimism if name in results and split == "valid" else ""
            rows.append([*cells, caveat])
        caption = evaluate.title(split).capitalize()
        if split == "optimistic":
            caption = "Validation, by nets that saw its labels: optimistic"
        first = "Records" if comparison.relative else "Surveys"
        header = ["Experiment", first, *(titles[key][0] for key in known), "Note"]
        if not any(row[-1] for row in rows):
            header, rows = header[:-1], [row[:-1] for row in rows]
        tables.append(Table(caption, header, rows, frozenset(range(1, 2 + len(known)))))
    return tables


def named(result: Result | None, name: str, page: Path) -> Cell:
    """The name, as a link to the experiment's report if it has one; without a result it is the baseline's."""
    if result is None:
        return f"{name} (best baseline)"
    if result.report is None:
        return name
    return link(relative_path(result.report, page), name)


def relative_path(path: Path, page: Path) -> str:
    return quote(os.path.relpath(path, page.parent), safe="/.")


def _differences(comparison: Comparison) -> list[Part]:
    pairs = comparison.pairs
    pictures, tables = [], []
    what = "AUC" if comparison.relative else "F1"
    for other, words in ((comparison.baseline, ", the best baseline"), (comparison.against, "")):
        own = pairs[pairs["against"] == other]
        valid = own[own["split"] == "valid"].sort_values("difference", ascending=False, kind="stable")
        if not other or valid.empty:
            continue
        lines = [(row.experiment, row.difference, row.low, row.high) for row in valid.itertuples()]
        alt = f"Difference of {what} to {other}: " + ", ".join(
            f"{name} {value:+.3f} from {low:+.3f} to {high:+.3f}" for name, value, low, high in lines
        )
        svg = figures.differences(alt, lines, f"{what} less that of {figures.short(other)}")
        count = "species" if comparison.relative else "surveys"
        rows = [
            [
                row.experiment, evaluate.title(row.split), f"{row.surveys:,}", shown(row.own), shown(row.other),
                shown(row.difference, "+.4f"), f"{shown(row.low, '+.4f')} to {shown(row.high, '+.4f')}", row.verdict,
            ]
            for row in pd.concat([valid, own[own["split"] != "valid"]]).itertuples()
        ]  # fmt: skip
        header = ["Experiment", "Split", count.capitalize(), f"Its {what}", f"{what} of the other", "Difference",
                  "95% interval", "Verdict"]  # fmt: skip
        tables.append(Table(f"Compared with {other}{words}", header, rows, frozenset(range(2, 7))))
        caption = f"Difference to {other}{words}, on validation, with its 95% interval."
        pictures.append(Picture(svg, caption))
    if not tables:
        return []
    text = f"Survey by survey, on those that both have{'; of presence-only records by species' * comparison.relative}."
    return [Part(texts=[text], pictures=pictures, tables=tables)]


def _groups(comparison: Comparison, colours: dict[str, str]) -> list[Part]:
    frame, pictures, tables = comparison.groups, [], []
    measure = "share of the species among the 25 best" if comparison.relative else "F1"
    names = [name for name in [*(result.name for result in comparison.results), comparison.baseline] if name]
    for by, title in BY.items():
        own = frame[(frame["by"] == by) & frame["experiment"].isin(names)]
        if own.empty:
            continue
        labels = list(dict.fromkeys(own["group"]))
        values = {
            name: part.set_index("group").reindex(labels)[["value", "low", "high"]].to_numpy().tolist()
            for name, part in own.groupby("experiment")
        }
        series = {name: values[name] for name in names if name in values}
        # the best ones, and the baseline
        drawn = [name for name in series if name != comparison.baseline][: figures.MOST]
        drawn += [comparison.baseline] if comparison.baseline in series else []
        shown_series = {name: series[name] for name in drawn}
        alt = f"{measure} by {title}: " + "; ".join(
            f"{name} "
            + ", ".join(f"{label} {shown(point[0], '.2f')}" for label, point in zip(labels, points, strict=True))
            for name, points in shown_series.items()
        )
        if by in ("region", "country"):
            svg = figures.by_names(alt, labels, shown_series, colours, measure)
        else:
            svg = figures.by_bins(alt, labels, shown_series, colours, title, measure)
        counts = own[own["experiment"] == next(iter(series))].set_index("group")["surveys"]
        rows = [
            [label, f"{counts[label]:,}", *(_with_bounds(*points[place], ".3f") for points in series.values())]
            for place, label in enumerate(labels)
        ]
        count = "Species" if by == "frequency" else "Surveys"
        header = [title.capitalize(), count, *series]
        table = Table(f"{measure}, with 95% intervals", header, rows, frozenset(range(1, 2 + len(series))))
        few = f" The {figures.MOST} best are drawn." if len(drawn) < len(series) else ""
        pictures.append(Picture(svg, f"By {title}.{few}"))
        tables.append(Part(f"By {title}: the values", tables=[table], folded=True))
    if not pictures:
        return []
    text = (
        f"On the {comparison.shared:,} validation surveys that all of them have evaluated, with 95% intervals; a point "
        "without one is of a single spatial block."
    )
    return [Part(texts=[text], pictures=pictures), *tables]
