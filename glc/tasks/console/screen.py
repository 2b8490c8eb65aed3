"""The two views of a run: a live table on a terminal, plain lines in a pipe."""

import math
import os
import threading
import time
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live as RichLive
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from glc.tasks.console.journal import Journal
from glc.tasks.console.stages import Stage, Stages

EVERY = 0.5
"""Seconds between two looks at the journal."""
MARKS = {"running": ("▸", "cyan"), "done": ("✓", "green"), "failed": ("✗", "red"), "waiting": ("·", "dim")}
BAR = 18
LINES = 40
"""Lines of finished stages in a pipe, at most, so that all fit on a page; failures come on top."""


def duration(seconds: float) -> str:
    """Seconds as a person says them: 3 s, 2 min 05 s, 1 h 20 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


class View(threading.Thread):
    """Reads the journal while the tasks run and shows what is new."""

    def __init__(self, journal: Journal, stages: Stages, stream: TextIO) -> None:
        super().__init__(daemon=True)
        self.journal, self.stages, self.stream = journal, stages, stream
        self.over = threading.Event()
        self.noticed = 0

    def run(self) -> None:
        while not self.over.wait(EVERY):
            self.show(self.stages.read(self.journal))

    def show(self, ended: list[Stage]) -> None:
        """Show what is new.

        ended : stages that ended since the last call
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it shows a run")

    def stop(self) -> None:
        """Show the last state; nothing is shown afterwards."""
        self.over.set()
        self.join()
        self.show(self.stages.read(self.journal))

    def new_notices(self) -> list[str]:
        """Notices that were not shown yet."""
        texts = self.stages.notices[self.noticed :]
        self.noticed = len(self.stages.notices)
        return texts


class Plain(View):
    """One line per finished stage, or per several of a long run; a line after 1, 2, 4, 8 … minutes without one."""

    titled = False
    held: list[Stage]
    """Finished stages that no line has named yet."""
    said, patience = 0.0, 60.0

    def start(self) -> None:
        self.held = []
        super().start()

    def show(self, ended: list[Stage]) -> None:
        stages, now = self.stages, time.time()
        if stages.order and not self.titled:
            self.titled = True
            present = len(stages.by_id) - stages.total
            before = f", {present} finished before" if present else ""
            self.line(f"{stages.title}: {stages.total} stage{'' if stages.total == 1 else 's'} to run{before}")
        for text in self.new_notices():
            self.line(text)
        for stage in ended:
            if stage.state == "failed" and self.held:
                self.tell(now)
            self.held.append(stage)
            if stage.state == "failed" or len(self.held) >= math.ceil(stages.total / LINES):
                self.tell(now)
        if self.held and self.over.is_set():
            self.tell(now)
        for stage in stages.order:
            if stage.state == "running" and now - max(self.said, stage.began) >= self.patience:
                self.patience *= 2
                words = [f"running for {duration(stage.seconds(now))}", stage.what, remaining(stage, now)]
                self.line(f"{self.place(stage)}  {', '.join(word for word in words if word)}")

    def tell(self, now: float) -> None:
        """Name the last finished stage, and how many before it have no line."""
        *others, stage = self.held
        self.held = []
        verb = "done in" if stage.state == "done" else "failed after"
        more = f", and {len(others)} more before it" if others else ""
        self.line(f"{self.place(stage)}  {verb} {duration(stage.seconds(now))}{more}")

    def place(self, stage: Stage) -> str:
        """Where a stage is among all."""
        total = self.stages.total
        return (
            f"{stage.number:>{len(str(total))}} of {total}  {self.stages.label(stage):32}  {stage.dataset:16}".rstrip()
        )

    def line(self, text: str) -> None:
        self.said = time.time()
        print(text, file=self.stream, flush=True)


class Live(View):
    """One table that is redrawn in place."""

    def start(self) -> None:
        self.console = Console(file=self.stream)
        self.live = RichLive(
            console=self.console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False, transient=False
        )
        self.resize()
        self.live.start()
        self.console.show_cursor(True)  # a run that is killed must not leave a terminal without one
        super().start()

    def resize(self) -> None:
        """Follow the terminal's size: rich would ask file descriptors that lead to the log now."""
        size = os.get_terminal_size(self.stream.fileno())
        self.console.size = (size.columns or 80, size.lines or 24)

    def show(self, ended: list[Stage]) -> None:
        self.resize()
        for text in self.new_notices():
            self.live.console.print(Text(text, style="yellow" if text.startswith("warning: ") else ""))
        self.live.update(self.render(self.console.height - 4), refresh=True)

    def stop(self) -> None:
        super().stop()
        self.live.stop()

    def render(self, rows: int) -> Group:
        """The table, of at most this many rows: all that runs, then what ended last and what comes next."""
        stages, now = self.stages, time.time()
        ended = [stage for stage in stages.order if stage.state in ("done", "failed")]
        running = [stage for stage in stages.order if stage.state == "running"]
        waiting = [] if self.over.is_set() else stages.waiting
        free = max(rows - len(running), 0)
        soon = min(len(waiting), max(free - len(ended), free // 3))
        past = min(len(ended), free - soon)
        table = Table(box=None, pad_edge=False, show_edge=False, header_style="dim", expand=False)
        table.add_column("", no_wrap=True)
        table.add_column("stage", justify="right", no_wrap=True)
        table.add_column("task", no_wrap=True, overflow="ellipsis", max_width=34)
        table.add_column("dataset", no_wrap=True, overflow="ellipsis", max_width=16)
        table.add_column("time", justify="right", no_wrap=True, min_width=10)
        table.add_column("state", no_wrap=True, overflow="ellipsis")
        for stage in ended[len(ended) - past :] + running + waiting[:soon]:
            mark, style = MARKS[stage.state]
            table.add_row(
                Text(mark, style),
                str(stage.number) if stage.number else "",
                Text(stages.label(stage), style="dim" if stage.state == "waiting" else ""),
                Text(stage.dataset, style="dim"),
                duration(stage.seconds(now)) if stage.began else "",
                self.state(stage, now),
            )
        hidden = [f"{len(ended) - past} finished"] * (len(ended) > past)
        hidden += [f"{len(waiting) - soon} waiting"] * (len(waiting) > soon)
        more = [Text(f"  … and {', '.join(hidden)}", "dim")] if hidden else []
        return Group(self.headline(len(ended), now), *([table] if table.rows else []), *more)

    def headline(self, ended: int, now: float) -> Text:
        """The run's name, how far it is and how long it has taken."""
        stages = self.stages
        if not stages.order:
            present = all(stage.state == "present" for stage in stages.by_id.values())
            count = "finished before" if present and self.over.is_set() else "looking for finished stages"
        else:
            count = f"{ended} of {stages.total} stages"
        return Text.assemble((stages.title, "bold"), f" · {count} · {duration(now - stages.began)}")

    def state(self, stage: Stage, now: float) -> Text | Table:
        """A bar with the time left where the total is known, else a few words."""
        if stage.state != "running":
            return Text(stage.state, MARKS[stage.state][1])
        if not stage.total:
            return Text(stage.what or "running")
        row = Table.grid(padding=(0, 1))
        words = ", ".join(word for word in (stage.what, remaining(stage, now)) if word)
        row.add_row(ProgressBar(stage.total, min(stage.done, stage.total), width=BAR), Text(words))
        return row


def remaining(stage: Stage, now: float) -> str:
    """The time left, where it can be known; of a training that may stop early, at most that long."""
    left = stage.left(now)
    return f"{duration(math.ceil(left))} left" if left is not None else ""
