"""Local names say what a value holds: not `found`, `one` or `told`."""

import ast
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EMPTY = {"found", "one", "told"}
ALLOWED = {
    ("glc/config/fields.py", "_RefusedError.__init__", "found"): "the house's errors say: found …, expected …",
}
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def bound(source):
    """How often each place in a module's source binds an empty name: Counter of (qualified function, name)."""
    counts = Counter()

    def visit(node, names):
        if isinstance(node, SCOPES):
            names = (*names, getattr(node, "name", "<lambda>"))
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.alias(asname=str(name)):
                pass
            case ast.ExceptHandler(name=name) | ast.MatchAs(name=name) | ast.MatchStar(name=name):
                pass
            case _:
                name = None
        if name in EMPTY:
            counts[".".join(names), name] += 1
        for child in ast.iter_child_nodes(node):
            visit(child, names)

    visit(ast.parse(source), ())
    return counts


def test_no_function_of_glc_or_tasks_binds_an_empty_name():
    paths = sorted(path for folder in ("glc", "tasks") for path in (ROOT / folder).rglob("*.py"))
    counts = Counter()
    for path in paths:
        for (function, name), count in bound(path.read_text()).items():
            counts[path.relative_to(ROOT).as_posix(), function, name] = count
    assert counts == Counter(dict.fromkeys(ALLOWED, 1))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(found): return found", {("f", "found"): 1}),
        ("def f():\n one = 1\n one = 2", {("f", "one"): 2}),
        ("class A:\n def f(self): return [one for one in self.x]", {("A.f", "one"): 1}),
        ("for told, x in (): pass", {("", "told"): 1}),
        ("f = lambda *one, **told: 0", {("<lambda>", "one"): 1, ("<lambda>", "told"): 1}),
        ("try: pass\nexcept OSError as told: pass", {("", "told"): 1}),
        ("if (found := f()): pass", {("", "found"): 1}),
        ("import a as one", {("", "one"): 1}),
        ("f(found=1)\nx.found = {'found': found}", {}),
    ],
)
def test_what_counts_as_a_binding(source, expected):
    assert bound(source) == expected
