"""Mutation test: break lines of glc at random, one at a time, and see whether a test fails.

    python -m tests.mutants --seed 1 --count 40 [--only glc/rasters] [--jobs 1]

Each mutant is one change on one line: a comparison, a boolean or arithmetic operator, a constant (defaults of options
too), a missing `not`, swapped arguments, a deleted statement, a returned None. Docstrings, messages, descriptions,
logging, annotations, decorators, f-strings and `glc/bench` (measurements that a person starts) stay as they are.
The look of figures and progress bars (fonts, colours, units of a bar) is not guarded either: a person looks at those.
Lines are drawn uniformly among those that can be changed.

How a mutant is judged, in a copy of the tree, stopping at the first failure:

1. the test file of the same name (glc/a/b.py -> tests/a/test_b.py), and the pinned defaults (tests/test_defaults.py);
2. the test files that name one of its classes, as those of a task do, with their slow tests;
3. the other tests of that folder (tests/a/test_*.py);
4. all test files that import the module, directly or through others, the nearest first; those that run whole
   pipelines (tests/tasks, tests/scenarios) last.

Slow tests run in the second stage alone. All four share `--limit` seconds. A failure counts only if the same test
passes without the mutant; when the limit ends a stage, it counts as a failure (an endless loop) only if that stage
passes in half the time without the mutant. A mutant that no test has stopped when the limit is over survived: what no
test finds in five minutes is not guarded.

Why not a library: mutmut 3 changes only what is inside functions, and our options are fields of classes; it also runs
the whole suite first, to learn which test calls what. cosmic-ray has one test command for all modules, no seeded
sample, and neither deletes statements nor swaps arguments.
"""

import argparse
import ast
import contextlib
import copy
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parents[1]
DEFAULTS = "tests/test_defaults.py"
PIPELINES = ("tests/tasks/", "tests/scenarios/")
# a person reads or looks at these: calls, and keywords of any call
TALK = {
    "print",
    "warn",
    "debug",
    "info",
    "warning",
    "error",
    "exception",
    "status",
    "set_status_message",
    "echo",
    "tqdm",
}
TEXT = {"description", "desc", "help", "title", "label", "message", "doc", "leave", "unit", "mininterval"}
TEXT |= {"fontsize", "linewidth", "lw", "alpha", "color", "colors", "edgecolor", "ha", "va", "zorder", "marker", "pad"}
SYMMETRIC = {"min", "max", "minimum", "maximum", "isinstance", "gcd", "hypot"}
OPERATORS = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.And: (ast.Or,), ast.Or: (ast.And,),
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div,), ast.Div: (ast.Mult,), ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,), ast.Pow: (ast.Mult,), ast.BitAnd: (ast.BitOr,), ast.BitOr: (ast.BitAnd,),
    ast.LShift: (ast.RShift,), ast.RShift: (ast.LShift,),
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change: the text of `path` from `start` to `stop` (character offsets, on `line`) becomes `text`."""

    path: str
    line: int
    start: int
    stop: int
    text: str

    def applied(self, source: str) -> str:
        """The changed source."""
        return source[: self.start] + self.text + source[self.stop :]

    def told(self, source: str) -> str:
        """``file:line: before -> after``, of the lines that differ."""
        first = source.rfind("\n", 0, self.start) + 1
        last = source.find("\n", self.stop)
        before = source[first:last]
        after = source[first : self.start] + self.text + source[self.stop : last]
        return f"{self.path}:{self.line}: {' '.join(before.split())}  ->  {' '.join(after.split())}"


def mutants(path: str, source: str) -> list[Mutant]:
    """Every change that could be made to a module, in the order of its lines; a few do not compile."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    lines = source.splitlines()

    def offset(line, column):  # the syntax tree counts bytes
        return starts[line - 1] + len(lines[line - 1].encode()[:column].decode())

    made = []
    for node, text in _changes(ast.parse(source)):
        start, stop = offset(node.lineno, node.col_offset), offset(node.end_lineno, node.end_col_offset)
        made.append(Mutant(path, node.lineno, start, stop, text))
    return sorted(made, key=lambda mutant: (mutant.line, mutant.start, mutant.text))


def _is_change(mutant, source):
    """Whether the changed source can be compiled and differs in more than its layout."""
    try:
        return ast.dump(ast.parse(mutant.applied(source))) != ast.dump(ast.parse(source))
    except SyntaxError:
        return False


def _changes(tree):
    """Pairs of a node and the text that replaces it."""
    for node in _walk(tree):
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            for operator in OPERATORS[type(node.ops[0])]:
                yield node, _with(node, ops=[operator()])
        elif isinstance(node, ast.BoolOp | ast.BinOp) and type(node.op) in OPERATORS:
            yield node, _with(node, op=OPERATORS[type(node.op)][0]())
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.Invert):
            yield node, f"({ast.unparse(node.operand)})"
        elif isinstance(node, ast.Constant):
            yield from ((node, text) for text in _other_values(node.value))
        elif isinstance(node, ast.Call) and len(node.args) > 1 and _called(node) not in SYMMETRIC:
            first, second, *more = node.args
            if not isinstance(first, ast.Starred) and not isinstance(second, ast.Starred):
                yield node, ast.unparse(_copy(node, args=[second, first, *more]))
        elif isinstance(node, ast.Return) and node.value is not None:
            yield node, "return None"
        elif isinstance(node, ast.Continue | ast.Break):
            yield node, "break" if isinstance(node, ast.Continue) else "continue"
        elif (
            isinstance(node, ast.AugAssign | ast.Raise | ast.Assert | ast.Delete)
            or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))
            or (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute | ast.Subscript))
        ):
            yield node, "pass"
        if isinstance(node, ast.If | ast.While | ast.IfExp):
            yield node.test, f"(not ({ast.unparse(node.test)}))"


