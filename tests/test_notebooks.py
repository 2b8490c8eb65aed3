"""Notebooks read finished results, import glc only, are kept without outputs, and run."""

import ast
import json
from pathlib import Path

import matplotlib
import pytest

from glc.errors import DataError

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
ALLOWED = {"glc", "pandas", "matplotlib", "numpy", "json", "os", "pathlib"}

every_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(notebook):
    """Sources of the code cells of a notebook file, in order."""
    cells = json.loads(notebook.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def execute(notebook):
    """Run the code cells one after the other; return their namespace."""
    names = {"__name__": "__main__"}
    for number, source in enumerate(code_cells(notebook), 1):
        exec(compile(source, f"{notebook.name} cell {number}", "exec"), names)
    return names


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A root with the metrics of three experiments on a dataset; the last has no test truth and a TOML of its own."""
    metrics = {
        "votes": {"valid": (0.3, 0.28, 0.32), "test": (0.29,)},
        "frequency": {"valid": (0.1, 0.09, 0.11), "test": (0.12,)},
        "own": {"valid": (0.2, 0.15, 0.25)},
    }
    folder = tmp_path / "metrics" / "place"
    folder.mkdir(parents=True)
    keys = ("sample_f1", "sample_f1_low", "sample_f1_high")
    for name, splits in metrics.items():
        values = {split: dict(zip(keys, found, strict=False)) for split, found in splits.items()}
        values["valid"]["by_fold"] = [{"fold": 0, "sample_f1": 0.1}]
        (folder / f"{name}.json").write_text(
            json.dumps(values | {"scheme": "block", "stop": "next", "unscored": ["12x"]})
        )
    monkeypatch.setenv("GLC_ROOT", str(tmp_path))
    monkeypatch.setenv("GLC_DATASET", "place")
    backend = matplotlib.get_backend()
    matplotlib.use("agg")
    yield metrics
    matplotlib.pyplot.close("all")
    matplotlib.use(backend)


@every_notebook
def test_is_kept_without_outputs(notebook):
    content = json.loads(notebook.read_text())
    assert content["nbformat"] == 4
    assert len({cell["id"] for cell in content["cells"]}) == len(content["cells"])
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


@every_notebook
def test_imports_glc_only(notebook):
    found = set()
    for node in ast.walk(ast.parse("\n".join(code_cells(notebook)))):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module.split(".")[0])
    assert "glc" in found
    assert found <= ALLOWED


@every_notebook
def test_runs(notebook, results):
    assert execute(notebook)


def test_results_show_what_the_metrics_say(results):
    names = execute(FOLDER / "results.ipynb")
    for experiment, splits in results.items():
        for split, (f1, *_) in splits.items():
            assert names["scores"].loc[(experiment, split), "sample_f1"] == f1
    assert len(names["scores"]) == 5
    assert list(names["f1"].index) == ["frequency", "own", "votes"]
    drawn = names["axes"].get_lines()
    assert any(list(line.get_xdata()) == [0.1, 0.2, 0.3] for line in drawn)


def test_results_say_what_to_do_without_metrics(results, monkeypatch):
    monkeypatch.setenv("GLC_DATASET", "elsewhere")
    with pytest.raises(DataError, match=r"elsewhere: no metrics; datasets with some: \['place'\]"):
        execute(FOLDER / "results.ipynb")
