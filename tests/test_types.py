"""What packages of glc use of each other says its types: parameters, results and the fields of dataclasses.

A package is a first-level folder or module of glc. Uses are what a syntax tree can tell: names and attributes that
lead to a definition in another package, through imports and the re-exports of a package's ``__init__``. A class that
is used elsewhere, stands in a signature that is, or is registered, crosses with all its public methods, those of its
bases, and the overrides in its subclasses.
"""

import ast
from functools import lru_cache
from pathlib import Path

import pytest

import glc

ROOT = Path(glc.__file__).parents[1]
SAYS_NOTHING = {"Any", "dict", "list", "tuple", "set", "frozenset", "Dict", "List", "Tuple", "Callable"}
"""Annotations that count as none: what a bare container holds is exactly what a reader wants to know."""


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Tree:
    """The definitions below `root` of the package ``glc`` and who uses them; `root`/tasks uses them too."""

    def __init__(self, root):
        self.root, self.trees, self.bindings, self.definitions = root, {}, {}, {}
        for path in sorted([*(root / "glc").rglob("*.py"), *(root / "tasks").rglob("*.py")]):
            parts = path.relative_to(root).with_suffix("").parts
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            self.trees[module] = ast.parse(path.read_text())
        for module, tree in self.trees.items():
            self.bindings[module] = self._imports(tree)
            for node in tree.body:
                if isinstance(node, _DEFINITIONS):
                    self._define(f"{module}.{node.name}", node)

    def _imports(self, tree):
        names = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                names |= {alias.asname: alias.name for alias in node.names if alias.asname}
                names |= {
                    alias.name.split(".")[0]: alias.name.split(".")[0] for alias in node.names if not alias.asname
                }
        return names

    def _define(self, name, node):
        self.definitions[name] = node
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, _DEFINITIONS):
                    self._define(f"{name}.{inner.name}", inner)

    def resolve(self, module, node):
        """Dotted name of the definition that an expression in `module` leads to, or None."""
        parts = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        parts = [node.id, *reversed(parts)]
        name = self._follow(self.bindings[module].get(parts[0], f"{module}.{parts[0]}"))
        for part in parts[1:]:
            name = self._follow(f"{name}.{part}")
        while name not in self.definitions and "." in name:  # an attribute of a class that is no method
            name = name.rpartition(".")[0]
        return name if name in self.definitions else None

    def _follow(self, name):
        """A dotted name with the re-export, if it is one, followed to where the definition is."""
        module, _, last = name.rpartition(".")
        elsewhere = self.bindings.get(module, {}).get(last)
        if name in self.definitions or name in self.trees or elsewhere in (None, name):
            return name
        return self._follow(elsewhere)

    def module_of(self, name):
        """The module of a definition, or the module itself."""
        while name not in self.trees:
            name = name.rpartition(".")[0]
        return name

    def package_of(self, name):
        """The first-level folder or module of glc that a definition or module is in; ``tasks`` for the tables."""
        return ".".join(self.module_of(name).split(".")[:2]) if name.startswith("glc.") else "tasks"

    def crossing(self):
        """Dotted names of the public definitions that other packages use."""
        crossed, queue = set(), []

        def add(name):
            if (
                name
                and name.startswith("glc.")
                and name not in crossed
                and not any(part.startswith("_") for part in self._own(name).split("."))
            ):
                crossed.add(name)
                queue.append(name)

        for module, tree in self.trees.items():
            for node in ast.walk(tree):
                if isinstance(node, ast.Name | ast.Attribute):
                    name = self.resolve(module, node)
                    if name and self.package_of(name) != self.package_of(module):
                        add(name)
        for name, node in self.definitions.items():
            if any(isinstance(each, ast.Call) and _called(each) == "register" for each in node.decorator_list):
                add(name)
        subclasses = {}
        for name, node in self.definitions.items():
            for base in node.bases if isinstance(node, ast.ClassDef) else ():
                subclasses.setdefault(self.resolve(self.module_of(name), base), []).append(name)
        while queue:
            name = queue.pop()
            node, module = self.definitions[name], self.module_of(name)
            if isinstance(node, ast.ClassDef):
                for base in node.bases:
                    add(self.resolve(module, base))
                for method in self._methods(name):
                    add(method)
            else:
                for annotation in _annotations(node):
                    for part in ast.walk(annotation):
                        add(self.resolve(module, part))
                owner = name.rpartition(".")[0]
                for subclass in subclasses.get(owner, []):
                    override = f"{subclass}.{node.name}"
                    add(override if override in self.definitions else None)
        return crossed

    def _own(self, name):
        """The part of a dotted name that lies within its module."""
        return (
            name.removeprefix(self.module_of(name)).strip(".").replace("__init__", "init").replace("__call__", "call")
        )

    def _methods(self, name):
        return [each for each in self.definitions if each.rpartition(".")[0] == name]