def _walk(node):
    """Nodes whose change a test should find; strings only where they choose something."""
    yield node
    if isinstance(node, ast.Raise | ast.JoinedStr):
        return
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or _is_talk(child):
                continue
            chooses = isinstance(node, ast.Subscript | ast.Compare) or name in ("defaults", "kw_defaults")
            if isinstance(child, ast.Constant) and isinstance(child.value, str) and not chooses:
                continue
            yield from _walk(child)


def _is_talk(node):
    if isinstance(node, ast.keyword):
        return node.arg in TEXT
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) or _is_talk(node.value)
    if isinstance(node, ast.If):
        return "__main__" in ast.unparse(node.test) or "TYPE_CHECKING" in ast.unparse(node.test)
    return isinstance(node, ast.Call) and _called(node) in TALK


def _called(call):
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _copy(node, **fields):
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _with(node, **fields):
    return f"({ast.unparse(_copy(node, **fields))})"


def _other_values(value):
    if isinstance(value, bool):
        return [repr(not value)]
    if isinstance(value, int):
        return [str(value + 1), str(value - 1)] if value else ["1"]
    if isinstance(value, float):
        return [repr(value * 2), repr(value / 2)] if value else ["1.0"]
    return [repr(value + "x")] if isinstance(value, str) else []


def sample(seed: int, count: int, only: str = "glc") -> list[Mutant]:
    """`count` mutants on different lines of the modules whose path begins with `only`."""
    lines = {}
    for path in sorted(CHECKOUT.glob("glc/**/*.py")):
        name = path.relative_to(CHECKOUT).as_posix()
        if name.startswith(only) and not name.startswith("glc/bench/"):
            for mutant in mutants(name, path.read_text()):
                lines.setdefault((name, mutant.line), []).append(mutant)
    rng = random.Random(seed)
    drawn = []
    for name, line in rng.sample(sorted(lines), len(lines)):
        mutant = rng.choice(lines[name, line])
        if _is_change(mutant, (CHECKOUT / name).read_text()):
            drawn.append(mutant)
        if len(drawn) == count:
            break
    return drawn


@lru_cache(maxsize=1)
def _imports():
    """Path of every module of glc, tasks and tests -> paths of those it imports."""
    files = (path for root in ("glc", "tasks", "tests") for path in (CHECKOUT / root).rglob("*.py"))
    paths = {path.relative_to(CHECKOUT).as_posix() for path in files}

    def file_of(name):
        stem = name.replace(".", "/")
        return next((path for path in (f"{stem}.py", f"{stem}/__init__.py") if path in paths), None)

    graph = {}
    for path in paths:
        names = []
        for node in ast.walk(ast.parse((CHECKOUT / path).read_text())):
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.Constant) and re.fullmatch(r"glc(\.\w+)+(:.*)?", str(node.value)):
                names.append(node.value.split(":")[0])  # imported by its name
            elif isinstance(node, ast.ImportFrom) and node.module:
                names += [f"{node.module}.{alias.name}" for alias in node.names] + [node.module]
        graph[path] = {found for name in names if (found := file_of(name))}
        # pytest imports the conftest of a test's folders
        graph[path] |= {
            conftest
            for folder in Path(path).parents
            if path.startswith("tests/") and (conftest := f"{folder.as_posix()}/conftest.py") in paths
        } - {path}
    return graph


class Stage(NamedTuple):
    """Test files that are run together, in this order, with their slow tests or without."""

    files: list[str]
    slow: bool = False


def stages(path: str) -> list[Stage]:
    """Test files for a module of glc, one stage after the other (see the module's docstring)."""
    graph = _imports()
    tests = {name for name in graph if re.fullmatch(r"tests/(.*/)?test_\w+\.py", name)}
    folder = Path("tests", *Path(path).parts[1:-1])
    stem = Path(path).stem.strip("_")
    mirror = (folder / f"test_{stem}.py").as_posix()
    near = {name for name in tests if Path(name).parent == folder} if folder != Path("tests") else set()
    distance, wave = {path: 0}, {path}
    while wave:
        wave = {name for name, imported in graph.items() if name not in distance and imported & wave}
        distance |= {name: max(distance.values()) + 1 for name in wave}
    far = sorted(tests & set(distance), key=lambda name: (name.startswith(PIPELINES), distance[name], name))
    first = [name for name in (mirror, DEFAULTS) if name in tests and (name == mirror or path in graph[name])]
    made, done = [], set()
    for names, slow in ((first, False), (_naming(path, tests), True), (sorted(near), False), (far, False)):
        made.append(Stage([name for name in names if name not in done], slow))
        done |= set(names)
    return [stage for stage in made if stage.files]


