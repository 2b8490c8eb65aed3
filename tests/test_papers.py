"""docs/papers.md: every element has a status, a reason where it is not as published, and commands that exist."""

import re

import pytest

from tests.command_line import problem
from tests.test_makefile import CHECKOUT

PAGE = (CHECKOUT / "docs/papers.md").read_text(encoding="utf-8")
COLUMNS = ["#", "element", "section", "status", "how", "command"]
STATUSES = ("works", "differs", "not done")
ELEMENTS = {"DS@GT": 65, "Tighnari": 52, "LIRMM": 26, "Location encoder": 17}
"""Elements of each paper, by how its heading begins."""


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
        ("command", "`make tiles ARGS='--blok 4'`", "luigi Tiles: unrecognized arguments: --blok"),
        ("command", "`make report EXPERIMENT=votes+model.pryor=500`", "pryor"),
        ("command", "`make votes`", None),
        ("command", "`make low-pass RASTER=a.tif ARGS='--at=1,2'`", None),
        ("command", "`make low-pass RASTER=a.tif ARGS='--et=1,2'`", "glc.report.lowpass: no option --et"),
        ("command", "`glc run votes+model.prior=500 --dataset virtual:tiny`", None),
        ("command", "`glc run vote`", "did you mean 'votes'"),
        ("command", "`glc run votes --datset x`", "glc run: No such option: --datset"),
        (
            "command",
            "`glc run votes -- --machine-acelerator gpu`",
            "luigi Submission: unrecognized arguments: --machine-acelerator",
        ),
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
