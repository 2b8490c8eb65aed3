"""docs/papers.md: every element has a status, a reason where it is not as published, and commands that exist."""

import functools
import importlib.util
import re
import shlex
from pathlib import Path

import pytest
import typer
from luigi.task_register import Register, TaskClassNotFoundException

from glc import config
from glc.cli import app
from glc.errors import ConfigError
from tests.test_makefile import CHECKOUT, planned, targets

PAGE = (CHECKOUT / "docs/papers.md").read_text(encoding="utf-8")
COLUMNS = ["#", "element", "section", "status", "how", "command"]
STATUSES = ("works", "differs", "not done")
ELEMENTS = {"DS@GT": 65, "Tighnari": 52, "LIRMM": 26, "Location encoder": 17}
"""Elements of each paper, by how its heading begins."""
VARIABLES = re.findall(r"^([A-Z]+) *[:?]?=", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)


def cells(line):
    """Cells of a line of a Markdown table; ``\\\\|`` is no border."""
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def sections(page):
    """Heading -> lines of its table, each a list of cells, from the header on and without the rule."""
    parts = re.split(r"^## (.*)$", page, flags=re.MULTILINE)[1:]
    return {
        heading: [cells(line) for line in text.splitlines() if line.startswith("|") and not line.startswith("|---")]
        for heading, text in zip(parts[::2], parts[1::2], strict=True)
    }


def commands(cell):
    """The commands of a cell: what stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def problems(heading, number, row):
    """What is wrong with the row that should have a number, as sentences."""
    if len(row) != len(COLUMNS):
        return [f"{heading}: found {len(row)} cells, expected {len(COLUMNS)}: {row}; write | in a cell as \\|"]
    found, element, section, status, how, command = row
    place = f"{heading}, row {found}"
    wrong = [f"{place}: expected row {number}"] * (found != str(number))
    wrong += [
        f"{place}: the cell {name} is empty" for name, cell in (("element", element), ("section", section)) if not cell
    ]
    if status not in STATUSES:
        return [*wrong, f"{place}: found the status {status!r}, expected one of: {', '.join(STATUSES)}"]
    wrong += [f"{place}: {status} without a reason"] * (status != "works" and len(how.split()) < 4)
    wrong += [f"{place}: it works, but nothing says how"] * (status == "works" and not how)
    named = commands(command)
    wrong += [f"{place}: it works, but no command shows it"] * (status == "works" and not named)
    wrong += [f"{place}: found {command!r}, expected commands in backticks or -"] * (not named and command != "-")
    return wrong + [f"{place}: {text}" for name in named if (text := problem(name))]


@functools.cache
def problem(command):
    """Why a command cannot be run, by what exists; empty if it can."""
    try:
        words = shlex.split(command.replace("\\\n", " "))
    except ValueError as error:
        return f"{command!r}: {error}"
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    if not words:
        return "an empty command"
    match words:
        case ["make", *rest]:
            return of_make(rest)
        case ["glc", name, *rest]:
            return of_glc(name, rest)
        case ["luigi", *rest] | ["python", "-m", "luigi", *rest]:
            return of_luigi(rest)
        case ["python", "-m", module, *rest]:
            return of_module(module, rest)
        case ["pytest" | "nice", *rest]:
            missing = [word for word in rest if "/" in word and not (CHECKOUT / word.partition("::")[0]).exists()]
            return f"no such file: {missing[0]}" if missing else ""
    return f"{command!r}: found {words[0]}, expected make, glc, luigi, pytest or python -m"


def of_make(words):
    """Why `make words` cannot be run; its last command is looked at, too."""
    settings = dict(word.split("=", 1) for word in words if "=" in word)
    unknown = [name for name in settings if name not in VARIABLES]
    if unknown:
        return f"make: no variable {unknown[0]}"
    names = [word for word in words if "=" not in word]
    unknown = [name for name in names if name not in {*targets(), *config.experiment_names()}]
    if unknown or not names:
        return f"make: no target {' '.join(unknown)}"
    line = planned(*words, VENV="/nowhere")
    for name, short in (("/nowhere/bin/python", "python"), ("/nowhere/bin/glc", "glc")):
        line = line.replace(name, short)
    return problem(line) if line.startswith(("python -m luigi", "python -m glc", "glc ")) else ""


def of_glc(name, words):
    """Why `glc name words` cannot be run."""
    known = typer.main.get_command(app).commands
    if name not in known:
        return f"glc: no command {name}"
    own, _, luigis = " ".join(words).partition(" -- ")
    options = {option for parameter in known[name].params for option in parameter.opts}
    unknown = [word for word in re.findall(r"(?<!\S)--[\w-]+", own) if word not in options]
    if unknown:
        return f"glc {name}: no option {unknown[0]}"
    takes_experiment = name in ("run", "show", "clean") and words and not words[0].startswith("-")
    if takes_experiment and (finding := of_experiment(words[0])):
        return finding
    return of_luigi(["--module", "glc.tasks", "Submission", *shlex.split(luigis)]) if luigis else ""


def of_luigi(words):
    """Why `luigi words` cannot be run: an unknown module, task, option or experiment."""
    if len(words) < 3 or words[0] != "--module":
        return f"luigi: found {' '.join(words)!r}, expected --module MODULE TASK ..."
    module, family, *options = words[1:]
    try:
        importlib.import_module(module)
        task = Register.get_task_cls(family)
    except (ModuleNotFoundError, TaskClassNotFoundException) as error:
        return f"luigi: {error}"
    known = {f"--{name.replace('_', '-')}" for name, _ in task.get_params()} | {"--workers", "--local-scheduler"}
    machine = {f"--{name.replace('_', '-')}" for name in _machine_options()}
    for number, word in enumerate(options):
        name, _, value = word.partition("=")
        if name.startswith("--") and name not in known | machine:
            return f"luigi {family}: no option {name}"
        if name == "--experiment" and (finding := of_experiment(value or options[number + 1])):
            return finding
    return ""


@functools.cache
def _machine_options():
    """Options that every task has: those of ``[machine]``, and where encoders and weights are."""
    sections = ("machine", "location", "weights")
    return [f"{section}_{name}" for section in sections for name, _ in Register.get_task_cls(section).get_params()]


def of_module(name, words):
    """Why `python -m name words` cannot be run: options are looked for in the module's text."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        spec = None
    if spec is None:
        return f"no module {name}"
    path = Path(spec.origin)
    text = path.with_name("__main__.py").read_text() if path.name == "__init__.py" else path.read_text()
    unknown = [word.partition("=")[0] for word in words if word.startswith("--")]
    unknown = [word for word in unknown if f'"{word}"' not in text]
    return f"{name}: no option {unknown[0]}" if unknown else ""


