"""Scores: the experiment, the frequency baselines and other experiments, by every measure."""

from glc import config, registry
from glc.evaluation import evaluate
from glc.report import figures
from glc.report.sections.section import Section, section
from glc.report.sections.words import LEVELS
from glc.report.story import Story, split, tests
from glc.report.templates import shown
from glc.types import Facts, Keywords

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
RANKED = ("top_30", "adaptive_top_30")
"""Measures of editions whose submission ranks species; other editions leave them out."""


def scores(story: Story) -> Section:
    """F1 with intervals next to the baselines, all measures, folds, and other experiments."""
    facts = head(story)
    return section(
        "scores",
        "Scores",
        "Scores compared with the frequency baselines",
        story=story,
        experiment=story.experiment,
        compared=_compared(story),
        **facts,
    )


def head(story: Story) -> Facts:
    """What the top of the page and the section say of the scores."""
    valid, known = story.metrics["valid"], {test: story.metrics[test] for test in tests(story)}
    rows = [
        (
            story.experiment.name,
            *(valid[f"sample_f1{end}"] for end in ("", "_low", "_high")),
            *([test["sample_f1"] for test in known.values()] or [None]),
        )
    ]
    rows += [
        (
            f"top 25 {LEVELS.get(row['level'], row['level'])}",
            *(row.get(key) for key in ("valid", "valid_low", "valid_high", *(known or ["test"]))),
        )
        for row in story.baselines
    ]
    scored = split(story, "valid").groupby("fold")["f1"].agg(["size", "mean"])
    areas = {row["fold"]: row["macro_auc"] for row in valid.get("by_fold", ())}
    bars = [(*row[:4], row[4] if len(known) < 2 else None) for row in rows]
    alt = "F1, mean over surveys, on validation: " + ", ".join(
        f"{label} {value:.3f}" + (f" (test {on_test:.3f})" if on_test is not None else "")
        for label, value, _, _, on_test in bars
    )
    best = max(rows[1:], key=lambda row: row[1], default=None)
    splits = {
        "validation": valid,
        **({evaluate.title(name): test for name, test in known.items()} or {"test": None}),
    }
    if "optimistic" in story.metrics:
        splits["validation, optimistic"] = story.metrics["optimistic"]
    return {
        "valid": valid,
        "tests": {evaluate.title(name): test for name, test in known.items()},
        "caveat": config.caveat(story.metrics["scheme"], story.metrics["stop"]),
        "score_rows": rows,
        "score_figure": figures.scores(alt, bars),
        "best": best,
        "other_splits": [split.sentence() for split in story.other_splits],
        "test_text": _test_text(story, known),
        "verdict": _verdict(valid, best),
        "test_verdict": _test_verdict(rows, known, best),
        "same_rows": _same(rows),
        "splits": list(splits),
        "measures": _measures(story, splits, known),
        "by_fold": [(fold, int(row["size"]), row["mean"], areas.get(fold)) for fold, row in scored.iterrows()],
    }


def _measures(story: Story, splits: dict[str, Facts | None], known: dict[str, Facts]) -> list[tuple[str, list[str]]]:
    valid = story.metrics["valid"]
    has = {measure for test in known.values() for measure in test} | set(valid)
    if not _ranks(story):
        has -= set(RANKED)
    names = [*MEASURES, *sorted(has - {*MEASURES, *NO_MEASURES})]
    return [
        (title, [shown((of or {}).get(name), form) for of in splits.values()])
        for name, (title, form) in ((name, MEASURES.get(name, (name.replace("_", " "), ".4g"))) for name in names)
        if name in has
    ]


def _ranks(story: Story) -> bool:
    edition = story.surveys.get("edition", "")
    if story.experiment.submission:
        return story.experiment.submission == "ranked"
    return edition in registry.editions.choices() and registry.editions.get(edition).submission == "ranked"


def _same(rows: list[tuple[Keywords, ...]]) -> list[tuple[str, str]]:
    """Pairs of baselines with exactly the same scores on the test: the wider area, and the narrower one."""
    pairs = []
    for narrower, row in enumerate(rows[1:], 1):
        for wider in rows[1:narrower]:
            if row[4] is not None and row[4:] == wider[4:]:
                pairs.append((wider[0], row[0]))
                break
    return pairs


def _compared(story: Story) -> list[tuple[Keywords, ...]]:
    rows: list[tuple[Keywords, ...]] = []
    for name, other in story.compared.items():
        valid = evaluate.compare(story.per_survey, other, "valid")
        on_tests = [evaluate.compare(story.per_survey, other, test) for test in tests(story) or ["test"]]
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
        facts = {"surveys": 0, "own": own, "other": other, **nothing}
        rows.append((name, facts, [None] * max(len(tests(story)), 1), verdict))
    return rows


def _test_text(story: Story, known: dict[str, Facts]) -> str:
    if not known:
        return "; the labels of the test are not known, so it has no F1."
    if "test" not in known:
        values = [f"{test['sample_f1']:.3f} on {evaluate.title(name)}" for name, test in known.items()]
        return f", {', '.join(values)}."
    name = "held-out fold that replaces the test" if story.folds.get("held_out") else "test"
    return f" and {known['test']['sample_f1']:.3f} on the {name}."


def _verdict(valid: Facts, best: tuple[Keywords, ...] | None) -> str:
    if best is None:
        return "No frequency baseline was computed."
    baseline = f"the best frequency baseline ({best[0]}, F1 {best[1]:.3f})"
    if valid["sample_f1_low"] > best[1]:
        return f"On validation it is clearly above {baseline}, which lies below its interval."
    if valid["sample_f1"] > best[1]:
        return f"On validation it is above {baseline}, but not clearly: the baseline lies within its interval."
    if valid["sample_f1"] == best[1]:
        return f"On validation it equals {baseline}."
    return f"On validation it does not reach {baseline}."


def _test_verdict(rows: list[tuple[Keywords, ...]], known: dict[str, Facts], best: tuple[Keywords, ...] | None) -> str:
    """How it compares on each test, where another baseline may be the best."""
    sentences = []
    for column, name in enumerate(known, 4):
        there = [row for row in rows[1:] if row[column] is not None]
        if not there or best is None:
            continue
        other = max(there, key=lambda row: row[column])
        own, value = rows[0][column], other[column]
        relation = "above" if own > value else "equal to" if own == value else "below"
        which = "the same baseline" if other[0] == best[0] else f"another baseline, {other[0]},"
        sentences.append(
            f"On the {evaluate.title(name)}, the best is {which} with {value:.3f}; this experiment is {relation} it."
        )
    return " ".join(sentences)
