"""``glc run --dry-run``: the tasks of an experiment in the order in which they run."""

import sys
from pathlib import Path

import luigi
from luigi.task import flatten
from rich.text import Text

from glc import tasks as _tasks  # noqa: F401 - registers them by name
from glc.cli import costs, output
from glc.errors import DamagedError
from glc.tasks.console.stages import describe

STYLES = {"finished": "green", "would run": "bold", "damaged": "red", "not needed": "dim"}


def tasks(top) -> list[tuple]:
    """(task, state) of everything below `top`, requirements first.

    state : finished; would run; damaged; not needed, as the part that is made from it is finished
    """
    order, needed = [], set()

    def walk(task, wanted):
        known = task in states
        if known and (task in needed or not wanted):
            return
        if wanted:
            needed.add(task)
        if not known:
            try:
                states[task] = "finished" if task.complete() else "would run"
            except DamagedError:
                states[task] = "damaged"
        for requirement in flatten(task.requires()):
            walk(requirement, wanted and states[task] != "finished")
        if not known:
            order.append(task)

    states = {}
    walk(top, True)
    return [
        (task, "not needed" if states[task] == "would run" and task not in needed else states[task]) for task in order
    ]


def planned(task: str, options: dict[str, str]) -> tuple:
    """The task (of `glc.tasks`) with these options, and the `tasks` of its run."""
    luigi.configuration.get_config().set("machine", "repair", "false")  # a dry run removes nothing
    top = luigi.task_register.Register.get_task_cls(task).from_str_params(options)
    return top, tasks(top)


def show(task: str, options: dict[str, str]) -> int:
    """Print the plan of a task (of `glc.tasks`) with these options; returns the exit code."""
    top, of_run = planned(task, options)
    estimates = costs.Estimates(of_run) if "dataset" in top.to_str_params() else None
    table = output.table("", "task", "", "state")
    for header in ("minutes", "memory GB", "disk GB") if estimates else ():
        table.add_column(header, justify="right")
    for number, (each, state) in enumerate(of_run, 1):
        facts = describe(each)
        other = facts["experiment"] if facts["experiment"] != top.to_str_params()["experiment"] else ""
        details = " ".join(word for word in (other, facts["details"]) if word)
        wanted = estimates is not None and each in estimates.by_task
        figures = costs.of_task(estimates.by_task[each]) if wanted else ()
        table.add_row(str(number), facts["family"], details, Text(state, STYLES[state]), *figures)
    screen = output.screen()
    screen.print(table)
    counts = {state: sum(other == state for _, other in of_run) for state in STYLES}
    text = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    print(f"\n{len(of_run)} tasks: {text}; outputs go to {top.root}", file=sys.stdout)
    if estimates is not None and estimates.by_task:
        minutes, memory, disk = costs.figures(estimates.seconds, estimates.memory_gb, estimates.disk_gb)
        print(f"about {minutes} minutes, {memory} GB of memory, {disk} GB on disk", file=sys.stdout)
        for note in estimates.notes(Path(top.root)):
            print(note, file=sys.stdout)
    if counts["damaged"]:
        print("Damaged outputs stop a run; with --repair it makes them again. Details: glc verify", file=sys.stdout)
    return 0