def of_experiment(name):
    """Why an experiment, with its changes, does not load."""
    try:
        config.load_any(name)
    except ConfigError as error:
        return str(error)
    return ""


def test_every_paper_has_its_section_with_the_same_columns():
    tables = sections(PAGE)
    assert [heading.startswith(start) for heading, start in zip(tables, ELEMENTS, strict=True)] == [True] * 4
    assert all(lines[0] == COLUMNS for lines in tables.values())


def test_every_row_is_numbered_and_its_commands_exist():
    wrong = []
    for heading, (_, *rows) in sections(PAGE).items():
        assert [int(row[0]) for row in rows] == list(range(1, len(rows) + 1)), f"{heading}: the rows are not 1 to n"
        for number, row in enumerate(rows, 1):
            wrong += problems(heading, number, row)
    assert wrong == []


def test_every_element_of_the_papers_has_a_row():
    counts = [len(lines) - 1 for lines in sections(PAGE).values()]
    assert dict(zip(ELEMENTS, counts, strict=True)) == ELEMENTS


GOOD = ["1", "tiles", "4.1", "works", "Windows are cut around each survey.", "`make tiles COVARIATE=sentinel2`"]


@pytest.mark.parametrize(
    ("column", "text", "message"),
    [
        ("#", "2", "row 2: expected row 1"),
        ("element", "", "the cell element is empty"),
        ("section", "", "the cell section is empty"),
        ("status", "WORKS", "found the status 'WORKS', expected one of: works, differs, not done"),
        ("status", "differs", None),
        ("how", "", "nothing says how"),
        ("command", "-", "it works, but no command shows it"),
        ("command", "make tiles", "found 'make tiles', expected commands in backticks or -"),
        ("command", "`make tile`", "make: no target tile"),
        ("command", "`make tiles`, `make dsgt-table9`", "make: no target dsgt-table9"),
        ("command", "`make tiles COVARIAT=sentinel2`", "make: no variable COVARIAT"),
        ("command", "`make tiles ARGS='--blok 4'`", "luigi Tiles: no option --blok"),
        ("command", "`make report EXPERIMENT=votes+model.pryor=500`", "pryor"),
        ("command", "`make votes`", None),
        ("command", "`make low-pass RASTER=a.tif ARGS='--at=1,2'`", None),
        ("command", "`make low-pass RASTER=a.tif ARGS='--et=1,2'`", "glc.report.lowpass: no option --et"),
        ("command", "`glc run votes+model.prior=500 --dataset virtual:tiny`", None),
        ("command", "`glc run vote`", "did you mean 'votes'"),
        ("command", "`glc run votes --datset x`", "glc run: no option --datset"),
        ("command", "`glc run votes -- --machine-acelerator gpu`", "luigi Submission: no option --machine-acelerator"),
        ("command", "`glc run votes -- --machine-accelerator gpu`", None),
        ("command", "`glc stats`", "glc: no command stats"),
        ("command", "`luigi --module tasks.dsgt_2024 dsgt_2024.Table3 --pairs 10 --submissions`", None),
        ("command", "`luigi --module tasks.dsgt_2024 dsgt_2024.Table9`", "luigi: .*Table9"),
        ("command", "`luigi --module tasks.dsgt_2025 dsgt_2025.Table1`", "luigi: .*dsgt_2025"),
        ("command", "`luigi --module glc.tasks Evaluate --experiment vote`", "vote"),
        ("command", "`python -m glc.bench.dct`", None),
        ("command", "`python -m glc.bench.dtc`", "no module glc.bench.dtc"),
        ("command", "`pytest tests/test_dct.py`", None),
        ("command", "`pytest tests/test_dtc.py`", "no such file: tests/test_dtc.py"),
        ("command", "`rm -r out`", "found rm, expected make, glc"),
    ],
)
def test_rows_that_promise_what_is_not_there_are_named(column, text, message):
    row = [text if name == column else cell for name, cell in zip(COLUMNS, GOOD, strict=True)]
    wrong = problems("DS@GT", 1, row)
    assert bool(wrong) == (message is not None), wrong
    assert message is None or any(re.search(message, text) for text in wrong), wrong


def test_differs_and_not_done_need_a_reason_but_no_command():
    for status in ("differs", "not done"):
        assert problems("X", 1, ["1", "tiles", "4.1", status, "", "-"]) == [f"X, row 1: {status} without a reason"]
        assert problems("X", 1, ["1", "tiles", "4.1", status, "the data are not public", "-"]) == []


def test_a_border_within_a_cell_is_no_border():
    assert cells(r"| 1 | ASL \| BCE | 6 |") == ["1", "ASL | BCE", "6"]
    assert "found 3 cells, expected 6" in problems("X", 1, ["1", "a", "b"])[0]
