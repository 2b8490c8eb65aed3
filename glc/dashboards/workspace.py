"""The dashboard of `glc.dashboards.panels` as a workspace of W&B (the extra ``dashboard``)."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from glc.dashboards.panels import GROUPS, SECTIONS, Panel
from glc.errors import ConfigError

if TYPE_CHECKING:
    from wandb_workspaces.workspaces import Workspace

NAME = "glc"


def workspace(entity: str, project: str) -> "Workspace":
    """The dashboard, not saved yet: nothing is sent.

    entity, project : at W&B
    A ConfigError tells of a missing package.
    """
    try:
        import wandb_workspaces.reports.v2 as blocks
        import wandb_workspaces.workspaces as spaces
    except ImportError as error:
        raise ConfigError(
            f"the dashboard: {error}; expected the package wandb-workspaces; try: pip install -e '.[dashboard]'"
        ) from error

    # W&B names the columns of tables and the final values of metrics "summary metrics"
    final = blocks.SummaryMetric
    makers: dict[str, Callable[[Panel], object]] = {
        "bars": lambda panel: blocks.BarPlot(title=panel.title, metrics=[final(name) for name in panel.metrics]),
        "points": lambda panel: blocks.ScatterPlot(title=panel.title, x=final(panel.x), y=final(panel.metrics[0])),
        "lines": lambda panel: blocks.LinePlot(title=panel.title, x=panel.x, y=list(panel.metrics)),
        "table": lambda panel: blocks.WeavePanelSummaryTable(table_name=panel.metrics[0]),
        "differences": lambda panel: blocks.RunComparer(diff_only=True),
    }
    sections = [
        spaces.Section(name=name, panels=[makers[panel.kind](panel) for panel in panels], is_open=True)
        for name, panels in SECTIONS.items()
    ]
    settings = spaces.RunsetSettings(groupby=[spaces.Config(name) for name in GROUPS])
    return spaces.Workspace(entity=entity, project=project, name=NAME, sections=sections, runset_settings=settings)