def _naming(path, tests):
    """The test files that name a class of the module, those that name most of them first."""
    classes = re.findall(r"^class ([A-Z]\w+)", (CHECKOUT / path).read_text(), re.MULTILINE)
    texts = {name: (CHECKOUT / name).read_text() for name in tests}
    named = {name: sum(bool(re.search(rf"\b{each}\b", text)) for each in classes) for name, text in texts.items()}
    return sorted((name for name in tests if named[name]), key=lambda name: (-named[name], name))


class Copy:
    """A copy of the tree in which one module at a time is broken."""

    def __init__(self, folder: Path):
        self.folder = folder
        skipped = shutil.ignore_patterns(".git", ".venv", "out", "__pycache__", ".*_cache", "*.egg-info", "wandb")
        shutil.copytree(CHECKOUT, folder, ignore=skipped, symlinks=True)
        # compiled by content: a change within the same second and of the same length is seen
        compiled = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "glc", "tasks"]
        subprocess.run(compiled, cwd=folder, check=True)
        self.sound = {}

    def judge(self, mutant: Mutant, limit: float) -> str | None:
        """The test that fails with the mutant, or None for a survivor."""
        path = self.folder / mutant.path
        source = path.read_text()
        end = time.monotonic() + limit
        for files, slow in stages(mutant.path):
            broken = []
            while (left := end - time.monotonic()) > 1:
                path.write_text(mutant.applied(source))
                try:
                    failed = self._run(files, left, slow, broken)
                finally:
                    path.write_text(source)
                if failed is None:
                    break
                again = (files, left / 2) if failed == "time" else ([failed], limit)
                if self._passes(tuple(again[0]), again[1], slow):
                    return files[0] + " takes too long" if failed == "time" else failed
                if failed == "time":
                    return None
                broken.append(failed)
        return None

    def _passes(self, tests, limit, slow):
        """Whether tests pass without a mutant, within `limit` seconds."""
        if (tests, slow) not in self.sound:
            self.sound[tests, slow] = self._run(tests, limit, slow) is None
        return self.sound[tests, slow]

    def _run(self, tests, limit, slow, without=()):
        """First test that fails, "time" if none has within `limit` seconds, None if all pass."""
        options = ["-x", "-q", "-p", "no:cacheprovider", "-o", "addopts=", "-rfE", "--tb=no"]
        if not slow:
            options += ["-m", "not slow"]
        command = [sys.executable, "-m", "pytest", *options, *(f"--deselect={name}" for name in without), *tests]
        settings = os.environ | {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        process = subprocess.Popen(
            command, cwd=self.folder, env=settings, start_new_session=True, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            return "time"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.returncode in (0, 5):  # 5: every test was deselected
            return None
        failure = re.search(r"^(?:FAILED|ERROR) (tests/[^ ]*(?:\[.*?\])?)(?: - |$)", output, re.MULTILINE)
        # without a line of its own: pytest could not start, as when conftest.py cannot be imported
        return failure.group(1) if failure else tests[0]


def run(drawn: list[Mutant], limit: float, jobs: int) -> list[str]:
    """Judge mutants, print each verdict as it comes; return the survivors, as text."""
    with tempfile.TemporaryDirectory(prefix="glc-mutants-") as folder, ThreadPoolExecutor(jobs) as pool:
        copies = SimpleQueue()
        for number in range(jobs):
            copies.put(Copy(Path(folder) / f"{number}"))

        def judged(mutant):
            tree = copies.get()
            try:
                start = time.monotonic()
                return mutant, tree.judge(mutant, limit), time.monotonic() - start
            finally:
                copies.put(tree)

        # as it is now: the checkout may change while this runs
        told = {mutant: mutant.told((CHECKOUT / mutant.path).read_text()) for mutant in drawn}
        survivors = []
        for mutant, failed, seconds in pool.map(judged, drawn):
            if failed is None:
                survivors.append(told[mutant])
            print(f"{'SURVIVED' if failed is None else 'caught':8} {seconds:4.0f} s  {told[mutant]}")
            if failed:
                print(f"{'':17}{failed}", flush=True)
        return survivors


def main():
    parser = argparse.ArgumentParser(description="Break lines of glc at random and see whether a test fails.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--only", default="glc", help="begin of the modules' paths, such as glc/rasters")
    parser.add_argument("--limit", type=float, default=300, help="seconds per mutant")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time")
    options = parser.parse_args()
    drawn = sample(options.seed, options.count, options.only)
    survivors = run(drawn, options.limit, options.jobs)
    print(f"\nseed {options.seed}: caught {len(drawn) - len(survivors)} of {len(drawn)}; survivors:")
    print("\n".join(f"  {survivor}" for survivor in survivors))
    # nine of ten is what the project asks of itself
    return len(survivors) > len(drawn) // 10


if __name__ == "__main__":
    sys.exit(main())
