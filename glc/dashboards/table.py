"""One run of W&B per finished table, of a paper or ours."""

from pathlib import Path
from typing import TYPE_CHECKING

from glc import storage
from glc.dashboards.run import artifact_name

if TYPE_CHECKING:
    from wandb.sdk.wandb_run import Run

NAME = "tables/table"


def log(run: "Run", folder: Path, dataset: str, name: str) -> None:
    """Log the table in the folder of a finished output, and its files.

    run : of `glc.dashboards.run.started`
    folder : with ``table.csv`` and, mostly, ``table.md``
    dataset, name : of the table, for the name of its files
    """
    import wandb

    frame = storage.read_csv(folder / "table.csv")
    run.log({NAME: wandb.Table(dataframe=frame)})
    run.summary["rows"] = len(frame)
    artifact = wandb.Artifact(artifact_name(dataset, name, "table"), type="table")
    for path in sorted(folder.glob("table.*")):
        if path.suffix in (".csv", ".md"):
            artifact.add_file(str(path), name=path.name, policy="immutable")
    run.log_artifact(artifact)
