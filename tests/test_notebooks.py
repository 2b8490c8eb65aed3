"""Notebooks use public names only, are kept without outputs, and run; what they show is one page without a network."""

import ast
import json
import re
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
ALLOWED = {"glc", "json", "matplotlib", "numpy", "pandas", "pathlib", "torch"}

every_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


def cells(notebook, kind):
    """Sources of the cells of a notebook file, in order."""
    return ["".join(cell["source"]) for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == kind]


def tree(notebook):
    """The syntax tree of all code cells."""
    return ast.parse("\n".join(cells(notebook, "code")))


@pytest.fixture(scope="module")
def execute():
    """The module of notebooks/execute.py."""
    sys.path.insert(0, str(FOLDER))
    try:
        import execute
    finally:
        sys.path.remove(str(FOLDER))
    return execute


@every_notebook
def test_is_kept_without_outputs_and_without_noise(notebook):
    content = json.loads(notebook.read_text())
    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    assert set(content["metadata"]) == {"kernelspec", "language_info"}
    assert content["metadata"]["language_info"] == {"name": "python"}
    names = [cell["id"] for cell in content["cells"]]
    assert len(set(names)) == len(names)
    for cell in content["cells"]:
        assert re.fullmatch(r"[a-z][a-z0-9-]*", cell["id"]), "a cell's id is a word that stays"
        assert cell["metadata"] == {}
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


@every_notebook
def test_begins_with_its_title(notebook):
    assert cells(notebook, "markdown")[0].startswith("# ")
    assert json.loads(notebook.read_text())["cells"][0]["cell_type"] == "markdown"


@every_notebook
def test_imports_public_names_of_few_packages(notebook):
    found = set()
    for node in ast.walk(tree(notebook)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{name.name}" for name in node.names}
        elif isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_") or node.attr == "__init__"
    assert any(name.startswith("glc") for name in found)
    assert {name.split(".")[0] for name in found} <= ALLOWED
    assert not [name for name in found if any(part.startswith("_") for part in name.split("."))]


@every_notebook
def test_every_figure_has_a_caption_and_named_axes(notebook):
    for source in cells(notebook, "code"):
        if "Figure(" in source:
            assert "Captioned(" in source
            assert "label=" in source


@every_notebook
def test_links_lead_somewhere(notebook):
    for target in re.findall(r"\]\(([^)]+)\)", "\n".join(cells(notebook, "markdown"))):
        assert (FOLDER / target).exists(), target


def test_an_own_root_leaves_other_settings_of_the_user(execute, tmp_path, monkeypatch):
    own = tmp_path / "own.cfg"
    own.write_text("[machine]\nroot = elsewhere\nmemory_gb = 8\n[core]\nlocal_scheduler = true\n")
    monkeypatch.setenv("LUIGI_CONFIG_PATH", str(own))
    (path,) = execute.settings(str(tmp_path / "out"), tmp_path).values()
    text = Path(path).read_text()
    assert f"root = {tmp_path / 'out'}" in text
    assert "memory_gb = 8" in text
    assert "local_scheduler = true" in text
    assert execute.settings("", tmp_path) == {}


def test_a_page_escapes_its_title_and_loads_nothing(execute):
    import nbformat

    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_markdown_cell("# a <b> & c"), nbformat.v4.new_code_cell("1 + 1")]
    page = execute.render(notebook)
    assert "<title>a &lt;b&gt; &amp; c</title>" in page
    assert "<script" not in page
    assert page.count('<meta http-equiv="Content-Security-Policy" content="default-src \'none\';') == 1
    assert not re.search(r'(src|href)="(?!#|data:)', page)


def test_an_unknown_notebook_is_refused_with_the_names(execute):
    with pytest.raises(SystemExit, match="nothing-like-it: no such notebook; expected some of: 1-look-at-the-data"):
        execute.main(["nothing-like-it"])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Folder of all outputs, which the notebooks share."""
    return tmp_path_factory.mktemp("notebooks-root")


@pytest.mark.slow
@every_notebook
def test_runs_and_shows_its_figures(notebook, execute, root, tmp_path):
    page = execute.execute(notebook, tmp_path, str(root)).read_text()
    figures = sum("Captioned(" in source for source in cells(notebook, "code"))
    captions = re.findall(r'<svg [^>]*aria-label="([^"]+)"', page)
    assert len(captions) == page.count("<figcaption>") == figures
    assert "<img" not in page  # which would be light on a dark page
    assert all(re.search(r"\d", caption) for caption in captions), "a caption says values"
    assert "Warning" not in page
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="https?:', page)
