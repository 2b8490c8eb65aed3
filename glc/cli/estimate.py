"""``glc estimate``: minutes, memory and disk of an experiment before it runs."""

from pathlib import Path

from rich.table import Table

from glc.cli import costs, output, plan


def show(task: str, options: dict[str, str], speed: float) -> int:
    """Print the estimate of a task (of `glc.tasks`) with these options; returns the exit code."""
    top, of_run = plan.planned(task, options)
    estimates = costs.Estimates(of_run, speed)
    screen = output.screen()
    screen.print(_stages(estimates))
    done = sum(state == "finished" for _, state in of_run)
    print(f"\n{done} of {len(of_run)} tasks are finished and cost nothing; outputs go to {top.root}")
    for note in estimates.notes(Path(top.root)):
        print(note)
    return 0


def _stages(estimates: costs.Estimates) -> Table:
    """A line per kind of task that would run, and the total."""
    table = output.table("stage")
    for header in ("tasks", "minutes", "memory GB", "disk GB"):
        table.add_column(header, justify="right")
    stages: dict[str, list[costs.Estimate]] = {}
    for estimate in estimates.known:
        stages.setdefault(estimate.stage, []).append(estimate)
    for stage, own in stages.items():
        peak, size = max(each.memory_mb for each in own) / 1024, sum(each.bytes for each in own) / costs.GB
        table.add_row(stage, str(len(own)), *costs.figures(sum(each.seconds for each in own), peak, size))
    for name in estimates.unknown:
        tasks = sum(task.task_family == name for task, estimate in estimates.by_task.items() if estimate is None)
        table.add_row(name, str(tasks), *costs.of_task(None))
    total = costs.figures(estimates.seconds, estimates.memory_gb, estimates.disk_gb)
    table.add_row("total", str(len(estimates.by_task)), *total, style="bold")
    return table
