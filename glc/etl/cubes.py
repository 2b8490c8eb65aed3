"""Cubes of surveys: quarterly satellite series and monthly climate, one row per survey; missing values are NaN.

Three sources, one table: six CSVs of quarterly series (`write_series`), files that hold one cube each (`write_files`)
and monthly rasters (`write_rasters`). Each writes ``cubes/`` and ``quarantine/`` under its output folder and returns
the facts for the manifest. Values are gathered in a scratch file next to the output, not in memory: cubes of millions
of surveys take gigabytes. (Miyaguchi et al. 2024, section 4.3.)
"""

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa

from glc.errors import ConfigError, did_you_mean
from glc.etl import monthly
from glc.etl.cube_table import KINDS, Scratch, check_terms, coefficients, read, sorted_places, write
from glc.etl.cube_values import folders, locate, of_files, of_series
from glc.types import Facts, StrPath

__all__ = ["KINDS", "coefficients", "folders", "locate", "read", "write_files", "write_rasters", "write_series"]


def write_series(
    places: pd.DataFrame | pa.Table, folder: StrPath, out: StrPath, terms: int = 64, max_corrupt_fraction: float = 0.05
) -> Facts:
    """Write the cubes (6, 4, years) and coefficients (6, `terms`) of the six CSVs found below `folder`.

    places : frame or Arrow table with dataset, surveyId; and series_id (null: none) where the tables are of
        ``timeSerieID`` (`glc.etl.series.series_ids` reads it from an occurrence table)
    returns : facts: shape, axes, names, terms, `datasets` (ok, missing, corrupt of each), `quarantined`, `files`
    A survey that lacks the row of some bands has NaN there and counts in `partial`. A DataError tells of tables that do
    not fit together, and of more corrupt surveys than `max_corrupt_fraction` of those that have a series.
    """
    places = sorted_places(places)
    with of_series(places, folder, out, terms) as source:
        facts = _write(places, source, out, "landsat", terms, max_corrupt_fraction)
    return facts | source.facts  # last, for a table of series tells its own years


def write_files(
    places: pd.DataFrame | pa.Table,
    folder: StrPath,
    out: StrPath,
    kind: str = "bioclim",
    shape: Sequence[int] | None = None,
    terms: int = 64,
    max_corrupt_fraction: float = 0.05,
) -> Facts:
    """Write the cubes of the files ``…_SURVEYID_cube.npy`` or ``.pt`` of `kind` found below `folder`.

    places : frame or Arrow table with dataset, surveyId
    kind : of `KINDS`
    shape : where it is not the kind's own
    returns : facts as of `write_series`, and `unused`, the files of no survey in `places`
    A file that cannot be read, or of another shape, goes to the quarantine and its survey is flagged; files are read
    without executing anything they carry. Coefficients are written for ``landsat`` only.
    """
    if kind not in KINDS:
        raise ConfigError(f"kind={kind!r}: expected one of: {', '.join(KINDS)}{did_you_mean(kind, KINDS)}")
    shape = tuple(shape or KINDS[kind].shape)
    if KINDS[kind].table == "series":
        check_terms(terms, shape[1] * shape[2])
    places = sorted_places(places)
    with of_files(places, folder, kind, shape) as source:
        facts = _write(places, source, out, kind, terms, max_corrupt_fraction)
    return facts | source.facts


def _write(places, source, out, kind, terms, max_corrupt_fraction):
    return write(
        places, source.chunk, source.corrupt, source.faults, out, kind, source.shape, terms, max_corrupt_fraction
    )


def write_rasters(places, layers, out, max_corrupt_fraction=0.05):
    """Write the cubes (variables, years, 12) of monthly rasters at the surveys' pixels.

    places : frame or Arrow table with dataset, surveyId, lon, lat (degrees); layers : frame of `glc.etl.monthly.layers`
    returns : facts as of `write_series`
    Surveys outside the rasters, or on nodata in every one of them, are flagged missing.
    """
    places = sorted_places(places, ("lon", "lat"))
    variables, years = (list(dict.fromkeys(layers[name])) for name in ("variable", "year"))
    layers = monthly.complete(layers, variables, years)
    shape = (len(variables), len(years), 12)
    with Scratch(out, (len(layers), len(places))) as values:
        corrupt, faults = monthly.sample(layers, places["lon"], places["lat"], values)
        faults = [{"dataset": None} | record for record in faults]

        def chunk(rows):
            return values[:, rows].T.reshape(-1, *shape)

        facts = write(places, chunk, corrupt, faults, out, "bioclim", shape, None, max_corrupt_fraction)
    return facts | {"names": variables, "years": [int(year) for year in years]}
