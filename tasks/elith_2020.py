"""Elith et al. 2020: the NCEAS benchmark of species distribution models from presence-only records.

    python -m luigi --module tasks.elith_2020 elith_2020.Nceas --data-folder FOLDER

What is the same for all regions (models and their settings, target-group background, rank mean) was chosen with the
four open regions in view; what differs between regions (coordinates as covariates) is decided by training data alone.
"""

import luigi
import pandas as pd

from glc import storage
from glc.report.markdown import markdown
from glc.sdm import nceas
from glc.tasks.sdm import MODELS, Benchmark, tables_folder
from glc.types import JSON

luigi.namespace("elith_2020", scope=__name__)

_CONTEXT = {"Ensemble": "ensemble", "MaxEnt": "maxent", "RF": "forest", "BRT": "boosted"}


class Nceas(Benchmark):
    """AUC, PRG-AUC and correlation by region; scores of the regions whose truth is not in the folder."""

    benchmark = "nceas"
    published_in = "Elith et al. 2020"
    data_folder = tables_folder("NCEAS")
    title = "NCEAS benchmark (Elith et al. 2020): presence-only training, independent presence-absence tests"
    pairs = (
        *(("ensemble", name) for name in MODELS),
        *(("net", name) for name in MODELS if name != "net"),
        ("net", "maxnet, random (published)"),
        ("net", "forest, target_group (published)"),
        ("ensemble", "forest, target_group (published)"),
    )
    remarks = (
        "Published on the same full tests, if the folder has them: maxnet with random background (van den Dool "
        "2023), and a plain down-sampled forest with both backgrounds; they report only the AUC.",
        "x and y are covariates if spatially blocked cross-validation on the training data favours them.",
    )

    def content(self) -> JSON:
        paths, _ = nceas.published_files(self.data_folder)
        return [*super().content(), *([path.name, storage.file_digest(path)] for path in paths)]

    def published_scores(self, table: pd.DataFrame) -> pd.DataFrame | None:
        known = nceas.published(self.data_folder)
        if known is None:
            return None
        known = known[known.index.isin(table["species"])].rename_axis("species").reset_index()
        long = known.melt(["species", "region"], var_name="model", value_name="auc")
        return long.assign(model=long["model"] + " (published)")

    def sections(self, table: pd.DataFrame) -> list[str]:
        _, lacking = nceas.published_files(self.data_folder)
        notes = [f"Not in the folder's `published`, so not compared: {', '.join(lacking)}.\n"] if lacking else []
        context = nceas.context(self.data_folder)
        if context is None:
            return notes
        context = context[context.index.isin(_CONTEXT) & context["species"].isin(table["species"])].reset_index()
        measures = ["auc", "prg", "cor"]
        theirs = context.groupby("model", sort=False)[measures].mean()
        own = table[table["species"].isin(context["species"])].groupby("model")[measures].mean()
        own = own.reindex([_CONTEXT[name] for name in theirs.index]).set_axis(theirs.index)
        frame = theirs.join(own.add_suffix(" ours"))
        return [
            *notes,
            markdown(
                f"Context: Valavi et al. 2023, {context['species'].nunique()} species of these regions",
                frame.reset_index(),
                ("Their tests are means over five random folds that are not public: *other data*, so not compared.",),
            ),
        ]