def _called(call):
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _parameters(function):
    of = function.args
    return [each for each in (*of.posonlyargs, *of.args, of.vararg, *of.kwonlyargs, of.kwarg) if each]


class _Parse(ast.NodeTransformer):
    """Parses the text of forward references within an annotation."""

    def visit_Constant(self, node):
        return ast.parse(node.value, mode="eval").body if isinstance(node.value, str) else node

    def visit_Subscript(self, node):
        return node if ast.unparse(node.value) == "Literal" else self.generic_visit(node)


def _annotations(function):
    every = [*(each.annotation for each in _parameters(function)), function.returns]
    return [_Parse().visit(each) for each in every if each]


def says_nothing(annotation):
    """Whether an annotation is missing, or a container of unknown content, or has `Any` anywhere."""
    if annotation is None:
        return True
    annotation = _Parse().visit(annotation)
    if isinstance(annotation, ast.Subscript):
        if isinstance(annotation.value, ast.Name) and annotation.value.id in ("Annotated", "Literal"):
            inner = [annotation.slice.elts[0]] if annotation.value.id == "Annotated" else []
        else:
            inner = [annotation.slice]
        return any(says_nothing(each) for each in inner)
    if isinstance(annotation, ast.Tuple | ast.List):
        return any(says_nothing(each) for each in annotation.elts)
    if isinstance(annotation, ast.BinOp):
        return says_nothing(annotation.left) or says_nothing(annotation.right)
    name = annotation.id if isinstance(annotation, ast.Name) else getattr(annotation, "attr", "")
    return name in SAYS_NOTHING


def untyped(function, is_method):
    """Names of the parameters (and ``return``) of a function that say nothing of their type."""
    static = any(isinstance(each, ast.Name) and each.id == "staticmethod" for each in function.decorator_list)
    every = _parameters(function)[1 if is_method and not static else 0 :]
    names = [each.arg for each in every if says_nothing(each.annotation)]
    return names + ["return"] * (says_nothing(function.returns) and function.name != "__init__")


def is_dataclass(node):
    """Whether a class definition is decorated with ``dataclass``."""
    return isinstance(node, ast.ClassDef) and any(
        "dataclass" in (getattr(part, "id", ""), getattr(part, "attr", ""))
        for decorator in node.decorator_list
        for part in ast.walk(decorator)
    )


def findings(root):
    """One line for each parameter, result or field that says nothing of its type: ``name: what, what``."""
    tree = Tree(root)
    lines = {}
    for name in sorted(tree.crossing()):
        node = tree.definitions[name]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            is_method = isinstance(tree.definitions.get(name.rpartition(".")[0]), ast.ClassDef)
            lines[name] = untyped(node, is_method)
    for name, node in tree.definitions.items():
        if is_dataclass(node):
            fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
            lines[name] = [each.target.id for each in fields if says_nothing(each.annotation)]
    return [f"{name}: {', '.join(what)}" for name, what in lines.items() if what]


