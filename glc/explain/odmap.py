"""ODMAP, the reporting protocol of species distribution models, filled with what a run knows of itself.

What cannot be known from the run says so, and is left to the author: nothing is guessed.
"""

import pandas as pd

from glc.explain import odmap_data, odmap_model
from glc.explain.citation import AUTHOR
from glc.explain.odmap_fields import FIELDS, VERSION
from glc.explain.run import Run

__all__ = ["AUTHOR", "VERSION", "odmap"]

_VALUES = odmap_data.VALUES | odmap_model.VALUES


def odmap(run: Run) -> pd.DataFrame:
    """The protocol of a run: a frame with a row per field of ODMAP v1.0, in its order.

    returns : section, subsection, element, Value (the header of ODMAP's own CSV files), and source, ``run`` or
        ``author``: whether the value is derived from the run
    """
    rows = []
    for section, subsection, element in FIELDS:
        fill = _VALUES.get((section, subsection, element))
        value = (fill(run) if fill else "") or AUTHOR
        rows.append((section, subsection, element, value, "author" if AUTHOR in value else "run"))
    return pd.DataFrame(rows, columns=["section", "subsection", "element", "Value", "source"])
