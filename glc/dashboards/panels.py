"""The dashboard as data: its sections and panels, and the metrics that they show."""

from dataclasses import dataclass

from glc.dashboards import experiment, table


@dataclass(frozen=True)
class Panel:
    """A panel of the dashboard.

    kind : bars or points of final measures, lines of learning curves, table, or differences of configurations
    title : above it
    metrics : that it shows, as a run has them; of points, the one across
    x : what is along the axis: of lines and points
    """

    kind: str
    title: str
    metrics: tuple[str, ...] = ()
    x: str = ""


SECTIONS: dict[str, tuple[Panel, ...]] = {
    "Scores": (
        Panel("bars", "F1 on validation", ("valid/sample_f1",)),
        Panel("bars", "95 % interval of F1 on validation", ("valid/sample_f1_low", "valid/sample_f1_high")),
        Panel("bars", "F1 on the test", ("test/sample_f1",)),
        Panel("bars", "Micro F1 and mean AUC of species on validation", ("valid/micro_f1", "valid/macro_auc")),
        Panel("table", "Measures", ("tables/measures",)),
        Panel("table", "Folds", ("tables/folds",)),
        Panel("table", "Frequency baselines", ("tables/baselines",)),
    ),
    "Sets": (
        Panel("bars", "Species in a predicted set, and in a survey", ("valid/mean_set", "valid/mean_species")),
        Panel("points", "F1 by size of the sets", ("valid/sample_f1",), x="valid/mean_set"),
        Panel("table", "Species", ("tables/species",)),
    ),
    "Learning curves": (
        Panel("lines", "Loss on training", (f"{experiment.MEAN}/train_loss",), x=experiment.EPOCH),
        Panel("lines", "Loss on the stopping fold", (f"{experiment.MEAN}/valid_loss",), x=experiment.EPOCH),
        Panel("lines", "F1 on the stopping fold", (f"{experiment.MEAN}/valid_f1",), x=experiment.EPOCH),
    ),
    "Cost": (
        Panel("bars", "Seconds", ("cost/seconds",)),
        Panel("bars", "Peak memory in MB", ("cost/peak_memory_mb",)),
        Panel("points", "F1 by seconds", ("valid/sample_f1",), x="cost/seconds"),
    ),
    "Papers' tables": (Panel("table", "Table", (table.NAME,)),),
    "Configuration": (Panel("differences", "Settings that differ"),),
}
"""Name of a section -> its panels, in the order of the page."""

GROUPS = ("dataset", "paper")
"""Settings by which the runs are grouped."""


def metrics() -> list[str]:
    """Every metric that the dashboard names."""
    named = (name for panels in SECTIONS.values() for panel in panels for name in (*panel.metrics, panel.x))
    return sorted({name for name in named if name})
