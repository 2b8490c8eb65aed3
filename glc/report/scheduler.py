"""The first page of the scheduler: what runs, what failed, what waits; readable on a phone, without scripts."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import jinja2

from glc.report.templates import POLICY
from glc.types import Facts

_TITLES = {
    "RUNNING": "Running",
    "BATCH_RUNNING": "Running",
    "FAILED": "Failed",
    "DISABLED": "Failed too often",
    "UNKNOWN": "Unknown",
    "PENDING": "Waiting",
    "DONE": "Done",
}
"""Luigi's state of a task -> heading, in the order of the page."""
_MOST = 30
"""Tasks that a group lists."""


@dataclass(frozen=True)
class ShownTask:
    """One line of the page; all texts are escaped by the template."""

    name: str
    details: str
    """Fold, experiment and dataset, as far as the task has them."""
    message: str
    percentage: float | None
    time: str
    """How long it has run, or when it ended."""


@dataclass(frozen=True)
class Group:
    """Tasks of one state."""

    title: str
    failed: bool
    tasks: list[ShownTask] = field(default_factory=list)
    more: int = 0


def render(tasks: Iterable[Facts], now: float) -> str:
    """The page as HTML.

    tasks : as Luigi's scheduler gives them: status, name, params, status_message, progress_percentage, time_running,
        last_updated
    now : seconds since the epoch
    """
    by_title: dict[str, list[Facts]] = {title: [] for title in _TITLES.values()}
    for task in tasks:
        by_title[_TITLES.get(task["status"], "Unknown")].append(task)
    groups = []
    for title, own in by_title.items():
        own.sort(key=lambda task: -task["last_updated"])
        shown = [_shown(task, now) for task in own[:_MOST]]
        if own:
            groups.append(Group(title, title.startswith("Failed"), shown, len(own) - len(shown)))
    counts = ", ".join(f"{len(own)} {title.lower()}" for title, own in by_title.items() if own) or "No tasks"
    clock = time.strftime("%H:%M:%S", time.localtime(now))
    page = Path(__file__).with_name("scheduler.html.j2").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(page)
    return template.render(counts=counts, groups=groups, now=clock, policy=POLICY)


def _shown(task, now):
    params, running = task["params"], task["status"] in ("RUNNING", "BATCH_RUNNING")
    fold = f"fold {params['fold']}" if "fold" in params else ""
    part = params.get("part") or params.get("covariate") or params.get("kind") or ""
    dataset = params.get("dataset", "").rstrip("/").rpartition("/")[2]
    details = " · ".join(text for text in (fold, part, params.get("experiment", ""), dataset) if text)
    if running and task["time_running"]:
        seconds = max(round(now - task["time_running"]), 0)
        when = f"{seconds // 60} min {seconds % 60:02} s" if seconds >= 60 else f"{seconds} s"
    else:
        when = time.strftime("%H:%M", time.localtime(task["last_updated"])) if task["status"] != "PENDING" else ""
    percentage = task["progress_percentage"] if running else None
    return ShownTask(task["name"], details, task["status_message"] or "", percentage, when)
