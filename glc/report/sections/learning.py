"""Learning curves of a neural network, or the weights of an ensemble's members."""

import pandas as pd

from glc.report import figures
from glc.report.sections.section import Section, section
from glc.report.story import Story

MONITORS = {
    "f1": ("valid_f1", -1, "highest F1"),
    "loss": ("valid_loss", 1, "lowest loss"),
    "top30": ("valid_top30", -1, "highest top-30 accuracy"),
}
"""What early stopping watches -> its column, its sign, and words for its best value."""


def learning(story: Story) -> Section | None:
    """None where nothing is trained by steps and no members are weighted."""
    if not story.histories and not story.members:
        return None
    column, sign, best_text = MONITORS[story.experiment.train.monitor]
    known = {fold: frame for fold, frame in sorted(story.histories.items()) if len(frame)}
    rows = best_rows(known, column, sign)
    relative = "relative" in story.metrics
    wanted = [(("train_loss", "valid_loss"), "loss")]
    wanted += [] if relative else [(("valid_f1",), "F1 of the 25 best species")]
    drawn = []
    for measures, label in wanted if known else []:
        ends = ", ".join(
            f"fold {fold} {row[measures[-1]]:.3g} at epoch {int(row['epoch']) + 1}" for fold, row in rows.items()
        )
        alt = f"{label} by epoch, at each fold's best epoch: {ends}"
        curves = {fold: frame.assign(epoch=frame["epoch"] + 1) for fold, frame in known.items()}
        best = {fold: row["epoch"] + 1 for fold, row in rows.items()}
        drawn.append(figures.learning(alt, curves, measures, best, label))
    return section(
        "learning",
        "Learning" if story.histories else "Members",
        "Learning curves" if story.histories else "Weights of the members",
        stop=story.metrics["stop"],
        relative=relative,
        best_text=best_text,
        members=story.members,
        member_rows=[
            (name, [weights[name] for weights in story.members.values()])
            for name in next(iter(story.members.values()), {})
        ],
        unfinished=sorted(set(story.histories) - set(known)),
        rows=[(fold, len(known[fold]), row, known[fold]["seconds"].sum()) for fold, row in rows.items()],
        drawn=drawn,
    )


def best_rows(histories: dict[int, pd.DataFrame], column: str, sign: int) -> dict[int, pd.Series]:
    """The row of each fold's history whose weights were kept: the smallest `sign` times `column`."""
    return {fold: frame.loc[(sign * frame[column]).idxmin()] for fold, frame in histories.items()}