@lru_cache(maxsize=1)
def _own_findings():
    return findings(ROOT)


PACKAGES = sorted({path.stem for path in (ROOT / "glc").iterdir() if path.suffix == ".py" or path.is_dir()})


@pytest.mark.parametrize("package", [name for name in PACKAGES if not name.startswith("_")])
def test_what_other_packages_use_is_annotated(package):
    own = [line for line in _own_findings() if line.startswith((f"glc.{package}.", f"glc.{package}:"))]
    assert own == []


def _written(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("signature", "wrong"),
    [
        ("(x)", "x, return"),
        ("(x: int)", "return"),
        ("(x: Any) -> None", "x"),
        ("(x: dict) -> list", "x, return"),
        ("(x: 'dict | None' = None) -> None", "x"),
        ("(x: dict[str, Any]) -> None", "x"),
        ("(x: typing.Any) -> None", "x"),
        ("(*parts, key: tuple, **more) -> None", "parts, key, more"),
        ("(x: Annotated[list, Ge(1)]) -> None", "x"),
        ("(x: Annotated[int, Any]) -> Literal['dict']", ""),
        ("(x: dict[str, int], *parts: 'Thing', **more: object) -> tuple[int, ...]", ""),
    ],
)
def test_a_signature_that_says_nothing_is_found(tmp_path, signature, wrong):
    root = _written(
        tmp_path,
        {"glc/below.py": f"def f{signature}: ...\n", "glc/above.py": "from glc import below\nbelow.f()\n"},
    )
    assert findings(root) == ([f"glc.below.f: {wrong}"] if wrong else [])


@pytest.mark.parametrize(
    "use",
    [
        "from glc.below import f\nf()",
        "from glc.below import f as g\nmap(g, ())",
        "import glc.below\nglc.below.f()",
        "from glc.below import part\npart.f()",
        "def lazy():\n    from glc.below.part import f\n    return f",
    ],
)
def test_a_use_is_found_however_it_is_written(tmp_path, use):
    files = {"glc/below/__init__.py": "from glc.below.part import f\n", "glc/below/part.py": "def f(x): ...\n"}
    assert findings(_written(tmp_path, files | {"glc/below/own.py": "from glc.below.part import f\nf()\n"})) == []
    assert findings(_written(tmp_path, {"glc/above/user.py": use + "\n"})) == ["glc.below.part.f: x, return"]


def test_a_class_crosses_with_its_methods_bases_and_overrides(tmp_path):
    below = """
class Base:
    def inherited(self, x): ...
    def _own(self, x): ...
    @property
    def size(self): ...
class Returned:
    def method(self, x) -> None: ...
class Public(Base):
    def __init__(self, x: int): ...
    def given(self) -> "Returned": ...
class Member(Public):
    def given(self): ...
    def further(self, x): ...
class Unused:
    def method(self, x): ...
"""
    files = {"glc/below.py": below, "glc/above.py": "from glc import below\nbelow.Public(1)\n"}
    assert findings(_written(tmp_path, files)) == [
        "glc.below.Base.inherited: x, return",
        "glc.below.Base.size: return",
        "glc.below.Member.given: return",
        "glc.below.Returned.method: x",
    ]


def test_the_fields_of_every_dataclass_are_looked_at(tmp_path):
    below = """
from dataclasses import dataclass
@dataclass(frozen=True)
class _Own:
    known: int
    facts: dict
class Other:
    facts: dict
"""
    assert findings(_written(tmp_path, {"glc/below.py": below})) == ["glc.below._Own: facts"]


def test_what_may_be_anything_is_named_in_one_place():
    named = [
        f"{path.relative_to(ROOT)}: {node.target.id}"
        for path in (ROOT / "glc").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.AnnAssign) and ast.unparse(node).endswith("TypeAlias = Any")
    ]
    assert named
    assert [name for name in named if not name.startswith("glc/types.py")] == []


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "glc" / "py.typed").is_file()
