"""Tables of a benchmark of species distribution models: means, paired differences, time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from glc import storage
from glc.report.markdown import markdown
from glc.sdm import evaluate
from glc.sdm.sites import Group, read_scores
from glc.types import Facts

NO_TRUTH = "The folder has no truth of any region: there is nothing to measure by."

BELOW = (
    "PRG-AUC has no lower bound. The curve of a species at few sites begins before its first presence: where many "
    "absences come first, precision gain is far below 0, and one such species turns the mean of a region negative "
    "though its AUC is above .5. The median is not moved by it.",
)


@dataclass(frozen=True)
class Run:
    """What was made of one region.

    groups : its `glc.sdm.sites.Group`
    scores : model -> folder of its scores, the ensemble's among them
    choice : folder of the choice whether coordinates are covariates
    written : files of scores without truth, relative to the folder of outputs
    """

    region: str
    groups: Sequence[Group]
    scores: Mapping[str, Path]
    choice: Path
    written: Sequence[Path]


def write(
    runs: Sequence[Run],
    out: Path,
    *,
    title: str,
    remarks: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    references: Mapping[str, Mapping[str, float]],
    published_scores: Callable[[pd.DataFrame], pd.DataFrame | None],
    sections: Callable[[pd.DataFrame], list[str]],
) -> Facts:
    """Write ``table.md``, ``table.csv``, ``per_species.csv`` and ``differences.csv``; return facts for the manifest.

    remarks : sentences below the last table
    pairs : models whose difference is measured
    references : model -> region -> mean AUC, of models that are known by such means alone
    published_scores : takes the table of all species, and gives published rows like it, or None
    sections : takes the same, and gives further sections of the page
    """
    seconds: dict[str, float] = {}
    for run in runs:
        for name, folder in {**run.scores, "place": run.choice}.items():
            seconds[name] = seconds.get(name, 0) + storage.manifest(folder)["seconds"]
    times = pd.DataFrame({"model": list(seconds), "seconds": list(seconds.values())})
    ours = _per_species(runs)
    if ours is None:
        storage.write_csv(pd.DataFrame(columns=["model", "measure"]), out / "table.csv")
        page = [
            f"# {title}",
            "",
            NO_TRUTH,
            "",
            *_written(runs),
            markdown("Time of fitting and scoring, all regions", times),
        ]
        (out / "table.md").write_text("\n".join(page))
        return {"seconds_of_models": seconds, "species": 0}
    table = pd.concat([ours, published_scores(ours)], ignore_index=True)
    storage.write_csv(table, out / "per_species.csv")
    differences = evaluate.differences(table, pairs)
    storage.write_csv(differences, out / "differences.csv")
    long, page = [], [f"# {title}", ""]
    for measure, name in evaluate.TITLES.items():
        mean = evaluate.means(table, measure).dropna(how="all")
        if measure == "auc" and references:
            known = pd.DataFrame.from_dict(references, orient="index").reindex(columns=mean.columns)
            mean = pd.concat([mean, known]).rename_axis("model")
        long.append(mean.reset_index().assign(measure=name))
        page.append(markdown(f"Mean {name}", mean.reset_index()))
    page.append(
        markdown("All species, with 95 % bootstrap intervals of the mean over species", evaluate.overall(table))
    )
    groups, below = evaluate.by_group(ours), evaluate.below_chance(ours)
    if len(groups):
        page.append(markdown("Mean AUC by group", groups))
    if len(below):
        page.append(markdown("Species below chance by PRG-AUC", below, BELOW))
    page.append(markdown("Paired differences in AUC, with 95 % bootstrap intervals over species", differences))
    page += [*sections(ours), *_written(runs)]
    page.append(markdown("Time of fitting and scoring, all regions", times, remarks))
    (out / "table.md").write_text("\n".join(page))
    storage.write_csv(pd.concat(long, ignore_index=True), out / "table.csv")
    return {"seconds_of_models": seconds, "species": int(ours["species"].nunique())}


def _per_species(runs: Sequence[Run]) -> pd.DataFrame | None:
    """Measures of each model and species of the groups that have a truth; None where none has."""
    parts = [
        evaluate.per_species(run.region, name, group, read_scores(folder, group))
        for run in runs
        for group in run.groups
        if group.truth is not None
        for name, folder in run.scores.items()
    ]
    return pd.concat(parts, ignore_index=True) if parts else None


def _written(runs: Sequence[Run]) -> list[str]:
    """The section that says where the scores of groups without truth are, if there are any."""
    rows = [(run.region, str(path)) for run in runs for path in run.written]
    if not rows:
        return []
    frame = pd.DataFrame(rows, columns=["region", "file"])
    return [markdown("Scores of sites whose truth is not in the folder (below the folder of outputs)", frame)]
