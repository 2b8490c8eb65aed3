"""``glc run --dry-run``: the tasks of an experiment in the order in which they run."""

import sys

import luigi
from luigi.task import flatten
from rich.text import Text

from glc import tasks as _tasks  # noqa: F401 - registers them by name
from glc.cli import output
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


def show(task: str, options: dict[str, str]) -> int:
    """Print the plan of a task (of `glc.tasks`) with these options; returns the exit code."""
    luigi.configuration.get_config().set("machine", "repair", "false")  # a dry run removes nothing
    top = luigi.task_register.Register.get_task_cls(task).from_str_params(options)
    planned = tasks(top)
    table = output.table("", "task", "", "state")
    for number, (task, state) in enumerate(planned, 1):
        facts = describe(task)
        other = facts["experiment"] if facts["experiment"] != top.to_str_params()["experiment"] else ""
        details = " ".join(word for word in (other, facts["details"]) if word)
        table.add_row(str(number), facts["family"], details, Text(state, STYLES[state]))
    screen = output.screen()
    screen.print(table)
    counts = {state: sum(other == state for _, other in planned) for state in STYLES}
    text = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    print(f"\n{len(planned)} tasks: {text}; outputs go to {top.root}", file=sys.stdout)
    if counts["damaged"]:
        print("Damaged outputs stop a run; with --repair it makes them again. Details: glc verify", file=sys.stdout)
    return 0
