"""Frames as Markdown tables."""

from collections.abc import Iterable

import pandas as pd


def markdown(title: str, frame: pd.DataFrame, remarks: Iterable[str] = ()) -> str:
    """A frame as a Markdown table under `title`, with `remarks` below."""

    def cell(name, value):
        if isinstance(value, float):
            digits = 4 if abs(value) < 2 and name not in ("seconds", "minutes", "epochs") else 1
            return "" if value != value else f"{value:,.{digits}f}"
        return str(value)

    lines = [f"## {title}", "", "| " + " | ".join(frame.columns) + " |", "|" + "---|" * len(frame.columns)]
    lines += ["| " + " | ".join(map(cell, frame, row)) + " |" for row in frame.itertuples(index=False)]
    return "\n".join([*lines, "", *remarks, ""])
